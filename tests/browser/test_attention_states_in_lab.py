"""What an attention panel is in a real JupyterLab besides one panel of one text: several, none, another kind, a saved one."""

import json
import re
from pathlib import Path

import nbformat
import pytest
from model_kernel import tiny_models
from playwright.sync_api import expect
from test_attention_in_lab import IMPORT, MAKE, TEXT, View, run

pytestmark = pytest.mark.browser
expect.set_options(timeout=60_000)

PICTURES = Path(__file__).parents[2] / "build" / "pictures"


def picture(page, name):
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png")


def opened(lab, page, name, cells, *, n_tokens=(22,), theme="Light"):
    """Run the cells of a new notebook; gives the views of its panels, by how many tokens each shows."""
    lab.open(page, name, cells, theme=f"JupyterLab {theme}")
    lab.command(page, "notebook:run-all-cells")
    views = [View(page, number) for number in range(len(n_tokens))]
    for view, count in zip(views, n_tokens, strict=True):
        expect(view.tokens).to_have_count(count)
    return views


def test_two_panels_are_each_their_own_and_two_views_of_one_share_the_heads_that_are_kept(lab, page):
    cells = [IMPORT, MAKE, "other = gpt.AttentionPanel('Pip saw a fox', layer=2, head=0)\nother", "panel"]
    first, other, second = opened(lab, page, "several", cells, n_tokens=(22, 5, 22))
    first.tokens.nth(13).click()
    first.press("2")
    first.element.get_by_role("button", name="keep this head").click()
    first.press(".")
    for view in (first, second):
        heads = view.element.locator(".gpt-lines-view .gpt-view-head .gpt-chips")
        expect(heads).to_contain_text("L1 H6")
        expect(heads).to_contain_text("L1 H5 \N{MULTIPLICATION SIGN}")
    second.element.get_by_role("button", name="shade the tokens").click()
    expect(first.element.locator(".gpt-lines")).to_have_class("gpt-lines gpt-shading")
    second.element.get_by_role("button", name="the mean of all heads").click()
    expect(first.element).to_contain_text("mean of layer 1")
    expect(other.element.locator(".gpt-lines-view")).to_have_count(0)
    expect(other.says).to_contain_text("L2 H0")
    keys = ("kept", "layer_mean", "shading")
    states = [json.loads(run(lab, page, f"print(json.dumps({name}.state))")) for name in ("panel", "other")]
    assert [states[0][key] for key in keys] == [[[1, 5]], True, True]
    assert [states[1][key] for key in keys] == [[], False, False]
    assert page.console_errors == []


def test_an_empty_text_teaches_and_its_example_can_be_copied(lab, page):
    lab.open(page, "empty", [IMPORT, "gpt.AttentionPanel('')"])
    lab.command(page, "notebook:run-all-cells")
    panel = page.locator(".gpt-attention")
    expect(panel).to_contain_text("Attention is how each token of a text looks back at the ones before it.")
    panel.get_by_role("button", name="copy this code").click()
    expect(panel.locator(".gpt-notice")).to_contain_text('gpt.AttentionPanel("Once upon a time')
    expect(page.locator(".gpt-twin")).to_be_attached()
    expect(page.locator(".gpt-twin")).to_be_hidden()
    picture(page, "attention-panel-empty")
    assert page.console_errors == []


def test_an_unloaded_model_is_loaded_again_and_the_panel_says_so(lab, page):
    (view,) = opened(lab, page, "unloaded", [IMPORT, MAKE])
    run(lab, page, "gpt.unload('storyteller'); print('gone')")
    view.tokens.nth(4).click()
    expect(view.notice).to_contain_text("made again")
    expect(view.says).to_contain_text("“there” (4)")
    expect(view.element.locator(".gpt-card")).to_contain_text("at “there” (4)")


def test_a_saved_page_shows_the_state_and_all_heads_and_says_once_what_it_lacks(lab, page):
    long = TEXT * 4
    state = "view='lines', kept=[(1, 3)], shading=True, score='induction'"
    lab.open(page, "lesson", [IMPORT, f"panel = gpt.AttentionPanel({long!r}, layer=1, head=5, {state})"])
    lab.command(page, "notebook:run-all-cells")
    assert run(lab, page, "print(panel.save('lesson.html').name)") == "lesson.html\n"
    page.goto((lab.directory / "lesson.html").as_uri())
    view = View(page)
    expect(view.element.locator(".gpt-lines")).to_have_class("gpt-lines gpt-shading")
    expect(view.element.locator(".gpt-lines-view .gpt-chips")).to_contain_text("L1 H3 \N{MULTIPLICATION SIGN}")
    expect(view.element.locator(".gpt-heads")).to_contain_text("heads by induction")
    expect(view.notice).to_be_hidden()
    picture(page, "attention-panel-page")
    view.element.get_by_role("button", name="show all heads").click()
    view.press("1", "<")
    missing = "nobody looked at this before the page was saved"
    expect(view.notice).to_contain_text(missing)
    expect(view.element.locator(".gpt-card").get_by_text(missing)).to_have_count(1)
    view.press(">")
    expect(view.notice).to_be_hidden()
    expect(view.element.locator(".gpt-card").get_by_text(missing)).to_have_count(0)
    assert page.console_errors == []


SAVE_WIDGET_STATE = "@jupyter-widgets/jupyterlab-manager:saveWidgetState"


def test_a_notebook_that_was_saved_with_the_state_of_its_widgets_shows_the_twin_alone(lab, page):
    (view,) = opened(lab, page, "stateful", [IMPORT, MAKE])
    expect(page.locator(".gpt-twin")).to_be_attached()
    expect(page.locator(".gpt-twin")).to_be_hidden()
    toggle = f"() => window.jupyterapp.commands.execute({SAVE_WIDGET_STATE!r})"
    page.evaluate(toggle)
    lab.save(page)
    page.evaluate(toggle)
    assert nbformat.read(lab.directory / "stateful.ipynb", as_version=4).metadata["widgets"]
    lab.open_again(page, "stateful")
    expect(page.locator(".gpt-panel-view")).to_have_count(1)
    page.wait_for_function("() => document.querySelector('.gpt-twin')?.getBoundingClientRect().height > 100")
    expect(page.locator(".gpt-panel-view")).to_be_hidden()
    gap = "twin => twin.getBoundingClientRect().top - twin.closest('.jp-OutputArea').getBoundingClientRect().top"
    assert page.locator(".gpt-twin").evaluate(gap) < 8
    picture(page, "attention-panel-reopened")
    expect(view.element).to_have_count(0)


@pytest.fixture(scope="module")
def translator(tmp_path_factory):
    return str(tiny_models.save(tmp_path_factory.mktemp("t5"), "t5"))


def test_an_encoder_decoder_is_explored_part_by_part(lab, page, translator):
    make = f"panel = gpt.AttentionPanel('Once upon a time there was a fox.', model={translator!r}, target='The owl knew.')\npanel"
    lab.open(page, "translator", [IMPORT, make])
    lab.command(page, "notebook:run-all-cells")
    view = View(page)
    lists = view.element.locator(".gpt-strip [role=listbox]")
    view.element.get_by_label("which attention of the model").select_option(label="target to text")
    expect(lists).to_have_count(2)
    expect(view.element.locator(".gpt-heads")).to_contain_text("12 heads by entropy")
    texts, targets = (lists.nth(place).locator(".gpt-token") for place in (0, 1))
    targets.nth(3).click()
    expect(view.says).to_contain_text("(3) attends to in L")
    layer, head = json.loads(run(lab, page, "print(json.dumps(panel.chosen))"))
    view.element.get_by_role("button", name="hide the first token").click()
    texts.nth(4).hover()
    value = view.element.locator(".gpt-strip .gpt-value")
    expect(value).to_have_text(re.compile(r"\(4\) [^≈]+$"))
    shown = value.inner_text().split()[-1]
    exact = run(lab, page, f"print(str(panel.attention.map({layer}, {head}, part='cross')[3, 4]))")
    assert float(shown) == float(exact)
    targets.nth(3).click()
    view.press("2")
    expect(view.element.locator(".gpt-lines-text [role=listbox]")).to_have_count(2)
    view.press("3")
    steps = view.element.locator(".gpt-steps")
    for name, what in (("softmax", "weights"), ("Σ w · v", "output")):
        steps.get_by_role("tab", name=name).click()
        expect(steps).to_contain_text(f"✓ equal to the model's {what}")
    picture(page, "attention-panel-translator")
    view.element.get_by_label("which attention of the model").select_option(label="text to text")
    expect(lists).to_have_count(1)
    expect(view.notice).to_be_hidden()
    assert page.console_errors == []

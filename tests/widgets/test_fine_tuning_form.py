"""The form of a fine-tuning panel: what is filled in is what `gpt.finetune` would be given, and what can't be is named."""

from __future__ import annotations

import pytest
from fake_jobs import ESTIMATE
from panel_views import View

from gpt_notebook import launcher
from gpt_notebook.errors import InvalidRequest, JobDiffers
from gpt_notebook.job_protocol import LoraOptions
from gpt_notebook.protocol import Progress
from gpt_notebook.testing import FakeEngine, serving
from gpt_notebook.widgets import _fine_tuning_data
from gpt_notebook.widgets._fine_tuning_form import Given
from gpt_notebook.widgets.fine_tuning import FineTuningPanel

TEXTS = ["A fox went out.", "The sea was cold."]


@pytest.fixture
def engine(monkeypatch):
    engine = FakeEngine()
    with serving(engine) as served:
        monkeypatch.setenv("GPT_NOTEBOOK_URL", served.address)
        monkeypatch.setenv("GPT_NOTEBOOK_TOKEN", served.token)
        yield engine


def given(**options):
    return Given(data=TEXTS, options=options)


@pytest.fixture
def form():
    return given().form()


@pytest.mark.usefixtures("settings")
def test_a_form_that_nobody_has_touched_asks_for_what_was_given(form):
    asked, name = given().asked(form)
    assert name is None
    assert asked.options == given(lora=None).asked({})[0].options
    assert asked.model == "storyteller"


@pytest.mark.usefixtures("settings")
def test_templates_for_the_data_are_in_the_form():
    rows = [{"text": "A fox went out.", "label": "good"}]
    panel = FineTuningPanel(rows, prompt="Review: {text}", completion=" {label}")
    assert (panel.state["form"]["prompt"], panel.state["form"]["completion"]) == ("Review: {text}", " {label}")
    panel.close()


@pytest.mark.usefixtures("settings")
def test_what_has_no_field_holds_all_the_same():
    wanted = Given(data=TEXTS, validation=["held out"], options={"schedule": "cosine", "lora": {"rank": 4, "alpha": 9}})
    asked, _ = wanted.asked({**wanted.form(), "lora_rank": 16})
    assert (asked.options.schedule, asked.options.lora) == ("cosine", LoraOptions(rank=16, alpha=9))
    assert asked.validation is not None
    assert wanted.form()["lora_rank"] == 4


@pytest.mark.usefixtures("settings")
def test_full_fine_tuning_takes_no_options_of_lora():
    wanted = given(lora={"rank": 4})
    assert wanted.asked({**wanted.form(), "method": "full"})[0].options.method == "full"


@pytest.mark.parametrize(
    ("changes", "param", "message"),
    [
        ({"epochs": -1}, "epochs", "epochs"),
        ({"max_steps": 1.5}, "max_steps", "whole number"),
        ({"lora_rank": 0}, "lora_rank", "lora.rank"),
        ({"validation": 2}, "validation", "share of the data below 1"),
        ({"validation": 0.95}, "validation", "validation"),
        ({"name": "No Name"}, "name", "no name for a job"),
        ({"name": 7}, "name", "name is a text"),
        ({"method": "magic"}, "method", "method"),
        ({"too_long": "shout"}, "too_long", "too_long"),
        ({"learning_rate": "fast"}, "learning_rate", "learning_rate"),
        ({"text": "story"}, "text", "story"),
        ({"probes": [7]}, "probes", "probes"),
        ({"model": "nobody"}, "model", "nobody"),
        ({"epocs": 3}, "epocs", "did you mean epochs"),
    ],
)
def test_what_can_not_be_is_named_at_its_field(engine, built, changes, param, message):
    panel = FineTuningPanel(TEXTS)
    form = {**panel.state["form"], **changes}
    for method in ("begin",) if param == "model" else ("preview", "estimate", "begin"):
        error = View(panel).error(method, form=form)
        assert error["param"] == param
        assert message in error["message"]


def test_a_form_that_is_none(engine, built):
    panel = FineTuningPanel(TEXTS)
    assert "form is an object" in View(panel).error("preview", form=[])["message"]
    with pytest.raises(InvalidRequest, match=r"form cannot be \{1: 2\}"):
        panel.state = {"form": {1: 2}}


def test_a_name_that_is_taken_is_named(engine, built):
    View(panel := FineTuningPanel(TEXTS, name="pip")).wait(View(panel).ask("begin", form=panel.state["form"]))
    other = FineTuningPanel(["something else"], name="pip")
    view = View(other)
    error = view.error("begin", form=other.state["form"])
    assert (error["code"], error["param"]) == (JobDiffers.code, "name")


def test_a_preview_shows_the_exact_text(engine, built):
    panel = FineTuningPanel(TEXTS)
    found = View(panel).result("preview", form=panel.state["form"])
    assert (found["rows"], found["sampled"], found["preview"]["rows"]) == (2, None, 2)
    assert found["preview"]["shown"][0]["text"].startswith("A fox")
    assert panel.preview(samples=1).rows == 2


def test_a_preview_of_very_many_rows_is_of_a_sample_and_says_so(engine, built):
    panel = FineTuningPanel([f"story {number}" for number in range(20_000)])
    view = View(panel)
    found = view.result("preview", form=panel.state["form"])
    assert found["rows"] == 20_000
    assert found["preview"]["rows"] == found["sampled"] == 5000
    (note, *_) = panel.preview(samples=1).warnings
    assert note == "of 20,000 rows 5,000 were looked at, evenly spread"


@pytest.mark.parametrize("first", [None, 0.5])
def test_a_preview_is_of_the_validation_data_that_the_form_asks_for(model_kernel, fake_jobs, built, monkeypatch, first):
    """Data of their own, or a share once somebody has written one, in whichever order they are tried."""
    monkeypatch.setattr(_fine_tuning_data, "FRESH", 1000)
    panel = FineTuningPanel(TEXTS, validation=["An owl slept."])
    view = View(panel)
    asked = []
    for share in (first, 0.5 if first is None else None):
        view.result("preview", form={**panel.state["form"], "validation": share})
        asked.append(fake_jobs.requests("preview")[-1]["validation"] is not None)
    assert asked == [first is None, first is not None]


def test_a_preview_of_data_that_were_changed_in_place_is_of_what_they_are_now(engine, built, monkeypatch):
    monkeypatch.setattr(_fine_tuning_data, "FRESH", 0)
    panel = FineTuningPanel(texts := list(TEXTS))
    view = View(panel)
    view.result("preview", form=panel.state["form"])
    texts[:] = ["The owl slept."]
    found = view.result("preview", form=panel.state["form"])
    assert (found["rows"], found["preview"]["shown"][0]["text"][:7]) == (1, "The owl")


def test_data_that_can_be_read_once_only_are_kept(engine, built):
    panel = FineTuningPanel(iter(TEXTS), validation=iter(["An owl slept."]))
    view = View(panel)
    opened = view.result("open")["data"]
    assert (opened["rows"], opened["validation"]) == (2, True)
    for _ in range(2):
        assert view.result("preview", form={**panel.state["form"], "text": ""})["rows"] == 2


def test_the_estimate_of_a_sample_is_for_all_of_the_data(model_kernel, fake_jobs, built, monkeypatch):
    monkeypatch.setattr(_fine_tuning_data, "FRESH", 1000)
    panel = FineTuningPanel([f"story {number}" for number in range(20_000)])
    view = View(panel)
    estimate = view.result("estimate", form=panel.state["form"])
    assert (estimate["steps"], estimate["seconds"]) == (4 * ESTIMATE.steps, 4 * ESTIMATE.seconds)
    limited = view.result("estimate", form={**panel.state["form"], "max_steps": 40})
    assert limited["steps"] == ESTIMATE.steps
    assert len(fake_jobs.sent) == 1
    assert fake_jobs.sent[0].count("\n") == 5000


def test_data_that_the_model_kernel_has_forgotten_are_sent_again(engine, built):
    panel = FineTuningPanel(TEXTS)
    view = View(panel)
    view.result("preview", form=panel.state["form"])
    for path in (engine.jobs.home / "jobs" / ".data").iterdir():
        path.unlink()
    assert view.result("preview", form=panel.state["form"])["rows"] == 2


def test_beginning_starts_a_model_kernel_and_says_so(engine, built, monkeypatch):
    found = launcher.ensuring

    def starting(settings):
        yield Progress(stage="starting")
        return (yield from found(settings))

    monkeypatch.setattr(launcher, "ensuring", starting)
    panel = FineTuningPanel(TEXTS)
    view = View(panel)
    (first, _), (last, _) = view.wait(view.ask("begin", form=panel.state["form"]))
    assert first["result"]["stage"] == "starting"
    assert last["kind"] == "answer"


@pytest.mark.usefixtures("settings", "nothing_is_started")
def test_looking_starts_none(built):
    opened = View(FineTuningPanel(TEXTS)).result("open")
    assert (opened["models"], opened["jobs"]) == (["storyteller"], [])


def test_the_files_of_data_are_named(settings, tmp_path):
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("A fox.", "utf-8")
    several = Given(data=[str(tmp_path / name) for name in ("a.txt", "b.txt")]).described()
    assert several == {"description": "a.txt, b.txt", "columns": ("text",), "rows": None, "validation": False}


def test_a_panel_of_a_job_has_no_data_to_preview(fake_jobs, built):
    error = View(FineTuningPanel("pip")).error("preview", form={})
    assert (error["param"], "has no data" in error["message"]) == ("data", True)

"""How completions look: as text, as data, as HTML that nothing can break out of."""

from __future__ import annotations

import dataclasses
import json
import math
import re

import pytest
from notebook_shell import completion, completions

from gpt_notebook.display import token_html
from gpt_notebook.display.bundle import COMPLETION_MIME, Samples, View, bundle, completion_bundle, live_bundle
from gpt_notebook.protocol import SamplingOptions, Timing, Token, TopLogprob

HOSTILE = '<script>alert(1)</script><img src="http://evil/x" onerror=alert(1)>&amp;'


def html_of(text, **view):
    return bundle([completion(text)], View(**view))[0]["text/html"]


def test_a_bundle_has_text_data_and_a_static_twin():
    data, metadata = completion_bundle(completion(" a little fox", finish_reason="length"))
    assert data["text/plain"] == " a little fox"
    assert data[COMPLETION_MIME]["completions"][0]["text"] == " a little fox"
    assert "a little fox" in data["text/html"]
    assert "storyteller · 4 tokens · seed 7 · stopped at length" in data["text/html"]
    json.dumps([data, metadata])


def test_the_metadata_says_how_the_text_came_to_be():
    _, metadata = completion_bundle(completion(prompt="Once upon"))
    about = metadata["gpt_notebook"]
    assert about["model"] == "storyteller"
    assert about["fingerprint"] == "abc"
    assert about["options"]["seed"] == 7
    assert about["prompt"] == "Once upon"
    assert about["usage"] == {"prompt_tokens": 1, "completion_tokens": 4}
    assert about["finish_reason"] == "stop"


def test_a_quicker_run_is_saved_as_the_same_notebook():
    slow = completion()
    quick = dataclasses.replace(slow, timing=Timing(queued=0.0, first_token=0.001, total=0.002))
    assert completion_bundle(slow) == completion_bundle(quick)


@pytest.mark.parametrize("tokens", [False, True])
def test_tokens_are_saved_only_where_they_are_shown(tokens):
    data = bundle([completion(prompt="Once")], View(tokens=tokens))[0][COMPLETION_MIME]
    assert ("prompt_token_ids" in data) is tokens
    assert ("tokens" in data["completions"][0]) is tokens
    assert data["prompt"] == "Once"


def test_saved_tokens_are_brief():
    token = Token(id=3, text=" fox", logprob=-0.123456, top_logprobs=(TopLogprob(id=4, text=" a", logprob=-2.00004),))
    certain = Token(id=5, text=" ran", logprob=0.0)
    shown = dataclasses.replace(completion(), tokens=(token, certain))
    (saved,) = bundle([shown], View(tokens=True))[0][COMPLETION_MIME]["completions"]
    assert saved["tokens"] == [
        {"id": 3, "text": " fox", "logprob": -0.1235, "top_logprobs": [{"id": 4, "text": " a", "logprob": -2.0}]},
        {"id": 5, "text": " ran", "logprob": 0.0},
    ]


@pytest.mark.parametrize("view", [{}, {"tokens": True}, {"format": "markdown"}, {"format": "code"}, {"format": "json"}])
def test_no_format_lets_markup_through(view):
    html = html_of(HOSTILE, **view)
    assert "<script" not in html
    assert "<img" not in html
    assert "script" in html


@pytest.mark.parametrize("view", [{}, {"tokens": True}, {"format": "markdown"}])
def test_no_format_makes_a_page_ask_the_network(view):
    html = html_of("![x](http://evil/x.png) url(http://evil)", **view)
    assert not re.search(r"<(img|link|iframe|script|object)|@import|url\(", html.replace("url(http://evil)", ""))


def test_notices_are_escaped():
    assert "<b>" not in html_of("x", notices=("<b>",))


def test_markdown_keeps_links_to_the_web_only():
    html = html_of(
        "[good](https://example.org) [bad](javascript:alert(1)) [file](file:///etc/passwd) [here](/api/kernels?x) [there](//other.example) **bold**",
        format="markdown",
    )
    assert re.findall(r'href="([^"]*)"', html) == ["https://example.org"]
    assert "<strong>bold</strong>" in html


def test_control_characters_are_pictures_of_themselves():
    data, _ = completion_bundle(completion("a\x1b[31m\x00b\u202ec\nd\te"))
    assert data["text/plain"] == "a␛[31m␀b⟨U+202E⟩c\nd\te"
    assert "\x1b" not in data["text/html"]


def test_half_a_character_does_not_break_the_message():
    data, _ = completion_bundle(completion("a\ud800b"))
    data["text/plain"].encode()
    data["text/html"].encode()


def test_any_script_stays_as_it_is():
    text = "नमस्ते 👩‍👩‍👧 שלום 你好"
    assert completion_bundle(completion(text))[0]["text/plain"] == text


@pytest.mark.parametrize(("finish_reason", "sign"), [(None, "incomplete"), ("cancelled", "cancelled")])
def test_what_did_not_end_by_itself_is_marked(finish_reason, sign):
    data, _ = completion_bundle(completion("a little", finish_reason=finish_reason))
    assert data["text/plain"] == f"a little\n[{sign}]"
    assert f"{sign}</span>" in data["text/html"]


def test_samples_stand_in_one_output():
    samples = Samples(completions("a fox", options=SamplingOptions(seed=7, n=2)))
    data, metadata = samples._repr_mimebundle_()
    assert data["text/plain"] == "[1]\na fox\n\n[2]\na fox"
    assert str(samples) == data["text/plain"]
    assert data["text/html"].count("a fox") == 2
    assert len(data[COMPLETION_MIME]["completions"]) == 2
    assert metadata["gpt_notebook"]["finish_reason"] == ["stop", "stop"]


def test_growing_text_tells_the_speed_and_that_it_grows():
    data, _ = live_bundle([completion("a fox", finish_reason=None)], View(), tokens_per_second=212.3)
    assert "storyteller · 2 tokens · 212 tok/s · generating…" in data["text/html"]
    assert data["text/plain"] == "a fox"


@pytest.mark.parametrize(
    ("options", "fingerprint", "footer"),
    [
        (SamplingOptions(seed=11), "abc-float32", "storyteller · 2 tokens · seed 11 · ended"),
        (SamplingOptions(seed=11), "abc-bfloat16", "storyteller · bfloat16 · 2 tokens · seed 11 · ended"),
        (SamplingOptions(seed=11, temperature=0), "abc", "storyteller · 2 tokens · ended"),
        (SamplingOptions(seed=11, n=3), "abc", "storyteller · 6 tokens · seeds 11–13 · ended"),  # noqa: RUF001 - a range
    ],
)
def test_the_footer_says_what_made_a_difference(options, fingerprint, footer):
    samples = [dataclasses.replace(each, fingerprint=fingerprint) for each in completions("a fox", options=options)]
    assert f">{footer}<" in bundle(samples)[0]["text/html"]


def test_the_seed_of_one_of_several_samples_is_its_own():
    second = completions("a fox", options=SamplingOptions(seed=11, n=3))[1]
    assert "seed 12 " in completion_bundle(second)[0]["text/html"]


@pytest.mark.parametrize(
    ("asked", "ending"), [(None, "at length"), (60, "at length"), (61, "at the context&#x27;s end")]
)
def test_the_footer_says_where_the_context_ended(asked, ending):
    cut = completion("a fox", options=SamplingOptions(seed=1, max_new_tokens=60), finish_reason="length")
    assert f"stopped {ending}<" in bundle([cut], View(max_new_tokens=asked))[0]["text/html"]


@pytest.mark.parametrize("view", [{}, {"tokens": True}, {"format": "code"}])
def test_text_breaks_at_spaces_and_has_no_scrollbar_whatever_the_page_says_of_a_pre(view):
    style = re.search(r'<pre[^>]* style="([^"]*)"', html_of("a fox", **view))[1].split(";")
    assert {"overflow:visible", "white-space:pre-wrap", "word-break:normal"} <= set(style)


def test_markdown_is_set_as_running_text_is():
    prose, markdown = html_of("a fox"), html_of("a fox", format="markdown")
    font = re.search(r"font:13px/1.6 [^;]*;max-width:88ch", prose)[0]
    assert f'<div style="{font}"><p>a fox</p>' in markdown


def test_json_is_laid_out_where_it_can_be_read():
    assert "&quot;a&quot;: 1\n}" in html_of('```json\n{"a":1}\n```', format="json")


def test_json_that_cannot_be_read_is_shown_as_it_is_with_a_notice():
    html = html_of("{oops", format="json")
    assert "{oops" in html
    assert "the text is no JSON: " in html
    assert "shown as it is" in html


def test_code_is_shown_without_its_fence():
    html = html_of("Sure:\n```python\nprint(1)\n```\nDone.", format="code")
    assert "print(1)</pre>" in html
    assert "Sure" not in html


def test_less_probable_tokens_are_darker():
    def shade(probability):
        html = token_html.tokens([Token(id=1, text="x", logprob=math.log(probability))])
        return int(re.search(r"(\d+)%, transparent", html)[1])

    assert shade(1.0) == 0
    assert shade(0.5) < shade(0.1) < shade(0.001) == shade(1e-9)


def test_a_token_tells_its_probability_and_the_alternatives():
    alternatives = (
        TopLogprob(id=2, text=" Pip", logprob=math.log(0.62)),
        TopLogprob(id=3, text="\n", logprob=math.log(0.14)),
    )
    html = token_html.tokens([Token(id=2, text=" Pip", logprob=math.log(0.62), top_logprobs=alternatives)])
    title = re.search(r'title="([^"]*)"', html)[1]
    assert "·Pip  62 %" in title
    assert "14 %  ⏎" in title


def test_a_token_tells_with_which_probability_it_was_drawn():
    alternative = TopLogprob(id=3, text=" owl", logprob=math.log(0.12), sampling_probability=0.18)
    out = TopLogprob(id=4, text=" cat", logprob=math.log(0.05), sampling_probability=0.0)
    token = Token(
        id=2,
        text=" Pip",
        logprob=math.log(0.62),
        top_logprobs=(alternative, out),
        rank=1,
        entropy=1.0,
        sampling_probability=0.82,
    )
    title = re.search(r'title="([^"]*)"', token_html.tokens([token]))[1]
    assert "rank 1, drawn with 82 %, entropy 1.00 nats" in title
    assert "12 % → 18 %  ·owl" in title
    assert "5.0 % → 0 %  ·cat" in title


def test_the_scale_of_the_tokens_has_numbers():
    assert "100 %" in token_html.legend()
    assert "0.1 %" in token_html.legend()


def test_without_styles_there_is_no_scale_of_shades_that_are_not_there():
    # With a value: JupyterLab takes empty attributes away.
    assert 'hidden="hidden">probability' in token_html.legend()
    assert ".gpt-notebook-legend[hidden]{display:block" in token_html.STYLE


def test_pieces_of_characters_and_special_tokens_are_chips():
    pieces = [
        Token(id=1, text="", bytes=(0xF0, 0x9F)),
        Token(id=2, text="🦊", bytes=(0x8A,)),
        Token(id=0, text="<|end|>", special=True),
    ]
    html = token_html.tokens(pieces)
    assert "<b>F0</b><b>9F</b>" in html
    assert "🦊" in html
    assert "<b>&lt;|end|&gt;</b>" in html


def test_spaces_of_tokens_are_visible_and_still_spaces():
    html = token_html.tokens([Token(id=1, text=" a\n")])
    assert re.sub(r"<[^>]*>", "", html) == " a\n"
    assert '<i class="space"> </i>' in html

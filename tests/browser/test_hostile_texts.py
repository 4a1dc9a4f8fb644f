"""What a model says is shown, whatever it is: 300 texts that would like to be scripts, in every view, in a real browser."""

from __future__ import annotations

import itertools
import re

import pytest

from gpt_notebook.comparison import Comparison
from gpt_notebook.completion import Completion
from gpt_notebook.display.bundle import View, bundle, live_bundle
from gpt_notebook.display.comparison_html import comparison_bundle
from gpt_notebook.display.perplexity_html import perplexity_bundle
from gpt_notebook.likelihood import Perplexity
from gpt_notebook.protocol import SamplingOptions, Token, TopLogprob, Usage

pytestmark = pytest.mark.browser

RUNS = "window.ran=1"
ELSEWHERE = "http://elsewhere.test/x"

ELEMENTS = [
    f"<script>{RUNS}</script>",
    f"<script src={ELSEWHERE}></script>",
    f"<img src=x onerror={RUNS}>",
    f"<img src={ELSEWHERE}>",
    f"<svg onload={RUNS}>",
    f"<svg><script>{RUNS}</script></svg>",
    f"<svg><animate onbegin={RUNS} attributeName=x dur=1s>",
    "<iframe srcdoc='<script>top.ran=1</script>'></iframe>",
    "<iframe src=javascript:parent.ran=1></iframe>",
    f"<object data={ELSEWHERE}></object>",
    f"<embed src={ELSEWHERE}>",
    f"<link rel=stylesheet href={ELSEWHERE}>",
    f"<style>@import url({ELSEWHERE}); * {{ background: url({ELSEWHERE}) }}</style>",
    f"<div style='background:url({ELSEWHERE})'>x</div>",
    f"<base href={ELSEWHERE}>",
    f"<meta http-equiv=refresh content='0;url=javascript:{RUNS}'>",
    f"<input autofocus onfocus={RUNS}>",
    f"<details open ontoggle={RUNS}>",
    f"<video src={ELSEWHERE} onerror={RUNS}></video>",
    f"<body onload={RUNS}>",
    f"<math><mi href=javascript:{RUNS}>x</mi></math>",
    f"<form action=javascript:{RUNS}><button id=go>go</button></form>",
    f"<a href=javascript:{RUNS}>x</a>",
    f"<template><img src=x onerror={RUNS}></template>",
]
AROUND = [
    "{}",
    "</pre>{}",
    '">{}',
    "'>{}",
    "--><!-- -->{}",
    "</span></div></style></script></textarea></title>{}",
    "```html\n{}\n```",
    "````\n```\n````\n{}",
    "| a |\n| --- |\n| {} |",
    "> * {}",
    "\x00{}\u2028\u202e",
]
LINKS = [
    f"{before}{address}{after}"
    for (before, after), address in itertools.product(
        [("[x](", ")"), ("![x](", ")"), ("<", ">"), ("[x](<", '> "t")'), ("[x][1]\n\n[1]: ", "")],
        [
            f"javascript:{RUNS}", f"JaVaScRiPt:{RUNS}", f"java\tscript:{RUNS}", f"&#106;avascript:{RUNS}", f"\x01javascript:{RUNS}",
            f"vbscript:{RUNS}", f"data:text/html,<script>top.{RUNS}</script>", "//elsewhere.test/x", "file:///etc/passwd",
            f"javascript&colon;{RUNS}",
        ],
    )
]  # fmt: skip
TEXTS = [*(around.replace("{}", element) for around, element in itertools.product(AROUND, ELEMENTS)), *LINKS]

LIVELY = "script, iframe, object, embed, link, base, meta[http-equiv], img, svg, video, form, input, style:not(.ours), template, math"
HANDLERS = """() => [...document.querySelectorAll("*")].flatMap(element => [...element.attributes])
  .filter(({name, value}) => name.startsWith("on") || (/^(href|src|action|data)$/.test(name) && !/^https?:/.test(value)))
  .map(({name, value}) => `${name}=${value}`)"""


def completion(text):
    """A completion that is cut into tokens anywhere, each with the whole text as an alternative."""
    top = (TopLogprob(id=1, text=text, logprob=-1.0, sampling_probability=0.5),)
    pieces = [text[at : at + 7] for at in range(0, len(text), 7)]
    tokens = tuple(Token(id=at, text=piece, logprob=-1.0, top_logprobs=top, rank=1) for at, piece in enumerate(pieces))
    usage = Usage(prompt_tokens=1, completion_tokens=len(tokens))
    return Completion(
        text=text, tokens=tokens, finish_reason="stop", usage=usage, model=text, fingerprint=text,
        options=SamplingOptions(seed=1), prompt=text, prompt_token_ids=(1,),
    )  # fmt: skip


def shown_as(text, view):
    """What a notebook shows of a text in a view, as HTML."""
    made = completion(text)
    if view == "surprise":
        return perplexity_bundle(Perplexity(tokens=made.tokens, model=text), notices=[text])["text/html"]
    if view == "compare":
        readings = ((None, made.tokens), (made.tokens, None))
        return comparison_bundle(Comparison(completions=(made, made), readings=readings), notices=[text])["text/html"]
    if view == "live":
        return live_bundle([made, made], View(notices=(text,)), tokens_per_second=1.0)[0]["text/html"]
    return bundle([made], View(format=view, notices=(text,)) if view != "tokens" else View(tokens=True))[0]["text/html"]


def test_there_are_three_hundred_of_them_and_they_would_run(page, tmp_path):
    """The control: shown as they are, many of them do."""
    assert len(set(TEXTS)) == len(TEXTS) > 300
    page.route(re.compile("elsewhere"), lambda route: route.abort())
    ran = 0
    for element in ELEMENTS:
        place = tmp_path / "control.html"
        place.write_text(f"<!doctype html><meta charset=utf-8><body>{element}", "utf-8")
        page.goto(place.as_uri())
        page.wait_for_timeout(100)
        ran += page.evaluate("() => window.ran === 1")
    assert ran >= 5
    assert page.asked_elsewhere


@pytest.mark.parametrize("view", ["text", "markdown", "code", "json", "tokens", "surprise", "compare", "live"])
def test_no_text_runs_or_asks_for_anything(page, tmp_path, view):
    shown = "\n".join(f"<section>{shown_as(text, view)}</section>" for text in TEXTS)
    # The sections' own styles are known; whatever else is one came from a text.
    shown = shown.replace("<style>\n", "<style class='ours'>\n").replace("<style>.gpt", "<style class='ours'>.gpt")
    place = tmp_path / "shown.html"
    place.write_text(f"<!doctype html><meta charset=utf-8><title>shown</title><body>{shown}", "utf-8")
    page.goto(place.as_uri())
    page.mouse.move(300, 300)
    page.wait_for_timeout(500)
    assert page.evaluate("() => document.querySelectorAll('section').length") == len(TEXTS)
    assert page.evaluate("() => window.ran") is None
    assert (
        page.evaluate("lively => [...document.querySelectorAll(lively)].map(each => each.outerHTML)", f":is({LIVELY})")
        == []
    )
    assert page.evaluate(HANDLERS) == []
    assert page.asked_elsewhere == []
    assert page.console_errors == []
    assert page.title() == "shown"

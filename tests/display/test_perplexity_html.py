"""How a perplexity looks: the text, shaded, with what else there was at each token on hover."""

from __future__ import annotations

import math

from gpt_notebook.display import perplexity_html
from gpt_notebook.display.perplexity_html import perplexity_bundle
from gpt_notebook.likelihood import Perplexity
from gpt_notebook.protocol import Token, TopLogprob

TOKENS = (
    Token(id=1, text="The"),
    Token(
        id=2, text=" owl", logprob=math.log(0.25), rank=3, entropy=1.25,
        top_logprobs=(TopLogprob(id=3, text=" fox", logprob=math.log(0.5)),),
    ),
)  # fmt: skip


def test_a_token_tells_its_rank_the_entropy_and_what_was_expected():
    html = perplexity_bundle(Perplexity(tokens=TOKENS, model="storyteller"))["text/html"]
    assert "·owl  25 %  id 2\nrank 3, entropy 1.25 nats\n   50 %  ·fox" in html
    assert "storyteller · 2 tokens · perplexity 4 · 1.39 nats a token" in html


def test_a_text_in_which_nothing_has_a_likelihood_has_no_perplexity():
    html = perplexity_bundle(Perplexity(tokens=TOKENS[:1]))["text/html"]
    assert "1 token" in html
    assert "perplexity" not in html


def test_of_a_very_long_text_the_beginning_is_shown_and_the_rest_counted(monkeypatch):
    monkeypatch.setattr(perplexity_html, "MAX_SHOWN", 3)
    html = perplexity_bundle(Perplexity(tokens=TOKENS * 5), notices=["a notice"])["text/html"]
    assert html.count("<span title=") == 3
    assert "the first 3 tokens are shown, 7 more are left out" in html
    assert "a notice" in html

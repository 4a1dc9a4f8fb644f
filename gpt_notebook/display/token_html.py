"""The tokens of a completion as static HTML: each one's text, shaded the more the less the model expected it.

The shades mix the theme's own accent with whatever lies behind, so one scale serves light and dark. Spaces and line ends
are drawn faintly without becoming part of the text: what is copied is what the model said. A tooltip gives the numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from gpt_notebook.display import completion_html
from gpt_notebook.protocol import Token, TopLogprob
from gpt_notebook.visible_text import visible

_DARKEST = 0.001
"""The probability at which the scale ends, which is logarithmic."""

_STRONGEST_SHADE = 60
"""Percent of accent at its end; more would swallow the text."""

_MARK = 28
"""Percent of accent behind a token that is marked."""

_FAINT_MARK = 16
"""Percent of grey behind one that isn't, so that it can be seen where it ends."""

_LEGEND = (1.0, 0.5, 0.1, 0.01, _DARKEST)

_CONTRASTS = (-5.0, -2.0, 0.0, 2.0, 5.0)
"""The scale of how much likelier, in nats: 5 is 150 times."""

_EQUAL = 0.005
"""Nats that are not worth a word."""

_ACCENT = "var(--jp-brand-color1, #1976d2)"
_OTHER = "var(--jp-warn-color1, #f57c00)"
_GREY = "var(--jp-content-font-color3, #9e9e9e)"

_FAINT = {" ": '<i class="space"> </i>', "\n": '<i class="line">\n</i>', "\t": '<i class="tab">\t</i>'}

STYLE = """<style>
.gpt-notebook-tokens span{padding:2px 0;border-radius:2px;box-decoration-break:clone;-webkit-box-decoration-break:clone;
 box-shadow:1px 0 0 var(--jp-layout-color0,#fff)}
.gpt-notebook-tokens i{font-style:normal}
.gpt-notebook-tokens i.space{background:radial-gradient(circle,var(--jp-content-font-color3,#9e9e9e) 1px,transparent 1.5px)}
.gpt-notebook-tokens i.line::before{content:"⏎";color:var(--jp-content-font-color3,#9e9e9e)}
.gpt-notebook-tokens i.tab::before{content:"⇥";color:var(--jp-content-font-color3,#9e9e9e)}
.gpt-notebook-tokens b{font-weight:normal;font-size:10px;padding:1px 4px;margin:0 1px;border-radius:3px;
 border:1px solid var(--jp-border-color1,#bdbdbd);color:var(--jp-content-font-color2,#757575)}
.gpt-notebook-legend[hidden]{display:block;font:11px/16px var(--jp-ui-font-family,system-ui,sans-serif);font-variant-numeric:tabular-nums;
 color:var(--jp-content-font-color2,#757575);margin-top:8px}
.gpt-notebook-legend span{padding:2px 8px;border-radius:2px;color:var(--jp-content-font-color1,inherit)}
</style>"""


def tokens(items: Sequence[Token]) -> str:
    """Return the tokens, shaded."""
    return completion_html.tokens("".join(map(_span, items)))


def marked(items: Sequence[Token], marks: Sequence[bool]) -> str:
    """Return the tokens, those with a mark on the accent, the others on grey; where a page strips styles a tooltip still tells them apart."""
    return completion_html.tokens("".join(map(_marked_span, items, marks)))


def compared(items: Sequence[Token], differences: Sequence[float] | None, other: str) -> str:
    """Return the tokens, shaded by how much likelier they are here than for another model, in nats; None: not known yet."""
    if differences is None:
        return completion_html.tokens(
            "".join(f'<span title="{escape(_tooltip(each))}">{_body(each)}</span>' for each in items)
        )
    spans = (
        f'<span title="{escape(_tooltip(each))}\n{escape(_likelier(value, other))}" style="{_contrast(value)}">{_body(each)}</span>'
        for each, value in zip(items, differences, strict=True)
    )
    return completion_html.tokens("".join(spans))


def legend() -> str:
    """Return the scale, with numbers; it stays hidden where a page strips styles, for then there are no shades."""
    return _scale("probability", [(_shade(math.log(p)), _percent(p)) for p in _LEGEND])


def contrast_legend() -> str:
    """Return the scale of `compared`."""
    return _scale(
        "likelier for the other · here, nats",
        [(_contrast(value), f"{value:+g}" if value else "0") for value in _CONTRASTS],
    )


def _scale(title: str, steps: Sequence[tuple[str, str]]) -> str:
    shown = " ".join(f'<span style="{style}">{text}</span>' for style, text in steps)
    return f'<div class="gpt-notebook-legend" hidden="hidden">{title} {shown}</div>'


def _span(token: Token) -> str:
    style = f' style="{_shade(token.logprob)}"' if token.logprob is not None else ""
    return f'<span title="{escape(_tooltip(token))}"{style}>{_body(token)}</span>'


def _contrast(value: float) -> str:
    share = _STRONGEST_SHADE * min(1.0, abs(value) / _CONTRASTS[-1])
    return f"background:color-mix(in srgb, {_ACCENT if value >= 0 else _OTHER} {share:.0f}%, transparent)"


def _likelier(value: float, other: str) -> str:
    name = visible(other)
    if abs(value) < _EQUAL:
        return f"as likely for {name}"
    return f"{abs(value):.2f} nats likelier {f'here than for {name}' if value > 0 else f'for {name} than here'}"


def _marked_span(token: Token, mark: bool) -> str:  # noqa: FBT001 - goes over two lists at once
    says = "counts" if mark else "is only read"
    colour, share = (_ACCENT, _MARK) if mark else (_GREY, _FAINT_MARK)
    style = f' style="background:color-mix(in srgb, {colour} {share}%, transparent)"'
    return (
        f'<span title="{escape(quoted(token.text, token.bytes))}  id {token.id}, {says}"{style}>{_body(token)}</span>'
    )


def _body(token: Token) -> str:
    if token.special:
        return f"<b>{escape(visible(token.text)) or f'token {token.id}'}</b>"
    if token.bytes and not token.text:
        return "".join(f"<b>{byte:02X}</b>" for byte in token.bytes)
    return "".join(_FAINT.get(character) or escape(character) for character in visible(token.text))


def _shade(logprob: float) -> str:
    surprise = min(1.0, max(0.0, logprob / math.log(_DARKEST)))
    return f"background:color-mix(in srgb, {_ACCENT} {_STRONGEST_SHADE * surprise:.0f}%, transparent)"


def _tooltip(token: Token) -> str:
    lines = [f"{quoted(token.text, token.bytes)}  {percent_of(token.logprob)}  id {token.id}"]
    if told := _told(token):
        lines.append(told)
    lines += [f"{_chances(each):>7}  {quoted(each.text)}" for each in token.top_logprobs]
    return "\n".join(lines)


def _told(token: Token) -> str:
    """Return how a token stands among all, and how sure the model was, where that is known."""
    parts = []
    if token.rank is not None:
        parts.append(f"rank {token.rank:,}")
    if token.sampling_probability is not None:
        parts.append(f"drawn with {_percent(token.sampling_probability)}")
    if token.entropy is not None:
        parts.append(f"entropy {token.entropy:.2f} nats")
    return ", ".join(parts)


def _chances(alternative: TopLogprob) -> str:
    """Return the model's probability, and that of being drawn where temperature, top-k or top-p make it another."""
    own = percent_of(alternative.logprob)
    drawn = alternative.sampling_probability
    return own if drawn is None or _percent(drawn) == own else f"{own} → {_percent(drawn)}"


def quoted(text: str, raw: Sequence[int] = ()) -> str:
    """Return a token's text with its spaces and line ends visible; its bytes where it is only a piece of a character."""
    if raw and not text:
        return " ".join(f"{byte:02X}" for byte in raw)
    return visible(text).replace(" ", "·").replace("\n", "⏎").replace("\t", "⇥")


def percent_of(logprob: float | None) -> str:
    """Return the probability that a logprob stands for, or "" where there is none."""
    return "" if logprob is None else _percent(math.exp(logprob))


def _percent(probability: float) -> str:
    if probability == 0:
        return "0 %"
    digits = 0 if probability >= 0.1 else 1 if probability >= 0.001 else 3  # noqa: PLR2004 - three steps of precision
    return f"{100 * probability:.{digits}f} %"

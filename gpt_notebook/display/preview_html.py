"""How a preview of data looks: what is in them, and some samples with the tokens that count in the loss marked.

In HTML those stand on the theme's accent, the others on grey; in plain text between ⟦ and ⟧.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from gpt_notebook.display import completion_html, token_html
from gpt_notebook.display.job_reports import estimate_text
from gpt_notebook.display.quantities import counted
from gpt_notebook.display.reports import Table
from gpt_notebook.job_protocol import REPEATED, Preview, PreviewedSample
from gpt_notebook.visible_text import visible

SHOWN_TOKENS = 400
"""Of one sample; a longer one ends with how many more there are."""
OPENING, CLOSING = "⟦", "⟧"
LEGEND = "tokens on colour count in the loss; those on grey are only read"
LEGEND_OF_TEXT = f"what stands between {OPENING} and {CLOSING} counts in the loss; the rest is only read"


def text(preview: Preview) -> str:
    """Return a preview as plain text."""
    parts = [*preview.warnings, _table(preview).text()]
    parts += [f"{_title(each)}\n{_marked(each)}" for each in preview.shown]
    if preview.shown:
        parts.append(LEGEND_OF_TEXT)
    return "\n\n".join(parts)


def html(preview: Preview) -> str:
    """Return a preview as a page of HTML without script."""
    samples = "".join(completion_html.heading(_title(each)) + _tokens(each) for each in preview.shown)
    style = token_html.STYLE if preview.shown else ""
    footer = "; ".join((*_faint(preview), *((LEGEND,) if preview.shown else ())))
    notices = [line for line in preview.warnings if line not in _faint(preview)]
    return completion_html.page(style + _table(preview).html() + samples, notices=notices, footer=footer)


def _faint(preview: Preview) -> list[str]:
    """Return the warnings that are often meant so."""
    return [line for line in preview.warnings if line.endswith(REPEATED)]


def _table(preview: Preview) -> Table:
    share = f", of which {preview.counted:,} count in the loss" if preview.counted != preview.tokens else ""
    facts = [("data", f"{_rows(preview)} · {counted_with_commas(preview.tokens, 'token')}{share}")]
    if len(preview.lengths) == 5:  # noqa: PLR2004 - the shortest, three quartiles, the longest
        low, quarter, half, three_quarters, high = (f"{each:,}" for each in preview.lengths)
        spread = f"; half of them {quarter} to {three_quarters}, the median {half}" if quarter != three_quarters else ""
        facts.append(("lengths", (f"{low} to {high} tokens{spread}" if low != high else f"{low} tokens each")))
    if preview.split:
        long = f"{counted_with_commas(preview.split, 'text')} longer than {preview.max_length:,} tokens"
        facts.append(("split", f"{long} {'becomes' if preview.split == 1 else 'become'} several samples"))
    if preview.cut:
        long = f"{counted_with_commas(preview.cut, 'sample')} longer than {preview.max_length:,} tokens"
        facts.append(("cut", f"{long} {'loses' if preview.cut == 1 else 'lose'} some"))
    if preview.dropped:
        facts.append(
            ("dropped", f"{counted_with_commas(preview.dropped, 'row')} longer than {preview.max_length:,} tokens")
        )
    if preview.validation_samples:
        facts.append(("validation", counted_with_commas(preview.validation_samples, "sample")))
    facts.append(("takes", estimate_text(preview.estimate)))
    return Table(("", ""), facts)


def counted_with_commas(count: int, noun: str) -> str:
    """Return a number of things, which may be many."""
    return f"{count:,} {counted(count, noun).partition(' ')[2]}"


def _rows(preview: Preview) -> str:
    rows = counted_with_commas(preview.rows, "row")
    return rows if preview.samples == preview.rows else f"{rows}, {counted_with_commas(preview.samples, 'sample')}"


def _title(sample: PreviewedSample) -> str:
    parts = [f"row {sample.row:,}", counted(len(sample.tokens), "token"), f"{sum(sample.counted)} count"]
    if sample.cut:
        parts.append(f"{counted(sample.cut, 'token')} cut")
    return " · ".join(parts)


def _tokens(sample: PreviewedSample) -> str:
    spans = token_html.marked(sample.tokens[:SHOWN_TOKENS], sample.counted[:SHOWN_TOKENS])
    more = len(sample.tokens) - SHOWN_TOKENS
    return spans + (completion_html.heading(f"and {counted(more, 'token')} more") if more > 0 else "")


def _marked(sample: PreviewedSample) -> str:
    more = len(sample.tokens) - SHOWN_TOKENS
    return "".join(_runs(sample)) + (f" … and {counted(more, 'token')} more" if more > 0 else "")


def _runs(sample: PreviewedSample) -> Iterator[str]:
    pairs = list(zip(sample.tokens, sample.counted, strict=True))[:SHOWN_TOKENS]
    for counts, run in groupby(pairs, key=lambda pair: pair[1]):
        joined = visible("".join(token.text for token, _ in run))
        yield f"{OPENING}{joined}{CLOSING}" if counts else joined

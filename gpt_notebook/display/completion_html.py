"""The static HTML twin of a completion: what a saved notebook shows wherever it is opened.

No scripts and no requests; every character of the model is escaped. Colours and fonts are JupyterLab's variables, with
fallbacks for pages that have none, so that it suits both themes. Where a page strips styles, as code hosts do, the text
still stands in a `<pre>` and reads well.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from gpt_notebook.visible_text import visible

_INK = "var(--jp-content-font-color1, inherit)"
_FAINT = "var(--jp-content-font-color2, #757575)"
_WARN = "var(--jp-warn-color0, #b26a00)"
_UI_FONT = "var(--jp-ui-font-family, system-ui, sans-serif)"
_CODE_FONT = "var(--jp-code-font-family, ui-monospace, monospace)"

# Everything is said here, because JupyterLab's and nbconvert's own rules for a <pre> scroll it and break words anywhere.
_TEXT = (
    "margin:0;padding:0;border:0;background:none;overflow:visible;white-space:pre-wrap;overflow-wrap:anywhere;"
    f"word-break:normal;unicode-bidi:plaintext;color:{_INK};"
)
_READING = f"font:13px/1.6 {_UI_FONT};max-width:88ch"
_PROSE = f"{_TEXT}{_READING}"
_TOKENS = f"{_TEXT}font:13px/2 {_CODE_FONT};max-width:88ch"
_CODE = f"{_TEXT}font:13px/1.5 {_CODE_FONT}"
_SMALL = f"font:11px/16px {_UI_FONT};font-variant-numeric:tabular-nums"
_COLUMNS = "display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,320px),1fr));gap:16px 24px"


def page(body: str, *, notices: Sequence[str] = (), footer: str = "", mark: str = "") -> str:
    """Return one output: notices above, the body, and a faint line below that ends with the mark of what is amiss."""
    above = "".join(f'<div style="{_SMALL};color:{_WARN};margin-bottom:4px">{_safe(each)}</div>' for each in notices)
    line = _joined(_safe(footer), _marked(mark))
    below = f'<div style="{_SMALL};color:{_FAINT};margin-top:8px">{line}</div>' if line else ""
    return f'<div class="gpt-notebook" style="padding:4px 0">{above}{body}{below}</div>'


def prose(text: str) -> str:
    """Return running text, line breaks kept; the space that joins it to the prompt would only set the first line in."""
    return f'<pre style="{_PROSE}">{_safe(text.removeprefix(" "))}</pre>'


def block(html: str) -> str:
    """Return HTML that is known to be safe, set as running text is."""
    return f'<div style="{_READING}">{html}</div>'


def tokens(spans: str) -> str:
    """Return the tokens of a text, given as HTML that is known to be safe; lines break at their spaces."""
    return f'<pre class="gpt-notebook-tokens" style="{_TOKENS}">{spans}</pre>'


def code(text: str) -> str:
    """Return text in the code font, line breaks kept."""
    return f'<pre style="{_CODE}">{_safe(text)}</pre>'


def samples(bodies: Iterable[tuple[str, str]]) -> str:
    """Return several samples, each a body and its mark: one below the other, or side by side in a wide cell."""
    cells = (
        f'<div><div style="{_SMALL};color:{_FAINT}">{_joined(str(number), _marked(sign))}</div>{body}</div>'
        for number, (body, sign) in enumerate(bodies, start=1)
    )
    return f'<div style="{_COLUMNS}">{"".join(cells)}</div>'


def columns(cells: Iterable[tuple[str, str, str]]) -> str:
    """Return columns, each a title, a body and a faint line below; one below the other in a narrow cell."""
    parts = (
        f'<div><div style="{_SMALL};color:{_FAINT};font-weight:600">{_safe(title)}</div>{body}'
        f'<div style="{_SMALL};color:{_FAINT};margin-top:4px">{_safe(line)}</div></div>'
        for title, body, line in cells
    )
    return f'<div style="{_COLUMNS}">{"".join(parts)}</div>'


def progress(text: str, fraction: float | None) -> str:
    """Return a line that says what is going on, and a thin bar where it is known how far it is."""
    bar = ""
    if fraction is not None:
        track = "height:2px;max-width:320px;margin-top:4px;background:var(--jp-border-color2, #e0e0e0)"
        done = f"height:2px;width:{100 * fraction:.1f}%;background:var(--jp-brand-color1, #1976d2)"
        bar = f'<div style="{track}"><div style="{done}"></div></div>'
    return page(f'<div style="{_SMALL};color:{_FAINT}">{_safe(text)}</div>{bar}')


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, numeric: Iterable[int] = ()) -> str:
    """Return a plain table; the columns in `numeric` are set to the right."""
    right = set(numeric)

    def cell(tag: str, index: int, value: Any) -> str:
        colour = _FAINT if tag == "th" else _INK
        side = "right" if index in right else "left"
        style = f"text-align:{side};padding:2px 16px 2px 0;color:{colour};font-weight:normal;vertical-align:top"
        style += ";white-space:nowrap" if index in right else ""
        return f'<{tag} style="{style}">{_safe(str(value))}</{tag}>'

    def line(tag: str, values: Sequence[Any]) -> str:
        return f'<tr style="background:none">{"".join(cell(tag, i, value) for i, value in enumerate(values))}</tr>'

    head = f"<thead>{line('th', columns)}</thead>" if any(columns) else ""
    style = f"{_SMALL};font-size:13px;line-height:20px;border-collapse:collapse;border:0;margin:0 0 8px 0"
    return f'<table style="{style}">{head}<tbody>{"".join(line("td", row) for row in rows)}</tbody></table>'


def heading(text: str) -> str:
    """Return a line above a table."""
    return f'<div style="{_SMALL};color:{_FAINT};margin-top:4px">{_safe(text)}</div>'


def _marked(sign: str) -> str:
    return f'<span style="color:{_WARN};font-weight:600">{_safe(sign)}</span>' if sign else ""


def _joined(*parts: str) -> str:
    return " · ".join(part for part in parts if part)


def _safe(text: str) -> str:
    return escape(visible(text))

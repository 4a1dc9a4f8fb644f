"""How a comparison of models looks: a column for each, its tokens shaded by what another model makes of them."""

from __future__ import annotations

from collections.abc import Sequence

from gpt_notebook.comparison import Comparison
from gpt_notebook.completion import Completion
from gpt_notebook.display import completion_html, token_html
from gpt_notebook.display.bundle import mark
from gpt_notebook.display.footer import ending
from gpt_notebook.display.quantities import counted
from gpt_notebook.visible_text import visible


def comparison_bundle(
    found: Comparison, *, notices: Sequence[str] = (), reason: str = "incomplete", footer: str | None = None
) -> dict[str, str]:
    """Return what a notebook shows of a comparison, by MIME type.

    Args:
        found: At least one completion.
        notices: Lines to put above.
        reason: What to call it where a completion was cut off.
        footer: What stands below; None: the seed.
    """
    cells = [
        (each.model, _tokens(found, at), _line(found, at, reason if footer is None else ""))
        for at, each in enumerate(found.completions)
    ]
    legend = token_html.contrast_legend() if found.readings else ""
    body = token_html.STYLE + completion_html.columns(cells) + legend
    seed = found.completions[0].seed
    below = f"seed {seed}" if footer is None and found.completions[0].options.temperature else footer or ""
    return {
        "text/plain": plain_text(found, reason=reason),
        "text/html": completion_html.page(body, notices=notices, footer=below),
    }


def plain_text(found: Comparison, *, reason: str = "incomplete") -> str:
    """Return the texts, each below the name of its model."""
    return "\n\n".join(f"[{visible(each.model)}]\n{_text(each, reason)}" for each in found.completions)


def _text(completion: Completion, reason: str) -> str:
    sign = mark(completion, reason)
    return visible(completion.text) + (f"\n[{sign}]" if sign else "")


def _against(found: Comparison, at: int) -> int:
    """Return the model that a column is compared with: the first one, and that with the second."""
    return 0 if at else min(1, len(found.completions) - 1)


def _tokens(found: Comparison, at: int) -> str:
    other = _against(found, at)
    differences = found.disagreement(at, other) if found.readings else None
    return token_html.compared(found.completions[at].tokens, differences, found.completions[other].model)


def _line(found: Comparison, at: int, reason: str) -> str:
    completion = found.completions[at]
    parts = [counted(len(completion.tokens), "token")]
    own = found.log_likelihood(at, at)
    others = [
        (each.model, found.log_likelihood(at, index)) for index, each in enumerate(found.completions) if index != at
    ]
    if found.readings and own is not None:
        known = [f"{value:.4g} under {model}" for model, value in others if value is not None]
        parts.append(", ".join([f"log-likelihood {own:.4g}", *known]))
    parts.append(mark(completion, reason) if reason else "")
    parts.append(ending(completion))
    return " · ".join(part for part in parts if part)

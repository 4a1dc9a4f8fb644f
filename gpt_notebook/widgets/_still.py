"""How a panel is shown: a view, and beneath it the static twin, of which a page shows the one that works.

JupyterLab prefers a widget's view to any other representation in the same output, also where there is no widget any more:
a saved notebook would say "model not found" and nothing else. So the twin is an output of its own. While the view above it
shows something, JupyterLab hides the twin; where the view failed, its complaint. A view that nobody has answered yet is
empty (`panel.ts`), as in a notebook that was saved with the state of its widgets. Elsewhere only the twin can be shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Bundle = tuple[dict[str, Any], dict[str, Any]]
"""Data by MIME type, and metadata."""

VIEW_CLASS = "gpt-panel-view"

# `lm-Widget` is on outputs in a running JupyterLab only. The twin waits for a moment, so that it doesn't flash up before
# the view has come.
_STYLE = f"""<style>
.{VIEW_CLASS}:empty, .lm-Widget.jp-OutputArea-child:has(.{VIEW_CLASS}:empty):has(+ .jp-OutputArea-child .gpt-twin) {{ display: none }}
.lm-Widget.jp-OutputArea-child:has(.{VIEW_CLASS} > *) + .jp-OutputArea-child:has(.gpt-twin) {{ display: none }}
.lm-Widget.jp-OutputArea-child:has(.jupyter-widgets):not(:has(.{VIEW_CLASS})):has(+ .jp-OutputArea-child .gpt-twin) {{ display: none }}
.lm-Widget.jp-OutputArea-child .gpt-twin {{ animation: gpt-twin 1s step-end }}
@keyframes gpt-twin {{ from {{ max-height: 0; overflow: hidden }} }}
</style>"""


def outputs(view: Bundle, twin: Callable[[], str]) -> Iterator[Bundle]:
    """Yield the output of the view, and then that of the twin, which is made while the view is opening."""
    data, metadata = view
    # The view's output is empty where HTML is shown; a terminal shows its line of text, and nothing of the twin's.
    yield {**data, "text/html": ""}, metadata
    yield {"text/html": f'{_STYLE}<div class="gpt-twin">{twin()}</div>'}, {}

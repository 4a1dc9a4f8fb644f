"""A Plotly figure that is still there as a picture where nobody can draw it.

Plotly gives a notebook its own JSON, and HTML that asks the internet for its script. Where no extension draws the first
(nbconvert, a page that shows saved notebooks, a Jupyter of another environment) and nothing answers the second, the cell
would be empty; there stands a picture instead of the HTML. Imported where a figure is made, since it needs Plotly.
"""

from __future__ import annotations

import contextlib
from typing import Any

from plotly import io
from plotly.graph_objects import Figure

from gpt_notebook.figures.curve_picture import curve_picture
from gpt_notebook.figures.heatmap_picture import heatmap_picture

DRAWN_BY_FRONT_END = "plotly_mimetype"
"""The renderer that gives JSON; somebody who chose another one in `plotly.io.renderers` gets that and no picture."""


class PicturedFigure(Figure):  # type: ignore[misc]  # Plotly is not typed
    """A figure with one heatmap, or with curves over steps."""

    def _ipython_display_(self) -> None:
        if io.renderers.default != DRAWN_BY_FRONT_END:
            super()._ipython_display_()
            return
        raise NotImplementedError  # IPython then asks for what is below.

    def _repr_html_(self) -> str | None:
        if io.renderers.default != DRAWN_BY_FRONT_END:
            html: str = super()._repr_html_()
            return html
        return None

    def _repr_mimebundle_(self, *arguments: Any, **options: Any) -> dict[str, Any]:
        """Return what a notebook shows: what Plotly gives, the picture, and the title for where there is only text."""
        bundle: dict[str, Any] = super()._repr_mimebundle_(*arguments, **options)
        if io.renderers.default == DRAWN_BY_FRONT_END:
            # A figure that somebody has made into something else is shown without a picture, rather than not at all.
            with contextlib.suppress(AttributeError, IndexError, KeyError, TypeError, ValueError):
                draw = heatmap_picture if self.data[0].type == "heatmap" else curve_picture
                bundle["image/svg+xml"] = draw(self)
            bundle["text/plain"] = f"<Figure: {self.layout.title.text}>"
        return bundle

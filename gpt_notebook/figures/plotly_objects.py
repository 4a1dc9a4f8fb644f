"""Plotly, which not everybody has installed: imported where a figure is made, and nowhere else."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

from gpt_notebook.errors import InvalidRequest

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def plotly_objects() -> tuple[ModuleType, type[Figure]]:
    """Return Plotly's traces, and the figure that they go into.

    Raises:
        InvalidRequest: Plotly is not installed.
    """
    try:
        from plotly import graph_objects

        from gpt_notebook.figures.pictured_figure import PicturedFigure
    except ModuleNotFoundError as error:
        message = f"a figure needs {error.name}, which is not installed: run  pip install 'gpt-notebook[viz]'"
        raise InvalidRequest(message) from error
    return graph_objects, PicturedFigure


def check_installed() -> None:
    """Refuse a figure before its numbers are computed.

    Raises:
        InvalidRequest: Plotly is not installed.
    """
    plotly_objects()

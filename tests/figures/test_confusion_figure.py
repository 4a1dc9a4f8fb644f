"""The figure of a confusion matrix has its counts in its cells, and can be read on any page."""

import numpy as np
import pytest

from gpt_notebook.figures.confusion_figure import confusion_figure

pytest.importorskip("plotly")


def test_numbers_can_be_read_on_any_page():
    (shown,) = confusion_figure(np.array([[1, 0], [1, 0]]), ["a", "b"], title="labels").data
    assert shown.texttemplate == "%{z}"
    # Plotly chooses dark or white by the cell alone: a page must not shine through it.
    assert all(colour.startswith("rgb(") for _, colour in shown.colorscale)


def test_names_are_text_and_no_html():
    (shown,) = confusion_figure(np.eye(2, dtype=np.int64), ["<b>", "b"], title="labels").data
    assert list(shown.x) == list(shown.y) == ["&lt;b&gt;", "b"]

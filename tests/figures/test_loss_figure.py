"""The figure of a training stays light, however many steps it has."""

import pytest

from gpt_notebook.figures import loss_figure as module
from gpt_notebook.figures.loss_figure import loss_figure

pytest.importorskip("plotly")


def rows(*losses):
    empty = {"validation_loss": None, "perplexity": None, "accuracy": None}
    return [{"step": step, "loss": loss, **empty} for step, loss in enumerate(losses, start=1)]


def test_of_many_steps_the_means_of_neighbours_are_drawn(monkeypatch):
    monkeypatch.setattr(module, "MAX_POINTS", 2)
    (training,) = loss_figure(rows(1.0, 3.0, 5.0), title="pip").data
    assert (list(training.x), list(training.y)) == ([2, 3], [2.0, 5.0])


def test_before_the_first_step_it_says_so():
    figure = loss_figure([], title="pip")
    assert figure.layout.title.text == "pip: no step yet"
    assert list(figure.data[0].x) == []

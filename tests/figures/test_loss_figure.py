"""The figure of a training stays light, however many steps it has."""

import math

import pytest

from gpt_notebook.figures import training_curves as module
from gpt_notebook.figures.loss_figure import loss_figure
from gpt_notebook.figures.training_curves import Checked, TrainingCurves

pytest.importorskip("plotly")


def curves(*losses, **options):
    return TrainingCurves(name="pip", losses=list(enumerate(losses, start=1)), **options)


def test_of_many_steps_the_means_of_neighbours_are_drawn(monkeypatch):
    monkeypatch.setattr(module, "MAX_POINTS", 2)
    (training,) = loss_figure(curves(1.0, 3.0, 5.0), title="pip").data
    assert (list(training.x), list(training.y)) == ([2, 3], [2.0, 5.0])


def test_what_is_no_number_is_left_out():
    (training,) = loss_figure(curves(1.0, math.nan, 5.0), title="pip").data
    assert list(training.x) == [1, 3]


def test_before_the_first_step_it_says_so():
    figure = loss_figure(curves(), title="pip")
    assert figure.layout.title.text == "pip: no step yet"
    assert list(figure.data[0].x) == []


def test_another_training_is_drawn_with_its_validations_and_one_name():
    other = curves(4.0, 3.0, validations=[Checked(step=2, loss=3.5)])
    _, line, checked = loss_figure(curves(1.0), title="pip", others=[other]).data
    assert (line.name, line.showlegend, checked.showlegend) == ("pip", None, False)
    assert list(checked.y) == [3.5]

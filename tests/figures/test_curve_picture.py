"""Curves are still there as a picture where nobody draws Plotly's figures."""

import itertools
import math
import re
import xml.etree.ElementTree as ET

import pytest
from plotly import io

from gpt_notebook.figures.curve_picture import curve_picture
from gpt_notebook.figures.loss_figure import loss_figure
from gpt_notebook.figures.training_curves import Checked, TrainingCurves

SVG = "{http://www.w3.org/2000/svg}"


def row(step, *, loss=None, validation=None):
    return step, loss, validation


def curves(rows, **options):
    losses = [(step, loss) for step, loss, _ in rows if loss is not None]
    checked = [
        Checked(step=step, loss=loss, perplexity=2.0, accuracy=0.5) for step, _, loss in rows if loss is not None
    ]
    return TrainingCurves(name="pip", losses=losses, validations=checked, **options)


def drawn(rows, **options):
    figure = loss_figure(curves(rows, **options), title="pip <b>")
    return ET.fromstring(curve_picture(figure))  # noqa: S314 - our own


def words(picture):
    return [each.text for each in picture.iter(f"{SVG}text")]


def places(picture):
    """Return the points of the longest line."""
    line = max((each.get("d") for each in picture.iter(f"{SVG}path")), key=len)
    return [(float(x), float(y)) for x, y in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", line)]


@pytest.fixture
def plain_notebook(monkeypatch):
    monkeypatch.setattr(io.renderers, "default", "plotly_mimetype")


def test_each_step_has_its_place():
    found = places(drawn([row(step, loss=10.0 - step) for step in range(11)]))
    assert len(found) == 11
    across = [after - before for (before, _), (after, _) in itertools.pairwise(found)]
    down = [after - before for (_, before), (_, after) in itertools.pairwise(found)]
    assert across == pytest.approx([across[0]] * 10, abs=0.11)
    assert down == pytest.approx([down[0]] * 10, abs=0.11)
    assert across[0] > 0
    assert down[0] > 0  # a loss that falls


def test_the_axes_have_round_numbers_around_all_values():
    found = words(drawn([row(1, loss=0.31), row(149, loss=7.9), row(150, validation=8.2)]))
    assert {"0", "50", "100", "150", "2", "4", "6", "8", "10", "training", "validation"} <= set(found)


def test_validations_are_points_and_the_best_is_the_largest():
    picture = drawn([row(0, validation=3.0), row(5, validation=1.0), row(9, validation=2.0)], best=5)
    points = [(each.get("cx"), float(each.get("r"))) for each in picture.iter(f"{SVG}circle")]
    validations = [where for where, radius in points if radius == 3.0]
    large = [where for where, radius in points if radius > 3.0]
    assert len(validations) == 3
    assert [where for where in large if where in validations] == [sorted(validations, key=float)[1]]
    assert len(large) == 2
    assert "best" in words(picture)


def test_what_is_no_number_is_left_out():
    assert len(places(drawn([row(1, loss=1.0), row(2, loss=math.nan), row(3, loss=2.0), row(4, loss=math.inf)]))) == 2


@pytest.mark.parametrize("rows", [[], [row(1, loss=2.0)], [row(1, loss=0.0), row(2, loss=0.0)]])
def test_there_is_a_picture_of_little_or_nothing(rows):
    assert "loss (nats a token)" in words(drawn(rows))


def test_the_learning_rate_is_drawn_below_the_loss():
    rates = [(1, 0.001), (2, 0.002)]
    lines = [
        (float(x), float(y))
        for each in drawn([row(1, loss=2.0), row(2, loss=1.0)], learning_rates=rates).iter(f"{SVG}path")
        for x, y in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", each.get("d"))
        if each.get("fill") == "none" and "L" in each.get("d")
    ]
    losses, below = lines[:2], lines[2:]
    assert max(y for _, y in losses) < min(y for _, y in below)
    assert [x for x, _ in losses] == [x for x, _ in below]


def test_what_has_happened_stands_at_its_step():
    rows = [row(step, loss=1.0) for step in (0, 10)]
    picture = drawn(rows, marks=[(5, "paused"), (10, "out of memory")])
    (paused, short) = (
        float(each.get("x")) for each in picture.iter(f"{SVG}text") if each.text in ("paused", "out of memory")
    )
    assert short + 4 == pytest.approx(640 - 24)  # to the left of its line, where there is room
    assert paused - 4 == pytest.approx((56 + 640 - 24) / 2)


def test_a_name_is_text():
    assert "pip <b>" in words(drawn([row(1, loss=2.0)]))


def test_a_notebook_gets_figure_and_picture(plain_notebook):
    bundle = loss_figure(curves([row(1, loss=2.0), row(2, loss=1.0)]), title="pip")._repr_mimebundle_()
    assert set(bundle) == {"application/vnd.plotly.v1+json", "image/svg+xml", "text/plain"}
    assert bundle["text/plain"] == "<Figure: pip>"

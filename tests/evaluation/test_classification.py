"""Labels told apart: numbers of worked examples that others have published, and what is refused or warned of."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest

from gpt_notebook.errors import InvalidRequest
from gpt_notebook.evaluation import classification
from gpt_notebook.evaluation.classification import Classification


def of(expected, predicted, labels=None):
    return Classification(
        labels=tuple(labels or sorted({*expected, *predicted})), expected=tuple(expected), predicted=tuple(predicted)
    )


ANIMALS = of(["cat", "ant", "cat", "cat", "ant", "bird"], ["ant", "ant", "cat", "cat", "ant", "cat"])
"""The example of scikit-learn's confusion_matrix."""


def test_the_matrix_counts_true_labels_down_and_predicted_ones_across():
    assert ANIMALS.labels == ("ant", "bird", "cat")
    assert ANIMALS.matrix.tolist() == [[2, 0, 0], [0, 0, 1], [1, 0, 2]]
    assert ANIMALS.accuracy == 4 / 6


def test_a_matrix_is_a_dataframe_where_pandas_is(monkeypatch):
    frame = ANIMALS.dataframe()
    assert frame.loc["cat", "ant"] == 1
    assert (frame.index.name, frame.columns.name) == ("true", "predicted")
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(InvalidRequest, match="needs pandas, which is not installed: use matrix"):
        ANIMALS.dataframe()


def test_the_measures_of_each_label_are_those_of_a_worked_example():
    """The example of scikit-learn's classification_report."""
    found = of("01222", "00221")
    assert [(s.label, s.precision, s.recall, s.support) for s in found.by_label] == [
        ("0", 0.5, 1.0, 1),
        ("1", 0.0, 0.0, 1),
        ("2", 1.0, 2 / 3, 3),
    ]
    assert [round(s.f1, 2) for s in found.by_label] == [0.67, 0.0, 0.8]
    macro = found.macro
    assert [round(value, 2) for value in (macro.precision, macro.recall, macro.f1)] == [0.5, 0.56, 0.49]
    assert (found.accuracy, macro.support) == (0.6, 5)


def test_macro_averages_are_those_of_another_worked_example():
    """The example of scikit-learn's precision_score, recall_score and f1_score."""
    macro = of("012012", "021001").macro
    assert (macro.precision, macro.recall) == (pytest.approx(2 / 9), pytest.approx(1 / 3))
    assert macro.f1 == pytest.approx(0.8 / 3)


def test_a_label_that_neither_occurs_nor_was_chosen_lowers_no_mean():
    assert of("aab", "aab", labels="abc").macro.f1 == 1.0
    assert of("aab", "aac", labels="abc").macro.f1 == pytest.approx(1 / 3)


def test_no_rows_have_no_accuracy():
    none = of("", "", labels="ab")
    assert math.isnan(none.accuracy)
    assert none.matrix.tolist() == [[0, 0], [0, 0]]


# --- how it shows itself --------------------------------------------------------------------------------------------


def test_a_notebook_shows_measures_and_matrix_as_text_and_as_html():
    bundle = ANIMALS._repr_mimebundle_()
    text = bundle["text/plain"]
    assert "3 labels, accuracy 0.667 over 6 rows" in text
    assert ["cat", "0.667", "0.667", "0.667", "3"] in [line.split() for line in text.splitlines()]
    assert ["cat", "1", "0", "2"] in [line.split() for line in text.splitlines()]
    assert bundle["text/html"].count("<table") == 2
    assert repr(ANIMALS) == "<Classification 3 labels, accuracy 0.667 over 6 rows, macro F1 0.489>"


def test_labels_are_text_and_no_html():
    html = of(["<b>x</b>", "y"], ["y", "y"])._repr_mimebundle_()["text/html"]
    assert "<b>" not in html
    assert "&lt;b&gt;x" in html


def test_many_labels_are_left_to_the_figure():
    names = [f"label {i:02}" for i in range(13)]
    assert len(of(names, names).tables()) == 1


def test_a_figure_has_the_counts_and_the_names():
    pytest.importorskip("plotly")
    figure = ANIMALS.plot()
    (heatmap,) = figure.data
    assert np.array_equal(heatmap.z, ANIMALS.matrix)
    assert list(heatmap.x) == list(heatmap.y) == ["ant", "bird", "cat"]
    assert figure.layout.yaxis.autorange == "reversed"
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("predicted", "true")
    assert "accuracy 0.667" in figure.layout.title.text


def test_a_label_is_shown_without_the_space_that_joins_it_to_its_prompt():
    assert [classification.named(label) for label in (" good", "good", "  x", "a\nb", " ")] == [
        "good",
        "good",
        "' x'",
        "'a\\nb'",
        "''",
    ]


# --- which completions are labels -----------------------------------------------------------------------------------


def test_few_short_completions_that_recur_are_labels():
    assert classification.labels_in(["yes", "no", "yes", "no"]) == ("no", "yes")


@pytest.mark.parametrize(
    "completions",
    [
        ["yes", "no"],  # each occurs once
        ["yes"] * 9,  # nothing to choose
        [f"text {i}" for i in range(21)] * 2,
        ["x" * 61, "y"] * 9,
        ["two\nlines", "y"] * 9,
        ["", "y"] * 9,
    ],
)
def test_other_completions_are_texts(completions):
    assert classification.labels_in(completions) is None


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ([], "labels must be at least two texts"),
        (["good"], "labels must be at least two texts"),
        (["good", ""], "labels must be at least two texts"),
        (["good", "bad", "good"], "labels has 'good' twice"),
        (
            ["good", "bad"],
            "row 0 has the completion ' good', which is no label: did you mean ' good', as the data have it, instead of 'good'",
        ),
        ([" gold", " bad"], "row 0 has the completion ' good', which is no label: there are ' gold', ' bad'"),
    ],
)
def test_labels_that_make_no_sense_are_refused(labels, reason):
    with pytest.raises(InvalidRequest) as raised:
        classification.checked(labels, [" good", " bad"])
    assert reason in raised.value.message


def test_labels_that_occur_once_or_never_are_warned_of():
    assert classification.warnings_of(["a", "b", "c", "d"], ["a", "a", "b", "c"]) == [
        "each of the labels b, c occurs once: its measures say little",
        "the label d occurs never",
    ]
    assert classification.warnings_of(["a"], ["a", "a"]) == []
    assert "and 3 more" in classification.warnings_of(list("abcdefgh"), list("abcdefgh"))[0]


def test_labels_that_would_look_alike_are_shown_as_the_data_have_them():
    found = of([" a", "a"], ["a", "a"])
    assert "' a'" in found._repr_mimebundle_()["text/plain"]
    assert len(set(found.plot().data[0].x)) == 2

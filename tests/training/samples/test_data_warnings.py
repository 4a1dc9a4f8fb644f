from __future__ import annotations

import pytest
from model_kernel.tiny_models import byte_level_tokenizer

from gpt_notebook.training.samples.data_warnings import LONGEST_LABEL, MOST_LABELS, DataWarnings

END = "<|endoftext|>"


@pytest.fixture
def lines():
    """What is said of rows."""
    tokenizer = byte_level_tokenizer()

    def said(rows, *, plain=True):
        warnings = DataWarnings(tokenizer)
        for row in rows:
            warnings.row(row, plain=plain)
        return warnings.lines()

    return said


def labelled(labels):
    return [{"prompt": f"Row {i}:", "completion": label} for i, label in enumerate(labels)]


def test_a_label_that_occurs_once_is_pointed_out(lines):
    labels = [" good", " bad"] * 10
    assert lines(labelled(labels)) == ()
    (line,) = lines(labelled([*labels, " goood"]))
    assert "'goood'" in line


@pytest.mark.parametrize(
    "labels",
    [
        [f" {i}" for i in range(300)],
        [f" {i % MOST_LABELS}" for i in range(1000)] + [" another"],
        [" good", " bad"] * 10 + [LONGEST_LABEL * "long"],
        [" good", " bad", " goood"],
    ],
    ids=["all-differ", "too-many", "too-long", "too-few-rows"],
)
def test_completions_that_are_no_labels_are_no_warning(lines, labels):
    assert lines(labelled(labels)) == ()


def test_repeated_rows_are_counted(lines):
    (line,) = lines([{"text": "The fox"}] * 3 + [{"text": "The owl"}])
    assert line.startswith("2 rows repeated")


def test_rows_that_only_divide_the_same_text_otherwise_are_not_the_same(lines):
    assert lines([{"prompt": "a ", "completion": "fox went"}, {"prompt": "a fox ", "completion": "went"}]) == ()


def asked(prompt, completion, n_rows=10):
    return [{"prompt": f"{i} {prompt}", "completion": f"{completion} {i}"} for i in range(n_rows)]


def test_completions_that_follow_a_full_stop_without_a_space_are_pointed_out(lines):
    (line,) = lines(asked("number 0.", "sad"))
    assert line.startswith("10 rows with no space between prompt and completion")
    assert lines(asked("number 0.", "sad"), plain=False) == ()


@pytest.mark.parametrize(
    "rows",
    [
        asked("number 0.", " sad"),
        asked("number 0. ", "sad"),
        asked("number 0.\n", "sad"),
        asked("two =", "2"),
        asked("number 0.", "sad", n_rows=8) + asked("number 1.", " sad", n_rows=2),
    ],
    ids=["space-before", "space-after", "new-line", "sign", "some"],
)
def test_completions_that_are_set_off_or_seldom_not_are_no_warning(lines, rows):
    assert lines(rows) == ()


@pytest.mark.parametrize(("plain", "said"), [(True, ["1 row with a special token spelled out"]), (False, [])])
def test_special_tokens_that_are_spelled_out_are_counted_where_they_are_read_as_such(lines, plain, said):
    found = lines([{"text": f"The {END} fox"}, {"text": "The owl"}], plain=plain)
    assert [line.partition(",")[0] for line in found] == said


@pytest.mark.parametrize(("plain", "said"), [(True, 1), (False, 0)])
def test_words_that_run_together_are_counted_unless_a_template_keeps_them_apart(lines, plain, said):
    rows = [{"prompt": "The", "completion": "fox"}, {"prompt": "The ", "completion": "owl"}]
    found = lines(rows, plain=plain)
    assert len(found) == said
    assert all(line.startswith("1 row with no space between") for line in found)


def test_rows_of_which_nothing_counts_are_counted():
    warnings = DataWarnings(byte_level_tokenizer())
    warnings.row({"text": "a"}, plain=True)
    warnings.nothing_counted()
    (line,) = warnings.lines()
    assert line.startswith("1 row left out: a single token")

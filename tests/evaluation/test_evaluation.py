"""Models measured on data: over tokens, by functions of one's own, on labels, and beside another model."""

from __future__ import annotations

import inspect
import math
import re
from pathlib import Path

import numpy as np
import pytest

import gpt_notebook as gpt
from gpt_notebook.batch_protocol import BatchRequest
from gpt_notebook.errors import InvalidRequest
from gpt_notebook.evaluation.result import Evaluation, Measures
from gpt_notebook.job_protocol import Evaluated, EvaluateRequest
from gpt_notebook.protocol import Done, GenerateRequest
from gpt_notebook.testing import FakeEngine, fake_data, serving

PAIRS = [{"prompt": f"Is {i} even? ", "completion": "yes" if i % 2 == 0 else "no"} for i in range(6)]
TEXTS = ["one two three", "four five"]


class Judge(FakeEngine):
    """Says of each row, in nats, how unlikely its completion is; two tokens a row, the first of them guessed."""

    def __init__(self, loss=lambda model, row: 1.0, **options):
        super().__init__(**options)
        self.loss = loss

    async def evaluate(self, request, *, hub_token=None):
        self.asked.append(request)
        for number, row in enumerate(fake_data.rows(self.jobs.data.find(request.data))):
            if (loss := self.loss(request.model, row)) is not None:
                yield Evaluated(row=number, loss=loss, tokens=2, correct=1)
        yield Done()


@pytest.fixture
def judging(settings, nothing_is_started, monkeypatch):
    """Returns what serves a judge for the rest of the test."""
    served = []

    def serve(engine):
        block = serving(engine)
        kernel = block.__enter__()
        served.append(block)
        gpt.connect(kernel.address, token=kernel.token)
        return engine

    yield serve
    for block in served:
        block.__exit__(None, None, None)


def asked(engine, kind):
    return [each for each in engine.asked if isinstance(each, kind)]


# --- over all tokens ------------------------------------------------------------------------------------------------


def test_measures_are_over_all_tokens_and_of_each_row(judging):
    judging(Judge(lambda _, row: 1.0 if row["text"].startswith("one") else 3.0))
    found = gpt.evaluate("storyteller", TEXTS)
    assert (found.loss, found.accuracy, found.tokens, len(found)) == (1.0, 0.5, 4, 2)
    assert found.perplexity == math.exp(1.0)
    assert [each.loss for each in found.by_row] == [0.5, 1.5]
    assert found.classification is None
    assert repr(found) == "<Evaluation storyteller: loss 1.0000, perplexity 2.718, token accuracy 0.500, 2 rows>"


def test_the_parts_of_a_text_that_was_split_are_one_row(judging):
    class Splitting(Judge):
        async def evaluate(self, request, *, hub_token=None):
            for row, loss in ((1, 1.0), (0, 2.0), (0, 4.0)):
                yield Evaluated(row=row, loss=loss, tokens=1, correct=1, cut=row)
            yield Done()

    judging(Splitting())
    found = gpt.evaluate(None, TEXTS)
    assert found.by_row[0] == Measures(loss_sum=6.0, tokens=2, correct=2)
    assert (found.loss, found.warnings) == (7 / 3, ("1 rows were cut: 1",))


def test_rows_that_were_left_out_and_losses_that_are_no_number_are_told(judging):
    judging(Judge(lambda _, row: None if row["text"].startswith("one") else math.nan))
    found = gpt.evaluate(None, TEXTS)
    assert found.by_row[0] is None
    assert math.isnan(found.loss)
    assert found.warnings == ("1 rows were left out, as nothing of them counts: 0",)


def test_options_reach_the_model_kernel(judging):
    engine = judging(Judge())
    gpt.evaluate("storyteller", TEXTS, max_length=99, too_long="drop", chat=False)
    (request,) = asked(engine, EvaluateRequest)
    assert (request.model, request.max_length, request.too_long, request.chat) == ("storyteller", 99, "drop", False)


# --- beside another model -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("baseline", "model"), [(True, "storyteller"), ("other", "other")])
def test_a_baseline_is_measured_on_the_same_data(judging, baseline, model):
    engine = judging(Judge(lambda model, _: 1.0 if "+" in model else 2.0))
    found = gpt.evaluate("storyteller+pip", TEXTS, baseline=baseline)
    assert (found.loss, found.baseline.loss, found.baseline.model) == (0.5, 1.0, model)
    assert len({request.data for request in asked(engine, EvaluateRequest)}) == 1
    text = found._repr_mimebundle_()["text/plain"]
    assert [line.split()[:2] for line in text.splitlines()[1:3]] == [["storyteller+pip", "0.5000"], [model, "1.0000"]]


def test_a_model_without_a_base_says_that_one_must_be_named(judging):
    judging(Judge())
    with pytest.raises(InvalidRequest, match="storyteller has no base that is known: name what to compare with"):
        gpt.evaluate("storyteller", TEXTS, baseline=True)


# --- functions of one's own -----------------------------------------------------------------------------------------


def same(completion, expected):
    return completion.strip() == expected.strip()


def test_a_metric_compares_greedy_completions_with_what_was_expected(judging):
    engine = judging(Judge(text="yes"))
    found = gpt.evaluate(None, PAIRS, metric=same, labels=False)
    assert found.metrics == {"same": 0.5}
    assert found.values == {"same": (1.0, 0.0) * 3}
    assert found.completions == ("yes",) * 6
    (batch,) = asked(engine, BatchRequest)
    assert batch.prompts == tuple(row["prompt"] for row in PAIRS)
    assert (batch.options.temperature, batch.options.max_new_tokens, batch.chat) == (0.0, 16, None)
    assert "same 0.5" in repr(found)


def test_several_metrics_and_a_baseline_have_a_column_each(judging):
    judging(Judge(text="no", models=("storyteller", "storyteller+pip")))
    metrics = {"same": same, "length": lambda completion, _: len(completion)}
    found = gpt.evaluate("storyteller+pip", PAIRS, metric=metrics, labels=False, baseline=True, max_new_tokens=3)
    assert found.metrics == found.baseline.metrics == {"same": 0.5, "length": 2.0}
    head, *_ = found._repr_mimebundle_()["text/plain"].splitlines()
    assert head.split() == ["model", "loss", "perplexity", "token", "accuracy", "same", "length"]


def test_a_row_that_has_no_completion_is_named_and_the_others_count(judging):
    judging(Judge(text="yes"))
    rows = [*PAIRS, {"prompt": "word " * 2000, "completion": "yes"}]
    found = gpt.evaluate(None, rows, metric=same, labels=False)
    assert (found.metrics, found.completions[6], list(found.failures)) == ({"same": 0.5}, None, [6])
    assert "no value for 1 row: row 6: " in found._repr_mimebundle_()["text/plain"]


def test_chats_are_asked_for_their_last_answer(judging):
    engine = judging(Judge(text="Hello."))
    user, answer = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}
    system, thanks = {"role": "system", "content": "Be kind."}, {"role": "user", "content": "Thanks"}
    chats = [[user, answer], [system, user, answer], [user, answer, thanks, {**answer, "content": "Bye."}]]
    found = gpt.evaluate(None, chats, metric=same)
    assert found.values == {"same": (1.0, 1.0, 0.0)}
    assert [(batch.prompts, batch.system, batch.chat) for batch in asked(engine, BatchRequest)] == [
        (("Hi",), None, True),
        (("Hi",), "Be kind.", True),
    ]
    (longer,) = asked(engine, GenerateRequest)
    assert [turn.content for turn in longer.messages] == ["Hi", "Hello.", "Thanks"]
    assert longer.options.temperature == 0.0


@pytest.mark.parametrize("options", [{"metric": same}, {"labels": ["a", "b"]}])
def test_texts_have_no_completions_to_compare(judging, options):
    judging(Judge())
    with pytest.raises(InvalidRequest, match=f"{next(iter(options))} compares completions, and row 0 is a text"):
        gpt.evaluate(None, TEXTS, **options)


# --- labels ---------------------------------------------------------------------------------------------------------


def thinks_that(even):
    """A judge's loss that finds the label of this rule the likeliest."""

    def loss(_, row):
        number = int(row["prompt"].split()[1])
        return 0.5 if row["completion"] == ("yes" if even(number) else "no") else 2.0

    return loss


def test_the_likeliest_label_is_the_one_that_is_chosen(judging):
    engine = judging(Judge(thinks_that(lambda number: number in (0, 1, 2))))
    found = gpt.evaluate(None, PAIRS)
    assert found.classification.labels == ("no", "yes")
    assert found.classification.matrix.tolist() == [[2, 1], [1, 2]]
    assert found.classification.accuracy == 4 / 6
    assert found.log_likelihoods.shape == (6, 2)
    assert found.log_likelihoods[0].tolist() == [-2.0, -0.5]
    # The measures of a row are those of its own label.
    assert [each.loss_sum for each in found.by_row] == [0.5, 2.0, 0.5, 0.5, 2.0, 0.5]
    (request,) = asked(engine, EvaluateRequest)
    assert sum(1 for _ in fake_data.rows(engine.jobs.data.find(request.data))) == 12
    text = found._repr_mimebundle_()["text/plain"]
    assert "label accuracy" in text
    assert "confusion matrix" in text


def test_labels_can_be_named_in_an_order_and_those_that_occur_once_are_warned_of(judging):
    judging(Judge(thinks_that(lambda number: number % 2 == 0)))
    found = gpt.evaluate(None, PAIRS[:3], labels=["yes", "no", "maybe"])
    assert found.classification.labels == ("yes", "no", "maybe")
    assert found.classification.accuracy == 1.0
    assert found.warnings == ("the label no occurs once: its measures say little", "the label maybe occurs never")


def test_of_labels_that_are_equally_likely_the_first_is_chosen(judging):
    judging(Judge())
    assert set(gpt.evaluate(None, PAIRS, labels=["yes", "no"]).classification.predicted) == {"yes"}


def test_labels_of_chats_are_their_last_answers(judging):
    judging(Judge(lambda _, row: 0.1 if row["messages"][-1]["content"] == "no" else 1.0))
    chats = [
        [{"role": "user", "content": f"{i}?"}, {"role": "assistant", "content": "yes" if i % 2 else "no"}]
        for i in range(4)
    ]
    found = gpt.evaluate(None, chats)
    assert found.classification.predicted == ("no",) * 4
    assert found.classification.expected == ("no", "yes", "no", "yes")


def test_a_row_of_which_a_label_could_not_be_measured_is_not_judged(judging):
    def loss(_, row):
        return None if "4" in row["prompt"] and row["completion"] == "no" else thinks_that(lambda _: True)(_, row)

    judging(Judge(loss))
    found = gpt.evaluate(None, PAIRS)
    assert found.classification.expected == ("yes", "no", "yes", "no", "no")
    assert np.isnan(found.log_likelihoods[4]).tolist() == [True, False]


def test_a_completion_that_is_no_label_is_refused_before_anything_is_measured(judging):
    engine = judging(Judge())
    with pytest.raises(InvalidRequest, match="row 1 has the completion 'no', which is no label"):
        gpt.evaluate(None, PAIRS, labels=["yes", "nope"])
    assert not asked(engine, EvaluateRequest)


# --- how it shows itself --------------------------------------------------------------------------------------------


def test_a_notebook_shows_an_evaluation_as_text_and_as_html():
    found = Evaluation(model="<b>m</b>", by_row=(Measures(loss_sum=2.0, tokens=2, correct=1),), warnings=("mind",))
    bundle = found._repr_mimebundle_()
    assert bundle["text/plain"].splitlines()[-1] == "1 row, 2 tokens count · mind"
    assert "&lt;b&gt;m" in bundle["text/html"]


def test_a_loss_beyond_all_numbers_has_a_perplexity_all_the_same():
    assert Measures(loss_sum=1e6, tokens=1, correct=0).perplexity == math.inf
    assert math.isnan(Measures(loss_sum=0.0, tokens=0, correct=0).loss)


def test_a_saved_model_is_called_by_its_name(judging, settings):
    place = settings.home_directory() / "models" / "mine"
    place.mkdir(parents=True)
    engine = judging(Judge(models=(str(place),)))
    assert gpt.evaluate("mine", TEXTS).model == "mine"
    assert asked(engine, EvaluateRequest)[0].model == str(place)


@pytest.mark.parametrize("name", inspect.signature(gpt.evaluate).parameters)
def test_every_argument_is_documented(name):
    page = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text("utf-8")
    assert re.search(rf"^\| [^|]*`{name}`", page, re.MULTILINE)

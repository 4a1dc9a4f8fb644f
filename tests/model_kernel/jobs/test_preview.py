from __future__ import annotations

import hashlib
import json

import pytest

from gpt_notebook.errors import InvalidRequest
from gpt_notebook.job_protocol import JobOptions, PreviewRequest
from gpt_notebook.model_kernel import prompts
from gpt_notebook.model_kernel.jobs.preview import preview
from gpt_notebook.protocol import GenerateRequest
from gpt_notebook.training.planning import choices
from model_kernel.families import CONTEXT
from model_kernel.tiny_models import CHAT_TEMPLATE, TEXT

ROWS = [{"prompt": f"Question {i}:", "completion": f" answer {i}"} for i in range(10)]


@pytest.fixture
def look(tmp_path, loaded):
    def looking(rows, *, model=None, validation=None, samples=3, **options):
        paths = []
        for data in filter(None, (rows, validation)):
            lines = "".join(json.dumps(row) + "\n" for row in data).encode()
            paths.append(tmp_path / hashlib.sha256(lines).hexdigest())
            paths[-1].write_bytes(lines)
        digests = dict(zip(("data", "validation"), (path.name for path in paths), strict=False))
        request = PreviewRequest(**digests, samples=samples, options=JobOptions(**options))
        return preview(model or loaded(), request, *paths, free=10**12)

    return looking


def test_what_is_shown_is_the_exact_text_its_tokens_and_which_of_them_count(look):
    shown = look(ROWS, samples=1).shown[0]
    assert shown.text == "Question 0: answer 0<|endoftext|>"
    assert "".join(token.text for token in shown.tokens) == shown.text
    counted = [token.text for token, counts in zip(shown.tokens, shown.counted, strict=True) if counts]
    assert "".join(counted) == " answer 0<|endoftext|>"
    assert (shown.row, shown.cut) == (0, 0)


def test_a_prompt_is_shown_as_the_model_will_be_asked_it(look, loaded):
    model = loaded("llama", chat_template=CHAT_TEMPLATE)
    shown = look(ROWS, model=model, samples=1).shown[0]
    asked = prompts.prepare(model, GenerateRequest(prompt="Question 0:"))
    assert [token.id for token in shown.tokens[: len(asked.token_ids)]] == asked.token_ids
    assert shown.counted.index(True) == len(asked.token_ids)
    assert look(ROWS, model=model, samples=1, chat=False).shown[0].text.startswith("Question 0:")


def test_rows_tokens_and_lengths_are_counted(look):
    found = look(ROWS)
    assert (found.rows, found.samples, found.cut, found.dropped, found.split) == (10, 10, 0, 0, 0)
    assert 0 < found.counted < found.tokens
    assert len(found.lengths) == 5
    assert list(found.lengths) == sorted(found.lengths)
    assert found.max_length == CONTEXT
    assert len(found.shown) == 3
    assert found.estimate.steps == 6


def test_long_texts_are_split_and_long_prompts_cut_and_one_of_those_is_shown(look):
    assert look([{"text": TEXT}]).split == 1
    found = look([*ROWS, {"prompt": TEXT, "completion": " yes"}], samples=2)
    assert found.cut == 1
    assert found.shown[-1].row == 10
    assert found.shown[-1].cut > 0


def test_validation_rows_are_kept_or_given(look):
    assert look(ROWS).validation_samples == 0
    assert look(ROWS, validation_share=0.2).validation_samples == 2
    found = look(ROWS, validation=[{"prompt": "Another:", "completion": " one"}, ROWS[3]])
    assert found.validation_samples == 2
    assert found.warnings == ("1 of the 2 validation rows are also trained on",)


def test_what_should_be_known_of_the_data_is_said(look):
    assert "1 row repeated" in look([*ROWS, ROWS[0]]).warnings[0]


@pytest.mark.parametrize(
    ("rows", "options", "reason"),
    [
        ([{"text": "Hi"}, {"txt": "Hi"}], {}, "row 1 has txt"),
        ([{"text": "Hi"}], {"max_length": 10**6}, "max_length is 1,000,000"),
        ([{"text": TEXT}], {"too_long": "refuse"}, "row 0 has"),
        ([{"text": "Hi"}], {"dtype": "float16"}, "dtype float16 is slow on a CPU"),
    ],
)
def test_what_a_job_would_refuse_is_refused(look, rows, options, reason):
    with pytest.raises(InvalidRequest, match=reason):
        look(rows, **options)


def test_the_estimate_is_of_the_dtype_that_the_job_would_choose(look, loaded, monkeypatch):
    chosen = []

    def choose(options, parameters, device):
        chosen.append((options.dtype, parameters, device.type))
        return "bfloat16"

    whole = look(ROWS).estimate.weights
    monkeypatch.setattr(choices, "dtype", choose)
    assert look(ROWS).estimate.weights < 0.7 * whole
    assert chosen == [(None, loaded().parameters, "cpu")]

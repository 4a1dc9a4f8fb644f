"""The functions in C give what torch gives, each row whatever the others are."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from gpt_notebook.model_kernel.attention.calls import AttentionCall
from gpt_notebook.model_kernel.native import library
from gpt_notebook.model_kernel.threads import many, sparing

LENGTHS = (0, 4, 30, 63, 17)
CAPACITY = 64
ERRORS = {torch.float32: 2e-6, torch.bfloat16: 1e-2}


@pytest.fixture(scope="module")
def functions() -> library.Library:
    found = library.library()
    assert found is not None, library.said()
    return found


def case(
    *, heads: int = 6, key_heads: int = 2, dimension: int = 64, values: int = 64, dtype: torch.dtype = torch.float32
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return queries, keys, values and lengths; behind the length of a row there are numbers that would be noticed."""
    generator = torch.Generator().manual_seed(dimension)
    n_rows = len(LENGTHS)
    query = torch.randn(1, heads, n_rows, dimension, generator=generator).to(dtype)
    keys = torch.randn(n_rows, key_heads, CAPACITY, dimension, generator=generator).to(dtype)
    weighed = torch.randn(n_rows, key_heads, CAPACITY, values, generator=generator).to(dtype)
    for row, length in enumerate(LENGTHS):
        keys[row, :, length + 1 :] = 1e3
        weighed[row, :, length + 1 :] = torch.nan
    return query, keys, weighed, torch.tensor(LENGTHS)


def call_of(query: torch.Tensor, **options: object) -> AttentionCall:
    return AttentionCall("decoder", 0, query, query, query, query, **{"scaling": 0.125, **options})


def expected(call: AttentionCall, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Return (1, row, head, value dimension), computed in float64 row by row as it is written in papers."""
    outputs = []
    for row, length in enumerate(LENGTHS):
        first = max(0, length + 1 - call.window) if call.window else 0
        group = call.query.shape[1] // keys.shape[1]
        seen = keys[row, :, first : length + 1].double().repeat_interleave(group, 0)  # (head, key, dimension)
        weighed = values[row, :, first : length + 1].double().repeat_interleave(group, 0)
        scores = torch.einsum("hd,hkd->hk", call.query[0, :, row].double(), seen) * call.scaling
        if call.softcap:
            scores = torch.tanh(scores / call.softcap) * call.softcap
        if call.sinks is not None:
            scores = torch.cat([scores, call.sinks.double()[:, None]], 1)
        weights = scores.softmax(-1)[:, : seen.shape[1]]
        outputs.append(torch.einsum("hk,hkd->hd", weights, weighed))
    return torch.stack(outputs)[None]


@pytest.mark.parametrize("dtype", ERRORS)
@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"heads": 4, "key_heads": 4},
        {"heads": 8, "key_heads": 1},
        {"dimension": 128, "values": 128},
        {"dimension": 80, "values": 80},
        {"dimension": 7, "values": 5},
        {"dimension": 192, "values": 128},
    ],
)
@pytest.mark.parametrize("options", [{}, {"window": 8}, {"softcap": 3.0}, {"sinks": True}])
def test_attention_is_that_of_the_papers(
    functions: library.Library, shape: dict[str, int], dtype: torch.dtype, options: dict[str, object]
) -> None:
    query, keys, values, lengths = case(**shape, dtype=dtype)
    if "sinks" in options:
        options = {"sinks": torch.linspace(-1, 3, query.shape[1])}
    call = call_of(query, **options)
    found = functions.attend(call, keys, values, lengths)
    wanted = expected(call, keys, values)
    assert found.dtype == dtype
    assert (found - wanted).abs().max() < ERRORS[dtype]


def test_wrong_scale_would_be_noticed(functions: library.Library) -> None:
    query, keys, values, lengths = case()
    found = functions.attend(call_of(query, scaling=0.125 * 1.05), keys, values, lengths)
    assert (found - expected(call_of(query), keys, values)).abs().max() > 100 * ERRORS[torch.float32]


def test_queries_may_lie_apart(functions: library.Library) -> None:
    """A model's queries are a view of what a layer has given for queries, keys and values together."""
    query, keys, values, lengths = case()
    apart = torch.randn(1, len(LENGTHS), 3, *query.shape[1::2])[:, :, 0].transpose(1, 2).copy_(query)
    assert not apart.is_contiguous()
    both = [functions.attend(call_of(each), keys, values, lengths) for each in (query, apart)]
    assert torch.equal(*both)


@pytest.mark.parametrize("dtype", ERRORS)
def test_row_is_the_same_to_the_bit_with_others_and_with_threads(
    functions: library.Library, dtype: torch.dtype
) -> None:
    query, keys, values, lengths = case(dtype=dtype)
    together = functions.attend(call_of(query), keys, values, lengths)
    with sparing(), many():
        assert torch.equal(functions.attend(call_of(query), keys, values, lengths), together)
    with sparing():
        assert torch.equal(functions.attend(call_of(query), keys, values, lengths), together)
    for row in range(len(LENGTHS)):
        alone = functions.attend(
            call_of(query[:, :, row : row + 1]), keys[row : row + 1], values[row : row + 1], lengths[row : row + 1]
        )
        assert torch.equal(alone, together[:, row : row + 1])


def test_values_may_have_other_room_than_keys(functions: library.Library) -> None:
    """Where memory has not sufficed for all tables to grow."""
    query, keys, values, lengths = case()
    more = torch.full((len(values) + 2, values.shape[1], CAPACITY + 32, values.shape[3]), torch.nan)
    more[: len(values), :, :CAPACITY] = values
    both = [functions.attend(call_of(query), keys, each, lengths) for each in (values, more)]
    assert torch.equal(*both)


def test_nan_stays_nan(functions: library.Library) -> None:
    """Weights that are no numbers must be noticed where tokens are chosen."""
    query, keys, values, lengths = case()
    keys[2, 0, 3, 1] = torch.nan
    found = functions.attend(call_of(query), keys, values, lengths)
    assert found[0, 2, 0].isnan().all()
    assert not found[0, 1].isnan().any()


def test_what_c_would_read_beside_is_refused(functions: library.Library) -> None:
    query, keys, values, lengths = case()
    refused = [
        (query.bfloat16(), keys, values, lengths),
        (query, keys, values.bfloat16(), lengths),
        (query, keys.transpose(1, 2), values, lengths),
        (query, keys[:-1], values[:-1], lengths),
        (query, keys, values[:, :1], lengths),
        (query, keys[..., :32].contiguous(), values, lengths),
        (query[:, :5], keys, values, lengths),
        (query, keys, values, lengths[:-1]),
        (query, keys, values, lengths.int()),
        (query.expand(2, -1, -1, -1), keys, values, lengths),
    ]
    for each in refused:
        with pytest.raises(ValueError, match="fit"):
            functions.attend(call_of(each[0]), *each[1:])


def test_sinks_of_other_heads_are_refused(functions: library.Library) -> None:
    query, keys, values, lengths = case()
    with pytest.raises(ValueError, match="fit"):
        functions.attend(call_of(query, sinks=torch.zeros(5)), keys, values, lengths)


def test_scores_far_below_the_best_count_for_nothing(functions: library.Library) -> None:
    query, keys, values, lengths = case()
    found = functions.attend(call_of(query, sinks=torch.full((6,), 1e4)), keys, values, lengths)
    assert torch.equal(found, torch.zeros_like(found))


def test_what_c_would_write_beside_is_refused(functions: library.Library) -> None:
    _, keys, _, lengths = case()
    new = torch.zeros(1, 2, len(LENGTHS), 64)
    for wrong in (new.bfloat16(), new[..., :32], new[:, :1], new[:, :, :-1]):
        with pytest.raises(ValueError, match="fit"):
            functions.store(keys, wrong, lengths)


@pytest.mark.parametrize("dtype", ERRORS)
def test_new_keys_go_behind_those_that_are_there(functions: library.Library, dtype: torch.dtype) -> None:
    _, keys, _, lengths = case(dtype=dtype)
    new = torch.randn(1, len(LENGTHS), 2, 64).to(dtype).transpose(1, 2)  # as a model's keys lie
    wanted = keys.clone()
    for row, length in enumerate(LENGTHS):
        wanted[row, :, length] = new[0, :, row]
    functions.store(keys, new, lengths)
    assert torch.equal(keys, wanted)


# --- logits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 5, 1024, 50_257])
def test_best_logit_and_sum(functions: library.Library, count: int) -> None:
    row = np.random.default_rng(count).normal(0, 4, count).astype(np.float32)
    best, log_sum = functions.best_and_sum(row)
    assert best == row.argmax()
    assert log_sum == pytest.approx(float(torch.from_numpy(row).double().logsumexp(0)), abs=1e-6)


def test_logits_may_lie_apart(functions: library.Library) -> None:
    row = np.arange(20, dtype=np.float32)
    assert functions.best_and_sum(row[::2]) == functions.best_and_sum(row[::2].copy())
    assert functions.best_and_sum(row.astype(np.float16))[0] == 19


def test_first_of_equals_is_the_best(functions: library.Library) -> None:
    row = np.zeros(100, np.float32)
    row[[7, 70]] = 2.0
    assert functions.best_and_sum(row)[0] == 7


def test_forbidden_tokens_count_for_nothing(functions: library.Library) -> None:
    row = np.full(40, -np.inf, np.float32)
    row[[3, 30]] = 1.0
    best, log_sum = functions.best_and_sum(row)
    assert best == 3
    assert log_sum == pytest.approx(1.0 + math.log(2))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("place", [0, 17, 1030])
def test_logits_that_are_no_numbers_show_in_the_sum(functions: library.Library, bad: float, place: int) -> None:
    row = np.zeros(1031, np.float32)
    row[place] = bad
    assert not math.isfinite(functions.best_and_sum(row)[1])


def test_logits_that_are_all_forbidden_show_in_the_sum(functions: library.Library) -> None:
    assert not math.isfinite(functions.best_and_sum(np.full(9, -np.inf, np.float32))[1])


# --- getting them -----------------------------------------------------------------------------------------------------


@pytest.fixture
def new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "_preparation", None)


@pytest.mark.usefixtures("new_process")
def test_nobody_gets_what_was_not_asked_for() -> None:
    assert library.library() is None


@pytest.mark.usefixtures("new_process")
def test_library_waits_for_the_build(tmp_path: Path) -> None:
    library.prepare(tmp_path)
    assert library.library() is not None
    assert library.said().startswith("built by /")


@pytest.mark.usefixtures("new_process")
def test_without_a_compiler_there_is_none_and_it_is_said_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    library.prepare(tmp_path)
    assert library.library() is None
    assert "install one" in library.said()


def test_tensors_that_it_does_not_know_are_left_to_torch() -> None:
    assert library.for_tensors([torch.zeros(2, dtype=torch.float16)]) is None
    assert library.for_tensors([torch.zeros(2, device="meta")]) is None
    assert library.for_tensors([torch.zeros(2), torch.zeros(2)]) is not None

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from model_kernel.tiny_models import CHAT_TEMPLATE, byte_level_tokenizer, metaspace_tokenizer
from training.in_this_process import InThisProcess

from gpt_notebook.errors import InvalidRequest
from gpt_notebook.training.samples import rows, samples

END = "<|endoftext|>"
LONG = "Once upon a time there was a fox who lived at the edge of the wood."


@pytest.fixture(scope="module")
def tokenizer():
    return byte_level_tokenizer()


@pytest.fixture
def encode(tokenizer):
    return lambda data, *, of=None, max_length=200, **options: samples.encode(
        data, of or tokenizer, max_length=max_length, templates=InThisProcess(), **options
    )


def text_of(tokenizer, sample):
    return tokenizer.decode(sample.token_ids.tolist())


def counted_text(tokenizer, sample):
    return tokenizer.decode(sample.token_ids[sample.counted].tolist())


def test_of_a_text_everything_counts_but_its_first_token_and_so_does_its_end(encode, tokenizer):
    found = encode([{"text": LONG}, {"text": "The fox"}])
    assert [text_of(tokenizer, each) for each in found] == [LONG + END, "The fox" + END]
    for each in found:
        assert not each.counted[0]
        assert each.counted[1:].all()
    assert found.lengths.tolist() == found.sizes.tolist()
    assert found.n_tokens == found.sizes.sum()
    assert found.n_counted == found.n_tokens - 2


def test_a_tokenizer_without_an_end_token_adds_none(encode):
    of = metaspace_tokenizer()
    of.eos_token = None
    (only,) = encode([{"text": "The fox"}], of=of)
    assert only.token_ids.tolist() == of("The fox")["input_ids"]


def test_an_end_token_that_is_there_is_not_added_again(encode, tokenizer):
    (only,) = encode([{"text": f"The fox{END}"}])
    assert only.token_ids.tolist().count(tokenizer.eos_token_id) == 1


def test_a_prompt_and_its_completion_are_tokenised_apart_and_only_the_completion_counts(encode, tokenizer):
    (only,) = encode([{"prompt": "The fo", "completion": "x went"}])
    before, after = tokenizer("The fo")["input_ids"], tokenizer("x went")["input_ids"]
    assert only.token_ids.tolist() == [*before, *after, tokenizer.eos_token_id]
    assert only.token_ids.tolist()[:-1] != tokenizer("The fox went")["input_ids"]
    assert only.counted.tolist() == [False] * len(before) + [True] * (len(after) + 1)


def test_an_empty_prompt_is_what_the_model_generates_from(encode, tokenizer):
    (only,) = encode([{"prompt": "", "completion": "The fox"}])
    assert only.token_ids[0] == tokenizer.bos_token_id
    assert counted_text(tokenizer, only) == f"The fox{END}"


def test_a_model_with_a_chat_template_gets_a_prompt_as_a_users_turn_unless_told_otherwise(encode):
    of = byte_level_tokenizer(chat_template=CHAT_TEMPLATE)
    row = {"prompt": "Who?", "completion": "A fox"}
    (as_chat,) = encode([row], of=of)
    assert text_of(of, as_chat) == "<|user|>Who?<|end|>\n<|assistant|>A fox<|end|>"
    assert counted_text(of, as_chat) == "A fox<|end|>"
    (plain,) = encode([row], of=of, chat=False)
    assert text_of(of, plain) == f"Who?A fox{END}"


# --- rows that are too long -----------------------------------------------------------------------------------------


def test_a_long_text_is_split_so_that_every_token_counts_once(encode):
    (whole,) = encode([{"text": LONG}])
    parts = encode([{"text": LONG}, {"text": "The fox"}], max_length=8)
    of_first = [each for each in parts if each.row == 0]
    assert max(parts.sizes) == 8
    assert (parts.split, parts.cut, parts.dropped) == (1, 0, 0)
    assert np.concatenate([each.token_ids[1:] for each in of_first]).tolist() == whole.token_ids[1:].tolist()
    for before, after in itertools.pairwise(of_first):
        assert before.token_ids[-1] == after.token_ids[0]


def test_a_text_that_is_cut_keeps_its_beginning(encode):
    (whole,) = encode([{"text": LONG}])
    found = encode([{"text": LONG}], max_length=8, too_long="cut")
    assert found[0].token_ids.tolist() == whole.token_ids[:8].tolist()
    assert found[0].cut == len(whole.token_ids) - 8
    assert (found.split, found.cut) == (0, 1)


@pytest.mark.parametrize("too_long", ["split", "cut"])
def test_before_a_completion_the_beginning_of_the_prompt_is_left_out(encode, tokenizer, too_long):
    row = {"prompt": LONG, "completion": " was a fox"}
    (whole,) = encode([row])
    found = encode([row], max_length=8, too_long=too_long)
    assert found[0].token_ids.tolist() == whole.token_ids[-8:].tolist()
    assert counted_text(tokenizer, found[0]) == f" was a fox{END}"
    assert found[0].cut == len(whole.token_ids) - 8
    assert found.split == 0


def test_a_completion_that_is_too_long_by_itself_keeps_its_beginning(encode):
    row = {"prompt": "The fox", "completion": LONG}
    (whole,) = encode([row])
    (cut,) = encode([row], max_length=5)
    start = int(whole.counted.argmax()) - 1
    assert cut.token_ids.tolist() == whole.token_ids[start : start + 5].tolist()
    assert cut.counted.tolist() == [False, True, True, True, True]


@pytest.mark.parametrize("max_length", [2, 3, 4, 7, 15])
@pytest.mark.parametrize("too_long", ["split", "cut"])
def test_whatever_the_length_something_counts_and_nothing_is_longer(encode, max_length, too_long):
    data = [
        {"prompt": LONG, "completion": LONG},
        {"prompt": "", "completion": LONG},
        {"prompt": LONG, "completion": "x"},
    ]
    for each in encode(data, max_length=max_length, too_long=too_long):
        assert len(each.token_ids) <= max_length
        assert each.counted.any()
        assert not each.counted[0]


def test_the_token_that_begins_every_text_stays_where_a_prompt_is_cut(encode):
    of = metaspace_tokenizer()
    of.add_bos_token = True
    row = {"prompt": LONG, "completion": "A fox"}
    (whole,) = encode([row], of=of)
    assert whole.token_ids[0] == of.bos_token_id
    assert len(whole.token_ids) > 10
    (cut,) = encode([row], of=of, max_length=10)
    assert cut.token_ids.tolist() == [of.bos_token_id, *whole.token_ids[-9:].tolist()]


def test_too_long_rows_can_be_dropped_or_refused(encode):
    data = [{"text": "The fox"}, {"text": LONG}]
    dropped = encode(data, max_length=8, too_long="drop")
    assert (len(dropped), dropped.dropped, dropped.n_rows) == (1, 1, 2)
    with pytest.raises(InvalidRequest, match=r"row 1 has \d+ tokens, more than the 8 of max_length"):
        encode(data, max_length=8, too_long="refuse")


def test_data_of_which_nothing_is_left_are_refused(encode):
    with pytest.raises(
        InvalidRequest,
        match=r"none of the 1 rows .* too_long is drop, which leaves those out: raise max_length, or cut them",
    ):
        encode([{"text": LONG}], max_length=8, too_long="drop")
    with pytest.raises(InvalidRequest, match="no rows"):
        encode([])


# --- rows that are none ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ({"txt": "Hi"}, "has txt"),
        ({}, "has nothing"),
        ({"text": "Hi", "label": 1}, "has text, label"),
        ({"prompt": "Hi"}, "has prompt"),
        ("Hi", "is a str"),
        ({"text": 3}, "has 3 as its text"),
        ({"text": None}, "has None as its text"),
        ({"text": ""}, "has an empty text"),
        ({"text": "\ud800"}, "is broken"),
        ({"prompt": "Hi", "completion": ""}, "has prompt and completion, unlike the rows before it"),
    ],
)
def test_what_is_no_row_is_refused_by_its_number(encode, row, what):
    with pytest.raises(InvalidRequest, match=f"row 1 {what}") as raised:
        encode([{"text": "Hi"}, row])
    assert raised.value.param == "data"


@pytest.mark.parametrize(
    ("messages", "what"),
    [
        ("Hi", "has 'Hi' as its messages"),
        ([], "has no message of the assistant"),
        ([{"role": "user", "content": "Hi"}], "has no message of the assistant"),
        ([{"role": "tool", "content": "Hi"}], "has the role 'tool' in message 0"),
        ([{"role": "assistant"}], "as message 0: give it a role and a content"),
        ([{"role": "assistant", "content": 3}], "has 3 as its content"),
        ([{"role": "assistant", "content": "Hi", "name": "x"}], "as message 0"),
    ],
)
def test_what_is_no_conversation_is_refused_by_its_number(encode, messages, what):
    with pytest.raises(InvalidRequest, match=f"row 0 .*{what}"):
        encode([{"messages": messages}])


def test_a_line_that_is_no_json_is_named(tmp_path):
    (tmp_path / "data.jsonl").write_bytes(b'{"text": "Hi"}\n{"text": "\xff"}\n')
    read = rows.read(tmp_path / "data.jsonl")
    assert next(read) == {"text": "Hi"}
    with pytest.raises(InvalidRequest, match="row 1 is no JSON"):
        next(read)


def test_rows_are_read_once_and_never_kept(tokenizer, tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps({"text": f"The fox {i}"}) + "\n" for i in range(2500)))
    found = samples.encode(rows.read(path), tokenizer, max_length=64, templates=InThisProcess())
    assert len(found) == 2500
    assert text_of(tokenizer, found[2499]) == f"The fox 2499{END}"


def test_a_single_token_is_left_out_and_counted(encode):
    of = byte_level_tokenizer()
    of.eos_token = None
    found = encode([{"text": "a"}, {"text": "The fox"}], of=of)
    assert found.rows.tolist() == [1]
    assert found.dropped == 1
    (warning,) = found.warnings
    assert warning.startswith("1 row left out")


# --- for training and for validation --------------------------------------------------------------------------------


@pytest.fixture
def many(encode):
    return encode([{"text": f"The fox {i} went home."} for i in range(100)])


def rows_of(found):
    return set(found.rows.tolist())


def test_the_same_seed_divides_alike_and_another_otherwise(many):
    first, again, other = (samples.divide(many, 0.2, seed=seed) for seed in (1, 1, 2))
    assert [rows_of(each) for each in first] == [rows_of(each) for each in again]
    assert rows_of(first[1]) != rows_of(other[1])
    assert rows_of(first[0]) | rows_of(first[1]) == set(range(100))
    assert len(first[1]) == 20


def test_samples_that_are_taken_are_whole(many):
    for half in samples.divide(many, 0.3, seed=0):
        assert half.n_tokens == half.sizes.sum() == half.offsets[-1]
        for each in half:
            original = many[each.row]
            assert each.token_ids.tolist() == original.token_ids.tolist()
            assert each.counted.tolist() == original.counted.tolist()


@pytest.mark.parametrize("share", [0.001, 0.9])
def test_there_is_at_least_one_row_on_each_side(encode, share):
    training, validation = samples.divide(encode([{"text": "The fox"}, {"text": "The owl"}]), share, seed=0)
    assert len(training) == len(validation) == 1


def test_nothing_that_is_validated_on_is_also_trained_on(encode):
    found = encode([{"text": f"The fox {i % 5}"} for i in range(50)])
    training, validation = samples.divide(found, 0.4, seed=3)
    assert not set(found.digests[training.rows]) & set(found.digests[validation.rows])


def test_parts_of_a_text_stay_together(encode):
    found = encode([{"text": f"{i} {LONG}"} for i in range(6)], max_length=8)
    training, validation = samples.divide(found, 0.5, seed=0)
    assert not rows_of(training) & rows_of(validation)


def test_rows_that_are_all_the_same_cannot_be_divided(encode):
    with pytest.raises(InvalidRequest, match="two rows that differ"):
        samples.divide(encode([{"text": "The fox"}] * 4), 0.5, seed=0)

"""Rows from anything: what is read, what is chosen and said, and one line with the place for what can't be learnt from."""

from __future__ import annotations

import csv
import gzip
import json
import sys
import tracemalloc
from pathlib import Path

import pytest

from gpt_notebook.data import dataset
from gpt_notebook.data import files as data_files
from gpt_notebook.data.dataset import Dataset
from gpt_notebook.errors import InvalidRequest
from gpt_notebook.protocol import ChatMessage

PAIRS = [{"prompt": "2 + 2 =", "completion": " 4"}, {"prompt": "2 + 3 =", "completion": " 5"}]
CHAT = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}]


@pytest.fixture
def file(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def rows(data, **columns):
    return Dataset(data, **columns).rows()


def refusal(data, **columns):
    with pytest.raises(InvalidRequest) as caught:
        list(rows(data, **columns))
    assert "\n" not in caught.value.message
    return caught.value.message


# --- tables ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [["a", "b"], ("a", "b"), iter(["a", "b"]), [{"text": "a"}, {"text": "b"}], {"text": ["a", "b"]}],
)
def test_texts_come_as_lists_dicts_or_columns(data):
    assert list(rows(data)) == [{"text": "a"}, {"text": "b"}]


def test_a_data_frame_is_read(tmp_path):
    pandas = pytest.importorskip("pandas")
    assert list(rows(pandas.DataFrame(PAIRS, index=["x", "y"]))) == PAIRS
    assert list(rows(pandas.Series(["a", "b"]))) == [{"text": "a"}, {"text": "b"}]


def test_a_data_set_is_read():
    datasets = pytest.importorskip("datasets")
    assert list(rows(datasets.Dataset.from_list(PAIRS))) == PAIRS
    assert list(rows(datasets.Dataset.from_list(PAIRS).to_iterable_dataset())) == PAIRS


def test_an_arrow_table_is_read():
    arrow = pytest.importorskip("pyarrow")
    assert list(rows(arrow.Table.from_pylist(PAIRS))) == PAIRS


def test_splits_are_not_mixed():
    class DatasetDict(dict):
        pass

    assert "give one of them, as in data['train']" in refusal(DatasetDict(train=[], test=[]))


def test_a_table_longer_than_a_piece_is_whole_and_its_rows_are_counted_through(monkeypatch):
    pandas = pytest.importorskip("pandas")
    monkeypatch.setattr(dataset, "PIECE_ROWS", 2)
    frame = pandas.DataFrame({"text": ["a", "b", "c", "d", None]})
    assert "row 4: the cell of 'text' is empty" in refusal(frame)
    assert [row["text"] for row in rows(frame.head(4))] == ["a", "b", "c", "d"]


def test_data_can_be_read_again():
    data = Dataset(iter(["a", "b"]))
    assert list(data.rows()) == list(data.rows())
    assert data.length == 2


def test_chats_are_rows_with_or_without_a_column():
    expected = [{"messages": CHAT}]
    assert list(rows([CHAT])) == list(rows([{"messages": CHAT}])) == expected
    assert list(rows([[ChatMessage(**turn) for turn in CHAT]])) == expected


def test_the_chats_of_sharegpt_are_understood():
    shared = [{"from": "human", "value": "Hello"}, {"from": "gpt", "value": "Hi"}]
    assert list(rows([{"conversations": shared}])) == [{"messages": CHAT}]


# --- columns --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("text", {"text": "0"}),
        ("prompt completion", {"prompt": "0", "completion": "1"}),
        ("text id", {"text": "0"}),
    ],
)
def test_our_own_names_need_no_word(names, expected):
    data = Dataset([{name: str(i) for i, name in enumerate(names.split())}])
    assert list(data.rows()) == [expected]
    assert not [note for note in data.notes if "column" in note]


@pytest.mark.parametrize(
    ("names", "expected", "note"),
    [
        ("question answer", {"prompt": "0", "completion": "1"}, "prompt is the column question and completion is the column answer"),
        ("instruction output", {"prompt": "0", "completion": "1"}, "prompt is the column instruction"),
        ("review label id", {"prompt": "0", "completion": "1"}, "completion is the column label; not used: id"),
        ("text label", {"prompt": "0", "completion": "1"}, "prompt is the column text"),
        ("Story", {"text": "0"}, "text is the column Story"),
        ("whatever", {"text": "0"}, "text is the column whatever"),
    ],
)  # fmt: skip
def test_other_names_are_taken_with_a_note(names, expected, note):
    data = Dataset([{name: str(i) for i, name in enumerate(names.split())}])
    assert list(data.rows()) == [expected]
    assert any(note in each for each in data.notes)


def test_columns_can_be_said():
    data = [{"a": "x", "b": "y", "text": "z"}]
    assert list(rows(data, text="a")) == [{"text": "x"}]
    assert list(rows(data, prompt="a", completion="b")) == [{"prompt": "x", "completion": "y"}]


def test_templates_make_one_field_of_several_columns():
    data = [{"text": "Fine {x}", "label": 1}]
    found = list(rows(data, prompt="Review: {text}\nSentiment:", completion=" {label}"))
    assert found == [{"prompt": "Review: Fine {x}\nSentiment:", "completion": " 1"}]


def test_the_half_that_is_not_said_is_found_by_its_name():
    data = Dataset([{"a": "x", "answer": " y"}], prompt="a")
    assert list(data.rows()) == [{"prompt": "x", "completion": " y"}]
    assert data.notes == ["completion is the column answer"]


@pytest.mark.parametrize(
    ("data", "columns", "words"),
    [
        ([{"text": "x"}], {"text": "txt"}, "text: unknown column txt: did you mean text?"),
        ([{"text": "x"}], {"text": "{txt}!"}, "unknown column txt: braces that are meant as such are doubled, {{txt}}. Did you mean text?"),
        ([{"promt": "x", "completion": "y"}], {}, "the data have the columns promt, completion; did you mean prompt?"),
        ([{"a": "x", "b": "y"}], {}, "the data have the columns a, b: say which it is by the option text,"),
        ([{"question": "x", "query": "y", "answer": "z"}], {}, "prompt can be question or query: say which"),
        ([{"a": "x"}], {"prompt": "a"}, "prompt is given and completion is not: name its column of a"),
        ([{"a": "x"}], {"prompt": "a", "text": "a"}, "a row is one of text, prompt and completion, or messages, not prompt and completion and text"),
        ([{"a": "x"}], {"text": 3}, "text must be a column's name or a template, not int"),
        ([{"text": "x"}, {"txt": "y"}], {"text": "text"}, "row 1: the row has no 'text'; did you mean txt?"),
    ],
)  # fmt: skip
def test_columns_that_are_not_there_are_named_with_what_was_meant(data, columns, words):
    assert words in refusal(data, **columns)


# --- cells ----------------------------------------------------------------------------------------------------------


def test_labels_that_are_numbers_become_text_and_that_is_said():
    data = Dataset([{"prompt": "x\n", "completion": 1}, {"prompt": "y\n", "completion": True}])
    assert [row["completion"] for row in data.rows()] == ["1", "True"]
    assert "the cells of completion are no texts but int: what is learnt is their text" in data.notes


def test_only_labels_may_be_numbers_unless_a_template_says_otherwise():
    assert "row 0: the cell of 'prompt' is no text but an int" in refusal([{"prompt": 4, "completion": 5}])
    rows = Dataset([{"price": 1.5}], text="It costs {price}.").rows()
    assert list(rows) == [{"text": "It costs 1.5."}]


def test_the_columns_are_known_before_the_rows_are_read(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"story": "A fox"}\n')
    assert Dataset(tmp_path / "a.jsonl").names() == ("story",)
    assert Dataset([{"a": 1, "b": 2}]).names() == ("a", "b")
    assert Dataset([]).names() == ()


def test_words_that_would_run_together_are_pointed_out():
    joined, apart = Dataset([{"prompt": "Is it good?", "completion": "yes"}]), Dataset(PAIRS)
    list(joined.rows()), list(apart.rows())
    assert any(
        "'Is it good?yes'" in note and "such as ' {completion}' for the completion" in note for note in joined.warnings
    )
    assert joined.notes == apart.notes == apart.warnings == []


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        (None, "row 1: the cell of 'text' is empty (None)"),
        (float("nan"), "row 1: the cell of 'text' is empty (nan)"),
        ("  ", "row 1: the cell of 'text' is empty"),
        (["x"], "row 1: the cell of 'text' is no text but a list"),
        (
            2.5,
            "row 1: the cell of 'text' is no text but a float: make a column of texts of it, or write a template such as 'Value: {text}'",
        ),
        ("a\0b", "row 1: text holds a NUL character (U+0000 at 1)"),
        ("a\ud800", "row 1: text holds half a character (U+D800 at 1)"),
    ],
)
def test_a_cell_without_a_text_is_refused_with_its_row(cell, words):
    assert words in refusal([{"text": "x"}, {"text": cell}])


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("Hello", "row 0: the cell of 'messages' is a str, not a list of messages"),
        (None, "row 0: the cell of 'messages' is empty"),
        (CHAT[:1], "row 0: 'messages' has no message of the assistant"),
        ([{"role": "assistent", "content": "Hi"}], "is one of system, user, assistant, not 'assistent'; did you mean assistant?"),
        ([{"role": "assistant", "content": ""}], "the content of message 0 of 'messages' is empty"),
        ([{"role": "assistant", "content": ["x"]}], "the content of message 0 of 'messages' is no text but a list"),
        (["Hi"], "message 0 of 'messages' is a str, not {'role'"),
    ],
)  # fmt: skip
def test_a_chat_that_is_none_is_refused_with_its_row(cell, words):
    assert words in refusal([{"messages": cell}], messages="messages")


@pytest.mark.parametrize("data", [[], {"text": []}, iter([])])
def test_empty_data_are_refused(data):
    assert refusal(data) == "the data have no row: give at least one text to learn"


@pytest.mark.parametrize(("data", "words"), [(None, "not NoneType"), (3, "not int"), (b"x", "not bytes")])
def test_what_is_no_data_is_refused(data, words):
    assert refusal(data).endswith(words)


def test_one_text_is_no_data():
    assert refusal("Once upon a time\nthere was") == "data is one text: give a list of texts, or the path of a file"


def test_validation_data_are_called_so():
    with pytest.raises(InvalidRequest, match=r"^validation: row 0: the cell of 'text' is empty"):
        list(Dataset([""], what="validation").rows())


# --- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.jsonl", '{"text": "x"}\n\n{"text": "y"}', ["x", "y"]),
        ("a.ndjson", '"x"\r\n"y"\r\n', ["x", "y"]),
        ("a.json", '[{"text": "x"}, {"text": "y"}]', ["x", "y"]),
        ("lines.json", '{"text": "x"}\n{"text": "y"}\n', ["x", "y"]),
        ("columns.json", '{"text": ["x", "y"]}', ["x", "y"]),
        ("a.csv", '\ufefftext,n\n"x, z\nw",1\ny,2\n', ["x, z\nw", "y"]),
        ("a.tsv", "text\tn\nx\t1\n", ["x"]),
        ("lines.txt", "x\ny z\n\n", ["x", "y z"]),
        ("prose.txt", "x\ny\n\n\n z\r\nw\r\n", ["x\ny", " z\nw"]),
        ("a.jsonl.gz", gzip.compress(b'{"text": "x"}\n'), ["x"]),
    ],
)
def test_files_are_read_by_what_their_names_end_in(file, name, content, expected):
    data = Dataset(file(name, content), text="text")
    assert [row["text"] for row in data.rows()] == expected
    assert [row["text"] for row in Dataset(str(file(name, content)), text="text").rows()] == expected


def test_parquet_is_read(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    arrow = pytest.importorskip("pyarrow")
    parquet.write_table(arrow.Table.from_pylist([{"messages": CHAT}] * 3), tmp_path / "a.parquet")
    assert list(rows(tmp_path / "a.parquet")) == [{"messages": CHAT}] * 3


def test_parquet_says_what_to_install(file, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert refusal(file("a.parquet", b"PAR1")) == "reading a.parquet needs pyarrow: run  pip install pyarrow"


def test_several_files_are_one_set_of_data_each_with_its_own_columns(file):
    paths = [file("a.jsonl", json.dumps(PAIRS[0])), file("b.csv", "question,answer\nx, y\n")]
    expected = [PAIRS[0], {"prompt": "x", "completion": " y"}]
    assert list(rows(paths)) == list(rows(list(map(str, paths)))) == expected


def test_texts_that_only_mention_a_file_are_texts():
    assert list(rows(["Open it", "See notes.txt"])) == [{"text": "Open it"}, {"text": "See notes.txt"}]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.jsonl", b'{"text": "x"}\n{"text": "\xe9"}\n', "a.jsonl, line 2, byte 11 of it is not UTF-8 (0xe9)"),
        ("a.json", b'[{"text": "x"},\n"\xe9"]', "a.json, line 2, byte 2 of it is not UTF-8 (0xe9)"),
        ("a.txt", b"x\ny\xff", "a.txt, line 2, byte 2 of it is not UTF-8 (0xff)"),
        ("a.csv", b"text\nx\n\xff\n", "a.csv, line 3, byte 1 of it is not UTF-8"),
        ("utf16.csv", "text\nx\n".encode("utf-16"), "is no UTF-8 but UTF-16"),
        ("a.jsonl", '{"text": "x"}\n{"text"', "a.jsonl, line 2 is no JSON"),
        ("a.jsonl", '{"text": "x"}\n[1]', "a.jsonl, line 2 is neither an object nor a text but [1]"),
        ("a.jsonl", '{"text": "x"}\n{"txt": "y"}', "a.jsonl, line 2: the row has no 'text'; did you mean txt?"),
        ("a.json", '[{"text": "x"},\n{"te', "a.json, line 2 is no JSON"),
        ("a.json", "3", "a.json holds int, not a list of rows"),
        ("deep.json", "[" * 100_000, "deep.json is JSON that can't be read"),
        ("a.csv", "text,n\nx,1,2\n", "a.csv, line 2 has 3 cells where the first line has 2"),
        ("a.csv", 'text,n\n"x,1\n', "a.csv, line 2 is no CSV"),
        ("a.csv", "text," * 50_000 + "n\nx\n", "a.csv has several columns 'text'"),
        ("a.csv", "text,text\nx,1\n", "a.csv has several columns 'text'"),
        ("a.csv", "text;n\nx;1\n", "give pandas.read_csv('a.csv', sep=';')"),
        ("a.pkl", b"\x80\x04K\x01.", "a pickle could run any program when it is read"),
        ("a.jsonl", b"\x80\x04K\x01.", "is a pickle, which could run any program"),
        ("a.zip", b"PK\x03\x04", "unpack it"),
        ("a.csv", b"PK\x03\x04....", "is a zip archive or a spreadsheet"),
        ("a.xlsx", b"PK\x03\x04", "give pandas.read_excel(…) of it"),
        ("a.jsonl", gzip.compress(b"{}"), "compressed by gzip: let its name end in .gz"),
        ("a.jsonl.gz", gzip.compress(b'{"text": "x"}\n' * 99)[:-9], "can't be read"),
        ("a.parquet", b"PAR1", "a.parquet is no whole Parquet file"),
        ("a.jsonl", b"PAR1", "let its name end in .parquet"),
        ("a.foo", "x", "has a name that doesn't tell what is in it"),
        ("a.jsonl", "\n", "there is no row: give at least one text"),
    ],
)  # fmt: skip
def test_files_that_can_not_be_read_say_where_and_what_to_do(file, name, content, words):
    if name == "a.parquet":
        pytest.importorskip("pyarrow")
    assert words in refusal(file(name, content))


def test_a_cell_of_a_csv_file_may_be_longer_than_csv_reads_by_itself(file):
    limit, text = csv.field_size_limit(), "x" * 200_000
    data = rows(file("a.csv", f'text\n"{text}"\ny\n'))
    assert next(data) == {"text": text}
    assert csv.field_size_limit() == limit  # in between others may read CSV, too
    assert list(data) == [{"text": "y"}]
    assert csv.field_size_limit() == limit


def test_a_csv_file_without_an_end_to_a_quote_is_not_read_whole(file, monkeypatch):
    monkeypatch.setattr(data_files, "MOST_CELL", 200_000)
    message = refusal(file("a.csv", 'text\nx\n"y\n' + "z\n" * 150_000))
    assert message.startswith(
        "a.csv, line 3 begins a cell of more than 200,000 characters: if none is so long, a quote"
    )


def test_a_directory_is_no_file(tmp_path):
    assert "is a directory: name the files in it" in refusal(tmp_path)
    (tmp_path / "dataset_info.json").touch()
    assert "give datasets.load_from_disk(…) of it" in refusal(tmp_path)


def test_a_missing_file_is_named_with_what_was_meant(file, tmp_path):
    file("stories.jsonl", "")
    assert refusal(tmp_path / "storys.jsonl").endswith("storys.jsonl does not exist; did you mean stories.jsonl?")
    assert "give datasets.load_dataset(…)" in refusal("nobody/imdb")


def test_a_file_that_may_not_be_read(file, monkeypatch):
    path = file("a.jsonl", '{"text": "x"}')

    def refuse(*_arguments, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert refusal(path) == f"{path} can't be read: Permission denied"


# --- what is sent ---------------------------------------------------------------------------------------------------


def test_lines_are_utf_8_json_and_the_same_whatever_the_data_come_as(file):
    texts = ["Füchse", "狐\u2028x"]
    lines = b"".join(Dataset(texts).lines())
    assert lines.decode() == '{"text":"Füchse"}\n{"text":"狐\u2028x"}\n'
    assert (
        b"".join(Dataset(file("a.jsonl", "".join(json.dumps({"text": each}) + "\n" for each in texts))).lines())
        == lines
    )


def test_a_file_streams(tmp_path):
    path = tmp_path / "a.jsonl"
    with path.open("w") as written:
        written.writelines(json.dumps({"text": "x" * 1000}) + "\n" for _ in range(20_000))
    tracemalloc.start()
    try:
        count = sum(map(len, Dataset(path).lines()))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count > 20_000_000
    assert peak < 4_000_000


def test_every_reader_is_documented():
    page = (Path(__file__).parents[2] / "docs" / "fine_tuning.md").read_text("utf-8")
    assert [suffix for suffix in data_files.READERS if f"`{suffix}`" not in page] == []

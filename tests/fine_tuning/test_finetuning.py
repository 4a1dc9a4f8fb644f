"""`gpt.finetune`, `gpt.preview` and the jobs there are: what is sent, what is said, and one line for what makes no sense."""

from __future__ import annotations

import dataclasses

import pytest
from fake_jobs import ESTIMATE, INFO, preview

import gpt_notebook as gpt
from gpt_notebook.errors import DataNotFound, InvalidRequest, JobNotFound, PayloadTooLarge
from gpt_notebook.job_events import StateChanged
from gpt_notebook.job_protocol import DATA_PATH, REPEATED, RUN_TOGETHER

pytestmark = pytest.mark.usefixtures("settings", "nothing_is_started")

TEXTS = ["a fox", "an owl"]


@pytest.fixture
def said(capsys):
    """The lines that were printed."""

    def lines():
        return capsys.readouterr().err.splitlines()

    return lines


# --- starting -------------------------------------------------------------------------------------------------------


def test_data_go_first_and_the_job_is_started_with_their_digest(fake_jobs, said):
    job = gpt.finetune(TEXTS, name="pip", max_steps=4, lora={"rank": 4}, probes=["Once"])
    assert fake_jobs.sent == ['{"text":"a fox"}\n{"text":"an owl"}\n']
    (body,) = fake_jobs.requests("start")
    assert (body["name"], body["model"], body["force"]) == ("pip", "storyteller", False)
    assert (body["options"]["max_steps"], body["options"]["lora"]["rank"], body["options"]["probes"]) == (
        4,
        4,
        ["Once"],
    )
    assert len(body["data"]) == 64
    assert body["validation"] is None
    assert job.id == INFO.id


def test_one_line_says_that_it_has_started(fake_jobs, said):
    gpt.finetune(TEXTS)
    assert said() == ["pip: started, LoRA of storyteller"]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"bytes": 3 * 10**9, "free": 9 * 10**9}, "pip takes about 3 GB of memory; 40 steps, about 20 s"),
        ({"seconds": 90.0}, "pip takes about 300 MB of memory; 40 steps, about 1.5 min"),
        ({"bytes": 3 * 10**9}, "pip takes about 3 GB of memory, of which 2 GB is free; 40 steps, about 20 s; where that isn't enough it takes fewer samples at a time"),
    ],
)  # fmt: skip
def test_what_takes_much_is_said_before(fake_jobs, said, changes, line):
    fake_jobs.preview = preview(estimate=dataclasses.replace(ESTIMATE, **changes))
    gpt.finetune(TEXTS)
    assert said()[1:] == [line]


@pytest.mark.parametrize(
    ("started", "info", "line"),
    [
        ({"attached": True}, {"step": 3, "max_steps": 9}, "pip is there, running, step 3 of 9"),
        ({"attached": True, "resumed": True}, {"step": 3}, "pip goes on at step 3"),
        ({"attached": False}, {"state": "queued", "position": 1}, "pip: queued, 1 job before it, LoRA of storyteller"),
        ({"attached": True}, {"state": "paused", "reason": "disk_full"}, "pip is there, paused (the disk is full), step 0: resume goes on"),
        ({"attached": True}, {"state": "succeeded", "result": "storyteller+pip", "step": 9, "max_steps": 9}, "pip is there, succeeded, step 9 of 9, use it as storyteller+pip; another name trains anew"),
    ],
)  # fmt: skip
def test_one_line_says_what_was_there(fake_jobs, said, started, info, line):
    fake_jobs.started |= started
    fake_jobs.info = dataclasses.replace(INFO, **info)
    gpt.finetune(TEXTS, name="pip")
    assert said() == [line]


@pytest.mark.parametrize(
    ("state", "reason", "words"),
    [
        ("failed", "died", "its process had died"),
        ("failed", "oom", "it had failed (out of memory)"),
        ("cancelled", "user", "it had been cancelled"),
        ("succeeded", None, "it had come to its end"),
    ],
)
def test_what_goes_on_says_how_it_had_ended(fake_jobs, said, state, reason, words):
    fake_jobs.add(StateChanged, state="queued")
    fake_jobs.add(StateChanged, state=state, reason=reason, message="more of it")
    fake_jobs.add(StateChanged, state="queued")
    fake_jobs.add(StateChanged, state="running", attempt=2)
    fake_jobs.started |= {"attached": True, "resumed": True}
    gpt.finetune(TEXTS, name="pip")
    assert said() == [f"pip goes on at step 0: {words}"]


def test_a_job_keeps_how_its_rows_were_made(fake_jobs):
    gpt.finetune([{"a": "x", "b": "y"}], prompt="{a}:", completion=" {b}")
    assert fake_jobs.requests("start")[0]["columns"] == {"prompt": "{a}:", "completion": " {b}"}


def test_what_was_taken_for_granted_is_said(fake_jobs, said):
    gpt.finetune([{"question": "2 + 2 =\n", "answer": 4}])
    assert said()[0] == (
        "prompt is the column question and completion is the column answer; the cells of answer are no texts but int: "
        "what is learnt is their text"
    )


def test_validation_data_are_sent_too_and_a_share_is_an_option(fake_jobs):
    gpt.finetune(TEXTS, validation=["a pig"])
    assert fake_jobs.sent == ['{"text":"a pig"}\n', '{"text":"a fox"}\n{"text":"an owl"}\n']
    gpt.finetune(TEXTS, validation=0.1)
    first, second = fake_jobs.requests("start")
    assert (len(first["validation"]), first["options"]["validation_share"]) == (64, 0.0)
    assert (second["validation"], second["options"]["validation_share"]) == (None, 0.1)


def test_columns_hold_for_the_validation_as_well(fake_jobs):
    gpt.finetune([{"a": "x"}], validation=[{"a": "y", "b": ""}], text="{a}!")
    assert fake_jobs.sent == ['{"text":"y!"}\n', '{"text":"x!"}\n']


def test_data_that_are_forgotten_in_between_are_sent_again(fake_jobs, model_kernel):
    answers = [{"error": {**DataNotFound("gone").to_json(), "status": 404}}]
    start = model_kernel.answers["/v1/jobs/start"]
    model_kernel.answers["/v1/jobs/start"] = lambda body: answers.pop() if answers else start(body)
    assert gpt.finetune(TEXTS).id == INFO.id
    assert len(fake_jobs.sent) == 2


def test_more_data_than_are_taken(model_kernel, fake_jobs):
    refusal = {"error": {**PayloadTooLarge("at most 1 GiB").to_json(), "status": 413}}
    model_kernel.answers[DATA_PATH] = refusal
    with pytest.raises(PayloadTooLarge, match="at most 1 GiB"):
        gpt.finetune(TEXTS)


def test_a_row_that_is_none_ends_the_upload_and_is_named(fake_jobs):
    with pytest.raises(InvalidRequest, match="row 1: the cell of 'text' is empty"):
        gpt.finetune(["a", ""])
    assert fake_jobs.requests("start") == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "My Job"}, "'My Job' is no name for a job"),
        ({"name": "../x"}, "is no name for a job"),
        ({"model": "openai:gpt-5"}, "fine-tuning needs a model kernel with the weights"),
        ({"learning_rte": 1e-3}, "did you mean learning_rate?"),
        ({"validation": 3}, "validation is a share of the data below 1"),
        ({"validation": "nowhere.csv"}, "nowhere.csv does not exist"),
        ({"force": 1}, "force is True or False"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_sent(fake_jobs, options, words):
    with pytest.raises(InvalidRequest) as caught:
        gpt.finetune(TEXTS, **options)
    assert words in caught.value.message
    assert fake_jobs.sent == []


# --- a preview ------------------------------------------------------------------------------------------------------


def test_a_preview_shows_the_exact_string_and_what_counts(fake_jobs):
    found = gpt.preview(TEXTS, max_length=64)
    (body,) = fake_jobs.requests("preview")
    assert (body["options"]["max_length"], body["samples"]) == (64, 3)
    shown = found._repr_mimebundle_()
    assert shown["text/plain"].endswith(
        "row 0 · 3 tokens · 2 count\nGood?⟦ yes<end>⟧\n\nwhat stands between ⟦ and ⟧ counts in the loss; the rest is only read"
    )
    assert "2 rows · 6 tokens, of which 4 count in the loss" in shown["text/plain"]
    assert repr(found) == "<Preview of 2 rows: 6 tokens, 4 count in the loss>"
    assert found.estimate == ESTIMATE


def test_a_preview_says_what_is_lost(fake_jobs):
    fake_jobs.preview = preview(
        rows=1_000_000, samples=999_990, cut=1, dropped=10, split=3, warnings=("the label x occurs once",)
    )
    text = str(gpt.preview(TEXTS))
    for words in (
        "1,000,000 rows, 999,990 samples",
        "1 sample longer than 512 tokens loses some",
        "10 rows longer",
        "3 texts longer than 512 tokens become several samples",
        "the label x occurs once",
    ):
        assert words in text


def test_one_text_that_is_split_becomes_several_samples(fake_jobs):
    fake_jobs.preview = preview(split=1)
    assert "1 text longer than 512 tokens becomes several samples" in str(gpt.preview(TEXTS))


def test_a_preview_is_text_also_where_it_says_html(fake_jobs):
    tokens = (gpt.Token(id=1, text="<script>"), gpt.Token(id=2, text="\x1b[2J"))
    shown = dataclasses.replace(preview().shown[0], tokens=tokens, counted=(False, True))
    fake_jobs.preview = preview(shown=(shown,), warnings=("<b>",))
    html = gpt.preview(TEXTS)._repr_mimebundle_()["text/html"]
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "&lt;b&gt;" in html
    assert "\x1b" not in html
    assert html.count("#1976d2) 28%") == 1
    assert html.count("#9e9e9e) 16%") == 1


def test_a_preview_says_above_all_what_is_probably_not_meant(fake_jobs, said):
    fake_jobs.preview = preview(warnings=(f"2 rows {RUN_TOGETHER}", f"1 row {REPEATED}"))
    found = gpt.preview([{"prompt": "a", "completion": "b"}, {"prompt": "a", "completion": "b"}])
    assert said() == []
    assert found.warnings[0].startswith("without a chat template nothing stands between prompt and completion")
    assert len(found.warnings) == 2
    above, _, below = found._repr_mimebundle_()["text/html"].partition("<table")
    assert "nothing stands between" in above
    assert "what occurs twice" not in above
    assert "what occurs twice" in below


def test_a_chat_template_stands_between_prompt_and_completion(fake_jobs, said):
    assert gpt.preview([{"prompt": "a", "completion": "b"}]).warnings == ()
    assert said() == []


# --- the jobs there are ---------------------------------------------------------------------------------------------


def test_jobs_are_listed_and_found_by_name(fake_jobs):
    (job,) = gpt.jobs()
    assert gpt.job("pip").id == job.id == INFO.id
    table = gpt.jobs()._repr_mimebundle_()
    assert "pip  running  0" in table["text/plain"]
    assert "<table" in table["text/html"]


@pytest.mark.parametrize(("name", "words"), [("pipp", "did you mean pip?"), ("tale", "there are pip")])
def test_a_job_that_is_not_there(fake_jobs, name, words):
    with pytest.raises(JobNotFound, match=words):
        gpt.job(name)


def test_without_a_model_kernel_there_are_the_jobs_on_disk():
    assert gpt.jobs() == []
    assert "no job yet" in gpt.jobs()._repr_mimebundle_()["text/plain"]
    with pytest.raises(JobNotFound, match="there is none yet"):
        gpt.job("pip")

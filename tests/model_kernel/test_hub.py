"""Models of the Hugging Face hub, without a network: what the hub refuses, and what is passed on to it."""

from __future__ import annotations

import shutil
import socket
from types import SimpleNamespace

import huggingface_hub
import pytest
from huggingface_hub import errors as hub_errors

from gpt_notebook.errors import ModelNotFound, ModelUnreachable
from gpt_notebook.model_kernel import hub
from gpt_notebook.protocol import LoadRequest
from model_kernel.asking import all_of

RESPONSE = SimpleNamespace(headers={}, request=None)


@pytest.mark.parametrize(
    ("failure", "kind", "words"),
    [
        (hub_errors.LocalEntryNotFoundError("offline"), ModelUnreachable, "the hub cannot be reached"),
        (hub_errors.OfflineModeIsEnabled("offline"), ModelUnreachable, "the hub cannot be reached"),
        (hub_errors.HTTPError("no route"), ModelUnreachable, "the hub cannot be reached"),
        (OSError("no route"), ModelUnreachable, "the hub cannot be reached"),
        (hub_errors.RepositoryNotFoundError("x", response=RESPONSE), ModelNotFound, "set HF_TOKEN"),
        (hub_errors.GatedRepoError("x", response=RESPONSE), ModelNotFound, "gated"),
        (hub_errors.RevisionNotFoundError("x", response=RESPONSE), ModelNotFound, "revision 'v9'"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_what_the_hub_refuses_is_said_in_our_words(failure, kind, words, refusal, monkeypatch):
    def fail(*_, **__):
        raise failure

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    assert words in refusal("someone/model@v9", kind)


def test_without_a_network_a_hub_id_is_unreachable(refusal):
    """Nothing is replaced here: the hub's own library refuses, as it has been told that there is no network."""
    assert "cannot be reached" in refusal("someone/model", ModelUnreachable)


def test_a_hub_that_never_answers_is_given_up(refusal, monkeypatch):
    monkeypatch.setattr(hub, "HUB_SECONDS", 0.1)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setattr(huggingface_hub.hf_api.api, "endpoint", endpoint)
        assert "cannot be reached" in refusal("someone/model", ModelUnreachable)
        silent.settimeout(0)
        connection, _ = silent.accept()  # It was asked.
        connection.close()


def test_a_hub_token_is_passed_on_and_kept_nowhere(engine, own_tiny, monkeypatch):
    seen = []
    commit = "0123456789" * 4
    snapshot = own_tiny.rename(own_tiny.with_name(commit))

    def download(repository, *, token, **_):
        seen.append((repository, token))
        return str(snapshot)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    events = all_of(engine.load(LoadRequest(model="someone/model"), hub_token="hf_secret"))
    assert seen == [("someone/model", "hf_secret")]
    assert events[-2].model.fingerprint == f"{commit}-float32"
    assert "hf_secret" not in repr(vars(engine._models))


def test_the_hubs_progress_is_told_in_bytes():
    reports = []
    bar = hub._reporting_bar(lambda done, total: reports.append((done, total)))(total=100, unit="B", name="x")
    bar.update(30)
    bar.update(70)
    bar.close()
    assert reports == [(30, 100), (100, 100)]
    files = hub._reporting_bar(lambda done, total: reports.append((done, total)))(total=3)
    files.update(1)
    files.close()
    assert len(reports) == 2


def test_an_unknown_name_gets_the_one_that_was_meant_or_all_there_are(engine, refusal, own_tiny, tmp_path):
    shutil.copytree(own_tiny, tmp_path / "home/models/mine")
    assert refusal("storytaler", ModelUnreachable).endswith("did you mean storyteller?")
    assert refusal("mien", ModelUnreachable).endswith("did you mean mine?")
    assert refusal("someone/model", ModelUnreachable).endswith("on this machine there is storyteller, mine")

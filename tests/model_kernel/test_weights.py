from __future__ import annotations

import gc
import json
import os
import shutil
import socket
import weakref
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
import torch
import transformers
from huggingface_hub import errors as hub_errors

from gpt_notebook.errors import ModelDamaged, ModelNotFound, ModelUnreachable, ModelUnsafe, ModelUnsupported
from gpt_notebook.model_kernel import hub, loading, weights
from gpt_notebook.protocol import LoadRequest
from model_kernel import tiny_models
from model_kernel.asking import all_of


@pytest.fixture
def refusal(engine):
    """Loads a model that can't be loaded, and returns the error after checking that it is one line."""

    def load(model, kind):
        with pytest.raises(kind) as raised:
            all_of(engine.load(LoadRequest(model=str(model))))
        assert type(raised.value) is kind
        message = raised.value.message
        assert "\n" not in message
        assert len(message) < 500
        return message

    return load


def change_config(directory, **changes):
    path = directory / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_truncated_weight_file_is_named_with_both_sizes(own_tiny, refusal):
    file = own_tiny / "model.safetensors"
    size = file.stat().st_size
    file.write_bytes(file.read_bytes()[:-1000])
    message = refusal(own_tiny, ModelDamaged)
    assert str(file) in message
    assert f"{size - 1000:,} bytes and should have {size:,}" in message


@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        b"\x00",
        b"\xff" * 16,
        (2**40).to_bytes(8, "little"),
        (5).to_bytes(8, "little") + b"{bad}",
        b"PK\x03\x04" * 9,
    ],
)
def test_a_corrupt_header_is_named(beginning, own_tiny, refusal):
    file = own_tiny / "model.safetensors"
    file.write_bytes(beginning)
    assert f"{file} is damaged" in refusal(own_tiny, ModelDamaged)


@pytest.mark.parametrize("header", [b"[]", b"3", b'{"a": {"data_offsets": "no"}}', b'{"a": {}}'])
def test_a_header_of_another_shape_is_damage(header, own_tiny, refusal):
    (own_tiny / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    assert "is damaged" in refusal(own_tiny, ModelDamaged)


def test_pickled_weights_are_never_opened(own_tiny, refusal):
    (own_tiny / "model.safetensors").unlink()
    (own_tiny / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    message = refusal(own_tiny, ModelUnsafe)
    assert "pytorch_model.bin" in message
    assert "save_pretrained" in message


def test_a_model_that_needs_its_own_code_is_refused(own_tiny, refusal):
    change_config(own_tiny, model_type="their-own", auto_map={"AutoModelForCausalLM": "theirs.Model"})
    assert "needs Python code of its own" in refusal(own_tiny, ModelUnsafe)


def test_code_beside_a_model_that_does_not_need_it_is_not_run(own_tiny, engine):
    marker = own_tiny / "was-run"
    (own_tiny / "theirs.py").write_text(f"open({str(marker)!r}, 'w')")
    code = {"AutoConfig": "theirs.Config", "AutoModelForCausalLM": "theirs.Model", "AutoTokenizer": ["theirs.T", None]}
    change_config(own_tiny, auto_map=code)
    all_of(engine.load(LoadRequest(model=str(own_tiny))))
    assert not marker.exists()


def share_out(directory, second):
    """Make of a model's one weight file the first of two, and of `second` the other's name in the index."""
    (directory / "model.safetensors").rename(directory / "first.safetensors")
    index = {"metadata": {}, "weight_map": {"a": "first.safetensors", "b": second}}
    (directory / "model.safetensors.index.json").write_text(json.dumps(index))


def test_a_missing_shard_is_named(own_tiny, refusal):
    share_out(own_tiny, "model-00002-of-00002.safetensors")
    assert "names 'model-00002-of-00002.safetensors', which is missing" in refusal(own_tiny, ModelDamaged)


@pytest.mark.parametrize(
    "name",
    [
        "pytorch_model.bin",
        "../outside.safetensors",
        "within/one.safetensors",
        "/one.safetensors",
        ".hidden.safetensors",
        "",
        "..",
    ],
)
def test_an_index_may_only_name_safetensors_beside_it(name, own_tiny, refusal):
    share_out(own_tiny, name)
    assert f"names {name!r}" in refusal(own_tiny, ModelUnsafe)


def test_an_index_that_the_config_names_is_not_followed(own_tiny, engine):
    (own_tiny / "other.safetensors.index.json").write_text('{"metadata": {}, "weight_map": {"a": "pickled.bin"}}')
    change_config(own_tiny, transformers_weights="other.safetensors.index.json")
    all_of(engine.load(LoadRequest(model=str(own_tiny))))


def test_safetensors_that_the_model_is_not_made_of_are_not_read(own_tiny, engine):
    (own_tiny / "consolidated.safetensors").write_bytes(b"broken")
    all_of(engine.load(LoadRequest(model=str(own_tiny))))


def test_tensors_that_overlap_are_damage(own_tiny, refusal):
    entry = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    header = json.dumps({"a": entry, "b": entry}).encode()
    (own_tiny / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
    assert "is damaged" in refusal(own_tiny, ModelDamaged)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json", "vocab.txt"])
def test_a_pipe_keeps_nobody_waiting(name, own_tiny, refusal):
    (own_tiny / name).unlink(missing_ok=True)
    os.mkfifo(own_tiny / name)
    assert f"{own_tiny / name} is not a regular file" in refusal(own_tiny, ModelDamaged)


def test_a_link_to_a_device_is_not_read(own_tiny, refusal):
    (own_tiny / "added_tokens.json").symlink_to("/dev/zero")
    assert "added_tokens.json is not a regular file" in refusal(own_tiny, ModelDamaged)


def test_a_link_that_leads_nowhere_is_named(own_tiny, refusal):
    (own_tiny / "added_tokens.json").symlink_to("nowhere")
    assert "added_tokens.json cannot be read" in refusal(own_tiny, ModelDamaged)


@pytest.mark.parametrize(
    ("name", "limit"),
    [("config.json", 10 * 2**20), ("model.safetensors.index.json", 64 * 2**20), ("tokenizer.json", 256 * 2**20)],
)
def test_a_file_that_is_too_large_is_not_read(name, limit, own_tiny, refusal):
    (own_tiny / name).touch()
    os.truncate(own_tiny / name, limit + 1)
    assert f"{own_tiny / name} has {limit + 1:,} bytes" in refusal(own_tiny, ModelDamaged)


def test_a_broken_index_is_damage(own_tiny, refusal):
    share_out(own_tiny, "second.safetensors")
    (own_tiny / "model.safetensors.index.json").write_text('{"weight_map": [1]}')
    assert "model.safetensors.index.json" in refusal(own_tiny, ModelDamaged)


def test_a_missing_config_is_named(own_tiny, refusal):
    (own_tiny / "config.json").unlink()
    assert "holds no config.json" in refusal(own_tiny, ModelNotFound)


@pytest.mark.parametrize("content", ["", "{", "[]", "\x00", "[" * 100_000], ids=range(5))
def test_a_config_that_is_none_is_named(content, own_tiny, refusal):
    (own_tiny / "config.json").write_text(content)
    assert str(own_tiny / "config.json") in refusal(own_tiny, ModelDamaged)


def test_a_directory_without_weights_says_so(own_tiny, refusal):
    (own_tiny / "model.safetensors").unlink()
    assert "holds no model.safetensors" in refusal(own_tiny, ModelNotFound)


def test_a_missing_tensor_is_named(own_tiny, refusal):
    change_config(own_tiny, n_layer=3)
    assert "transformer.h.2" in refusal(own_tiny, ModelDamaged)


def test_tensors_of_another_shape_are_damage(own_tiny, refusal):
    change_config(own_tiny, n_embd=64)
    assert "do not fit its config" in refusal(own_tiny, ModelDamaged)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"n_layer": 10**6}, "asks for 1,000,000 layers, and its files hold 28 tensors"),
        ({"n_layer": -1}, "asks for -1 layers"),
        ({"n_positions": 10**12}, "MiB of weights and its files hold 0 MiB"),
        ({"vocab_size": 10**7}, "MiB of weights and its files hold 0 MiB"),
    ],
)
def test_a_config_cannot_take_more_memory_than_its_files_account_for(changes, words, own_tiny, refusal):
    change_config(own_tiny, **changes)
    assert words in refusal(own_tiny, ModelDamaged)


def test_masks_count_as_memory(tmp_path, refusal):
    change_config(tiny_models.save(tmp_path, "gpt_neo"), max_position_embeddings=30_000)
    assert "its config asks for" in refusal(tmp_path, ModelDamaged)


@pytest.mark.parametrize(
    ("stored", "asked", "width"), [("float32", "auto", 4), ("bfloat16", "auto", 2), ("bfloat16", torch.float32, 4)]
)
def test_the_memory_that_is_needed_is_that_of_the_tensors_in_their_dtype(stored, asked, width, tiny):
    source = weights.Source("", Path(tiny("llama", dtype=getattr(torch, stored))))
    parameters = transformers.AutoModelForCausalLM.from_pretrained(source.directory).num_parameters()
    assert loading.memory_needed(source, {"dtype": stored}, asked) == parameters * width


@pytest.mark.parametrize("method", ["gptq", "awq", "bitsandbytes", "fp8", "nobody-knows"])
def test_quantized_weights_are_unsupported(method, own_tiny, refusal):
    change_config(own_tiny, quantization_config={"quant_method": method})
    assert f"is quantized ({method!r})" in refusal(own_tiny, ModelUnsupported)


def test_a_directory_with_an_adapter_is_unsupported(own_tiny, refusal):
    (own_tiny / "adapter_config.json").write_text('{"peft_type": "LORA", "base_model_name_or_path": "someone/model"}')
    assert "holds an adapter" in refusal(own_tiny, ModelUnsupported)


def test_a_config_does_not_choose_how_attention_is_computed(own_tiny, engine):
    change_config(own_tiny, _attn_implementation="someone/kernel", attn_implementation="someone/kernel")
    all_of(engine.load(LoadRequest(model=str(own_tiny))))
    (model,) = engine._models._loaded.values()
    assert model.module.config._attn_implementation == "sdpa"


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"eos_token_id": "x"}, "'eos_token_id'"),
        ({"n_embd": "abc"}, "'n_embd'"),
        ({"n_head": 0}, "zero"),
        ({"activation_function": "os.system"}, "os.system"),
        ({"dtype": "nn"}, "the dtype 'nn'"),
        ({"dtype": "load"}, "the dtype 'load'"),
        ({"dtype": 5}, "the dtype '5'"),
        ({"dtype": "int8"}, "int8"),
        ({"model_type": ["x"]}, "list"),
        ({"model_type": "\x1b[31mred"}, "`[31mred`"),
        ({"architectures": [1]}, "int"),
    ],
    ids=str,
)
def test_a_config_that_makes_no_sense_is_refused_in_one_line(changes, word, own_tiny, refusal):
    change_config(own_tiny, **changes)
    message = refusal(own_tiny, ModelUnsupported)
    assert str(own_tiny) in message
    assert word in message
    assert message.isprintable()


def test_end_tokens_that_are_none_are_refused_in_one_line(own_tiny, refusal):
    (own_tiny / "generation_config.json").write_text('{"eos_token_id": ["a", {}]}')
    assert f"{own_tiny} cannot be loaded" in refusal(own_tiny, ModelUnsupported)


def test_the_error_of_a_load_that_failed_does_not_hold_the_weights(own_tiny, monkeypatch):
    kept = []
    real = transformers.AutoModelForCausalLM.from_pretrained

    def watched(*arguments, **options):
        module, found = real(*arguments, **options)
        kept.append(weakref.ref(module))
        return module, found

    monkeypatch.setattr(transformers.AutoModelForCausalLM, "from_pretrained", watched)
    change_config(own_tiny, n_layer=3)
    source = weights.Source("mine", own_tiny)
    with pytest.raises(ModelDamaged, match=r"transformer\.h\.2") as raised:
        loading.load(source, torch.float32, torch.device("cpu"), None)
    gc.collect()
    assert raised.value.__context__ is None
    assert [module() for module in kept] == [None]


def test_an_unknown_architecture_is_unsupported(own_tiny, refusal):
    change_config(own_tiny, model_type="nobody-knows")
    assert "nobody-knows" in refusal(own_tiny, ModelUnsupported)


def test_a_masked_language_model_cannot_go_on_from_a_prompt(tmp_path, refusal):
    config = transformers.BertConfig(
        vocab_size=320, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    transformers.BertForMaskedLM(config).save_pretrained(tmp_path)
    tiny_models.byte_level_tokenizer().save_pretrained(tmp_path)
    assert "masked language model (BertForMaskedLM)" in refusal(tmp_path, ModelUnsupported)


def test_an_encoder_decoder_is_unsupported(tmp_path, refusal):
    config = transformers.T5Config(vocab_size=320, d_model=32, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
    transformers.T5ForConditionalGeneration(config).save_pretrained(tmp_path)
    tiny_models.byte_level_tokenizer().save_pretrained(tmp_path)
    assert "cannot be used for generation" in refusal(tmp_path, ModelUnsupported)


def test_a_model_that_guesses_in_any_order_is_unsupported(tmp_path, refusal):
    config = transformers.XLNetConfig(vocab_size=320, d_model=32, n_layer=1, n_head=4, d_inner=48)
    transformers.XLNetLMHeadModel(config).save_pretrained(tmp_path)
    tiny_models.byte_level_tokenizer().save_pretrained(tmp_path)
    assert "does not read from left to right" in refusal(tmp_path, ModelUnsupported)


def test_a_missing_tokenizer_is_said(own_tiny, refusal):
    for path in own_tiny.glob("tokenizer*"):
        path.unlink()
    assert "has no tokenizer" in refusal(own_tiny, ModelNotFound)


@pytest.mark.parametrize("model", ["/nowhere/at/all", "./nowhere", "~/nowhere-at-all", "a/b/c"])
def test_a_path_that_is_not_there_is_not_asked_of_the_hub(model, refusal):
    assert f"there is no directory {model}" in refusal(model, ModelNotFound)


@pytest.mark.parametrize("model", ["~nobody-of-this-name/x", "a" * 300])
def test_a_name_that_the_system_refuses_is_no_model(model, refusal):
    assert "cannot be opened" in refusal(model, ModelNotFound)


def test_a_path_that_may_not_be_entered_is_no_model(refusal, monkeypatch):
    def forbidden(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_dir", forbidden)
    assert "'/secret/x' cannot be opened (Permission denied)" in refusal("/secret/x", ModelNotFound)


def test_a_file_is_no_model(own_tiny, refusal):
    assert "give the directory" in refusal(own_tiny / "model.safetensors", ModelNotFound)


def test_an_adapter_cannot_be_served_yet(refusal):
    assert "adapters cannot be served" in refusal("gpt2+mine", ModelUnsupported)


@pytest.mark.parametrize("model", ["", "two words", "naïve!", "a/b\n", "../x y"])
def test_what_cannot_be_a_model_is_refused_by_name(model, refusal):
    refusal(model, ModelNotFound)


def test_a_model_saved_by_name_is_found_by_it(engine, own_tiny, tmp_path):
    shutil.copytree(own_tiny, tmp_path / "home/models/mine")
    events = all_of(engine.load(LoadRequest(model="mine")))
    assert events[-2].model.name == "mine"
    assert torch.float32 == engine._models._loaded["mine", None].dtype


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

"""What kind of model a config describes, and what each kind may be asked for."""

from __future__ import annotations

import asyncio
import threading

import pytest
import torch
import transformers

from gpt_notebook.errors import ModelUnsupported
from gpt_notebook.model_kernel import loading, model_config, weights
from gpt_notebook.model_kernel.loading import LoadedModel
from gpt_notebook.model_kernel.model_config import EVERY_KIND, GENERATING
from gpt_notebook.protocol import NextRequest, ScoreRequest
from model_kernel import tiny_models
from model_kernel.asking import completion, scores, wait_for
from model_kernel.families import CAUSAL, CLASSIC, ENCODER_DECODER, FAMILIES, MASKED

NO_CAUSAL = "is no causal language model: choose one that goes on from a prompt"
REFUSALS = {
    "bert": "is a masked language model (BertForMaskedLM): it fills gaps and cannot go on from a prompt",
    "t5": NO_CAUSAL,
    "bart": NO_CAUSAL,
}
KINDS = (
    dict.fromkeys(CAUSAL, "causal")
    | dict.fromkeys(MASKED, "masked")
    | dict.fromkeys(ENCODER_DECODER, "encoder-decoder")
)
SPECIAL = {"vocab_size": 320, "bos_token_id": 0, "eos_token_id": 0}


async def ready(engine, model, kinds=GENERATING):
    """The loaded model, if it is of one of these kinds."""
    async for found in engine._models.ready(str(model), kinds=kinds):
        last = found
    assert isinstance(last, LoadedModel)
    return last


def save(directory, model):
    model.save_pretrained(directory)
    tiny_models.byte_level_tokenizer().save_pretrained(directory)
    return directory


def bert(**options):
    return transformers.BertConfig(**CLASSIC, **SPECIAL, **options)


def logits_of(model):
    ids = torch.tensor([model.tokenizer(tiny_models.TEXT)["input_ids"][:40]])
    target = {"decoder_input_ids": ids[:, :12]} if model.kind == "encoder-decoder" else {}
    with torch.inference_mode():
        return model.module(ids, **target).logits


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_loaded_as_what_it_is(family, tiny, engine):
    model = wait_for(ready(engine, tiny(family), EVERY_KIND))
    assert model.kind == KINDS[family]
    assert logits_of(model).isfinite().all()
    layers = 3 if family in ENCODER_DECODER else 2
    info = model.info()
    assert (info.n_layers, info.n_heads) == (layers, 0 if family == "mamba" else 4)


def of(family):
    return tiny_models.config_of(family, 320)


def electra():
    return transformers.ElectraConfig(**CLASSIC, **SPECIAL, embedding_size=32)


SAVED_FROM = {
    "encoder": (lambda: transformers.BertModel(bert()), "encoder", "BertModel"),
    "no pooler": (lambda: transformers.BertModel(bert(), add_pooling_layer=False), "encoder", "BertModel"),
    "another encoder": (lambda: transformers.RobertaModel(of("roberta")), "encoder", "RobertaModel"),
    "classifier": (lambda: transformers.BertForTokenClassification(bert()), "encoder", "BertModel"),
    "pretrained": (lambda: transformers.BertForPreTraining(bert()), "masked", "BertForMaskedLM"),
    "decoder": (lambda: transformers.BertLMHeadModel(bert(is_decoder=True)), "causal", "BertLMHeadModel"),
    "discriminator": (lambda: transformers.ElectraForPreTraining(electra()), "encoder", "ElectraModel"),
    "generator": (lambda: transformers.ElectraForMaskedLM(electra()), "masked", "ElectraForMaskedLM"),
    "one half": (lambda: transformers.T5EncoderModel(of("t5")), "encoder", "T5EncoderModel"),
    "no head": (lambda: transformers.T5Model(of("t5")), "encoder-decoder", "T5ForConditionalGeneration"),
    "bart-base": (lambda: transformers.BartModel(of("bart")), "encoder-decoder", "BartForConditionalGeneration"),
    "other half": (lambda: transformers.BartForCausalLM(of("bart")), "causal", "BartForCausalLM"),
    "causal without a head": (lambda: transformers.GPT2Model(of("gpt2")), "causal", "GPT2LMHeadModel"),
}


@pytest.mark.parametrize(("make", "kind", "architecture"), SAVED_FROM.values(), ids=SAVED_FROM)
def test_the_class_a_model_was_saved_from_says_what_it_is(make, kind, architecture, tmp_path, engine):
    model = wait_for(ready(engine, save(tmp_path / "saved", make()), EVERY_KIND))
    assert (model.kind, model.info().architecture) == (kind, architecture)


def test_an_encoder_is_one_even_if_its_config_is_that_of_the_whole(tmp_path, engine):
    save(tmp_path, transformers.T5EncoderModel(of("t5")))
    tiny_models.change_config(tmp_path, is_encoder_decoder=True)
    model = wait_for(ready(engine, tmp_path, EVERY_KIND))
    assert (model.kind, model.info().n_layers) == ("encoder", 2)


@pytest.mark.parametrize("family", ["gpt2", *MASKED, *ENCODER_DECODER])
def test_without_a_class_the_family_says_what_it_is(family, tmp_path, engine):
    directory = tiny_models.save(tmp_path / family, family)
    named = wait_for(ready(engine, directory, EVERY_KIND))
    tiny_models.change_config(directory, architectures=None)
    unnamed = wait_for(ready(engine, directory, EVERY_KIND))
    assert unnamed is not named
    assert unnamed.kind == named.kind
    assert torch.equal(logits_of(unnamed), logits_of(named))


@pytest.mark.parametrize("family", REFUSALS)
def test_only_a_causal_model_goes_on_from_a_prompt(family, tiny, engine, monkeypatch):
    """And nobody has to wait, or to leave, for weights that are of no use."""

    def read(*_):
        pytest.fail("the weights were read")

    monkeypatch.setattr(weights, "read_ahead", read)
    monkeypatch.setattr(loading, "load", read)
    model = tiny(family)
    for ask in (
        lambda: completion(engine, model, "fox"),
        lambda: scores(engine, ScoreRequest(model=model, prompts=("fox",))),
        lambda: wait_for(engine.next(NextRequest(model=model, prompt="fox"))),
    ):
        with pytest.raises(ModelUnsupported) as raised:
            ask()
        assert raised.value.message == f"{model} {REFUSALS[family]}"


@pytest.mark.parametrize("family", REFUSALS)
def test_a_model_that_is_loaded_for_its_attention_still_cannot_go_on_from_a_prompt(family, tiny, engine):
    model = tiny(family)
    wait_for(ready(engine, model, EVERY_KIND))
    with pytest.raises(ModelUnsupported) as raised:
        completion(engine, model, "fox")
    assert raised.value.message == f"{model} {REFUSALS[family]}"
    assert [info.name for info in engine.loaded()] == [model]


@pytest.mark.parametrize("first", [GENERATING, EVERY_KIND], ids=["generation first", "attention first"])
def test_those_who_wait_for_one_model_each_get_their_own_answer(first, tiny, engine, monkeypatch):
    begun, may_end = threading.Event(), threading.Event()
    real = weights.check

    def check(source):
        begun.set()
        assert may_end.wait(10)
        return real(source)

    monkeypatch.setattr(weights, "check", check)

    async def story():
        kinds = [first, *({GENERATING, EVERY_KIND} - {first})]
        waiting = [asyncio.create_task(ready(engine, tiny("bert"), kinds[0]))]
        await asyncio.to_thread(begun.wait, 10)
        waiting.append(asyncio.create_task(ready(engine, tiny("bert"), kinds[1])))
        await asyncio.sleep(0)
        may_end.set()
        return dict(zip(kinds, await asyncio.gather(*waiting, return_exceptions=True), strict=True))

    answers = wait_for(story())
    assert answers[EVERY_KIND].kind == "masked"
    assert isinstance(answers[GENERATING], ModelUnsupported)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: transformers.ViTModel(transformers.ViTConfig(num_hidden_layers=1, hidden_size=12)),
            "(vit) reads no text, or not text alone: choose a language model",
        ),
        (
            lambda: transformers.EncoderDecoderModel(
                transformers.EncoderDecoderConfig.from_encoder_decoder_configs(bert(), bert())
            ),
            "(encoder-decoder) is put together of several models: choose a language model that is one",
        ),
        (
            lambda: transformers.XLNetLMHeadModel(
                transformers.XLNetConfig(vocab_size=320, d_model=32, n_layer=1, n_head=4, d_inner=48)
            ),
            "(xlnet) does not read from left to right, so it cannot go on from a prompt here",
        ),
    ],
    ids=["images", "two models", "any order"],
)
def test_what_is_of_no_kind_is_refused_whatever_it_is_wanted_for(make, words, tmp_path, engine):
    directory = save(tmp_path / "saved", make())
    for kinds in (GENERATING, EVERY_KIND):
        with pytest.raises(ModelUnsupported) as raised:
            wait_for(ready(engine, directory, kinds))
        assert raised.value.message == f"{directory} {words}"


def test_a_masked_model_of_a_family_that_has_none_is_refused(tmp_path, engine):
    directory = tiny_models.save(tmp_path, "llama")
    tiny_models.change_config(directory, architectures=["LlamaForMaskedLM"])
    with pytest.raises(ModelUnsupported, match=r"is a masked language model \(LlamaForMaskedLM\)"):
        wait_for(ready(engine, directory, EVERY_KIND))


def test_an_encoder_decoder_cannot_take_more_memory_than_its_files_account_for(tmp_path, refusal_of_any):
    directory = tiny_models.save(tmp_path, "bart")
    tiny_models.change_config(directory, max_position_embeddings=10**9)
    assert "its config asks for" in refusal_of_any(directory)


def test_a_missing_tensor_of_an_encoder_is_named(tmp_path, refusal_of_any):
    save(tmp_path, transformers.BertModel(bert()))
    tiny_models.change_config(tmp_path, num_hidden_layers=3)
    assert "encoder.layer.2" in refusal_of_any(tmp_path)


@pytest.fixture
def refusal_of_any(engine):
    def load(model):
        with pytest.raises(loading.ModelDamaged) as raised:
            wait_for(ready(engine, model, EVERY_KIND))
        return raised.value.message

    return load


def test_roberta_reads_fewer_tokens_than_it_has_positions(tiny, engine):
    """Its first position is the one after the padding's, 1."""
    model = wait_for(ready(engine, tiny("roberta"), EVERY_KIND))
    assert model.context_length == model.module.config.max_position_embeddings - 2
    fits = torch.full((1, model.context_length), 5)
    assert model.module(fits).logits.isfinite().all()
    with pytest.raises((IndexError, RuntimeError), match="out of"):
        model.module(torch.full((1, model.context_length + 1), 5))


def test_a_masked_model_has_its_weights_in_the_dtype_that_was_asked_for_and_counts_in_the_budget(tiny, engine):
    async def story():
        async for found in engine._models.ready(tiny("bert"), dtype="bfloat16", kinds=EVERY_KIND):
            model = found
        return model

    model = wait_for(story())
    assert model.dtype == torch.bfloat16
    assert engine.memory().weights == model.bytes > 2 * model.parameters


def test_a_list_of_heads_counts_as_its_largest():
    config = transformers.PreTrainedConfig()
    config.num_attention_heads = [2, 6, 4]
    assert model_config.number_of_heads(config) == 6

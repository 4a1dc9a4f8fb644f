"""The promise under everything else: a map is what the model computed, to the last digits of float32."""

import numpy as np
import pytest
import torch
import transformers

from gpt_notebook.model_kernel.attention import pieces, reading
from gpt_notebook.model_kernel.attention.arrays import Tensor
from gpt_notebook.model_kernel.attention.calls import observed
from gpt_notebook.model_kernel.attention.capture import Recorder
from gpt_notebook.model_kernel.attention.probe import layout_of
from gpt_notebook.model_kernel.attention.recording import Capture, Text
from gpt_notebook.model_kernel.attention.source import MapSource
from model_kernel.attention.conftest import array_of, capture_of
from model_kernel.families import CAUSAL, ENCODER_DECODER, MASKED

N_TOKENS = 40
"""Five windows long, for families that have one."""
WITH_ATTENTION = [family for family in CAUSAL if family != "mamba"]
LIKE_EAGER = [family for family in WITH_ATTENTION if family != "falcon-alibi"]
"""transformers' eager Falcon adds its alibi twice, and so computes something else than the function it runs with."""
TOLERANCE = {"t5": 1e-4}


def eager(directory: str, auto_class: type, **inputs: torch.Tensor) -> transformers.utils.ModelOutput:
    model = auto_class.from_pretrained(directory, attn_implementation="eager").eval()
    with torch.inference_mode():
        return model(**inputs, output_attentions=True)


def maps_of(source: MapSource, part: str) -> dict[int, torch.Tensor]:
    """All maps of a part: (head, query, key) for each layer that has attention."""
    n_queries = source.n_queries(part)
    with torch.inference_mode():
        return {
            layer: source.rows((part, layer), None, 0, n_queries) for layer in source.capture.layout.parts[part].count
        }


def some_ids(model: object, count: int = N_TOKENS) -> list[int]:
    size = len(model.tokenizer)
    return torch.randint(1, size, (count,), generator=torch.Generator().manual_seed(1)).tolist()


def attentions(output: object) -> dict[int, torch.Tensor]:
    """What transformers gives, for the layers that have attention."""
    found = (each for each in output.attentions if each is not None)
    return {layer: each[0] for layer, each in enumerate(found)}


def largest_error(ours: dict[int, torch.Tensor], theirs: dict[int, torch.Tensor]) -> float:
    assert len(ours) == len(theirs)
    return max(
        (one - other.float()).abs().max().item() for one, other in zip(ours.values(), theirs.values(), strict=True)
    )


@pytest.mark.parametrize("family", LIKE_EAGER)
def test_maps_of_causal_models_are_those_of_the_eager_model(family, tiny, loaded):
    model = loaded(family)
    ids = some_ids(model)

    ours = maps_of(MapSource(capture_of(model, ids), model), "decoder")

    theirs = eager(tiny(family), transformers.AutoModelForCausalLM, input_ids=torch.tensor([ids]))
    assert largest_error(ours, attentions(theirs)) <= 1e-5


@pytest.mark.parametrize("family", LIKE_EAGER)
def test_maps_are_the_same_when_the_text_is_read_in_pieces(family, tiny, loaded, monkeypatch):
    monkeypatch.setattr(reading, "FIRST_TOKENS", 7)
    monkeypatch.setattr(reading, "LEAST_TOKENS", 7)
    monkeypatch.setattr(reading, "LEAST_ALONE", 7)
    monkeypatch.setattr(pieces, "GROWTH", 1.0)
    model = loaded(family)
    ids = some_ids(model)

    ours = maps_of(MapSource(capture_of(model, ids), model), "decoder")

    theirs = eager(tiny(family), transformers.AutoModelForCausalLM, input_ids=torch.tensor([ids]))
    assert largest_error(ours, attentions(theirs)) <= 1e-5


@pytest.mark.parametrize("family", MASKED)
def test_maps_of_encoders_are_those_of_the_eager_model(family, tiny, loaded):
    model = loaded(family)
    ids = some_ids(model)

    ours = maps_of(MapSource(capture_of(model, ids), model), "encoder")

    theirs = eager(tiny(family), transformers.AutoModelForMaskedLM, input_ids=torch.tensor([ids]))
    assert largest_error(ours, attentions(theirs)) <= 1e-5


@pytest.mark.parametrize("family", ENCODER_DECODER)
def test_maps_of_encoder_decoders_are_those_of_the_eager_model(family, tiny, loaded):
    model = loaded(family)
    ids, target = some_ids(model), some_ids(model, 17)

    source = MapSource(capture_of(model, ids, target), model)

    theirs = eager(
        tiny(family),
        transformers.AutoModelForSeq2SeqLM,
        input_ids=torch.tensor([ids]),
        decoder_input_ids=torch.tensor([target]),
    )
    for part, name in (
        ("encoder", "encoder_attentions"),
        ("decoder", "decoder_attentions"),
        ("cross", "cross_attentions"),
    ):
        found = {layer: each[0] for layer, each in enumerate(theirs[name])}
        assert largest_error(maps_of(source, part), found) <= TOLERANCE.get(family, 1e-5)


@pytest.mark.parametrize("family", LIKE_EAGER)
def test_a_row_of_a_left_padded_batch_is_recorded_as_it_was_computed(family, tiny, loaded):
    model = loaded(family)
    layout = layout_of(model)
    ids = some_ids(model)
    padding = 9
    batch = torch.tensor([ids, [0] * padding + ids[padding:]])
    mask = torch.ones_like(batch)
    mask[1, :padding] = 0
    inputs = {"input_ids": batch, "attention_mask": mask, "position_ids": (mask.cumsum(-1) - 1).clamp(min=0)}
    if family in ("bloom", "mpt", "falcon-alibi", "openai-gpt"):
        del inputs["position_ids"]

    recorder = Recorder(N_TOKENS, row=1)
    seen = {}

    class Both:
        def attended(self, call):
            recorder.attended(call)
            if call.weights is not None:
                seen[call.layer] = call.weights[1]

    with torch.inference_mode(), observed(layout, Both()):
        model.module(**inputs)

    theirs = eager(tiny(family), transformers.AutoModelForCausalLM, **inputs)
    expected = {layer: each[1] for layer, each in enumerate(e for e in theirs.attentions if e is not None)}
    if layout.recordable:
        capture = Capture(model.source.name, "", Text(tuple(batch[1].tolist())), layout, recorder.layers)
        seen = maps_of(MapSource(capture, model), "decoder")
    # What a padding token would attend to means nothing.
    ours = {layer: each[:, padding:] for layer, each in seen.items()}
    assert largest_error(ours, {layer: each[:, padding:] for layer, each in expected.items()}) <= 1e-5


@pytest.mark.parametrize(
    ("family", "spoil"),
    [
        ("gpt2", lambda layer: setattr(layer, "scaling", layer.scaling * 1.05)),
        ("gpt2", lambda layer: layer.tensors.update(query=layer.tensors["query"].roll(1, 0))),
        ("llama", lambda layer: layer.tensors.update(key=layer.tensors["key"].flip(0))),
        ("mistral", lambda layer: [setattr(block, "mask", None) for block in layer.blocks]),
        ("gpt2", lambda layer: [setattr(block, "causal", False) for block in layer.blocks]),
        ("gemma2", lambda layer: setattr(layer, "softcap", None)),
        ("gpt_oss", lambda layer: setattr(layer, "sinks", None)),
    ],
    ids=["scale", "head", "group", "window", "causal", "softcap", "sinks"],
)
def test_the_test_would_notice(family, spoil, tiny, loaded):
    model = loaded(family)
    ids = some_ids(model)
    capture = capture_of(model, ids)
    for layer in capture.layers.values():
        spoil(layer)

    ours = maps_of(MapSource(capture, model), "decoder")

    theirs = eager(tiny(family), transformers.AutoModelForCausalLM, input_ids=torch.tensor([ids]))
    assert largest_error(ours, attentions(theirs)) >= 1e-3


@pytest.mark.parametrize("family", WITH_ATTENTION)
def test_the_softmax_of_the_raw_scores_is_the_map(family, loaded):
    model = loaded(family)
    source = MapSource(capture_of(model, some_ids(model)), model)
    for layer in source.capture.layout.parts["decoder"].count:
        with torch.inference_mode():
            scores = source.rows(("decoder", layer), 1, 3, 20, "raw_scores")[0].numpy()
            weights = source.rows(("decoder", layer), 1, 3, 20)[0].numpy()
        exponents = np.exp(scores - scores.max(-1, keepdims=True))
        softmax = exponents / exponents.sum(-1, keepdims=True)
        if family == "gpt_oss":  # a sink takes the rest
            softmax *= weights.sum(-1, keepdims=True)
        assert np.abs(softmax - weights).max() <= 1e-6


@pytest.mark.parametrize("family", [*WITH_ATTENTION, *MASKED])
def test_the_map_times_the_values_is_what_attention_gave(family, loaded):
    model = loaded(family)
    ids = some_ids(model)
    capture = capture_of(model, ids)
    source = MapSource(capture, model)
    part = next(iter(capture.layout.parts))
    heads = capture.layout.parts[part]
    for layer in heads.count:
        with torch.inference_mode():
            weights = source.rows((part, layer), 3, 0, N_TOKENS)[0].numpy()
        value, output = (array_of(Tensor(capture, model, (part, layer), name, 3)) for name in ("value", "output"))
        assert np.abs(weights @ value - output).max() <= 1e-5

"""The promise under everything else: a map is what the model computed, to the last digits of float32."""

import numpy as np
import pytest
import torch
import transformers

from gpt_notebook.model_kernel.attention import pieces, reading
from gpt_notebook.model_kernel.attention.arrays import Tensor
from gpt_notebook.model_kernel.attention.capture import Capture, Text
from gpt_notebook.model_kernel.attention.probe import layout_of
from gpt_notebook.model_kernel.attention.recorder import Recorder
from gpt_notebook.model_kernel.attention.source import MapSource
from gpt_notebook.model_kernel.attention.watching import watching
from gpt_notebook.model_kernel.served import Served
from model_kernel.attention.computing import array_of, capture_of, random_ids, whole_maps
from model_kernel.attention.eager import attentions, eager, largest_error
from model_kernel.families import CAUSAL, ENCODER_DECODER, MASKED

N_TOKENS = 40
"""Five windows long, for families that have one."""
WITH_ATTENTION = [family for family in CAUSAL if family != "mamba"]
LIKE_EAGER = [family for family in WITH_ATTENTION if family != "falcon-alibi"]
"""transformers' eager Falcon adds its alibi twice, and so computes something else than the function it runs with."""
IN_ROWS = [family for family in LIKE_EAGER if family != "xglm"]
"""xglm folds the rows of a batch into its heads."""
TOLERANCE = {"t5": 1e-4}


@pytest.mark.parametrize("family", LIKE_EAGER)
def test_maps_of_causal_models_are_those_of_the_eager_model(family, tiny, loaded):
    model = loaded(family)
    ids = random_ids(N_TOKENS)

    ours = whole_maps(MapSource(capture_of(model, ids), Served(model)))

    theirs = eager(tiny(family), transformers.AutoModelForCausalLM, input_ids=torch.tensor([ids]))
    assert largest_error(ours, attentions(theirs.attentions)) <= 1e-5


@pytest.mark.parametrize("family", LIKE_EAGER)
def test_maps_are_the_same_when_the_text_is_read_in_pieces(family, tiny, loaded, monkeypatch):
    monkeypatch.setattr(reading, "FIRST_TOKENS", 7)
    monkeypatch.setattr(reading, "LEAST_TOKENS", 7)
    monkeypatch.setattr(reading, "LEAST_ALONE", 7)
    monkeypatch.setattr(pieces, "GROWTH", 1.0)
    model = loaded(family)
    ids = random_ids(N_TOKENS)

    ours = whole_maps(MapSource(capture_of(model, ids), Served(model)))

    theirs = eager(tiny(family), transformers.AutoModelForCausalLM, input_ids=torch.tensor([ids]))
    assert largest_error(ours, attentions(theirs.attentions)) <= 1e-5


@pytest.mark.parametrize("family", MASKED)
def test_maps_of_encoders_are_those_of_the_eager_model(family, tiny, loaded):
    model = loaded(family)
    ids = random_ids(N_TOKENS)

    ours = whole_maps(MapSource(capture_of(model, ids), Served(model)), "encoder")

    theirs = eager(tiny(family), transformers.AutoModelForMaskedLM, input_ids=torch.tensor([ids]))
    assert largest_error(ours, attentions(theirs.attentions)) <= 1e-5


@pytest.mark.parametrize("family", ENCODER_DECODER)
def test_maps_of_encoder_decoders_are_those_of_the_eager_model(family, tiny, loaded):
    model = loaded(family)
    ids, target = random_ids(N_TOKENS), random_ids(17)

    source = MapSource(capture_of(model, ids, target), Served(model))

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
        assert largest_error(whole_maps(source, part), attentions(theirs[name])) <= TOLERANCE.get(family, 1e-5)


@pytest.mark.parametrize("family", IN_ROWS)
def test_a_row_of_a_left_padded_batch_is_recorded_as_it_was_computed(family, tiny, loaded):
    model = loaded(family)
    layout = layout_of(model)
    ids = random_ids(N_TOKENS)
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
                seen[call.layer] = call.weights[1].numpy()

    with torch.inference_mode(), watching(layout, Both()):
        model.module(**inputs)

    theirs = eager(tiny(family), transformers.AutoModelForCausalLM, **inputs)
    expected = attentions(theirs.attentions, row=1)
    if layout.recordable:
        capture = Capture(model.source.name, "", Text(tuple(batch[1].tolist())), layout, recorder.layers)
        seen = whole_maps(MapSource(capture, Served(model)))
    # What a padding token would attend to means nothing.
    ours = {layer: each[:, padding:] for layer, each in seen.items()}
    assert largest_error(ours, {layer: each[:, padding:] for layer, each in expected.items()}) <= 1e-5


@pytest.mark.parametrize("family", [*MASKED, *ENCODER_DECODER])
def test_a_padded_row_of_an_encoder_is_recorded_as_it_was_computed(family, tiny, loaded):
    model = loaded(family)
    layout = layout_of(model)
    padding, ids = 9, random_ids(N_TOKENS)
    batch = torch.tensor([ids, [1] * padding + ids[padding:]])
    mask = torch.ones_like(batch)
    mask[1, :padding] = 0
    inputs = {"input_ids": batch, "attention_mask": mask}
    target, names = (), {"encoder": "attentions"}
    if family in ENCODER_DECODER:
        target = tuple(random_ids(17))
        inputs["decoder_input_ids"] = torch.tensor([target, target])
        names = {part: f"{part}_attentions" for part in ("encoder", "decoder", "cross")}

    recorder = Recorder(N_TOKENS, row=1)
    with torch.inference_mode(), watching(layout, recorder):
        model.module(**inputs)

    auto_class = transformers.AutoModelForSeq2SeqLM if target else transformers.AutoModelForMaskedLM
    theirs = eager(tiny(family), auto_class, **inputs)
    source = MapSource(Capture("", "", Text(tuple(batch[1].tolist()), target), layout, recorder.layers), Served(model))
    for part, name in names.items():
        # What a padding token would attend to means nothing.
        first = padding if part == "encoder" else 0
        ours = {layer: each[:, first:] for layer, each in whole_maps(source, part).items()}
        padded, other = ({k: v[:, first:] for k, v in attentions(theirs[name], row=row).items()} for row in (1, 0))
        assert largest_error(ours, padded) <= TOLERANCE.get(family, 1e-5)
        if part != "decoder":
            assert largest_error(ours, other) >= 1e-3


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
    ids = random_ids(N_TOKENS)
    capture = capture_of(model, ids)
    for layer in capture.layers.values():
        spoil(layer)

    ours = whole_maps(MapSource(capture, Served(model)))

    theirs = eager(tiny(family), transformers.AutoModelForCausalLM, input_ids=torch.tensor([ids]))
    assert largest_error(ours, attentions(theirs.attentions)) >= 1e-3


def test_the_test_would_notice_a_position_bias_that_is_left_out(tiny, loaded):
    model = loaded("t5")
    ids, target = random_ids(N_TOKENS), random_ids(17)
    capture = capture_of(model, ids, target)
    for layer in capture.layers.values():
        for block in layer.blocks:
            block.bias = None

    ours = whole_maps(MapSource(capture, Served(model)), "encoder")

    inputs = {"input_ids": torch.tensor([ids]), "decoder_input_ids": torch.tensor([target])}
    theirs = eager(tiny("t5"), transformers.AutoModelForSeq2SeqLM, **inputs)
    assert largest_error(ours, attentions(theirs.encoder_attentions)) >= 1e-3


@pytest.mark.parametrize("family", WITH_ATTENTION)
def test_the_softmax_of_the_raw_scores_is_the_map(family, loaded):
    model = loaded(family)
    source = MapSource(capture_of(model, random_ids(N_TOKENS)), Served(model))
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
    ids = random_ids(N_TOKENS)
    capture = capture_of(model, ids)
    source = MapSource(capture, Served(model))
    part = next(iter(capture.layout.parts))
    heads = capture.layout.parts[part]
    for layer in heads.count:
        with torch.inference_mode():
            weights = source.rows((part, layer), 3, 0, N_TOKENS)[0].numpy()
        value, output = (array_of(Tensor(capture, model, (part, layer), name, 3)) for name in ("value", "output"))
        assert np.abs(weights @ value - output).max() <= 1e-5

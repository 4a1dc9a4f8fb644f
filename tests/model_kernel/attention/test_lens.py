"""The lens is the model's own norm and output head on its own hidden states, and nothing is shown where it isn't."""

from __future__ import annotations

import pytest
import torch
import transformers

from gpt_notebook.errors import ModelUnsupported
from gpt_notebook.model_kernel.attention import model_end
from gpt_notebook.model_kernel.attention.lens import LogitLens
from gpt_notebook.protocol import Progress
from model_kernel import families
from model_kernel.attention import hooked
from model_kernel.attention.computing import run
from model_kernel.attention.hooked import CLEAN, plain
from model_kernel.families import GROUPED

EVERY_TOKEN = 10**6
OPT = families.CAUSAL["opt"][1]
OF_THEIR_OWN = {
    "opt-projected": (transformers.OPTConfig, {**OPT, "do_layer_norm_before": False, "word_embed_proj_dim": 16}),
    "granite": (transformers.GraniteConfig, {**GROUPED, "logits_scaling": 3.0}),
    "cohere": (transformers.CohereConfig, {**GROUPED, "logit_scale": 0.25}),
    "gemma3n_text": (
        transformers.Gemma3nTextConfig,
        {
            **GROUPED,
            "head_dim": 8,
            "vocab_size_per_layer_input": 400,
            "hidden_size_per_layer_input": 8,
            "laurel_rank": 4,
            "num_kv_shared_layers": 0,
            "layer_types": ["sliding_attention", "full_attention"],
            "activation_sparsity_pattern": [0.0, 0.0],
        },
    ),
}
"""What is done between the last layer and the logits differs in each."""


@pytest.fixture(scope="module", autouse=True)
def more_families():
    with pytest.MonkeyPatch.context() as patch:
        for name, family in OF_THEIR_OWN.items():
            patch.setitem(families.EVERY, name, family)
        yield


def scaled(factor):
    return lambda model, state: model.lm_head(model.model.norm(state)) * factor


def capped(model, state):
    return torch.tanh(model.lm_head(model.model.norm(state)) / 2.0) * 2.0


ENDS = {
    "gpt2": lambda model, state: model.lm_head(model.transformer.ln_f(state)),
    "llama": lambda model, state: model.lm_head(model.model.norm(state)),
    "gpt_neo": lambda model, state: model.lm_head(model.transformer.ln_f(state)),
    "gpt_neox": lambda model, state: model.get_output_embeddings()(model.gpt_neox.final_layer_norm(state)),
    "bloom": lambda model, state: model.lm_head(model.transformer.ln_f(state)),
    "openai-gpt": lambda model, state: model.lm_head(state),
    "opt": lambda model, state: model.lm_head(model.model.decoder.final_layer_norm(state)),
    "opt-projected": lambda model, state: model.lm_head(model.model.decoder.project_out(state)),
    "granite": scaled(1 / 3),
    "cohere": scaled(0.25),
    "gemma2": capped,
    "lfm2": lambda model, state: model.lm_head(model.model.embedding_norm(state)),
}
"""From a hidden state to logits, as each family's paper and code say."""
OPTIONS = {"gemma2": {"final_logit_softcapping": 2.0}}
CHANGED = {"seed": 1}
"""Models that a test may change, since nobody else asks for them."""


@pytest.mark.parametrize("family", ENDS)
@torch.inference_mode()
def test_the_lens_is_norm_and_head_on_the_hidden_states(family, tiny, loaded):
    options = {**OPTIONS.get(family, {}), **CHANGED}
    model, reference = loaded(family, **options), plain(tiny(family, **options))
    _wake_norms(model.module, reference)
    *_, made = run(LogitLens(model, CLEAN, k=EVERY_TOKEN))
    out = reference(torch.tensor([CLEAN]), output_hidden_states=True)
    states = [state[0, -1] for state in out.hidden_states[:-1]]  # the last has been through the norm already
    expected = [ENDS[family](reference, state) for state in states] + [out.logits[0, -1]]
    assert len(made.layers) == len(expected) == 3
    for tokens, logits in zip(made.layers, expected, strict=True):
        assert largest_difference(tokens, logits) <= 1e-5
        assert [token.logprob for token in tokens] == sorted((token.logprob for token in tokens), reverse=True)
    # Without the norm, with another layer's state: not the same.
    assert largest_difference(made.layers[1], expected[0]) >= 1e-3
    if family not in ("openai-gpt", "opt-projected"):
        assert largest_difference(made.layers[1], reference.get_output_embeddings()(states[1])) >= 1e-3


def _wake_norms(*models):
    """Give norms weights that show whether the right one was used; the same ones in each model."""
    for model in models:
        generator = torch.Generator().manual_seed(0)
        for name, parameter in model.named_parameters():
            if "norm" in name.lower() or ".ln_" in name:
                new = torch.rand(parameter.shape, generator=generator) + 0.5
                parameter.data.copy_(new)


def largest_difference(tokens, logits):
    """Between the logprobs of all tokens, in any order, and those of logits (vocabulary,)."""
    ours = torch.tensor([token.logprob for token in sorted(tokens, key=lambda token: token.id)], dtype=torch.float64)
    return float((ours - logits.double().log_softmax(-1)).abs().max())


@pytest.mark.parametrize("family", [name for name in families.CAUSAL if name != "mamba"])
def test_after_the_last_layer_it_is_what_the_model_says(family, loaded):
    model = loaded(family)
    *_, made = run(LogitLens(model, CLEAN, k=EVERY_TOKEN))
    assert largest_difference(made.layers[-1], hooked.logits(model.module, CLEAN)) <= 1e-5


def test_rounding_in_bfloat16_is_no_reason_to_refuse(loaded):
    for family in ("gpt2", "llama"):
        model = loaded(family, dtype=torch.bfloat16)
        *_, made = run(LogitLens(model, CLEAN))
        assert [token.id for token in made.layers[-1][:1]] == [int(hooked.logits(model.module, CLEAN).argmax())]


def test_the_position_is_the_last_token_that_is_read(gpt2):
    assert run(LogitLens(gpt2, CLEAN, position=5)) == run(LogitLens(gpt2, CLEAN[:6]))
    *_, made = run(LogitLens(gpt2, CLEAN, position=5 - len(CLEAN), k=3))
    assert made.position == 5
    assert [len(tokens) for tokens in made.layers] == [3, 3, 3]


def test_a_long_text_is_read_in_pieces_and_tells_how_far(tiny, loaded):
    options = {"family": "mistral", "max_position_embeddings": 512}
    text = CLEAN * 11
    *progress, made = run(LogitLens(loaded(**options), text, k=EVERY_TOKEN), seconds=1e-9)
    assert [each.done for each in progress[:2]] == [64, 96]
    assert progress[-1] == Progress(
        stage="computing", model=loaded(**options).source.name, done=len(text), total=len(text)
    )
    assert largest_difference(made.layers[-1], hooked.logits(plain(tiny(**options)), text)) <= 1e-5


# --- refusals -------------------------------------------------------------------------------------------------------


def test_a_family_that_ends_in_a_way_of_its_own_is_refused(loaded):
    with pytest.raises(ModelUnsupported, match=r"gemma3n_text.* rather than something wrong"):
        run(LogitLens(loaded("gemma3n_text"), CLEAN))


def test_a_lens_that_is_not_the_model_is_never_shown(loaded, monkeypatch):
    model = loaded("llama")
    right = model_end._logits
    monkeypatch.setattr(model_end, "_logits", lambda *arguments: right(*arguments) * 1.01)
    with pytest.raises(ModelUnsupported, match=r"llama.* rather than something wrong"):
        run(LogitLens(model, CLEAN))
    monkeypatch.undo()
    assert run(LogitLens(model, CLEAN))


def test_another_norm_is_not_the_final_one(loaded, monkeypatch):
    model = loaded("llama", seed=2)
    _wake_norms(model.module)
    first = model.module.model.layers[0].input_layernorm
    monkeypatch.setitem(model.module.model._modules, "norm", torch.nn.Identity())
    assert run(LogitLens(model, CLEAN))  # such a model ends without a norm
    right = model.module.model.forward

    def wrong(*arguments, **options):
        out = right(*arguments, **options)
        out.last_hidden_state = first(out.last_hidden_state)
        return out

    monkeypatch.setattr(model.module.model, "forward", wrong)
    with pytest.raises(ModelUnsupported, match="rather than something wrong"):
        run(LogitLens(model, CLEAN))


@pytest.mark.parametrize("family", ["gpt2", "gpt_neo"])
def test_the_model_is_the_same_before_between_and_after(family, loaded):
    model = loaded(family)
    before = hooked.logits(model.module, CLEAN)
    run(LogitLens(model, CLEAN))
    hooks = _hooks(model.module)  # transformers keeps its own once hidden states have been asked for
    work = LogitLens(model, CLEAN)
    while work.step():
        assert _hooks(model.module) == hooks
        assert torch.equal(hooked.logits(model.module, CLEAN), before)
    assert _hooks(model.module) == hooks
    assert torch.equal(hooked.logits(model.module, CLEAN), before)


def _hooks(module):
    return [len(each._forward_hooks) + len(each._forward_pre_hooks) for each in module.modules()]

"""Families of models at their smallest: what makes each of them different is kept, everything else is tiny.

Weights are wide enough that a head prefers some tokens to others and greedy text does not repeat one token; windows are
shorter than the texts of the tests.
"""

from __future__ import annotations

import transformers

CONTEXT = 64
WINDOW = 8
"""Tokens, for families whose layers look back no farther."""

WIDE = {"initializer_range": 0.3}
SIZES = {"hidden_size": 32, "num_attention_heads": 4, "num_hidden_layers": 2, "intermediate_size": 48, **WIDE}
CLASSIC = {**SIZES, "max_position_embeddings": CONTEXT}
GROUPED = {**CLASSIC, "num_key_value_heads": 2}
"""Two heads of queries share one of keys and values."""
OF_GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": CONTEXT, **WIDE}
SMALL_EXPERTS = {"num_experts_per_tok": 2, "moe_intermediate_size": 24}

Family = tuple[type[transformers.PreTrainedConfig], dict]

CAUSAL: dict[str, Family] = {
    "gpt2": (transformers.GPT2Config, OF_GPT2),
    "openai-gpt": (transformers.OpenAIGPTConfig, OF_GPT2),
    "gpt_neo": (
        transformers.GPTNeoConfig,
        {
            "hidden_size": 32,
            "num_layers": 2,
            "num_heads": 4,
            "attention_types": [[["global", "local"], 1]],
            "window_size": WINDOW,
            "max_position_embeddings": CONTEXT,
            **WIDE,
        },
    ),
    "gptj": (transformers.GPTJConfig, {**OF_GPT2, "rotary_dim": 4}),
    "codegen": (transformers.CodeGenConfig, {**OF_GPT2, "rotary_dim": 4}),
    "gpt_neox": (transformers.GPTNeoXConfig, CLASSIC),
    "opt": (
        transformers.OPTConfig,
        {
            "hidden_size": 32,
            "word_embed_proj_dim": 32,
            "num_attention_heads": 4,
            "num_hidden_layers": 2,
            "ffn_dim": 48,
            "max_position_embeddings": CONTEXT,
            "init_std": 0.3,
        },
    ),
    "bloom": (transformers.BloomConfig, {"hidden_size": 32, "n_layer": 2, "n_head": 4, **WIDE}),
    "falcon": (transformers.FalconConfig, CLASSIC),
    "falcon-alibi": (transformers.FalconConfig, {**CLASSIC, "alibi": True, "multi_query": False, "bias": True}),
    "xglm": (
        transformers.XGLMConfig,
        {"d_model": 32, "ffn_dim": 48, "num_layers": 2, "attention_heads": 4, "init_std": 0.3},
    ),
    "mpt": (
        transformers.MptConfig,
        {"d_model": 32, "n_heads": 4, "n_layers": 2, "expansion_ratio": 2, "max_seq_len": CONTEXT, **WIDE},
    ),
    "llama": (transformers.LlamaConfig, GROUPED),
    "mistral": (transformers.MistralConfig, {**GROUPED, "sliding_window": WINDOW}),
    "qwen2": (transformers.Qwen2Config, GROUPED),
    "qwen3": (transformers.Qwen3Config, {**GROUPED, "head_dim": 8}),
    "gemma2": (
        transformers.Gemma2Config,
        {
            **GROUPED,
            "head_dim": 8,
            "query_pre_attn_scalar": 8,
            "attn_logit_softcapping": 2.0,
            "sliding_window": WINDOW,
            "layer_types": ["sliding_attention", "full_attention"],
        },
    ),
    "gemma3_text": (
        transformers.Gemma3TextConfig,
        {
            **GROUPED,
            "head_dim": 8,
            "query_pre_attn_scalar": 8,
            "sliding_window": WINDOW,
            "layer_types": ["sliding_attention", "full_attention"],
        },
    ),
    "phi3": (transformers.Phi3Config, {**GROUPED, "pad_token_id": 0}),
    "gpt_oss": (
        transformers.GptOssConfig,
        {
            **GROUPED,
            "head_dim": 8,
            "num_local_experts": 4,
            "num_experts_per_tok": 2,
            "sliding_window": WINDOW,
            "layer_types": ["sliding_attention", "full_attention"],
            "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0},
        },
    ),
    "olmo2": (transformers.Olmo2Config, GROUPED),
    "starcoder2": (transformers.Starcoder2Config, {**GROUPED, "sliding_window": WINDOW}),
    "deepseek_v3": (
        transformers.DeepseekV3Config,
        {
            **CLASSIC,
            "num_key_value_heads": 4,
            "q_lora_rank": 16,
            "kv_lora_rank": 16,
            "qk_nope_head_dim": 8,
            "qk_rope_head_dim": 4,
            "v_head_dim": 6,
            "n_routed_experts": 4,
            "n_shared_experts": 1,
            "n_group": 2,
            "topk_group": 1,
            "first_k_dense_replace": 1,
            **SMALL_EXPERTS,
        },
    ),
    "mamba": (transformers.MambaConfig, {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 4, **WIDE}),
    "lfm2": (
        transformers.Lfm2Config,
        {**GROUPED, "layer_types": ["conv", "full_attention"], "block_multiple_of": 16},
    ),
}
"""They go on from a prompt. Only one of the layers of lfm2 has attention, and none of mamba's."""

MASKED: dict[str, Family] = {
    "bert": (transformers.BertConfig, CLASSIC),
    "roberta": (transformers.RobertaConfig, CLASSIC),
}

ENCODER_DECODER: dict[str, Family] = {
    "t5": (
        transformers.T5Config,
        {
            "d_model": 32,
            "d_kv": 8,
            "d_ff": 48,
            "num_layers": 2,
            "num_decoder_layers": 3,
            "num_heads": 4,
            "relative_attention_num_buckets": 8,
            "relative_attention_max_distance": 20,
            "initializer_factor": 1.0,
            "decoder_start_token_id": 0,
        },
    ),
    "bart": (
        transformers.BartConfig,
        {
            "d_model": 32,
            "encoder_layers": 2,
            "decoder_layers": 3,
            "encoder_attention_heads": 4,
            "decoder_attention_heads": 2,
            "encoder_ffn_dim": 48,
            "decoder_ffn_dim": 48,
            "max_position_embeddings": CONTEXT,
            "init_std": 0.3,
            "decoder_start_token_id": 0,
            "forced_eos_token_id": None,
        },
    ),
}
"""The halves differ in their layers, and bart's in their heads."""

FAMILIES = CAUSAL | MASKED | ENCODER_DECODER

PECULIAR: dict[str, Family] = {
    "gemma4_text": (
        transformers.Gemma4TextConfig,
        {
            **GROUPED,
            "num_hidden_layers": 4,
            "head_dim": 8,
            "global_head_dim": 8,
            "sliding_window": WINDOW,
            "layer_types": ["sliding_attention", "full_attention"] * 2,
            "num_kv_shared_layers": 2,
            "hidden_size_per_layer_input": 8,
            "vocab_size_per_layer_input": 320,
        },
    ),
    "hy_v4": (
        transformers.HYV4Config,
        {
            **CLASSIC,
            "num_key_value_heads": 4,
            "head_dim": 4,
            "q_lora_rank": 16,
            "kv_lora_rank": 16,
            "qk_nope_head_dim": 8,
            "qk_rope_head_dim": 4,
            "v_head_dim": 6,
            "index_topk": 12,
            "index_n_heads": 2,
            "index_head_dim": 8,
            "pad_token_id": None,
            "n_routed_experts": 4,
            "n_shared_experts": 1,
            "n_group": 1,
            "topk_group": 1,
            **SMALL_EXPERTS,
        },
    ),
    "diffllama": (transformers.DiffLlamaConfig, GROUPED),
}
"""Causal models whose attention is more than meets the eye.

The upper layers of gemma4_text have no keys of their own, so that a pass for the last token's logits may leave the
others out of them. In a text of more than twelve tokens, each query of hy_v4 sees only twelve, unless its attention has
a name that it doesn't know. A layer of diffllama attends twice.
"""

PECULIAR_MASKED: dict[str, Family] = {
    "albert": (transformers.AlbertConfig, {**CLASSIC, "embedding_size": 16}),
    "mpnet": (transformers.MPNetConfig, CLASSIC),
}
"""albert uses one layer again and again; of mpnet only the softmax can be seen."""

EVERY = FAMILIES | PECULIAR | PECULIAR_MASKED

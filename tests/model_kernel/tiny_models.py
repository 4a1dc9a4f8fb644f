"""Models with random weights and a tokenizer of our own, small enough to be made by the test that wants them."""

from __future__ import annotations

import json
from pathlib import Path

import tokenizers
import torch
import transformers

TEXT = (
    "Once upon a time there was a fox who lived at the edge of the wood. Every morning the fox went to the river, "
    'and every evening it came home. "Who are you?" asked the owl. "I am only a fox," said the fox, and they were '
    "friends from that day on. The river was cold, the wood was dark, and the owl knew a story about the moon. "
)
CONTEXT = 64

CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
CHAT_TOKENS = ["<|system|>", "<|user|>", "<|assistant|>", "<|end|>"]

SIZES = {"hidden_size": 32, "num_attention_heads": 4, "num_hidden_layers": 2, "intermediate_size": 48}
WIDE = {"initializer_range": 0.3}
"""Weights wide enough that greedy text does not repeat one token."""

FAMILIES: dict[str, tuple[type, dict]] = {
    "gpt2": (transformers.GPT2Config, {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": CONTEXT, **WIDE}),
    "openai-gpt": (
        transformers.OpenAIGPTConfig,
        {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": CONTEXT, **WIDE},
    ),
    "gpt_neo": (
        transformers.GPTNeoConfig,
        {
            "hidden_size": 32,
            "num_layers": 2,
            "num_heads": 4,
            "attention_types": [[["global", "local"], 1]],
            "window_size": 8,
            "max_position_embeddings": CONTEXT,
            **WIDE,
        },
    ),
    "llama": (
        transformers.LlamaConfig,
        {**SIZES, "num_key_value_heads": 2, "max_position_embeddings": CONTEXT, **WIDE},
    ),
    "mistral": (
        transformers.MistralConfig,
        {**SIZES, "num_key_value_heads": 2, "max_position_embeddings": CONTEXT, "sliding_window": 8, **WIDE},
    ),
    "qwen2": (
        transformers.Qwen2Config,
        {**SIZES, "num_key_value_heads": 2, "max_position_embeddings": CONTEXT, **WIDE},
    ),
    "mamba": (
        transformers.MambaConfig,
        {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 4, "initializer_range": 0.3},
    ),
}


def byte_level_tokenizer(*, chat_template: str | None = None) -> transformers.PreTrainedTokenizerFast:
    """GPT-2's kind: any Unicode becomes tokens, and characters beyond ASCII several of them."""
    backend = tokenizers.Tokenizer(tokenizers.models.BPE())
    backend.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = tokenizers.decoders.ByteLevel()
    special = ["<|endoftext|>", *(CHAT_TOKENS if chat_template else [])]
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=special,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator([TEXT] * 3, trainer)
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<|endoftext|>",
        eos_token="<|endoftext|>",
        additional_special_tokens=special[1:],
    )
    tokenizer.chat_template = chat_template
    return tokenizer


def metaspace_tokenizer() -> transformers.PreTrainedTokenizerFast:
    """SentencePiece's kind: a space is ▁, and what the vocabulary doesn't have becomes <0xNN> bytes."""
    backend = tokenizers.Tokenizer(tokenizers.models.BPE(byte_fallback=True, unk_token="<unk>"))
    backend.normalizer = tokenizers.normalizers.Sequence(
        [tokenizers.normalizers.Prepend("▁"), tokenizers.normalizers.Replace(" ", "▁")]
    )
    decoders = tokenizers.decoders
    backend.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(content=" ", left=1, right=0),
        ]
    )
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=500, special_tokens=["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    )
    backend.train_from_iterator([TEXT] * 3, trainer)
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )


def config_of(family: str, vocabulary: int, **changes: object) -> transformers.PreTrainedConfig:
    kind, options = FAMILIES[family]
    return kind(**{**options, "vocab_size": vocabulary, "bos_token_id": 0, "eos_token_id": 0, **changes})


def save(
    directory: Path,
    family: str = "gpt2",
    *,
    dtype: torch.dtype = torch.float32,
    chat_template: str | None = None,
    seed: int = 0,
    **config: object,
) -> Path:
    """Save a model of a family with a byte-level tokenizer, as `save_pretrained` does."""
    tokenizer = byte_level_tokenizer(chat_template=chat_template)
    torch.manual_seed(seed)
    model = transformers.AutoModelForCausalLM.from_config(config_of(family, len(tokenizer), **config)).to(dtype)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


def change_config(directory: Path, **changes: object) -> None:
    """Write other values into the config of a saved model."""
    path = directory / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))

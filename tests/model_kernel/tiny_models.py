"""Models with random weights and a tokenizer of our own, small enough to be made by the test that wants them."""

from __future__ import annotations

import json
from pathlib import Path

import tokenizers
import torch
import transformers

from model_kernel.families import ENCODER_DECODER, EVERY, MASKED, PECULIAR_MASKED

TEXT = (
    "Once upon a time there was a fox who lived at the edge of the wood. Every morning the fox went to the river, "
    'and every evening it came home. "Who are you?" asked the owl. "I am only a fox," said the fox, and they were '
    "friends from that day on. The river was cold, the wood was dark, and the owl knew a story about the moon. "
)
CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
CHAT_TOKENS = ["<|system|>", "<|user|>", "<|assistant|>", "<|end|>"]


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
    kind, options = EVERY[family]
    return kind(**{**options, "vocab_size": vocabulary, "bos_token_id": 0, "eos_token_id": 0, **changes})


def class_of(family: str) -> type:
    """The auto class that makes the model which its family is known for."""
    if family in MASKED | PECULIAR_MASKED:
        return transformers.AutoModelForMaskedLM
    if family in ENCODER_DECODER:
        return transformers.AutoModelForSeq2SeqLM
    return transformers.AutoModelForCausalLM


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
    model = class_of(family).from_config(config_of(family, len(tokenizer), **config)).to(dtype)
    _widen(model)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


@torch.no_grad()
def _widen(model: torch.nn.Module) -> None:
    """Give weights that matter to what transformers starts at or near zero whatever the config says."""
    for name, parameter in model.named_parameters():
        if name.endswith(("self_attn.sinks", "relative_attention_bias.weight")):
            parameter.normal_()
        elif model.config.model_type == "openai-gpt" and name.endswith("c_attn.weight"):
            parameter.normal_(std=0.3)


def change_config(directory: Path, **changes: object) -> None:
    """Write other values into the config of a saved model."""
    path = directory / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))

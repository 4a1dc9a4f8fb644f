"""From an adapter's files to its matrices, or the reason why it cannot be added to a model.

Reads what peft saves for LoRA on linear layers, and nothing else: what else peft can train, from DoRA to whole layers,
would be left out without a word. Whether an adapter fits is decided by names and shapes; the base that its config
names is not compared, as copies of a model go by many names.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, NoReturn

import safetensors.torch
import torch

from gpt_notebook import adapter_files, adapter_places
from gpt_notebook.adapter_files import AdapterFiles
from gpt_notebook.errors import ModelDamaged, ModelUnsupported
from gpt_notebook.model_kernel import linear
from gpt_notebook.model_kernel.adapters.loaded_adapter import Matrices
from gpt_notebook.model_kernel.linear import Operator
from gpt_notebook.model_kernel.loaded_model import LoadedModel

LARGEST_SCALING = 1e6
"""What an adapter's sum may be multiplied by; more is no training's result, and soon beyond what numbers can be."""

BEYOND_LORA = {
    "use_dora": "DoRA",
    "modules_to_save": "whole layers that were trained with it (modules_to_save)",
    "target_parameters": "LoRA on parameters (target_parameters)",
    "trainable_token_indices": "trained tokens (trainable_token_indices)",
    "lora_bias": "trained biases (lora_bias)",
    "layer_replication": "repeated layers (layer_replication)",
    "use_qalora": "QALoRA",
    "use_bdlora": "block-diagonal LoRA (use_bdlora)",
    "alora_invocation_tokens": "activated LoRA (alora_invocation_tokens)",
    "arrow_config": "routing between adapters (arrow_config)",
    "velora_config": "VeLoRA",
    "monteclora_config": "MonteCLoRA",
    "kasa_config": "KaSA",
}
"""What a config can ask for besides plain LoRA, in people's words."""
KEEPS_THE_BASE = (None, True, False, "gaussian", "eva", "orthogonal")
"""The `init_lora_weights` that leave the base's weights as they are; the others count on a base that they have changed."""
READ_PAST = ("mamba", "mamba2", "falcon_mamba", "falcon_h1", "nemotron_h")
"""The kinds of models that hand the weights of their `out_proj` to a kernel, past the layer; peft refuses these, too."""
DTYPES = (torch.float32, torch.float16, torch.bfloat16)

_TENSOR = re.compile(r"base_model\.model\.(.+)\.lora_([AB])\.weight")
_PATTERN_LENGTH = 200
_MOST_REPEATS = 3


class Lora:
    """What an adapter's files say, read and checked as far as that goes without its model.

    Raises:
        ModelUnsupported: it is more than LoRA on linear layers.
        ModelDamaged: its files can't be read, or contradict themselves.
    """

    def __init__(self, name: str, files: AdapterFiles) -> None:
        """Read the config, and the header of the weights."""
        self.name = name
        self._files = files
        try:
            self._config = adapter_files.read_config(files.config)
        except (ValueError, RecursionError) as error:
            self._damaged(f"{adapter_places.CONFIG} cannot be read ({error})")
        try:
            header = adapter_files.header_of(files.weights)
            self.elements = sum(math.prod(entry["shape"]) for entry in header.values())
            """How many numbers its matrices have together."""
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            self._damaged(f"{adapter_places.WEIGHTS} is incomplete or corrupt ({error})")
        if self.elements > len(files.weights):
            self._damaged(f"{adapter_places.WEIGHTS} promises more than it holds")
        self._check_kind()
        self.base = str(self._config.get("base_model_name_or_path") or "")[:200]
        """The model that it was trained on, as its config names it."""
        self.rank = self._number("r", int)
        self._alpha = self._number("lora_alpha", (int, float))
        self._ranks = self._pattern("rank_pattern", int)
        self._alphas = self._pattern("alpha_pattern", (int, float))

    # --- its config -------------------------------------------------------------------------------------------------

    def _check_kind(self) -> None:
        config = self._config
        if (kind := config.get("peft_type")) != "LORA":
            self._unsupported(f"is of peft's kind {kind!r:.40}, and only LORA can be added to a model that runs")
        for field, what in BEYOND_LORA.items():
            if config.get(field):
                self._unsupported(f"has {what}, which cannot be added to a model that runs")
        if (bias := config.get("bias", "none")) != "none":
            self._unsupported(f"has trained biases (bias={bias!r:.40}), which cannot be added to a model that runs")
        start = config.get("init_lora_weights", True)
        if not (isinstance(start, bool | str | None) and start in KEEPS_THE_BASE):
            self._unsupported(
                f"began with {start!r:.40}, which changes the weights of its base: convert it to plain LoRA with "
                "save_pretrained(…, path_initial_model_for_weight_conversion=…)",
                advice="",
            )

    def _number(self, field: str, kind: Any) -> Any:
        value = self._config.get(field)
        if isinstance(value, bool) or not isinstance(value, kind) or not 0 < value < math.inf:
            self._damaged(f"{adapter_places.CONFIG} says {field}={value!r:.40}, which is no positive number")
        return value

    def _pattern(self, field: str, kind: Any) -> dict[re.Pattern[str], Any]:
        """Return numbers by the end of a layer's name; peft takes the keys for regular expressions."""
        found = self._config.get(field) or {}
        if not isinstance(found, dict):
            self._damaged(f"{adapter_places.CONFIG} says {field}={found!r:.40}, which is no table")
        patterns = {}
        for key, value in found.items():
            if isinstance(value, bool) or not isinstance(value, kind) or not 0 < value < math.inf:
                self._damaged(f"{field} gives {value!r:.40} for {key!r:.40}, which is no positive number")
            # One that takes hours to match would hold up everybody.
            if (
                len(key) > _PATTERN_LENGTH
                or len(re.findall(r"[*+{]", key)) > _MOST_REPEATS
                or re.search(r"\)[*+{?]", key)
            ):
                self._unsupported(
                    f"has a {field} that is too intricate ({key!r:.40}): name its layers plainly", advice=""
                )
            try:
                patterns[re.compile(rf"(.*\.)?({key})$")] = value
            except (re.error, RecursionError, OverflowError) as error:
                self._damaged(f"{field} has {key!r:.40}, which is no regular expression ({error})")
        return patterns

    # --- its weights ------------------------------------------------------------------------------------------------

    def matrices(self, model: LoadedModel) -> dict[str, Matrices]:
        """Return its matrices for each linear layer of a model that it changes; float32, as peft makes them.

        Raises:
            ModelUnsupported: it is for another model, or for layers that are not linear.
            ModelDamaged: matrices are missing, contradict the config or hold what is no number.
        """
        try:
            tensors = safetensors.torch.load(self._files.weights)
        except Exception as error:  # noqa: BLE001 - its errors are of many kinds, and all mean this
            self._damaged(f"{adapter_places.WEIGHTS} is incomplete or corrupt ({error})")
        pairs: dict[str, dict[str, torch.Tensor]] = {}
        for key, tensor in tensors.items():
            found = _TENSOR.fullmatch(key)
            if found is None:
                self._unsupported(
                    f"holds {key!r:.80}, which is no LoRA matrix of a linear layer"
                    + (": save it again with save_embedding_layers=False" if "base_layer" in key else ""),
                    advice="",
                )
            pairs.setdefault(found[1], {})[found[2]] = tensor
        if not pairs:
            self._damaged(f"{adapter_places.WEIGHTS} holds no matrix")
        operators, name = linear.operators(model.module), model.source.name
        if unknown := sorted(pairs.keys() - operators.keys()):
            self._unsupported(
                f"is for another model: {name} has no linear layer {unknown[0]!r:.80}; {self._trained_on()}", advice=""
            )
        if model.module.config.model_type in READ_PAST and (
            past := [each for each in pairs if each.endswith(".out_proj")]
        ):
            self._unsupported(
                f"changes {past[0]}, whose weights a model of the kind {model.module.config.model_type} reads past the layer: "
                "train it without out_proj",
                advice="",
            )
        self._check_complete(pairs, operators)
        return {
            layer: self._matrices(layer, pair, operators[layer], name, model.device)
            for layer, pair in sorted(pairs.items())
        }

    def _check_complete(self, pairs: Mapping[str, object], operators: Mapping[str, Operator]) -> None:
        """Compare the layers that there are with those that the config names, where it names them plainly."""
        config = self._config
        targets = config.get("target_modules")
        if not isinstance(targets, list) or config.get("layers_to_transform") or config.get("exclude_modules"):
            return
        for target in targets:
            for layer in operators:
                if layer not in pairs and (layer == target or layer.endswith(f".{target}")):
                    self._damaged(f"{adapter_places.WEIGHTS} lacks the matrices of {layer}, which its config names")

    def _matrices(
        self, layer: str, pair: Mapping[str, torch.Tensor], operator: Operator, model: str, device: torch.device
    ) -> Matrices:
        if missing := {"A", "B"} - pair.keys():
            self._damaged(f"{adapter_places.WEIGHTS} lacks lora_{missing.pop()} of {layer}")
        a, b = pair["A"], pair["B"]
        for letter, tensor in (("A", a), ("B", b)):
            if tensor.dtype not in DTYPES:
                dtype = str(tensor.dtype).removeprefix("torch.")
                self._unsupported(f"has lora_{letter} of {layer} in {dtype}: save it in float32", advice="")
        rank = _by_pattern(self._ranks, layer, self.rank)
        if a.dim() != 2 or b.dim() != 2 or a.shape[0] != rank or b.shape[1] != rank:  # noqa: PLR2004 - a matrix has two
            shapes = f"{tuple(a.shape)} and {tuple(b.shape)}"
            self._damaged(f"the matrices of {layer} have the shapes {shapes}, and its config says rank {rank}")
        if (operator.in_features, operator.out_features) != (a.shape[1], b.shape[0]):
            self._unsupported(
                f"is for another model: in {model}, {layer} goes from {operator.in_features:,} to "
                f"{operator.out_features:,} features, in the adapter from {a.shape[1]:,} to {b.shape[0]:,}; {self._trained_on()}",
                advice="",
            )
        for letter, tensor in (("A", a), ("B", b)):
            if not bool(torch.isfinite(tensor).all()):
                self._damaged(f"lora_{letter} of {layer} holds NaN or infinity", advice="train it again")
        alpha = _by_pattern(self._alphas, layer, self._alpha)
        try:
            scaling = float(alpha) / (math.sqrt(rank) if self._config.get("use_rslora") else rank)
        except OverflowError:
            scaling = math.inf
        if scaling > LARGEST_SCALING:
            self._damaged(f"{adapter_places.CONFIG} scales {layer} by {scaling:.0e}", advice="train it again")
        return Matrices(_kept(a, device), _kept(b, device), scaling)

    def _trained_on(self) -> str:
        return f"it was trained on {self.base!r:.80}" if self.base else "use the model that it was trained on"

    # --- refusals ---------------------------------------------------------------------------------------------------

    def _unsupported(self, reason: str, *, advice: str = ": merge it into its base, or train plain LoRA") -> NoReturn:
        message = f"the adapter {self.name} {reason}{advice}"
        raise ModelUnsupported(message) from None

    def _damaged(self, reason: str, *, advice: str = "save it again") -> NoReturn:
        message = f"the adapter {self.name} is damaged: {reason}: {advice}"
        raise ModelDamaged(message) from None


def _by_pattern(patterns: Mapping[re.Pattern[str], Any], layer: str, otherwise: Any) -> Any:
    return next((value for pattern, value in patterns.items() if pattern.match(layer)), otherwise)


def _kept(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Return a matrix of our own: what was read shares its memory with the bytes of the whole file."""
    return tensor.to(device, torch.float32, copy=True).contiguous()

"""Training arguments: what can't be is refused before a job begins, in one line that names the argument."""

from __future__ import annotations

import pytest

from gpt_notebook.errors import InvalidRequest
from gpt_notebook.training.planning import arguments


def refusal(given):
    with pytest.raises(InvalidRequest) as caught:
        arguments.check(given)
    assert "\n" not in caught.value.message
    return caught.value.message


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"max_grad_norm": "x"}, "training_arguments: max_grad_norm must be a number, not 'x'"),
        ({"max_grad_norm": None}, "max_grad_norm must be a number, not None"),
        ({"max_grad_norm": True}, "max_grad_norm must be a number, not True"),
        ({"max_grad_norm": "x" * 1000}, f"max_grad_norm must be a number, not '{'x' * 59}…"),
        ({"max_grad_norm": 10**400}, "training_arguments.max_grad_norm must be at least 0 and at most 1000000000000, not 1000"),
        ({"max_grad_norm": [10**5000]}, "max_grad_norm must be a number, not something so long (list)"),
        ({"adam_beta1": float("nan")}, "training_arguments.adam_beta1 must be at least 0 and at most 0.999999999, not nan"),
        ({"adam_beta2": 1}, "training_arguments.adam_beta2 must be at least 0"),
        ({"adam_epsilon": float("inf")}, "training_arguments.adam_epsilon must be at least 0"),
        ({"weight_decay": -0.1}, "training_arguments.weight_decay must be at least 0"),
        ({"neftune_noise_alpha": "5"}, "neftune_noise_alpha must be a number or null, not '5'"),
        ({"torch_empty_cache_steps": 1.5}, "torch_empty_cache_steps must be a whole number or null, not 1.5"),
        ({"full_determinism": 1}, "full_determinism must be true or false, not 1"),
        ({"optim": {"a": {}}}, "optim must be a text, not {'a': {}}"),
        ({"optim": "a\nb"}, "unknown optim a\\nb: "),
        ({"optim": "adamw_torh"}, "training_arguments: unknown optim adamw_torh: did you mean adamw_torch?"),
        ({"optim_args": "a=b,c"}, "optim_args is written as 'name=value,name=value', and 'c' of it is no such pair"),
        ({"optim_args": "a=b=c"}, "and 'a=b=c' of it is no such pair"),
        ({"optim_target_modules": [1]}, "optim_target_modules must be null or a text or a list, not [1]"),
        ({"liger_kernel_config": {"rope": 1}}, "liger_kernel_config must be a dict or null, not {'rope': 1}"),
        ({"debug": "underflow"}, "unknown debug underflow: did you mean underflow_overflow?"),
        ({"debug": ["underflow"]}, "unknown debug underflow: did"),
    ],
)  # fmt: skip
def test_a_value_that_an_argument_cannot_have_is_refused(given, said):
    assert said in refusal({"weight_decay": 0.1} | given)


@pytest.mark.parametrize(
    "given",
    [
        {"max_grad_norm": 0, "weight_decay": 1, "adam_beta1": 0, "label_smoothing_factor": 1.0},
        {"optim": "adafactor", "optim_args": "rank=8, scale=0.5", "optim_target_modules": ["attn", "mlp"]},
        {"optim_args": None, "neftune_noise_alpha": None, "tf32": None, "torch_empty_cache_steps": 4},
        {"full_determinism": True, "debug": "underflow_overflow tpu_metrics_debug", "liger_kernel_config": {"rope": True}},
    ],
)  # fmt: skip
def test_what_transformers_takes_is_taken(given):
    arguments.check(given)


def test_no_argument_needs_another_value_than_it_has_by_itself():
    defaults = arguments.transformers.TrainingArguments.__dataclass_fields__
    free = [name for name in defaults if name not in arguments.OURS and name not in arguments.OPTION_INSTEAD]
    plain = {
        name: getattr(defaults[name].default, "value", defaults[name].default) for name in free if defaults[name].init
    }
    assert "max_grad_norm" in plain
    arguments.check(plain)

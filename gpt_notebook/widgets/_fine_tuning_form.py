"""The form of a fine-tuning panel: its fields, and what is asked for when they are filled in.

What was given to the panel and has no field, such as validation data or a schedule, holds all the same.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gpt_notebook import arguments
from gpt_notebook.data.dataset import Dataset
from gpt_notebook.errors import GptNotebookError, InvalidRequest, JobDiffers, ModelError
from gpt_notebook.fine_tuning.asked import Asked
from gpt_notebook.fine_tuning.options import share
from gpt_notebook.job_protocol import COLUMNS, LoraOptions, check_name
from gpt_notebook.session import Model, session
from gpt_notebook.suggestions import unknown_name

OPTIONS: Mapping[str, Any] = {
    "method": "lora",
    "epochs": None,
    "max_steps": None,
    "learning_rate": None,
    "batch_size": None,
    "max_length": None,
    "too_long": "split",
    "validate_every": None,
    "early_stopping": None,
    "probes": [],
    "probe_every": None,
    "seed": 0,
}
"""The fields that are options of `gpt.finetune`, and what they begin with."""
FIELDS = ("model", "name", *OPTIONS, "lora_rank", "validation", *COLUMNS)

_FIELD_OF = {"lora": "lora_rank", "lora.rank": "lora_rank", "validation_share": "validation"}
"""Under which field errors about an option are shown that is called otherwise."""

MOST_NAMED = 3
"""Files whose names are shown."""

Form = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a panel was given, as `gpt.finetune` takes it."""

    data: Any
    model: Model = None
    name: str | None = None
    validation: Any = None
    columns: Mapping[str, str | None] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        """Refuse what makes no sense, as `gpt.finetune` would.

        Raises:
            InvalidRequest: says what was probably meant.
        """
        if self.name is not None:
            check_name(arguments.string("name", self.name))
        Asked.of(self.data, self.validation, self.columns, self.model, self.options)

    def form(self) -> Form:
        """Return the fields as they are at first."""
        portion = share(self.validation)
        options = {name: self.options.get(name) for name in OPTIONS}
        probes = options["probes"]
        options["probes"] = [probes] if isinstance(probes, str) else list(probes or ())
        return {
            "model": session.resolve(self.model),
            "name": self.name or "",
            **{name: OPTIONS[name] if value is None else value for name, value in options.items()},
            "lora_rank": _lora(self.options.get("lora")).get("rank"),
            "validation": portion or None,
            **{name: self.columns.get(name) or "" for name in COLUMNS},
        }

    def described(self) -> dict[str, Any]:
        """Return what the data are called, their columns, how many rows they have, and whether others are for validation.

        The number of rows is None where only reading tells.

        Raises:
            InvalidRequest: they can't be read.
        """
        data = Dataset(self.data)
        has_validation = share(self.validation) is None
        description = _called(self.data)
        return {"description": description, "columns": data.names(), "rows": data.length, "validation": has_validation}

    def asked(self, form: Mapping[str, Any]) -> tuple[Asked, str | None]:
        """Return what a form asks for, checked, and the job's name; None: it gets a new one.

        Raises:
            InvalidRequest: a field makes no sense, which `param` names.
        """
        if unknown := [name for name in form if name not in FIELDS]:
            raise InvalidRequest(unknown_name("field", str(unknown[0]), FIELDS), param=str(unknown[0]))
        with fields_named():
            filled = {**self.form(), **form}
            name = _text(filled, "name")
            if name is not None:
                check_name(name)
            columns = {each: _text(filled, each) for each in COLUMNS}
            portion = filled["validation"]
            has_data = share(self.validation) is None
            validation = self.validation if has_data and portion is None else portion
            return Asked.of(self.data, validation, columns, _text(filled, "model"), self._options(filled)), name

    def _options(self, filled: Form) -> dict[str, Any]:
        options = {**self.options, **{name: filled[name] for name in OPTIONS}}
        lora = {**_lora(self.options.get("lora")), "rank": filled["lora_rank"]}
        lora = {name: value for name, value in lora.items() if value is not None}
        options["lora"] = lora if lora and filled["method"] != "full" else None
        return options


@contextlib.contextmanager
def fields_named() -> Iterator[None]:
    """Have errors name the field that they are about."""
    try:
        yield
    except GptNotebookError as error:
        if error.param is None and isinstance(error, JobDiffers):
            error.param = "name"
        elif error.param is None and isinstance(error, ModelError):
            error.param = "model"
        elif error.param is not None:
            error.param = _FIELD_OF.get(error.param, error.param)
        raise


def _called(data: Any) -> str:
    """Return what data are called: the names of files, or what kind of thing they are."""
    several = data if isinstance(data, list | tuple) else [data]
    if all(isinstance(each, str | os.PathLike) for each in several) and (
        not isinstance(data, list | tuple) or Dataset(data).length is None
    ):
        names = [Path(each).name for each in several]
        return ", ".join(names[:MOST_NAMED]) + (" …" if len(names) > MOST_NAMED else "")
    return type(data).__name__


def _lora(given: Any) -> dict[str, Any]:
    """Return the options of LoRA as a dict, whatever they were given as; `finetune` refuses what is none."""
    if isinstance(given, LoraOptions):
        return dataclasses.asdict(given)
    return dict(given) if isinstance(given, Mapping) else {}


def _text(filled: Form, name: str) -> str | None:
    """Return a field's text; None where it is empty.

    Raises:
        InvalidRequest: it is something else.
    """
    value = filled[name]
    if value is not None and not isinstance(value, str):
        message = f"{name} is a text, not {repr(value)[:80]}"
        raise InvalidRequest(message, param=name)
    return value or None

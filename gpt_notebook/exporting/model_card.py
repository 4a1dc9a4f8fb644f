"""The page that goes with what is exported: what it is, what it was made of, how good it is, and how to load it.

It quotes none of the data: their number and their digest say which they were, to whoever has them. Knows nothing of torch.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from gpt_notebook.identity import __version__
from gpt_notebook.job_events import CommandDone, Prepared, StepDone, Validated
from gpt_notebook.job_files import commands, history, journal
from gpt_notebook.job_files.directory import JobDirectory
from gpt_notebook.job_protocol import JobOptions, JobRequest
from gpt_notebook.protocol import DEFAULT_MODEL

KINDS = {
    "text": "texts, of which every token counts",
    "prompt": "pairs of a prompt and a completion, of which the completions count",
    "messages": "conversations, of which the assistant's turns count",
}
"""What rows of data are, by a column that they have."""
UNSAID = ("probes", "probe_every", "probe_tokens")
"""Options that changed nothing of the result; probes are somebody's own words besides."""
LINE_READ = 1_000_000
"""Bytes of the data's first line that are read to tell what kind they are."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """What is known of the job that made something."""

    request: JobRequest
    chosen: Mapping[str, Any]
    """What the job chose where nothing was asked for."""
    kind: str | None
    """One of the columns of `KINDS`."""
    prepared: Prepared | None
    steps: Sequence[StepDone]
    """Those that count, up to the one that is exported."""
    validation: Validated | None
    """The last one up to there."""
    changes: Mapping[str, Sequence[tuple[int, float]]] = field(default_factory=dict)
    """By option the values that commands have set instead, each with the step after which it held."""
    before: Sequence[Training] = ()
    """What it was before it went on with other values, the oldest first: each with its own steps."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What the page is about."""

    name: str
    base: str
    """What others may call the model that it was made from; "" where nobody knows."""
    revision: str | None = None
    """The hub's commit, where it is one of the hub."""
    adapter: bool = True
    """Whether it is an adapter, and not a whole model."""
    merged: bool = False
    """Whether it is a model with an adapter added to its weights."""
    dtype: str | None = None
    """Of the weights of a whole model."""
    rank: int | None = None
    training: Training | None = None


def training_of(directory: JobDirectory, step: int | None) -> Training | None:
    """Return what is known of a job up to a step; None where there is no job."""
    if not directory.exists():
        return None
    counted = history.counted(journal.read(directory.events))
    until = [each for each in counted if step is None or getattr(each, "step", 0) <= step]
    spec = directory.spec()
    requests = [*((each.until, each.request) for each in spec.before), (None, spec.request)]
    parts: list[Training] = []
    first = 0
    for last, request in requests:
        if first == 0 or step is None or step > first:
            end = step if last is None or (step is not None and step < last) else last
            parts.append(replace(_part(directory, request, until, first, last), changes=_changes(until, end)))
        first = first if last is None else last
    return replace(parts[-1], before=parts[:-1])


def _part(
    directory: JobDirectory, request: JobRequest, events: Sequence[Any], first: int, last: int | None
) -> Training:
    """Return what is known of the steps after `first`, up to `last` or to the end."""

    def is_in(step: int) -> bool:
        return first < step and (last is None or step <= last)

    begun = (each for each in reversed(events) if isinstance(each, Prepared))
    # An attempt begins before its first step.
    prepared = next((each for each in begun if is_in(each.step + 1)), None)
    data = directory.data if last is None else directory.path.parent / ".data" / f"{request.data}.jsonl"
    # Where a part ends the next one begins, and measures the same weights on its own samples.
    validated = (
        each
        for each in reversed(events)
        if isinstance(each, Validated)
        and (each.step == 0 or is_in(each.step))
        and each.measured_on in (None, request.measured_on)
    )
    return Training(
        request=request,
        chosen={} if prepared is None else prepared.chosen,
        kind=_kind(data),
        prepared=prepared,
        steps=[each for each in events if isinstance(each, StepDone) and is_in(each.step)],
        validation=next(validated, None),
    )


def _changes(events: Sequence[Any], last: int | None) -> dict[str, list[tuple[int, float]]]:
    """Return what commands have set that held in steps up to `last`, or to the end."""
    found: dict[str, list[tuple[int, float]]] = {name: [] for name in commands.SETTINGS}
    chosen: Mapping[str, Any] = {}
    for event in events:
        # What was told after the last of these steps has changed none of them.
        if last is not None and getattr(event, "step", 0) >= last:
            continue
        if isinstance(event, Prepared):
            for name in commands.overruled(chosen, event.chosen):
                found[name].clear()
            chosen = event.chosen
        elif isinstance(event, CommandDone) and event.obeyed and event.command in found and event.value is not None:
            found[event.command].append((event.step, event.value))
    return found


def page(subject: Subject) -> str:
    """Return the page, as Markdown with the head that the Hugging Face hub reads."""
    training = [] if subject.training is None else _training(subject.training)
    parts = (_head(subject), f"# {subject.name}", _summary(subject), *training, _loading(subject))
    return "\n\n".join(parts) + "\n"


def _head(subject: Subject) -> str:
    lines = [f"library_name: {'peft' if subject.adapter else 'transformers'}", "pipeline_tag: text-generation"]
    # The hub takes only names of its own here.
    if subject.base.count("/") == 1:
        lines += [f"base_model: {json.dumps(subject.base)}"]
    tags = [*(["lora"] if subject.adapter or subject.merged else []), "gpt_notebook"]
    return "\n".join(["---", *lines, f"tags: [{', '.join(tags)}]", "---"])


def _summary(subject: Subject) -> str:
    base = f"`{subject.base}`" + (f" (revision `{subject.revision}`)" if subject.revision else "")
    if subject.base == DEFAULT_MODEL:
        base += ", the small model that comes with gpt_notebook"
    made = f"Written by gpt_notebook {__version__}."
    if subject.adapter:
        rank = f" of rank {subject.rank}" if subject.rank else ""
        return f"A LoRA adapter{rank} for {base}. {made}"
    if subject.merged:
        return f"{base} with a LoRA adapter added to its weights: added in float32, stored in {subject.dtype}. {made}"
    what = f"A fine-tuned model, made from {base}" if subject.base else "A language model"
    return f"{what}{f', stored in {subject.dtype}' if subject.dtype else ''}. {made}"


# --- training -------------------------------------------------------------------------------------------------------


def _training(training: Training) -> list[str]:
    parts = ["## Training"]
    for number, each in enumerate([*training.before, training]):
        if training.before:
            first, last = (f"{each.steps[0].step:,}", f"{each.steps[-1].step:,}") if each.steps else ("?", "?")
            parts.append(f"### {'Then steps' if number else 'Steps'} {first} to {last}")
        parts.append(_table(("", ""), [*_data(each), *_extent(each), *_measures(each)]))
        if each.validation is None:
            parts.append("No data were kept for validation, so nothing is known of how it does on others.")
        level = "####" if training.before else "###"
        parts += [f"{level} Options", _table(("option", "value"), _options(each))]
    return parts


def _data(training: Training) -> Iterable[tuple[str, str]]:
    yield "data", KINDS.get(training.kind or "", "rows")
    if (prepared := training.prepared) is not None:
        counts = f"{prepared.samples:,} samples, {prepared.tokens:,} tokens of which {prepared.counted:,} count"
        cut = f"; {prepared.cut:,} cut" if prepared.cut else ""
        yield "amount", counts + cut + (f"; {prepared.dropped:,} rows left out" if prepared.dropped else "")
    yield "sha256 of the data", f"`{training.request.data}`"
    if (prepared is not None and prepared.validation_samples) or training.request.validation:
        samples = f"{prepared.validation_samples:,} samples" if prepared is not None else ""
        digest = f"sha256 `{training.request.validation}`" if training.request.validation else "of the same data"
        yield "validation", ", ".join(filter(None, (samples, digest)))


def _extent(training: Training) -> Iterable[tuple[str, str]]:
    if training.steps:
        last = training.steps[-1]
        yield "steps", f"{last.step:,}, which are {last.epoch:.3g} epochs"
        yield "tokens read", f"{sum(each.tokens for each in training.steps):,}"
    if (prepared := training.prepared) is not None:
        share = prepared.trainable / max(1, prepared.parameters)
        yield "parameters", f"{prepared.trainable:,} of {prepared.parameters:,} were trained ({share:.3g} of all)"


def _measures(training: Training) -> Iterable[tuple[str, str]]:
    if training.steps:
        yield "training loss", f"{training.steps[-1].loss:.4f} in the last step (natural log, mean over its tokens)"
    validated = training.validation
    if validated is not None and validated.loss is not None and validated.accuracy is not None:
        measures = f"loss {validated.loss:.4f}, perplexity {_number(validated.perplexity)}, token accuracy {validated.accuracy:.3f}"
        yield "validation", f"{measures} over {validated.tokens:,} tokens, after step {validated.step:,}"


def _options(training: Training) -> Iterable[tuple[str, str]]:
    asked = training.request.options
    for each in fields(JobOptions):
        if each.name in UNSAID:
            continue
        value = getattr(asked, each.name)
        found = training.chosen.get(each.name) if value is None else value
        if each.name == "lora":
            if asked.method != "lora":
                continue
            found = {"alpha": 2.0 * asked.lora.rank}
            found |= {name: part for name, part in asdict(asked.lora).items() if part is not None}
        if found is not None and found != {}:
            yield each.name, _with_changes(found, training.changes.get(each.name, ()), first=_first(training))


def _first(training: Training) -> int:
    """Return after which step a training, or this part of one, began."""
    return training.steps[0].step - 1 if training.steps else 0


def _with_changes(asked: Any, changes: Iterable[tuple[int, float]], *, first: int) -> str:
    """Return the value of an option, and those that it was changed to: what was changed before the first step held in all."""
    held = {first: asked}
    for step, value in changes:
        held[max(step, first)] = int(value) if isinstance(asked, int) else value
    return "; ".join(
        f"`{json.dumps(value)}`" if step == first else f"after step {step:,} `{json.dumps(value)}`"
        for step, value in sorted(held.items())
    )


# --- how to load it -------------------------------------------------------------------------------------------------


def _loading(subject: Subject) -> str:
    theirs = _adapter_with_peft(subject) if subject.adapter else _with_transformers()
    asked = "./DIRECTORY"
    if subject.adapter:
        asked = f"{subject.base}{f'@{subject.revision}' if subject.revision else ''}+{asked}"
    ours = ("import gpt_notebook as gpt", "", f'gpt.generate("Once upon a time", model={json.dumps(asked)})')
    return f"## How to load it\n\n{_code(theirs)}\n\nOr in a notebook:\n\n{_code(ours)}"


def _with_transformers() -> Iterable[str]:
    yield "import transformers"
    yield ""
    yield 'model = transformers.AutoModelForCausalLM.from_pretrained("DIRECTORY")'
    yield 'tokenizer = transformers.AutoTokenizer.from_pretrained("DIRECTORY")'


def _adapter_with_peft(subject: Subject) -> Iterable[str]:
    bundled = subject.base == DEFAULT_MODEL
    place = "storyteller.path()" if bundled else json.dumps(subject.base)
    revision = f", revision={json.dumps(subject.revision)}" if subject.revision else ""
    yield "import peft"
    yield "import transformers"
    if bundled:
        yield "from gpt_notebook import storyteller"
    yield ""
    yield f"base = transformers.AutoModelForCausalLM.from_pretrained({place}{revision})"
    yield f"tokenizer = transformers.AutoTokenizer.from_pretrained({place}{revision})"
    yield 'model = peft.PeftModel.from_pretrained(base, "DIRECTORY")'


def _code(lines: Iterable[str]) -> str:
    return "\n".join(["```python", *lines, "```"])


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines: tuple[Sequence[str], ...] = (columns, ["---"] * len(columns), *rows)
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def _number(value: float | None) -> str:
    return "beyond all numbers" if value is None else f"{value:.4g}"


def _kind(data: Path) -> str | None:
    """Return which column tells what the data are; None where they are gone."""
    try:
        with data.open("rb") as file:
            first = json.loads(file.readline(LINE_READ))
    except (OSError, ValueError):
        return None
    return next((kind for kind in KINDS if isinstance(first, dict) and kind in first), None)

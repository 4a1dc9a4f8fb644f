"""A fine-tuning job's process, as a task of the fake engine: it trains nothing, and does everything else as the real one."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from gpt_notebook.job_events import CheckpointSaved, CommandDone, Prepared, Probed, StateChanged, StepDone, Validated
from gpt_notebook.job_files import commands, job_progress, lock, publishing
from gpt_notebook.job_files.checkpoints import Checkpoints
from gpt_notebook.job_files.directory import JobDirectory
from gpt_notebook.job_files.journal import Journal
from gpt_notebook.job_protocol import Estimate
from gpt_notebook.testing.gate import Gate

STEPS = 4
"""Where a job asks for no other number."""
TOKENS = 64
"""Of every step."""
LOOK_SECONDS = 0.02
"""How often a training that waits at the gate looks whether it was told something."""

ESTIMATE = Estimate(
    bytes=3 * 2**20,
    weights=2**20,
    training_state=2**20,
    activations=2**20,
    seconds=1.0,
    steps=STEPS,
    tokens=STEPS * TOKENS,
    free=2**30,
)


def loss_after(step: int) -> float:
    """Return the loss of a step: it falls from 3."""
    return 3.0 / step


class FakeTraining:
    """One attempt at a job."""

    def __init__(self, directory: JobDirectory, gate: Gate | None) -> None:
        """Begin where the last attempt has saved; each step waits at the gate, if there is one."""
        self._directory = directory
        self._gate = gate
        self._spec = directory.spec()
        self._options = self._spec.request.options
        self._rate = self._options.learning_rate or 1e-3
        self._steps = self._options.max_steps or STEPS
        self._checkpoints = Checkpoints(directory)
        self._last_command = 0
        self._step = 0

    async def run(self) -> None:
        """Train until the end, or until told to leave."""
        with lock.hold(self._directory, wait=1, as_job=True) as ours:
            if not ours:
                return
            attempt = Journal.next_attempt(self._directory.events)
            self._last_command = job_progress.progress(self._directory).last_command
            with Journal(self._directory.events, attempt=attempt) as journal:
                await self._train(journal)

    async def _train(self, journal: Journal) -> None:
        self._step = max(self._checkpoints.steps(), default=0)
        journal.write(StateChanged, state="running", step=self._step)
        self._prepare(journal)
        if self._step == 0:
            self._probe(journal)
        while self._step < self._steps:
            if await self._turn(journal):
                return
            self._step += 1
            self._do_step(journal)
        if self._step not in self._checkpoints.steps():
            self._save(journal)
        journal.write(StateChanged, state="succeeded", step=self._step)

    async def _turn(self, journal: Journal) -> bool:
        """Wait until the next step may be done, and obey meanwhile; whether that was an end."""
        passed = asyncio.ensure_future(self._gate.passed() if self._gate is not None else asyncio.sleep(0))
        try:
            while True:
                await asyncio.wait({passed}, timeout=LOOK_SECONDS)
                for command in commands.read(self._directory, after=self._last_command):
                    self._last_command = command.number
                    if self._obey(journal, command):
                        return True
                if passed.done():
                    return False
        finally:
            passed.cancel()

    def _obey(self, journal: Journal, command: commands.Command) -> bool:
        """Obey a command; whether that was an end."""
        if command.command == "learning_rate" and command.value is not None:
            self._rate = command.value
        elif command.command == "max_steps" and command.value is not None:
            self._steps = int(command.value)
        ends = command.command in ("pause", "stop", "cancel")
        if ends and command.command != "cancel" and self._step and self._step not in self._checkpoints.steps():
            self._save(journal)
        journal.write(
            CommandDone,
            command_number=command.number,
            command=command.command,
            value=command.value,
            obeyed=True,
            step=self._step,
        )
        match command.command:
            case "pause":
                journal.write(StateChanged, state="paused", reason="user", step=self._step)
            case "stop":
                journal.write(StateChanged, state="succeeded", reason="stopped", step=self._step)
            case "cancel":
                journal.write(StateChanged, state="cancelled", reason="user", step=self._step)
            case _:
                pass
        return ends

    # --- what is recorded -------------------------------------------------------------------------------------------

    def _prepare(self, journal: Journal) -> None:
        rows = len(self._directory.data.read_bytes().splitlines())
        journal.write(
            Prepared,
            step=self._step,
            max_steps=self._steps,
            samples=rows,
            validation_samples=0,
            tokens=rows * TOKENS,
            counted=rows * TOKENS,
            cut=0,
            dropped=0,
            trainable=1000,
            parameters=100_000,
            chosen={"learning_rate": self._rate, "max_steps": self._steps, "batch_size": self._options.batch_size or 8},
            estimate=ESTIMATE,
            threads=1,
            device="cpu",
        )

    def _do_step(self, journal: Journal) -> None:
        step, options = self._step, self._options
        journal.write(
            StepDone,
            step=step,
            epoch=step / self._steps,
            loss=loss_after(step),
            learning_rate=self._rate,
            grad_norm=1.0,
            tokens=TOKENS,
            seconds=0.1,
            memory=2**20,
        )
        if options.validate_every and step % options.validate_every == 0:
            journal.write(
                Validated,
                step=step,
                loss=loss_after(step),
                perplexity=2.0,
                accuracy=0.5,
                tokens=TOKENS,
                seconds=0.1,
                best=True,
            )
        if options.probe_every and step % options.probe_every == 0:
            self._probe(journal)
        if options.save_every and step % options.save_every == 0:
            self._save(journal)

    def _probe(self, journal: Journal) -> None:
        for index, prompt in enumerate(self._options.probes):
            journal.write(
                Probed, step=self._step, index=index, prompt=prompt, text=f" and after {self._step} steps a fox"
            )

    def _save(self, journal: Journal) -> None:
        saved = self._checkpoints.save(self._step, self._write)
        loss = loss_after(self._step) if self._step else None
        journal.write(CheckpointSaved, step=saved.step, bytes=saved.bytes, digest=saved.digest, seconds=0.01, loss=loss)
        publishing.publish(self._directory, self._options.method, self._step)
        self._directory.write_best(self._step)

    def _write(self, place: Path) -> None:
        """Write what could be an adapter, or a model: weights without a tensor."""
        empty = (2).to_bytes(8, "little") + b"{}"
        if self._options.method == "lora":
            config = {
                "r": self._options.lora.rank,
                "base_model_name_or_path": self._spec.request.model,
                "step": self._step,
            }
            (place / "adapter_config.json").write_text(json.dumps(config))
            (place / "adapter_model.safetensors").write_bytes(empty)
        else:
            (place / "config.json").write_text(json.dumps({"model_type": "fake", "step": self._step}))
            (place / "model.safetensors").write_bytes(empty)
        (place / "optimizer.pt").write_bytes(b"nothing")

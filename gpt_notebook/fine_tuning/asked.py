"""What was asked for of a fine-tuning, checked as far as that goes without a model kernel, and then sent to one."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gpt_notebook import arguments
from gpt_notebook.data import upload as data_upload
from gpt_notebook.data.dataset import Dataset
from gpt_notebook.errors import DataNotFound
from gpt_notebook.fine_tuning.options import job_options, share
from gpt_notebook.job_protocol import RUN_TOGETHER, JobOptions, JobRequest, JobStarted, Preview, PreviewRequest
from gpt_notebook.session import Model, session

Sent = tuple[str, str | None]
"""The digests of the data and of the validation data, if there are any, that the model kernel has."""


@dataclass(frozen=True)
class Asked:
    """Data, a model and options that make sense together."""

    data: Dataset
    validation: Dataset | None
    columns: Mapping[str, str]
    model: str
    options: JobOptions

    @classmethod
    def of(
        cls,
        data: Any,
        validation: Any,
        columns: Mapping[str, Any],
        model: Model,
        options: Mapping[str, Any],
    ) -> Asked:
        """Check what was asked for, as `gpt.finetune` takes it.

        Raises:
            InvalidRequest: data, a column or an option make no sense; says what was probably meant.
        """
        portion = share(validation)
        checked = job_options(options, validation_share=portion or 0.0)
        name = arguments.local_model(session.resolve(model), purpose="fine-tuning")
        apart = None if portion is not None else Dataset(validation, what="validation", **columns)
        named = {field: column for field, column in columns.items() if column is not None}
        return cls(Dataset(data, **columns), apart, named, name, checked)

    def send(self, *, warn: bool = True) -> Sent:
        """Send the data; `warn` says also what is probably not meant.

        Raises:
            InvalidRequest: a row can't be learnt from, which is named.
        """
        checked = None if self.validation is None else data_upload.send(self.validation, warn=warn).digest
        return data_upload.send(self.data, warn=warn).digest, checked

    def preview(self, sent: Sent, *, samples: int) -> Preview:
        """Return what the model would see of data that were sent, with so many samples whole."""
        data, validation = sent
        request = PreviewRequest(
            data=data, validation=validation, model=self.model, options=self.options, samples=samples
        )
        found = session.ask(lambda client: client.preview(request))
        return dataclasses.replace(found, warnings=_warnings(found.warnings, self.data.warnings))

    def start(self, sent: Sent, *, name: str | None, force: bool) -> JobStarted:
        """Start the job of data that were sent, or attach to it.

        Raises:
            JobDiffers: there is a job of this name with other data or options; says which.
        """
        data, validation = sent
        request = JobRequest(
            data=data,
            validation=validation,
            model=self.model,
            name=name,
            options=self.options,
            force=force,
            columns=dict(self.columns),
        )
        try:
            return session.ask(lambda client: client.start_job(request))
        except DataNotFound:  # Data that nobody asks for are not kept forever.
            self.send()
            return session.ask(lambda client: client.start_job(request))


def _warnings(found: Sequence[str], advice: Sequence[str]) -> tuple[str, ...]:
    """Return what a model has against data, with advice instead of the bare fact that prompt and completion run together.

    A model with a chat template has nothing against that, and then the advice is none.
    """
    others = [line for line in found if not (advice and line.endswith(RUN_TOGETHER))]
    return (*(advice if len(others) < len(found) else ()), *others)

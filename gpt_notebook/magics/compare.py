"""`%%gpt --compare A B`: the same prompt on several models, streaming side by side."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gpt_notebook import comparing
from gpt_notebook.comparison import Comparison
from gpt_notebook.completion import Collector
from gpt_notebook.display.comparison_html import comparison_bundle
from gpt_notebook.errors import GenerationInterrupted, GptNotebookError
from gpt_notebook.magics.cell_output import CellOutput
from gpt_notebook.magics.options import CellOptions
from gpt_notebook.protocol import Progress

if TYPE_CHECKING:
    from gpt_notebook.magics.cell_magic import Prompt


def compared(prompt: Prompt, options: CellOptions, output: CellOutput) -> Comparison:
    """Let the models of a cell go on from its prompt, show them in its output, and return what they said.

    Raises:
        GptNotebookError: one of them failed; carries what there is.
        GenerationInterrupted: the user interrupted it; likewise.
    """
    models = models_of(options)
    collectors = [Collector() for _ in models]
    chat = False if options.complete else None
    events = comparing.events(prompt.text, models, chat=chat, system=prompt.system, **options.sampling)

    def so_far() -> Comparison:
        return Comparison(completions=comparing.said(collectors))

    try:
        with contextlib.closing(events):
            for model, event in events:
                if isinstance(event, Progress):
                    output.progress(event)
                    continue
                collectors[model].add(event)
                if all(each.started for each in collectors):
                    output.show_if_due(
                        lambda: (comparison_bundle(so_far(), notices=prompt.notices, footer="generating…"), {})
                    )
        found = comparing.read(so_far().completions)
    except KeyboardInterrupt as interrupt:
        _end(output, so_far(), prompt.notices, reason="incomplete: interrupted")
        raise GenerationInterrupted(so_far().completions) from interrupt
    except GptNotebookError as error:
        error.partial = so_far().completions
        _end(output, so_far(), prompt.notices, reason="incomplete")
        raise
    _end(output, found, prompt.notices, reason="incomplete")
    return found


def models_of(options: CellOptions) -> list[str | None]:
    """Return the models of a cell: those of --compare; one alone is compared with that of -m, or the default one."""
    if options.model is None and len(options.compare) > 1:
        return list(options.compare)
    return [options.model, *options.compare]


def _end(output: CellOutput, found: Comparison, notices: Sequence[str], *, reason: str) -> None:
    if found.completions:
        output.show((comparison_bundle(found, notices=notices, reason=reason), {}))
    else:
        output.finish(())

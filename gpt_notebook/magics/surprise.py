"""`%%gpt --surprise`: a model reads the text of a cell, and the cell shows how much each token surprised it."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from gpt_notebook import api
from gpt_notebook.display.perplexity_html import perplexity_bundle
from gpt_notebook.likelihood import Perplexity
from gpt_notebook.magics.cell_output import CellOutput
from gpt_notebook.protocol import Progress, Scored, Token
from gpt_notebook.session import session


def surprised(text: str, output: CellOutput, *, model: str | None, logprobs: int, notices: Sequence[str]) -> Perplexity:
    """Have a model read a text, show it in an output, and return its perplexity.

    Raises:
        GptNotebookError: what the model kernel has to say, such as that the text is longer than the model's context.
    """
    tokens: list[Token] = []
    try:
        with contextlib.closing(api.reading(text, model=model, logprobs=logprobs)) as events:
            for event in events:
                if isinstance(event, Progress):
                    output.progress(event)
                elif isinstance(event, Scored):
                    tokens += event.score.tokens
    except BaseException:
        output.finish(())
        raise
    found = Perplexity(tokens=tuple(tokens), model=session.resolve(model))
    output.show((perplexity_bundle(found, notices=notices), {}))
    return found

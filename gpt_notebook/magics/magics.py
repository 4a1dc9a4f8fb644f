"""The magics of `%load_ext gpt_notebook`: `%%gpt` cells and the `%gpt` line.

Thin on purpose: the work is in cell_magic.py and line_magic.py, which are imported when a magic first runs, because
loading the extension must cost next to nothing.
"""

from __future__ import annotations

import sys
import traceback
from typing import Any

from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand

from gpt_notebook.errors import GenerationInterrupted, GptNotebookError
from gpt_notebook.magics import completer, help_text
from gpt_notebook.magics.cell_value import CellValue
from gpt_notebook.magics.conversation import Conversations
from gpt_notebook.magics.options import asks_for_help

_MAGIC = "gpt"


@magics_class
class GPTMagics(Magics):  # type: ignore[misc]
    """`%%gpt` and `%gpt`, and what they remember between cells."""

    def __init__(self, shell: Any) -> None:
        """Belong to a shell; nothing is started."""
        super().__init__(shell)
        self.conversations = Conversations()
        self.value = CellValue(shell)
        self._last_error: BaseException | None = None

    @line_cell_magic(_MAGIC)  # type: ignore[untyped-decorator]
    @no_var_expand  # type: ignore[untyped-decorator]
    def gpt(self, line: str, cell: str | None = None) -> object:
        """See `help_text`; IPython shows this for `%%gpt?`."""
        try:
            if cell is not None and not asks_for_help(line):
                from gpt_notebook.magics import cell_magic

                return cell_magic.run(self, line, cell)
            from gpt_notebook.magics import line_magic

            line_magic.run(self, line if cell is None else "help")
        except (GptNotebookError, GenerationInterrupted) as error:
            self._last_error = error
            raise
        return None

    gpt.__doc__ = help_text.HELP

    def last_traceback(self) -> str | None:
        """Return the whole traceback of the last error that was shown in one line."""
        latest = getattr(sys, "last_value", None)
        error = latest if isinstance(latest, (GptNotebookError, GenerationInterrupted)) else self._last_error
        return None if error is None else "".join(traceback.format_exception(error))


def load_ipython_extension(shell: Any) -> None:
    """Give a shell the magics and their Tab completion; loading twice is loading once."""
    unload_ipython_extension(shell)
    magics = GPTMagics(shell)
    shell.register_magics(magics)
    shell.Completer.custom_matchers.append(completer.matcher(magics.conversations))
    shell.input_transformers_cleanup.append(_give_empty_cells_a_body)


def unload_ipython_extension(shell: Any) -> None:
    """Take from the shell what loading has given it."""
    magics = shell.magics_manager.registry.pop(GPTMagics.__name__, None)
    if magics is None:
        return
    magics.value.remove()
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop(_MAGIC, None)
    matchers = shell.Completer.custom_matchers
    matchers[:] = [each for each in matchers if not getattr(each, completer.OURS, False)]
    transformers = shell.input_transformers_cleanup
    transformers[:] = [each for each in transformers if each is not _give_empty_cells_a_body]


def _give_empty_cells_a_body(lines: list[str]) -> list[str]:
    """Let the magic itself say what an empty cell lacks: IPython would point to the line magic instead."""
    if lines and lines[0].split(maxsplit=1)[:1] == [f"%%{_MAGIC}"] and not "".join(lines[1:]).strip():
        return [lines[0].rstrip("\n") + "\n", "\n"]
    return lines


# IPython leaves such transformers out when it asks whether the lines typed into a terminal are a whole cell yet.
_give_empty_cells_a_body.has_side_effects = True  # type: ignore[attr-defined]

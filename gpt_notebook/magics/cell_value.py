"""The value of a `%%gpt` cell: it is in `_` and `Out`, yet it is displayed once only.

The cell shows its text while it streams. IPython would then display the value a second time, so its display is
suppressed, once: for this very object, in the cell run that has shown it. Evaluating it later shows it properly.
"""

from __future__ import annotations

from typing import Any

from gpt_notebook.magics.running_cell import current_run, is_magic_cell, is_terminal

_TYPES = (
    ("gpt_notebook.completion", "Completion"),
    ("gpt_notebook.display.bundle", "Samples"),
    ("gpt_notebook.likelihood", "Perplexity"),
    ("gpt_notebook.comparison", "Comparison"),
)


class CellValue:
    """Hands a value that is already on the screen to a shell."""

    def __init__(self, shell: Any) -> None:
        """Teach the shell's formatter to pass over such a value."""
        self._shell = shell
        self._value: object = None
        self._run: object = None
        for module, name in _TYPES:
            self._formatter.for_type_by_name(module, name, self._format)

    def remove(self) -> None:
        """Leave the formatter as it was."""
        for module, name in _TYPES:
            self._formatter.pop(f"{module}.{name}", None)

    def hand_over(self, value: object) -> object:
        """Return what the magic returns to make `value` the value of its cell."""
        self._value, self._run = value, current_run(self._shell)
        if self._run is None or not (is_terminal(self._shell) and is_magic_cell(self._shell)):
            return value
        # A terminal would print `Out[3]: ` with nothing after it, so the value takes the same way without the prompt.
        hook = self._shell.displayhook
        hook.update_user_ns(value)
        hook.fill_exec_result(value)
        return None

    def remember(self, value: object) -> None:
        """Put what came of a `%%gpt` cell that fails into `_` and `Out`: IPython keeps the values of others only."""
        if is_magic_cell(self._shell):
            self._shell.displayhook.update_user_ns(value)

    @property
    def _formatter(self) -> Any:
        return self._shell.display_formatter.ipython_display_formatter

    def _format(self, value: object) -> None:
        """Do nothing for the value that is on the screen; leave all others to the next formatter."""
        seen = value is self._value and self._run is not None and self._run is current_run(self._shell)
        self._value = self._run = None
        if not seen:
            raise NotImplementedError

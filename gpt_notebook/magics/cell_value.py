"""The value of a `%%gpt` cell: it is in `_` and `Out`, yet it is displayed once only.

The cell shows its text while it streams. IPython would then display the value a second time, so its display is
suppressed, once: for this very object, in the cell run that has shown it. Evaluating it later shows it properly.
"""

from __future__ import annotations

from typing import Any

_TYPES = (("gpt_notebook.completion", "Completion"), ("gpt_notebook.display.bundle", "Samples"))


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

    @property
    def _formatter(self) -> Any:
        return self._shell.display_formatter.ipython_display_formatter

    def _format(self, value: object) -> None:
        """Do nothing for the value that is on the screen; leave all others to the next formatter."""
        seen = value is self._value and self._run is not None and self._run is current_run(self._shell)
        self._value = self._run = None
        if not seen:
            raise NotImplementedError


def current_run(shell: Any) -> Any:
    """Return IPython's record of the cell that runs now, or None."""
    return getattr(shell.displayhook, "exec_result", None)


def is_magic_cell(shell: Any) -> bool:
    """Tell whether the cell that runs now is a `%%gpt` cell itself, not code that calls the magic."""
    info = getattr(current_run(shell), "info", None)
    return str(getattr(info, "raw_cell", "")).lstrip().startswith("%%gpt")


def is_terminal(shell: Any) -> bool:
    """Tell whether the shell is IPython's own terminal; by name, because importing its class would take long."""
    return any(each.__name__ == "TerminalInteractiveShell" for each in type(shell).__mro__)


def cell_identity(shell: Any, text: str) -> str | None:
    """Return what stays the same when the user runs the same cell again; None where each run is a new one.

    That is the cell's id where the front end tells it, else the cell's text.
    """
    if is_terminal(shell):
        return None
    info = getattr(current_run(shell), "info", None)
    identity = getattr(info, "cell_id", None) or _id_in_message(shell)
    if identity is None:
        return text
    # Code may call the magic more than once in one cell.
    return str(identity) if is_magic_cell(shell) else f"{identity}\n{text}"


def _id_in_message(shell: Any) -> str | None:
    get_parent = getattr(shell, "get_parent", None)
    message = get_parent() if get_parent is not None else None
    return message.get("metadata", {}).get("cellId") if isinstance(message, dict) else None

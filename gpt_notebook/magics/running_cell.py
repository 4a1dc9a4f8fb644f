"""What IPython tells about the cell that runs now: by whom it is shown, whether it is ours, which one it is."""

from __future__ import annotations

from typing import Any


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

"""Asking whoever sits there, before something is deleted."""

from __future__ import annotations

import sys

from gpt_notebook.errors import InvalidRequest

YES = ("y", "yes")


def agreed(question: str, name: str) -> bool:
    """Whether somebody says yes.

    Args:
        question: What is asked.
        name: What would be gone.

    Raises:
        InvalidRequest: nobody can be asked.
    """
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    in_notebook = shell is not None and hasattr(shell, "kernel")
    if in_notebook or (sys.stdin is not None and sys.stdin.isatty()):
        try:
            return input(f"{question} [y/N] ").strip().lower() in YES
        except (EOFError, NotImplementedError):  # what a notebook kernel raises where no front end takes answers
            pass
    message = f"{question} Nobody can be asked here: give the option force to delete {name}"
    raise InvalidRequest(message, param="force")

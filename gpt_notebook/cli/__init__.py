"""The `gpt-notebook` command: the model kernel from a terminal.

    commands   what each command does        command_line   what can be typed, and what is said of the rest
    terminal   text that streams, the demo   doctor         looks for what is missing, and says what to do
    logs       the end of the log                 job_commands   fine-tuning, and its job_arguments

Thin, like the magics: the work is in `gpt_notebook.api`.
"""

from gpt_notebook.cli.commands import main

__all__ = ["main"]

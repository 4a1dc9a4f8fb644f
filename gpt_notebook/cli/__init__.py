"""The `gpt-notebook` command: the model kernel from a terminal.

    command_line    what can be typed, and what is said of the rest
    commands        what each command does
    job_arguments   what can be typed about fine-tuning
    job_commands    starts jobs, shows them, tells them something
    terminal        text that streams, and the demo
    logs            the end of the log
    doctor          looks for what is missing, and says what to do

Thin, like the magics: the work is in `gpt_notebook.api`.
"""

from gpt_notebook.cli.commands import main

__all__ = ["main"]

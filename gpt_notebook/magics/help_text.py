"""What `%%gpt?`, `%gpt?` and `%gpt help` say."""

from __future__ import annotations

from gpt_notebook.magics.options import describe

DTYPES = ("float32", "bfloat16", "float16")
JOB_COMMANDS = ("pause", "resume", "stop", "cancel", "delete")

COMMANDS = {
    "use": ("use MODEL", "take this model where none is named; alone: say which it is"),
    "status": ("status", "what the model kernel holds and does"),
    "models": ("models", "which models there are"),
    "adapters": ("adapters", "which adapters there are: LoRA weights on a model"),
    "jobs": (
        "jobs [NAME [pause|resume|stop|cancel|delete]]",
        "which fine-tuning jobs there are; one of them; tell it something",
    ),
    "attach": ("attach JOB", "watch a fine-tuning job and steer it; a terminal waits for it"),
    "load": (f"load MODEL [--dtype {'|'.join(DTYPES)}]", "load a model now, to have it warm"),
    "unload": ("unload MODEL", "give its memory back"),
    "connect": ("connect URL | local", "use the model kernel at this address; local: the one of this machine again"),
    "cancel": ("cancel", "stop all running generations, those of other notebooks too"),
    "shutdown": ("shutdown [--force]", "end the model kernel; --force also while others use it"),
    "reset": ("reset [NAME]", "forget a conversation; alone: all of them"),
    "error": ("error", "show the last error in full"),
    "help": ("help", "show this"),
}
"""By name: how it is written, and what it does."""


def _describe_commands() -> str:
    rows = [(f"%gpt {usage}", text) for usage, text in COMMANDS.values()]
    place = list(COMMANDS).index("load") + 1
    rows[place:place] = [
        ("%gpt load VARIABLE --tokenizer VARIABLE [--name NAME]", "give it a model of this notebook"),
        ("%gpt load MODEL+PATH --name NAME", "keep an adapter under a name"),
    ]
    width = max(len(usage) for usage, _ in rows)
    return "\n".join(f"  {usage:<{width}}  {text}" for usage, text in rows)


HELP = f"""Go on from the text of a cell with a language model.

    %%gpt --max 60 --seed 7
    Once upon a time there was a {{animal}}

The text streams into the cell's output, and the completion is the cell's value. {{animal}} is filled in when the
notebook has a variable of this name; other braces stay as typed. Put values with spaces in quotes; in those of --stop
and --system \\n is a newline and \\t a tab.

%%gpt options
{describe()}

%gpt commands
{_describe_commands()}
"""

"""Language models in the notebook: generate, look inside, change, on one warm set of weights.

    %load_ext gpt_notebook                  in a notebook: the magics %%gpt and %gpt

    generate stream chat                    text from a prompt or a conversation
    events                                  the same as it happens; Collector makes completions of it
    map                                     a column of texts for a table
    compare                                 several models on the same prompt, side by side
    finetune preview                        train a model on data, and see first what it will be shown
    job jobs compare_jobs delete_job        the trainings there are
    FineTuningPanel                         the same to look at, to steer and to try
    evaluate                                how well a model does on data
    rename_adapter delete_adapter export    what trainings have made, as files
    next tokenize score perplexity          tokens and likelihoods
    attention head_scores patch             the inside of a model: maps, scores of heads, interventions
    AttentionPanel                          the same to look at and to play with
    models adapters load unload use         models, and adapters on them
    status connect cancel shutdown          the model kernel, the process that holds them

Each name is imported when it is first used, so that `import gpt_notebook` costs nothing.
"""

TYPE_CHECKING = False  # what type checkers take for true; importing typing for it would double the time of this import
if TYPE_CHECKING:
    from typing import Any

    from gpt_notebook.adapter_management import Export, delete_adapter, export, rename_adapter
    from gpt_notebook.api import (
        adapters,
        cancel,
        chat,
        connect,
        events,
        generate,
        load,
        models,
        next,  # noqa: A004 - the public name
        perplexity,
        score,
        shutdown,
        status,
        stream,
        tokenize,
        unload,
        use,
    )
    from gpt_notebook.attention_maps import (
        Ablation,
        Attention,
        HeadScore,
        Lens,
        Patching,
        attention,
        head_scores,
        patch,
    )
    from gpt_notebook.comparing import compare
    from gpt_notebook.comparison import Comparison
    from gpt_notebook.completion import Collector, Completion
    from gpt_notebook.data.preview import Preview
    from gpt_notebook.errors import (
        GenerationInterrupted,
        GptNotebookError,
        Interrupted,
        JobDiffers,
        JobFailed,
        JobUnfinished,
        MapInterrupted,
        WaitInterrupted,
    )
    from gpt_notebook.evaluation.functions import evaluate
    from gpt_notebook.evaluation.result import Evaluation
    from gpt_notebook.fine_tuning.comparison import compare_jobs
    from gpt_notebook.fine_tuning.functions import delete_job, finetune, job, jobs, preview
    from gpt_notebook.fine_tuning.job import Job
    from gpt_notebook.identity import __version__
    from gpt_notebook.likelihood import Perplexity
    from gpt_notebook.mapping import map  # noqa: A004 - the public name
    from gpt_notebook.protocol import AdapterInfo, ChatMessage, ModelInfo, SamplingOptions, Status, Token
    from gpt_notebook.widgets.attention import AttentionPanel
    from gpt_notebook.widgets.fine_tuning import FineTuningPanel

__all__ = [
    "Ablation",
    "AdapterInfo",
    "Attention",
    "AttentionPanel",
    "ChatMessage",
    "Collector",
    "Comparison",
    "Completion",
    "Evaluation",
    "Export",
    "FineTuningPanel",
    "GenerationInterrupted",
    "GptNotebookError",
    "HeadScore",
    "Interrupted",
    "Job",
    "JobDiffers",
    "JobFailed",
    "JobUnfinished",
    "Lens",
    "MapInterrupted",
    "ModelInfo",
    "Patching",
    "Perplexity",
    "Preview",
    "SamplingOptions",
    "Status",
    "Token",
    "WaitInterrupted",
    "__version__",
    "adapters",
    "attention",
    "cancel",
    "chat",
    "compare",
    "compare_jobs",
    "connect",
    "delete_adapter",
    "delete_job",
    "evaluate",
    "events",
    "export",
    "finetune",
    "generate",
    "head_scores",
    "job",
    "jobs",
    "load",
    "map",
    "models",
    "next",
    "patch",
    "perplexity",
    "preview",
    "rename_adapter",
    "score",
    "shutdown",
    "status",
    "stream",
    "tokenize",
    "unload",
    "use",
]

_HOMES = {
    "Ablation": "attention_maps",
    "AdapterInfo": "protocol",
    "Attention": "attention_maps",
    "AttentionPanel": "widgets.attention",
    "ChatMessage": "protocol",
    "Collector": "completion",
    "Comparison": "comparison",
    "Completion": "completion",
    "Evaluation": "evaluation.result",
    "Export": "adapter_management",
    "FineTuningPanel": "widgets.fine_tuning",
    "GenerationInterrupted": "errors",
    "GptNotebookError": "errors",
    "HeadScore": "attention_maps",
    "Interrupted": "errors",
    "Job": "fine_tuning.job",
    "JobDiffers": "errors",
    "JobFailed": "errors",
    "JobUnfinished": "errors",
    "Lens": "attention_maps",
    "MapInterrupted": "errors",
    "ModelInfo": "protocol",
    "Patching": "attention_maps",
    "Perplexity": "likelihood",
    "Preview": "data.preview",
    "SamplingOptions": "protocol",
    "Status": "protocol",
    "Token": "protocol",
    "WaitInterrupted": "errors",
    "__version__": "identity",
    "attention": "attention_maps",
    "compare": "comparing",
    "compare_jobs": "fine_tuning.comparison",
    "delete_adapter": "adapter_management",
    "delete_job": "fine_tuning.functions",
    "evaluate": "evaluation.functions",
    "export": "adapter_management",
    "finetune": "fine_tuning.functions",
    "head_scores": "attention_maps",
    "job": "fine_tuning.functions",
    "jobs": "fine_tuning.functions",
    "map": "mapping",
    "patch": "attention_maps",
    "preview": "fine_tuning.functions",
    "rename_adapter": "adapter_management",
}
"""The module of each public name that is not in api.py."""


if not TYPE_CHECKING:  # a type checker reads the imports above, and can so tell a name that doesn't exist

    def __getattr__(name: str) -> object:
        if name not in __all__:
            message = f"module 'gpt_notebook' has no attribute {name!r}"
            raise AttributeError(message)
        from importlib import import_module

        value = getattr(import_module(f"gpt_notebook.{_HOMES.get(name, 'api')}"), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})


def load_ipython_extension(shell: "Any") -> None:
    """Add the magics to a shell; `%load_ext gpt_notebook` calls this."""
    from gpt_notebook.magics.magics import load_ipython_extension

    load_ipython_extension(shell)


def unload_ipython_extension(shell: "Any") -> None:
    """Take the magics away again."""
    from gpt_notebook.magics.magics import unload_ipython_extension

    unload_ipython_extension(shell)

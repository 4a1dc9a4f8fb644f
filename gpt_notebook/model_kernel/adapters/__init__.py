"""Adapters: LoRA weights that are loaded beside a model and added to the rows of those who ask for them.

    adapters         which are loaded: found, read once, kept within the budget
    loaded_adapter   one of them
    lora             from an adapter's files to its matrices, or the reason why not
    managing         adapters as files: another name, deletion
    exporting        written for others, by a process of its own

Where they are is in `gpt_notebook.adapter_places`, how their files are read in `adapter_files`, what adds them to a row in `linear`.
"""

"""Fine-tuning as a notebook sees it: jobs that are started, followed, told something and compared.

    functions   finetune, preview, job, jobs       job          one of them
    options     what can be asked for, checked     records      what is known of jobs, with or without a model kernel
    waiting     until a step, a state or the end   metrics      numbers and texts by step, as tables
    comparison  several jobs side by side          telling      a command, until it is obeyed
    asked       data and options, and where they go  curve      what is drawn of a job, packed
    marks       what is marked on it               training_clock  how long a job has trained, pauses left out
    present     how far a job is, event by event   drawn      the curve as figures draw it
    job_words   sentences about a job              trained_columns  whether other data have the columns of a training

The training itself is in `gpt_notebook.training`, in a process of its own.
"""

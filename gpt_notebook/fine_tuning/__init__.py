"""Fine-tuning as a notebook sees it: jobs that are started, followed, told something and compared.

    functions   finetune, preview, job, jobs       job          one of them
    options     what can be asked for, checked     records      what is known of jobs, with or without a model kernel
    waiting     until a step, a state or the end   metrics      numbers and texts by step, as tables
    comparison  several jobs side by side          telling      a command, until it is obeyed
    trained_columns  whether other data have the columns of a training

The training itself is in `gpt_notebook.training`, in a process of its own.
"""

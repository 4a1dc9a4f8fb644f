"""What is chosen where nothing was asked for, and what a training will take.

    choices           what follows from data and config          recipe            rates, intervals and dtype
    arguments         what transformers' Trainer is told         lora_layers       what an adapter can be added to
    estimate          memory and time before the start           rehearsal         a step without numbers

Also used by the model kernel, so that a preview says what the job will do.
"""

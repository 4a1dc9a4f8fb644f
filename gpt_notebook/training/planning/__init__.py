"""What is chosen where nothing was asked for, and what a training will take.

    choices           what data, memory and machine decide       recipe            rates, intervals, and all of it together
    arguments         what transformers' Trainer is told         lora_layers       what an adapter can be added to
    estimate          memory and time before the start           rehearsal         a step without numbers
    machine           its free memory, and how fast it is        config_sizes      how large a model is, by its config
    argument_values   which values those arguments can have

Also used by the model kernel, so that a preview says what the job will do.
"""

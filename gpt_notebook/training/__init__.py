"""Fine-tuning: from rows to a trained model, in a process of its own.

    __main__          the process of one job                     job               an attempt, from its first word to its last
    outcome           how an attempt ends                        preparation       from a directory to data, model and recipe
    arguments         what transformers' Trainer is told         recipe            rates, intervals and dtype, where none was asked for
    past              what earlier attempts have left            setup             its own copy of the base
    trainer           transformers' loop, with our parts         schedule          the learning rate of every step
    step_batches      which samples belong to which step         loss              only where a token counts
    products          linear layers through oneDNN               random_state      so that a step can be begun again
    reporter          what happens between two steps             orders            what a job is told while it runs
    probes            what it makes of fixed prompts             keeping           checkpoints, the best, and the name
    memory            when there is none left

    rows              rows as they are read and judged           samples           from rows to tokens, and which of them count
    conversations     where the assistant speaks in a chat       lengths           rows that are longer than a sample may be
    remarks           what should be known of data               choices           what is chosen where nothing was asked for
    collate           samples side by side, or end to end        packing           which models may have them end to end
    measures          loss, perplexity and accuracy              estimate          memory and time before the start
    rehearsal         a step without numbers                     lora_layers       what an adapter can be added to

    export            a trained model for others to load         model_card        the page that goes with it

The second part and `arguments` are also what the model kernel checks, shows and measures before a training and after it.
"""

"""Fine-tuning: from rows to a trained model, in a process of its own.

    __main__          the process of one job                     job               an attempt, from its first word to its last
    outcome           how an attempt ends                        preparation       from a directory to a workshop
    past              what earlier attempts have left            workshop          data, model and recipe of a training
    base_model        its own copy of the base                   trial             how long a pass takes
    trainer           transformers' loop, with our parts         schedule          the learning rate of every step
    step_callback     what happens between two steps             step_batches      which samples belong to which step
    loss              only where a token counts                  autocast          the dtype of products
    onednn            linear layers through oneDNN               packing           which models may have samples end to end
    probes            what it makes of fixed prompts             random_state      so that a step can be begun again
    checkpointing     checkpoints, the best, and the name        control           what a job is told while it runs
    measures          loss, perplexity and accuracy              memory            how much was used
    begun_with        whether what it was begun with is there

    samples/          from rows to tokens, and which of them count; it has a map
    planning/         what is chosen, and what that will take; it has a map

The model kernel also uses `samples`, `planning` and `measures`: for previews, estimates and evaluations.
"""

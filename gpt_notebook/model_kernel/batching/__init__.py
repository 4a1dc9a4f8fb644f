"""Many generations on one set of weights: requests join and leave between steps, and share the passes of a model.

    batch       all generations of one model, as one piece of work for the scheduler
    together    those that share passes: who stops, who starts, where there is room
    texts       the texts on their way in (chunked prefill): which piece is read next, and what of it is known already
    running     the rows that run (decode): a slot for each sample, a token for each of them in every step
    apart       those of families that must be read by themselves
    fitting     which families these are, found out by trying
    passes      the two kinds of pass: pieces of texts, or a token of every row
    one_pass    a forward pass over parts of many sequences, laid end to end
    attending   its attention, which keeps sequences apart
    slots       keys and values of the running rows, side by side
    cache       keys and values of one sequence
    prefixes    what is kept of texts for whoever begins the same way
    memory      what all of this may take

A family that fits shares every linear layer with the others; only attention looks at other tokens, and it is ours.
"""

"""Many sequences on one set of weights: requests join and leave between steps, each a row of the same forward passes.

From the inside out: `cache` and `slots` keep keys and values; `one_pass` is a forward pass over parts of many sequences;
`fitting` finds out whether a model can be read so; `prefixes` keeps what has been read for whoever begins the same way;
`batch` says who reads what in the next step.
"""

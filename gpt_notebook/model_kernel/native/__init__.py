"""What a decode step does besides its matrix products, in C, built where it runs.

    decode.c    the functions: keys and values are stored, one query a row attends, a row of logits is summed up
    building    the compiler, and what it has built earlier
    __main__    says what was built, for whoever looks after a machine
    library     the functions as Python calls them

torch computes each of these by several operations, which for a few rows take longer to call than to compute. Without a
compiler it still does.
"""

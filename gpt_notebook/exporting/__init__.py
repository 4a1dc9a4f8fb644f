"""A trained model for others to load, written in a process of its own.

    __main__          the process of one export                  export            what is written
    model_card        the page that goes with it

The model kernel starts that process, and puts what it has written into its place.
"""

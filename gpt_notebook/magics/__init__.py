"""What `%load_ext gpt_notebook` brings: the magics `%%gpt` and `%gpt`.

    magics         the two magics, added and taken away      options        what stands on the first line of %%gpt
    cell_magic     one run of a %%gpt cell                   help_text      what %%gpt? and %gpt help say
    line_magic     the commands of %gpt                      words          what stands behind a command of %gpt
    interpolation  {name} becomes its value                  completer      Tab
    conversation   --chat                                    model_names    names for Tab, from whatever is at hand
    cell_output    the output that grows                     cell_value     the Completion as the cell's value
    running_cell   what IPython tells about the cell that runs      surprise    --surprise
    compare        --compare

Nothing heavy is imported before a cell needs it.
"""

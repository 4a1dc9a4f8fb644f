"""Data for a training or an evaluation: from whatever somebody has to rows of text.

    dataset    rows from tables, lists and files           upload     rows on their way to the model kernel
    files      what is in files, and what is refused       columns    which columns and templates make a row
    messages   the turns of a chat                         preview    what a model would see of them
    parquet    rows of Parquet files                       bounded    lines, and no more at once than memory bears
    sample     some rows of very many

Data are read a piece at a time. Only a `.json` file is held whole, and of a `.txt` file it is read before whether blank lines
separate paragraphs.
"""

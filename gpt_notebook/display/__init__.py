"""How completions, tokens and tables look in a notebook: static HTML for both themes, and plain text.

    bundle        the MIME bundle of completions           completion_html   its page, prose, code and tables
    token_html    tokens shaded by probability             text_formats      Markdown, code and JSON in a completion
    footer        the line below: how much, how it ended   reports           the tables of %gpt status and models
    quantities    counts, bytes and times for people     progress          what is shown while one waits
    perplexity_html  a text and how it surprised a model   comparison_html  several models side by side

Knows what is to be shown, and nothing of where it came from.
"""

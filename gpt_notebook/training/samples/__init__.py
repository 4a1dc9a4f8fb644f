"""From rows to samples: token ids, and which of them count in the loss.

    rows              rows as they are read and judged           samples           rows as samples
    conversations     where the assistant speaks in a chat       lengths           rows that are longer than a sample may be
    data_warnings     what should be known of data               collate           samples side by side, or end to end

Needs a tokenizer and no model.
"""

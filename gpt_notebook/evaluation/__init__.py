"""How well a model does on data: over tokens, by functions of one's own, and as a choice between labels.

    functions    evaluate()                                result           what it gives
    completions  what the model says to each prompt        classification   labels that were chosen, and the right ones
    metrics      functions of somebody's own, row by row

The measures over tokens are taken in the model kernel, as a training takes them.
"""

"""What attention computed in the loaded models, seen from outside and changed for a question.

    calls            one attention call; observing them       tiled            attention that sdpa can't run
    tap              calls that pass by transformers'         layout           which module is which layer

`calls` knows transformers, `capture` and `maps` know tensors only; none of them knows requests.
"""

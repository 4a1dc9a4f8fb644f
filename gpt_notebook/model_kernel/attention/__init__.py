"""What attention computed in the loaded models, seen from outside and changed for a question.

    calls          one attention call; observing them      tap            calls that pass by transformers'
    layout         which module is which layer             probe          how a model's attention can be seen
    tiled          attention that sdpa can't run           choice         which function a model runs with
    capture        what is kept of one text's calls        reading        one pass over a text, somebody watching
    recording      a text's capture, its id, its size      captures       those that are kept, within a budget
    texts          from requests to the tokens read        places         what can be asked for, and what not
    maps           from queries and keys to weights        source         rows of maps, wherever they come from
    arrays         maps, pictures and tensors              scores         one number a head; differences
    hidden         the states between the layers           head           from such a state to logits
    lens           predictions after every layer           interventions  what is said without some heads
    patching       which head carries the answer           patch_texts    the two texts of that
    checks         what is refused before computing        pieces         long computations in small steps
    proof          whether a map is what was computed

`calls` knows transformers, `capture` and `maps` know tensors only; none of them knows the engine. What is computed is a
`pieces.Computation`, which the scheduler runs step by step beside other people's generations.
"""

"""What attention computed in the loaded models, seen from outside and changed for a question.

Seeing what a model computes:
    calls          one attention call, and who sees it     watching       letting somebody see the calls of a pass
    tap            calls that bypass transformers'         tiled          attention that sdpa can't run
    layout         which module is which layer             probe          how a model's attention can be seen
    choice         which function a model runs with        proof          whether what is shown is what was computed

Keeping it:
    texts          from requests to the tokens read        reading        reading a text, with somebody watching
    recorder       what is kept of one text's calls        recording      reading a text to keep its attention
    capture        the attention of a text                 captures       those that are kept, within a budget

Computing from it:
    questions      from a question to its work             refusals       what can't be asked for
    pieces         long computations in small steps        maps           from queries and keys to weights
    source         rows of maps, wherever they come from   arrays         maps, pictures and tensors
    scores         one number a head                       score_kinds    what each kind of score says
    difference     how much two attentions differ          hidden         the states between the layers

Changing it, and what the model says then:
    prediction     what comes after one position           lens           what would after every layer
    model_end      from such a layer to logits             ablation       what does without some heads
    patching       which head carries the answer           patch_texts    the two texts of that

`watching` and `probe` know transformers, `recorder` and `maps` know tensors only; none of them knows the engine. What is
computed is a `pieces.Computation`, which the scheduler runs step by step beside other people's generations.
"""

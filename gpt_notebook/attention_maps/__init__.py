"""The attention of a model as a notebook sees it: exact, on demand, never all of it.

    functions       attention() of one text, head_scores() over many, patch() from one into another
    maps            Attention: maps, tensors, scores, interventions, views
    results         what the interventions give
    kept            the attention in the model kernel: asking it, and making it again
    places          layers, heads and ranges, checked before anybody is asked
    spelling        the positions that a word stands for
    arrays          what the arrays are
    plots           what a figure shows: the numbers, names and title that it is given
    figures         Plotly figures of a map, of all heads, of a patching; knows nothing of models
    bertviz_views   BertViz's own views, of a size that a browser bears
    token_names     what a token is called on an axis and in a table
    tokens_html     what an attention shows of itself

Only questions leave the notebook and only answers come back; the numbers they are made of stay in the model kernel.
"""

from gpt_notebook.attention_maps.functions import attention, head_scores, patch
from gpt_notebook.attention_maps.maps import Attention
from gpt_notebook.attention_maps.results import Ablation, HeadScore, Lens, Patching

__all__ = ["Ablation", "Attention", "HeadScore", "Lens", "Patching", "attention", "head_scores", "patch"]

"""The attention of a model as a notebook sees it: exact, on demand, never all of it.

    functions       attention() of one text, head_scores() over many, patch() from one into another
    maps            Attention: maps, tensors, scores, interventions, views
    results         what the interventions give
    recording       the attention in the model kernel: asking it, and making it again
    places          layers, heads, ranges and positions, checked before anybody is asked
    plots           Plotly figures of maps and patchings
    heatmap_figure  what such a figure gives a notebook
    still_picture   the same as SVG, where nobody draws Plotly's figures
    png             pixels as a picture in a page
    bertviz_views   BertViz's own views, of a size that a browser bears
    progress        a bar while many texts are scored

Only questions leave the notebook and only answers come back; the numbers they are made of stay in the model kernel.
"""

from gpt_notebook.attention_maps.functions import attention, head_scores, patch
from gpt_notebook.attention_maps.maps import Attention
from gpt_notebook.attention_maps.results import Ablation, HeadScore, Lens, Patching

__all__ = ["Ablation", "Attention", "HeadScore", "Lens", "Patching", "attention", "head_scores", "patch"]

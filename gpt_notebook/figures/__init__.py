"""What Plotly's figures give a notebook: themselves, and pictures for where nobody draws them.

    pictured_figure   a figure that has a picture of itself
    heatmap_picture   that of a heatmap                  curve_picture   that of curves over steps
    svg               the pieces of a picture            png             many pixels in one of them

Knows nothing of where the numbers came from.
"""

"""What Plotly's figures give a notebook: themselves, and pictures for where nobody draws them.

    loss_figure       the losses of a training           confusion_figure  labels that were taken for others
    heatmap_layout    how heatmaps are laid out          colors            what is seen on light and on dark pages
    plotly_objects    Plotly, where it is installed      pictured_figure   a figure that has a picture of itself
    heatmap_picture   that of a heatmap                  curve_picture     that of curves over steps
    training_curves   what is drawn of a training        chart             curves over steps, drawn
    svg               the pieces of a picture            png               many pixels in one of them

Knows nothing of where the numbers came from.
"""

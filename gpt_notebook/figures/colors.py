"""The colours of what stands around a figure's numbers, seen on light and on dark pages."""

INK = "#7f7f7f"
"""Letters and lines."""
FAINT = "rgba(127,127,127,0.25)"
"""Lines of a grid."""
CLEAR = "rgba(0,0,0,0)"
"""What lies behind is the page."""

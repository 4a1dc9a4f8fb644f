"""The static twin of an attention panel: HTML with pictures in it, for wherever a notebook is opened without a kernel.

No script and no request. Colours grow out of what lies behind, so that one picture serves light and dark pages; every
token is escaped. JupyterLab takes many styles out of a notebook that nobody has trusted yet (`image-rendering`,
`box-shadow`, `flex`), so pictures are enlarged and framed in their pixels, and stand beside each other as words do. Of a long text its beginning is shown, since a language model's first rows need nothing of the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from gpt_notebook.attention_maps.figures import SEQUENTIAL
from gpt_notebook.display import completion_html, token_html
from gpt_notebook.display.quantities import counted
from gpt_notebook.figures.png import data_url, png
from gpt_notebook.figures.svg import rgba
from gpt_notebook.protocol import Token
from gpt_notebook.widgets._pictures import painted

if TYPE_CHECKING:
    from gpt_notebook.attention_maps.arrays import Array
    from gpt_notebook.attention_maps.maps import Attention
    from gpt_notebook.attention_protocol import AttentionPart, Reduction
    from gpt_notebook.figures.png import Pixels

HEADS = 12
"""How many are shown small, those most worth a look first."""
MAX_TOKENS = 1024
"""Of a longer text so many are shown."""
SMALL, LARGE = 44, 176
"""Rows and columns of a picture, at most."""
SMALL_PIXELS, LARGE_PIXELS = 88, 352
LEGIBLE = 16
"""Pixels of a token on the screen, at most: the map of a short text needs no more room."""
FRAME_PIXELS = 2
"""Of both sides of a picture together."""
SHADES = 255
FRAME = (0x75, 0x75, 0x75, 0xFF)
"""The last colour of the palette, which light and dark pages set off."""

_FAINT = "var(--jp-content-font-color2, #757575)"
_SMALL_TEXT = (
    "font-size:11px;line-height:16px;font-family:var(--jp-ui-font-family, system-ui, sans-serif);"
    "font-variant-numeric:tabular-nums"
)

# Tokens are not shaded here, so that their borders are all that tells them apart.
_BORDERS = """<style>.gpt-notebook-attention .gpt-notebook-tokens span
 {box-shadow:1px 0 0 color-mix(in srgb, currentColor 25%, transparent)}</style>"""


def attention_twin(
    attention: Attention,
    part: AttentionPart,
    chosen: tuple[int, int],
    heads: Sequence[tuple[int, int]],
    *,
    hide_sink: bool,
) -> str:
    """Return the twin.

    Args:
        attention: What the panel is of.
        part: The kind of attention that it shows.
        chosen: The layer and head that are shown large.
        heads: Layers and heads, those most worth a look first.
        hide_sink: Whether the first key is left out and rows are divided by what is left of them, which is said.
    """
    queries, keys = (0, min(part.n_queries, MAX_TOKENS)), (0, min(part.n_keys, MAX_TOKENS))

    def picture(layer: int, head: int, size: int, reduction: Reduction) -> Array:
        found: Array = attention.overview(
            size,
            layers=[layer],
            heads=[head],
            reduction=reduction,
            part=part.name,
            queries=queries,
            keys=keys,
            hide_sink=hide_sink,
        )[0, 0]
        return found

    large = min(LARGE_PIXELS, LEGIBLE * max(queries[1], keys[1]))
    beside = "display:inline-block;vertical-align:top"
    figures = [_figure(picture(*chosen, LARGE, "max"), _name(*chosen), large, full=True)]
    small = [_figure(picture(*each, SMALL, "mean"), _name(*each), SMALL_PIXELS) for each in heads[:HEADS]]
    body = f'<div>{"".join(figures)}<div style="{beside};max-width:{4 * (SMALL_PIXELS + FRAME_PIXELS + 8)}px">{"".join(small)}</div></div>'
    texts = [("", attention.tokens)] if not attention.target_tokens else [
        ("the text", attention.tokens), ("the target", attention.target_tokens)
    ]  # fmt: skip
    body += token_html.STYLE + _BORDERS + "".join(_text(name, tokens) for name, tokens in texts)
    return completion_html.page(body, footer=_footer(attention, part, hide_sink=hide_sink))


def _figure(weights: Array, name: str, pixels: int, *, full: bool = False) -> str:
    """Return one head's picture with what it is called; a large one with its scale as well."""
    found, peak = painted(weights)
    framed = _framed(found, max(1, pixels // max(weights.shape)))
    height, width = framed.shape
    image = (
        f'<img src="{data_url(png(framed, palette()))}" width="{width}" height="{height}" alt="attention of {name}" '
        f'style="display:block;margin:0;max-width:100%;image-rendering:pixelated">'
    )
    caption = f"{name}: rows are queries, columns keys, strongest {peak:.2g}" if full else name
    room = "" if full else f";width:{pixels + FRAME_PIXELS}px"
    return (
        f'<figure style="display:inline-block;vertical-align:top;margin:0 8px 8px 0{room}">{image}'
        f'<figcaption style="{_SMALL_TEXT};color:{_FAINT}">{caption}</figcaption></figure>'
    )


def _framed(found: Pixels, times: int) -> Pixels:
    """Return a picture (row, column) so many times as large, within a line of the palette's last colour."""
    import numpy as np

    # The brightest shade of 8 bits is the colour of the frame here, so that it gives way to the one below.
    large = np.repeat(np.repeat(np.minimum(found, SHADES - 1), times, axis=0), times, axis=1)
    framed: Pixels = np.pad(large, FRAME_PIXELS // 2, constant_values=SHADES)
    return framed


def palette() -> Pixels:
    """Return the colours of shares of the strongest weight, and last that of the frame: shape (colour, channel)."""
    import numpy as np

    shares, colors = zip(*((share, rgba(color)) for share, color in SEQUENTIAL), strict=True)
    channels = [np.interp(np.linspace(0, 1, SHADES), shares, channel) for channel in zip(*colors, strict=True)]
    channels[-1] *= 255
    found: Pixels = np.vstack([np.rint(np.stack(channels, axis=-1)), FRAME]).astype(np.uint8)
    return found


def _name(layer: int, head: int) -> str:
    return f"layer {layer} head {head}"


def _text(name: str, tokens: Iterable[Token]) -> str:
    """Return tokens as text; what is too long for a page to be nice scrolls."""
    several = list(tokens)
    more = len(several) - MAX_TOKENS
    title = f'<div style="{_SMALL_TEXT};color:{_FAINT}">{escape(name)}</div>' if name else ""
    rest = f'<div style="{_SMALL_TEXT};color:{_FAINT}">and {counted(more, "token")} more</div>' if more > 0 else ""
    scrolling = "max-height:240px;overflow:auto;margin-top:12px"
    return f'<div class="gpt-notebook-attention" style="{scrolling}">{title}{token_html.tokens(several[:MAX_TOKENS])}{rest}</div>'


def _footer(attention: Attention, part: AttentionPart, *, hide_sink: bool) -> str:
    length = max(part.n_queries, part.n_keys)
    said = [f"attention in {attention.model}", counted(length, "token")]
    if len(attention.parts) > 1:
        said.insert(1, part.name)
    if length > MAX_TOKENS:
        said.append(f"the maps are of the first {MAX_TOKENS:,}")
    if hide_sink:
        said.append("without the first token, rows rescaled")
    said.append("run its cell in the notebook to explore it")
    return " · ".join(said)

"""Attention panels that another panel opens below what it shows: the maps of a checkpoint beside those of its base."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from gpt_notebook.attention_maps import functions

if TYPE_CHECKING:
    from gpt_notebook.widgets.attention import AttentionPanel

MOST = 3
"""Panels that are kept; of more the one that was opened first is closed."""

Asked = tuple[str, str, str]
"""A text, and the two models that read it."""


class Explorers:
    """The attention panels that were opened, one for each text and pair of models; all views of a panel share them."""

    def __init__(self) -> None:
        """Have opened none."""
        self._lock = threading.Lock()
        self._panels: dict[Asked, AttentionPanel] = {}

    def open(self, asked: Asked, *, layer: int, head: int) -> AttentionPanel:
        """Return a panel that shows a head of the first model beside that of the second.

        Raises:
            InvalidRequest: there is no such head, or the text makes no sense.
            ModelUnsupported: the models have no attention.
        """
        from gpt_notebook.widgets.attention import AttentionPanel

        with self._lock:
            panel = self._panels.get(asked)
            if panel is None:
                text, model, other_model = asked
                recorded = functions.attention(text, model=model)
                other = functions.attention(text, model=other_model)
                panel = AttentionPanel(recorded, other=other, layer=layer, head=head, side="diff")
                self._panels[asked] = panel
                while len(self._panels) > MOST:
                    self._panels.pop(next(iter(self._panels))).close()
            else:
                panel.state = {"layer": layer, "head": head}
            return panel

    def close(self) -> None:
        """Close them all."""
        with self._lock:
            panels = list(self._panels.values())
            self._panels.clear()
        for each in panels:
            each.close()

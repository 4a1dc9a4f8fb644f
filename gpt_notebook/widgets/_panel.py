"""What all panels share: an anywidget with small state, requests for everything else, and a twin that needs no script.

The state is one trait that crosses with every click; what is large is asked for (`_requests.py`). The twin in the browser
is `labextension/src/widgets/panel.ts`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any, ClassVar

import anywidget
import traitlets

from gpt_notebook.errors import GptNotebookError, InvalidRequest
from gpt_notebook.suggestions import unknown_name
from gpt_notebook.widgets._requests import Requests
from gpt_notebook.widgets._still import VIEW_CLASS, Bundle, outputs

STATIC = Path(__file__).parent / "static"

MAX_STATE = 65_536
"""Bytes of a value's JSON in the state."""

FIRST_REQUEST, PAUSE, LONGEST = 0.2, 0.1, 1.0
"""Seconds: so long is waited for a view's first request, for its next one, and in all, before the twin is made."""


class Panel(anywidget.AnyWidget):
    """A panel: subclasses give its state, methods that views may ask (`@request`), and its twin.

    A subclass names its bundle, `class AttentionPanel(Panel, bundle="attention")`: a module and a style sheet below
    `static/`, which are built from TypeScript.
    """

    initial_state: ClassVar[Mapping[str, Any]] = {}
    """The keys of `state`, and the values that they begin with."""

    state = traitlets.Dict().tag(sync=True)
    """What is shown. An assignment changes the keys that it has, and leaves the others as they are."""

    _missing: ClassVar[Path | None] = None
    _requests: Requests | None = None

    def __init_subclass__(cls, *, bundle: str | None = None, **options: Any) -> None:
        """Take the bundle if it was built; without it classes can be looked at, and no panel can be made."""
        if bundle is not None:
            module, style = STATIC / f"{bundle}.js", STATIC / f"{bundle}.css"
            cls._missing = next((each for each in (module, style) if not each.is_file()), None)
            if cls._missing is None:
                # As text: anywidget watches a path for as long as the class lives, and keeps every panel alive with it.
                cls._esm, cls._css = module.read_text("utf-8"), style.read_text("utf-8")
        super().__init_subclass__(**options)

    def __init__(self, **state: Any) -> None:
        """Make a panel that shows some values of its state, and for the others the initial ones.

        Raises:
            GptNotebookError: the panels have not been built, as in a fresh checkout.
            InvalidRequest: a key that the state doesn't have, or a value that makes no sense.
        """
        self._requests = Requests(self.answering(), self.send, self.log)
        if self._missing is not None:
            message = f"the panels are not built ({self._missing.name} is missing): run  make panels"
            raise GptNotebookError(message)
        super().__init__(state={**self.initial_state, **state}, _dom_classes=(VIEW_CLASS,))
        if hasattr(self.comm, "_reply_subshell_for"):
            self.comm._reply_subshell_for = _where_it_was_sent  # noqa: SLF001 - there is no public way
        self.on_msg(self._receive)

    def valid(self, key: str, value: Any) -> bool:
        """Return whether a value of the state makes sense; by itself, whether it is of the initial one's type."""
        kind = type(self.initial_state[key])
        return kind in (type(None), type(value)) or (kind is float and type(value) is int)

    def answering(self) -> object:
        """Return the object whose marked methods views may ask: the panel, unless one needs names that widgets have."""
        return self

    def twin(self) -> str:
        """Return the static twin: HTML without script, which is saved in the notebook and shown where no panel runs."""
        raise NotImplementedError

    def close(self) -> None:
        """Cancel what is being worked on and take the panel from the page."""
        if self._requests is not None:  # a panel that was refused while it was made is closed as well
            self._requests.close()
        if self.comm is not None and "layout" in self._trait_values:
            self.layout.close()
        super().close()

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take what a view has changed; what makes no sense here is left out, and the view is told what holds."""
        if "state" not in sync_data:
            super().set_state(sync_data)
            return
        given = sync_data["state"]
        sent = given if isinstance(given, dict) else {}
        kept = {key: value for key, value in sent.items() if self._complaint(key, value) is None}
        super().set_state({**sync_data, "state": {**self.state, **kept}})
        if self.state != given:
            self.send_state("state")

    @traitlets.validate("state")  # type: ignore[untyped-decorator]
    def _checked_state(self, proposal: Any) -> dict[str, Any]:
        for key, value in proposal["value"].items():
            complaint = self._complaint(key, value)
            if complaint is not None:
                raise InvalidRequest(complaint, param=key)
        before = self._trait_values.get("state", {})
        return self.fitted({**self.initial_state, **before, **proposal["value"]})

    def fitted(self, state: dict[str, Any]) -> dict[str, Any]:
        """Return a state of which each value makes sense so that they do together; by itself, as it is."""
        return state

    def _complaint(self, key: Any, value: Any) -> str | None:
        """Return what is wrong with a value of the state, or None."""
        if not isinstance(key, str):
            return f"{repr(key)[:80]} is no key of the state: keys are words"
        if key not in self.initial_state:
            return unknown_name("key of the state", key, self.initial_state)
        try:
            # Lone surrogates are no characters, and end the connection of whoever sends them.
            small = len(json.dumps(value, allow_nan=False, ensure_ascii=False).encode()) <= MAX_STATE
        except RecursionError:
            return f"{key} cannot be nested so deeply"
        except (TypeError, ValueError):
            small = False
        if not small or not self.valid(key, value):
            return f"{key} cannot be {repr(value)[:80]}"
        return None

    def _receive(self, _widget: Any, message: Any, _buffers: Any) -> None:
        if self._requests is not None:
            self._requests.receive(message)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def _repr_mimebundle_(self, **options: Any) -> Bundle:
        """Return the view, the static twin and a line of text as one output, for whoever asks for one."""
        if self.comm is None:
            return self._without_view()
        data, metadata = super()._repr_mimebundle_(**options) or ({}, {})
        return {**data, "text/html": self._twin_or_why_not()}, metadata

    def _without_view(self) -> Bundle:
        return {"text/html": self._twin_or_why_not(), "text/plain": repr(self)}, {}

    def outputs(self) -> Iterator[Bundle]:
        """Return what a notebook shows: the view, and the twin as an output of its own (`_still.py` says why).

        A panel that was closed has no view any more.
        """
        if self.comm is None:
            return iter([self._without_view()])
        return outputs(super()._repr_mimebundle_() or ({}, {}), self._twin_when_the_view_is_there)

    def _ipython_display_(self) -> None:
        """Show the view and the twin; IPython calls this instead of asking for one output."""
        from IPython.display import display

        for data, metadata in self.outputs():
            display(data, metadata=metadata, raw=True)

    def _twin_when_the_view_is_there(self) -> str:
        """Return the twin, for which a view that is opening at the same moment would have to wait otherwise."""
        if self._requests is not None:
            self._requests.wait_for_quiet(first=FIRST_REQUEST, pause=PAUSE, longest=LONGEST)
        return self._twin_or_why_not()

    def _twin_or_why_not(self) -> str:
        try:
            return self.twin()
        except GptNotebookError as error:
            return f"<pre>{escape(error.message)}</pre>"


def _where_it_was_sent(_message: object, subshell: str | None) -> str | None:
    """Return the subshell that the browser sent a message to.

    ipykernel 7.4.0 prefers whichever shell last sent something through the comm: the main one, if a cell did, and there
    the message would wait until that cell has ended. Earlier versions don't ask.
    """
    return subshell

"""A panel as one file that works offline: the bundle, what was answered, and the static twin for where scripts don't run.

The page asks nobody for anything; its content security policy forbids it. `showSaved` of the bundle takes the twin's
place and reads the answers (`saved-source.ts`).
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

from gpt_notebook.errors import InvalidRequest
from gpt_notebook.visible_text import visible
from gpt_notebook.widgets._questions import Remembered

POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' blob:; style-src 'unsafe-inline'; img-src data: blob:; "
    "font-src data:; base-uri 'none'; form-action 'none'"
)

_SHOW = """
const read = (id) => document.getElementById(id).textContent;
const bytes = Uint8Array.from(atob(read("gpt-bundle")), (character) => character.charCodeAt(0));
const address = URL.createObjectURL(new Blob([bytes], { type: "text/javascript" }));
const { showSaved } = await import(address);
const element = document.getElementById("gpt-panel");
const saved = JSON.parse(read("gpt-saved"));
element.replaceChildren();
showSaved(element, saved);
"""


def place_for(path: str | os.PathLike[str]) -> Path:
    """Return the file that a page can be saved as.

    Raises:
        InvalidRequest: there is no such directory.
    """
    target = Path(path).expanduser()
    if target.is_dir() or not target.parent.is_dir():
        message = f"{visible(str(target))} can be no file: name one in a directory that is there"
        raise InvalidRequest(message, param="path")
    return target


def write(target: Path, text: str) -> Path:
    """Write a page, and return where it is."""
    # Beside it first, so that what was saved before is whole until this is.
    beside = target.with_name(f".{target.name}.new")
    beside.write_text(text, "utf-8")
    beside.replace(target)
    return target


def page(
    *, title: str, twin: str, state: Mapping[str, Any], answers: Iterable[Remembered], static: Path, bundle: str
) -> str:
    """Return the page.

    Args:
        title: What a browser shows above it.
        twin: HTML that is known to be safe; stays where scripts don't run.
        state: What the panel shows at first.
        answers: What can be looked at.
        static: The directory of the bundles.
        bundle: The name of the panel's.
    """
    code = base64.b64encode((static / f"{bundle}.js").read_bytes()).decode()
    style = (static / f"{bundle}.css").read_text("utf-8")
    saved = {"state": state, "answers": [each.to_json() for each in answers]}
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(visible(title))}</title>
<style>
body {{ margin: 16px; }}
{_within_style(style)}
</style>
</head>
<body>
<div id="gpt-panel">{twin}</div>
<script type="text/plain" id="gpt-bundle">{code}</script>
<script type="application/json" id="gpt-saved">{_within_script(saved)}</script>
<script type="module">{_SHOW}</script>
</body>
</html>
"""


def _within_script(value: Any) -> str:
    """Return JSON in which nothing ends or opens a script: https://html.spec.whatwg.org/multipage/scripting.html."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # Lone surrogates are no characters that a file could hold.
    text = text.encode("utf-8", "backslashreplace").decode()
    return (
        text.replace("<", "\\u003c").replace(">", "\\u003e").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    )


def _within_style(text: str) -> str:
    """Return a style sheet in which nothing ends it: a slash and an escaped one are the same wherever it can stand."""
    return text.replace("</", "<\\/")

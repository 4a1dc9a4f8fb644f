"""What hatch runs before it builds: a wheel that lacks a panel is refused here, not met later by a user.

The panels are built by `make panels`, so that whoever installs a wheel needs no Node.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

WIDGETS = Path("gpt_notebook") / "widgets"


class PanelsAreBuilt(BuildHookInterface[Any]):
    """Looks for a module and a style sheet for each panel; an editable installation gets them later."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Refuse to build without them.

        Raises:
            RuntimeError: names what is missing, and the command that makes it.
        """
        del build_data
        if version == "editable":
            return
        widgets = Path(self.root) / WIDGETS
        panels = sorted(path.stem for path in widgets.glob("[!_]*.py"))
        files = [widgets / "static" / f"{panel}.{kind}" for panel in panels for kind in ("js", "css")]
        if missing := [path.name for path in files if not path.is_file()]:
            message = f"the panels are not built ({', '.join(missing)}): run  make panels  and build again"
            raise RuntimeError(message)

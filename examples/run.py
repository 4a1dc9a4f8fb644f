"""Run a notebook and show in the terminal what its cells print, as it streams.

    python examples/run.py examples/01_generate.ipynb --output build

leaves the executed notebook in the output directory, as .ipynb and as .html.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter

DIM, BOLD, PLAIN = ("\033[2m", "\033[1m", "\033[0m") if sys.stdout.isatty() else ("", "", "")


COMPLETION_MIME = "application/vnd.gpt-notebook.completion+json"


class ShowingClient(NotebookClient):
    """Executes a notebook and prints each output: a text as it grows, several samples when all have come."""

    _shown = ""
    """What is printed of the output that may grow."""
    _samples = ""
    """What it will be, where it is several samples, which grow in several places."""

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        """Print what a message of the notebook kernel shows, and pass it on."""
        content = msg["content"]
        match msg["msg_type"]:
            case "execute_input":
                print(f"\n{BOLD}In [{content['execution_count']}]:{PLAIN} {content['code']}\n")
            case "stream":
                print(content["text"], end="", flush=True)
            case "display_data" | "execute_result":
                self._finish()
                self._show(content["data"])
            case "update_display_data":
                self._show(content["data"])
            case "error":
                self._finish()
                print(f"{content['ename']}: {content['evalue']}")
            case "status" if content["execution_state"] == "idle":
                self._finish()
        return super().process_message(msg, cell, cell_index)

    def _show(self, data: dict[str, Any]) -> None:
        text = data.get("text/plain", "")
        if len(data.get(COMPLETION_MIME, {}).get("completions", ())) > 1:
            self._samples = text
            return
        grown = text.startswith(self._shown)
        print(text.removeprefix(self._shown) if grown else f"\n{text}", end="", flush=True)
        self._shown = text

    def _finish(self) -> None:
        """End the line that grew, and print what waited for its end."""
        if self._shown:
            print()
        if self._samples:
            print(self._samples)
        self._shown = self._samples = ""


def main() -> None:
    """Run the notebook that the command line names."""
    parser = argparse.ArgumentParser(description="Run a notebook and show its outputs as they stream.")
    parser.add_argument("notebook", type=Path)
    parser.add_argument("--output", type=Path, default=Path("build"), help="the directory for the executed notebook")
    arguments = parser.parse_args()
    notebook = nbformat.read(arguments.notebook, as_version=4)
    client = ShowingClient(
        notebook,
        resources={"metadata": {"path": str(arguments.notebook.parent)}},
        extra_arguments=["--log-level=ERROR"],
        coalesce_streams=True,
        store_widget_state=False,
        timeout=600,
    )
    try:
        client.execute()
    except CellExecutionError:
        sys.exit(1)  # the cell's own error has been printed
    arguments.output.mkdir(parents=True, exist_ok=True)
    executed = arguments.output / arguments.notebook.name
    nbformat.write(notebook, executed)
    body, _ = HTMLExporter(embed_images=True).from_notebook_node(notebook)
    page = executed.with_suffix(".html")
    page.write_text(body, "utf-8")
    print(f"\n{DIM}left {executed} and {page}{PLAIN}")


if __name__ == "__main__":
    main()

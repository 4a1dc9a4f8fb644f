"""The Python half of a panel for tests; a notebook imports it."""

import os
import threading
from pathlib import Path
from typing import ClassVar

import numpy as np

from gpt_notebook.errors import ModelNotFound
from gpt_notebook.widgets._panel import Panel
from gpt_notebook.widgets._requests import request


class ExamplePanel(Panel):
    initial_state: ClassVar = {"count": 0}

    _esm = Path(os.environ["GPT_NOTEBOOK_TEST_PANEL"])
    gate = threading.Event()

    def twin(self):
        return f'<p class="example-twin">the twin: count {self.state["count"]}</p>'

    @request
    def numbers(self, count):
        for part in range(count):
            yield {"part": part}
        return {"count": count}, [np.arange(count, dtype=np.float32), np.full(2, 0.5, np.float32)]

    @request
    def wait(self, count):
        assert self.gate.wait(60)
        return {"waited": count}

    @request
    def fail(self, count):
        message = f"there is no model {count}"
        raise ModelNotFound(message)

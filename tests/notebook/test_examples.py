"""`examples/run.py` shows a notebook in the terminal, and says in one line why it stopped."""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

pytestmark = pytest.mark.notebook

ROOT = Path(__file__).parents[2]

GROWING = """
def publish(text, **options):
    data = {"text/plain": text, MIME: {"completions": [{}] * samples}}
    get_ipython().display_pub.publish(data, transient={"display_id": str(samples)}, **options)

publish(first)
publish(final, update=True)"""


@pytest.fixture
def run(tmp_path):
    def run(*cells):
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        nbformat.write(notebook, tmp_path / "some.ipynb")
        program = [sys.executable, ROOT / "examples" / "run.py", tmp_path / "some.ipynb", "--output", tmp_path / "out"]
        return subprocess.run(program, capture_output=True, text=True, check=False)

    return run


def test_a_text_is_shown_once_as_it_grows_and_samples_when_they_are_whole(run, tmp_path):
    mime = "MIME = 'application/vnd.gpt-notebook.completion+json'"
    one = f"{mime}; samples, first, final = 1, 'a fox', 'a fox ran'{GROWING}"
    two = f"samples, first, final = 2, 'a\\n\\nb', 'aa\\n\\nbb'{GROWING}"
    shown = run(one, two, "print('end')")
    assert shown.returncode == 0, shown.stderr
    outputs = [part.rpartition("update=True)\n\n")[2] for part in shown.stdout.split("\nIn [")[1:3]]
    assert outputs == ["a fox ran\n", "aa\n\nbb\n"]
    assert (tmp_path / "out" / "some.html").exists()


def test_a_cell_that_fails_is_one_line(run):
    shown = run("1 / 0", "print('reached')")
    assert shown.returncode == 1
    assert shown.stdout.endswith("\nZeroDivisionError: division by zero\n")
    assert shown.stderr == ""
    assert "reached" not in shown.stdout

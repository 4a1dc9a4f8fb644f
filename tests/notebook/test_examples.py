"""The examples run, and `examples/run.py` shows them in the terminal and says in one line why one stopped."""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

pytestmark = pytest.mark.notebook

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.ipynb"))

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


@pytest.fixture
def model_kernel_of_its_own():
    """Whatever model kernel the notebook starts ends with the test."""
    yield
    subprocess.run([sys.executable, "-m", "gpt_notebook", "stop", "--force"], check=True, capture_output=True)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_from_top_to_bottom(path, tmp_path, model_kernel_of_its_own):
    """What an example claims of its model, its cells assert."""
    program = [sys.executable, ROOT / "examples" / "run.py", path, "--output", tmp_path]
    shown = subprocess.run(program, capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    executed = nbformat.read(tmp_path / path.name, as_version=4)
    figures = [each for each in outputs_of(executed) if "application/vnd.plotly.v1+json" in each]
    assert all("image/svg+xml" in each for each in figures)
    assert (tmp_path / f"{path.stem}.html").read_text("utf-8").count('data-mime-type="image/svg+xml"') == len(figures)
    assert bool(figures) == (path.stem in {"02_attention", "03_fine_tuning"})


def outputs_of(notebook):
    """Return the data of all outputs of a notebook that has run."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [output.data for cell in cells for output in cell.outputs if "data" in output]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_kept_without_its_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell for cell in cells if cell.outputs or cell.execution_count is not None] == []

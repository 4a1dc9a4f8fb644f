"""What the browser believes of the protocol is what the protocol says."""

import importlib.util
from pathlib import Path

import pytest

GENERATOR = Path(__file__).parent.parent / "labextension" / "generate_protocol.py"


@pytest.fixture
def generator():
    spec = importlib.util.spec_from_file_location("generate_protocol", GENERATOR)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_typescript_protocol_is_up_to_date(generator):
    assert generator.main(["--check"]) == 0, f"run  {generator.COMMAND}"


def test_a_drift_is_shown_with_the_command_that_mends_it(generator, tmp_path, monkeypatch, capsys):
    stale = tmp_path / "protocol.ts"
    stale.write_text(generator.OUTPUT.read_text("utf-8").replace("export const MAX_TOP = 1000;", ""), "utf-8")
    monkeypatch.setattr(generator, "OUTPUT", stale)
    assert generator.main(["--check"]) == 1
    shown = capsys.readouterr().out
    assert "+export const MAX_TOP = 1000;" in shown
    assert "run  python labextension/generate_protocol.py" in shown
    assert generator.main([]) == 0
    assert generator.main(["--check"]) == 0


@pytest.mark.parametrize(
    ("python", "typescript"),
    [
        ("tuple[str, ...]", "string[]"),
        ("tuple[int, int] | None", "[number, number] | null"),
        ("tuple[tuple[float | None, ...], ...]", "(number | null)[][]"),
        ("dict[str, Any]", "Record<string, unknown>"),
        ("Literal['a', 'b']", '"a" | "b"'),
        ("tuple[Literal['a', 'b'], ...]", '("a" | "b")[]'),
        ("Token | bool", "Token | boolean"),
    ],
)
def test_a_type_in_typescript(generator, python, typescript):
    assert generator._type(generator.ast.parse(python, mode="eval").body) == typescript


def test_a_type_that_the_generator_does_not_know(generator):
    with pytest.raises(TypeError, match=r"no TypeScript for set\[int\]"):
        generator._type(generator.ast.parse("set[int]", mode="eval").body)

"""Write the protocol's messages as TypeScript: `src/protocol.ts`, which is never edited by hand.

    python labextension/generate_protocol.py           writes it
    python labextension/generate_protocol.py --check   shows what would change, and fails if anything would

Reads the source and not the classes, so that types keep their names, docstrings become comments, and the order stays
that of the files. Knows only what the protocol is made of and fails at anything else.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import importlib
import inspect
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
OUTPUT = HERE / "src" / "protocol.ts"
MODULES = {"protocol": {}, "attention_protocol": {"Event": "AttentionEvent"}, "job_protocol": {}}
"""The modules of the package, each with the names that mean something else in an earlier one."""
COMMAND = "python labextension/generate_protocol.py"

PLAIN = {"str": "string", "int": "number", "float": "number", "bool": "boolean", "Any": "unknown"}
WIDTH = 120

HEADER = f"""\
/**
 * What the notebook side and the model kernel say to each other, as JSON: requests, results and events.
 *
 * Written by  {COMMAND}  from protocol.py, attention_protocol.py and job_protocol.py; don't edit it.
 */

/** An event as it is sent: with its type and its number in the stream. */
export type Sent<Type extends string, Content> = Content & {{ type: Type; seq: number }};
"""


def generated() -> str:
    """Return what `src/protocol.ts` must say."""
    sys.path.insert(0, str(HERE.parent))
    try:
        return HEADER + "".join(piece for name, renamed in MODULES.items() for piece in _module(name, renamed))
    finally:
        sys.path.pop(0)


def _module(name: str, renamed: dict[str, str]) -> Iterator[str]:
    module = importlib.import_module(f"gpt_notebook.{name}")
    body = ast.parse(Path(str(module.__file__)).read_text("utf-8")).body
    for node, following in zip(body, [*body[1:], None], strict=True):
        comment = _comment(_text(following), indent="")
        if isinstance(node, ast.ClassDef) and any(ast.unparse(each) == "message" for each in node.decorator_list):
            yield f"\n{_comment(ast.get_docstring(node), indent='')}{_interface(node)}"
        elif (target := _public_target(node)) is not None:
            declaration = _declaration(renamed.get(target, target), node, getattr(module, target))
            if declaration is not None:
                yield f"\n{comment}{declaration}\n"


def _public_target(node: ast.stmt) -> str | None:
    """Return the public name that a statement assigns to, if it does that."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    names = [each.id for each in targets if isinstance(each, ast.Name)]
    return next((name for name in names if not name.startswith("_")), None)


def _declaration(name: str, node: Any, value: Any) -> str | None:
    """Return the constant or type alias that an assignment makes; None for what only Python needs."""
    if isinstance(value, dict):
        return None
    if name.isupper():
        numbers_or_texts = list(value) if isinstance(value, tuple) else value
        kind = f": readonly {_type(node.annotation)}" if isinstance(node, ast.AnnAssign) else ""
        return f"export const {name}{kind} = {json.dumps(numbers_or_texts, ensure_ascii=False)};"
    if name.endswith("Event"):
        return _union(name, [f'Sent<"{each.type}", {each.__name__}>' for each in value.__args__])
    return f"export type {name} = {_type(node.value)};"


def _union(name: str, members: list[str]) -> str:
    return f"export type {name} =" + "".join(f"\n  | {each}" for each in members) + ";"


def _interface(node: ast.ClassDef) -> str:
    """Return a message as an interface; in a request, what has a default may be left out."""
    lines = [f"export interface {node.name} {{\n"]
    for field, following in zip(node.body, [*node.body[1:], None], strict=True):
        if not isinstance(field, ast.AnnAssign) or ast.unparse(field.annotation).startswith("ClassVar"):
            continue
        optional = "?" if field.value is not None and node.name.endswith("Request") else ""
        lines.append(f"{_comment(_text(following), indent='  ')}")
        lines.append(f"  {ast.unparse(field.target)}{optional}: {_type(field.annotation)};\n")
    return "".join([*lines, "}\n"])


def _type(node: ast.expr) -> str:  # noqa: PLR0911 - a case for each kind of annotation
    """Return a Python annotation in TypeScript."""
    match node:
        case ast.Constant(value=None):
            return "null"
        case ast.Name(id=name):
            return PLAIN.get(name, name)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return f"{_type(left)} | {_type(right)}"
        case ast.Subscript(value=ast.Name(id="Literal"), slice=choices):
            return " | ".join(json.dumps(ast.literal_eval(each)) for each in _items(choices))
        case ast.Subscript(value=ast.Name(id="dict"), slice=ast.Tuple(elts=[_, value])):
            return f"Record<string, {_type(value)}>"
        case ast.Subscript(value=ast.Name(id="tuple"), slice=ast.Tuple(elts=[item, ast.Constant(value=rest)])):
            if rest is ...:
                return f"({_type(item)})[]" if " | " in _outside(_type(item)) else f"{_type(item)}[]"
        case ast.Subscript(value=ast.Name(id="tuple"), slice=items):
            return f"[{', '.join(map(_type, _items(items)))}]"
    message = f"line {node.lineno}: no TypeScript for {ast.unparse(node)}: teach labextension/generate_protocol.py"
    raise TypeError(message)


def _outside(text: str) -> str:
    """Return a type without what stands in brackets."""
    return re.sub(r"[\[(].*[\])]", "", text)


def _items(node: ast.expr) -> list[ast.expr]:
    return node.elts if isinstance(node, ast.Tuple) else [node]


def _text(node: ast.stmt | None) -> str | None:
    """Return the string that stands alone as a statement, as docstrings of fields and constants do."""
    match node:
        case ast.Expr(value=ast.Constant(value=str(text))):
            return inspect.cleandoc(text)
    return None


def _comment(text: str | None, *, indent: str) -> str:
    if text is None:
        return ""
    text = re.sub(r"\bNone\b", "null", text).replace("*/", "* /")
    if "\n" not in text and len(text) + len(indent) + len("/**  */") <= WIDTH:
        return f"{indent}/** {text} */\n"
    lines = [f"{indent} * {line}".rstrip() for line in text.splitlines()]
    return "\n".join([f"{indent}/**", *lines, f"{indent} */\n"])


def difference() -> str:
    """Return a diff from what is written to what must be; "" if they are the same."""
    written = OUTPUT.read_text("utf-8") if OUTPUT.exists() else ""
    lines = difflib.unified_diff(
        written.splitlines(keepends=True), generated().splitlines(keepends=True), "protocol.ts", "the protocol"
    )
    return "".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Write the file or check it; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="show what would change, and fail if anything would")
    if not parser.parse_args(arguments).check:
        OUTPUT.write_text(generated(), "utf-8")
        return 0
    if diff := difference():
        print(f"{diff}\nsrc/protocol.ts is not what the protocol says: run  {COMMAND}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Docstrings: that of an argument begins with what it is."""

import ast
import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
SECTION = re.compile(r"^(?:Args|Attributes):\n((?:(?: {4}.*)?\n?)+)", re.MULTILINE)
ARGUMENT = re.compile(r"^ {4}\*{0,2}(\w+): (.*)", re.MULTILINE)
# What says whose it is, what it does or what it is like, and not what it is; and a mere shape.
OTHERWISE = re.compile(r"(Of|As|Its?|Does|Has|Is|Who|Whose|That|Another|Maps|Builds|Called|Told|Not|Where|When)\b|\(N")


def test_an_argument_begins_with_what_it_is():
    wrong = [
        f"{file.name}, {node.name}, {name}: {text}"
        for folder in ("hirl_env", "agents", "experiments")
        for file in sorted((REPOSITORY / folder).rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        for section in SECTION.findall(ast.get_docstring(node) or "")
        for name, text in ARGUMENT.findall(section)
        if OTHERWISE.match(text)
    ]
    assert not wrong

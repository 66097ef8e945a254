"""Imports run one way: experiments -> agents -> hirl_env, and never in a circle."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
FOLDERS = {"hirl_env": "hirl_env", "hirl_agents": "agents", "hirl_experiments": "experiments"}
ALLOWED = {"hirl_env": set(), "hirl_agents": {"hirl_env"}, "hirl_experiments": {"hirl_env", "hirl_agents"}}


def modules() -> dict[str, ast.Module]:
    """Every module of the three packages, parsed, by the name that it is imported by."""
    parsed = {}
    for package, folder in FOLDERS.items():
        for file in (REPOSITORY / folder).rglob("*.py"):
            parts = (package, *file.relative_to(REPOSITORY / folder).with_suffix("").parts)
            parsed[".".join(parts).removesuffix(".__init__")] = ast.parse(file.read_text())
    return parsed


def names(tree: ast.AST) -> Iterator[str]:
    """What is imported anywhere in a tree; of ``from a import b`` both a and a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module
            yield from (f"{node.module}.{one.name}" for one in node.names)


def at_import(tree: ast.Module) -> Iterator[str]:
    """What is imported when a module is, and not later or for type checkers alone."""
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from names(node)


@pytest.mark.parametrize("package", FOLDERS)
def test_packages_are_imported_one_way(package):
    for name, tree in modules().items():
        if name.partition(".")[0] == package:
            imported = {other.partition(".")[0] for other in names(tree)} & FOLDERS.keys()
            assert imported - {package} <= ALLOWED[package], name


def test_no_module_imports_itself_by_way_of_others():
    known = modules()
    graph = {name: {other for other in at_import(tree) if other in known} - {name} for name, tree in known.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError


def test_the_core_knows_nothing_of_its_shells():
    """Inside of hirl_env: env, vector_env -> restoration -> data, tools, quality."""
    known = modules()
    shells = {"hirl_env.env", "hirl_env.vector_env", "hirl_env.task", "hirl_env.rendering"}
    assert not shells & set(names(known["hirl_env.restoration"]))
    for room in ("data", "tools", "quality"):
        for name, tree in known.items():
            if name.startswith(f"hirl_env.{room}"):
                assert not ({"hirl_env.restoration"} | shells) & set(names(tree)), name


def test_nobody_imports_a_command():
    """Commands parse, call and print; what several need stands in another room."""
    for name, tree in modules().items():
        if name.startswith("hirl_experiments"):
            assert not [other for other in names(tree) if other.startswith("hirl_experiments.commands.")], name

"""Fingerprints of photographs, toolsets and agents: a run resumes earlier results only if all of these are equal."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

from hirl_agents.pixel_rl.network import SHIPPED as SHIPPED_PIXEL_RL
from hirl_agents.registry import SHIPPED_AGENTS
from hirl_env.plugins import named_plugins
from hirl_env.tools.tool import SHIPPED_TOOLS
from hirl_env.tools.toolset_file import YAML_SUFFIXES, files_of
from hirl_env.weights import HASHES

SHIPPED = SHIPPED_AGENTS | {"pixel-rl": SHIPPED_PIXEL_RL}


def sha256(path: Path) -> str | None:
    """The SHA-256 of a file's content; None if it cannot be read."""
    try:
        if not path.is_file():
            return None
        content = hashlib.sha256()
        with path.open("rb") as file:
            while part := file.read(2**20):
                content.update(part)
        return content.hexdigest()
    except OSError:
        return None


def of_photographs(files: Iterable[Path]) -> str:
    """The number of files, and a hash of their names and contents.

    Args:
        files: Files of the photographs, in order; a file that occurs twice counts once.
    """
    contents = {file: sha256(file) for file in dict.fromkeys(files)}
    listing = "".join(f"{file.name} {content}\n" for file, content in contents.items())
    return f"{len(contents)} files, {hashlib.sha256(listing.encode()).hexdigest()[:16]}"


def of_toolset(toolset: str) -> str:
    """The hashes of the files that a toolset is read from, or, if there are none, its name and those of plugins.

    Args:
        toolset: Name, short-hand, or path of a YAML file, a file of weights or a folder with RL-Restore's tools.

    Raises:
        ValueError: If a YAML file cannot be read.
    """
    return _hashes(_files_of_toolset(toolset)) or _known_by_name(toolset)


def of_agent(agent: str) -> str:
    """The hashes of the files that an agent is read from, or, if there are none, its name and those of plugins.

    Args:
        agent: Name or file, or a text that includes some: ``rl-restore:FILE``, ``FILE:max_steps=3``,
            ``search:agent=FILE,budgets=9``. Of ``module:factory`` it is the module's file.
    """
    kind, _, rest = agent.partition(":")
    named = [agent, *((kind, rest) if rest else ()), *(option.partition("=")[2] for option in rest.split(","))]
    found = _hashes(SHIPPED.get(name, Path(name)) for name in dict.fromkeys(named))
    return found or _known_by_name(agent, *((kind,) if rest else ()))


def _hashes(files: Iterable[Path]) -> str:
    """The hashes of those that are files."""
    return " ".join(filter(None, map(sha256, files)))


def _known_by_name(name: str, *modules: str) -> str:
    """A name, and the hashes of the code that may be behind it: plugins, and modules."""
    code = _hashes(filter(None, map(_source, (*named_plugins(), *modules))))
    return f"{name} {code}" if code else name


def _source(module: str) -> Path | None:
    """The file of a module, given by its name or as a .py file."""
    if module.endswith(".py"):
        return Path(module)
    try:
        found = find_spec(module)
    except (ImportError, ValueError):
        return None
    return None if found is None or found.origin is None else Path(found.origin)


def _files_of_toolset(toolset: str) -> Iterator[Path]:
    path = Path(toolset)
    shipped = SHIPPED_TOOLS / toolset / HASHES
    if sha256(shipped) is not None:
        yield shipped
    elif path.suffix in YAML_SUFFIXES:
        yield from files_of(path)
        yield from sorted(SHIPPED_TOOLS.rglob(HASHES))  # a tool of the file may be one of these
    elif sha256(path) is not None:
        yield path
    elif "=" in toolset:
        for one in (one for row in toolset.split(";") for one in row.partition("=")[2].split(",")):
            yield from _files_of_toolset(one.strip().partition(":")[0])
    else:
        yield from sorted(path.glob("*.safetensors"))

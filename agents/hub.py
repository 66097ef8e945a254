"""Agents on the Hugging Face Hub: `save_to_hub` and `from_hub`.

A repository holds ``agent.safetensors``, its model card and, if its toolset has no name, the toolset file with the
networks that it names. Weights are only data, but functions that a toolset file names are run, so such a file is
refused unless it is trusted. ``HF_ENDPOINT`` and ``HF_TOKEN`` are honoured.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from hirl_agents.loading import load_agent
from hirl_agents.networks import SUFFIX
from hirl_env.errors import first_line
from hirl_env.extras import optional
from hirl_env.tools.registry import toolsets
from hirl_env.tools.toolset_file import YAML_SUFFIXES, cells_of, files_of
from hirl_env.weights import read_metadata

AGENT, CARD, TOOLSET = f"agent{SUFFIX}", "README.md", "toolset.yaml"
USE = """
## Use

```python
from hirl_agents.hub import from_hub
from hirl_agents.restorer import Restorer

restorer = Restorer(*from_hub("{repo}"))
restored = restorer.restore(picture)  # uint8 (H, W, 3)
```
"""


class HubAgent(NamedTuple):
    """A fetched agent, as arguments of `hirl_agents.restorer.Restorer`.

    Attributes:
        agent: File of its weights.
        toolset: Toolset that it was trained with: a name, or a toolset file.
    """

    agent: Path
    toolset: str


def save_to_hub(agent: str | Path, repo: str, toolset: str | Path = "hirl", private: bool = False) -> str:
    """Publishes an agent with its card: the one next to it (``best.md`` for ``best.safetensors``), and how to use it.

    Args:
        agent: A .safetensors file of an agent, as ``hirl train`` writes it.
        repo: Name of the repository, as USER/NAME; created if there is none.
        toolset: Toolset that the agent was trained with: a name, or a toolset file, which is also published with its
            networks. The functions and registered tools that the file names are not.
        private: Whether a newly created repository is visible to you alone.

    Returns:
        The address of what was published.

    Raises:
        ImportError: If huggingface_hub is not installed.
        ValueError: If a file is missing or of the wrong kind, the agent does not fit the toolset, the toolset is
            neither a name nor a toolset file, a file of it lies outside its folder, or the Hub refuses.
    """
    agent = Path(agent)
    if "network" not in read_metadata(agent):
        raise ValueError(f"{agent} holds no agent; name a file that hirl train wrote")
    files = {AGENT: agent, **_files(toolset)}
    load_agent(agent, toolsets.resolve(toolset))  # raises if the agent could not be opened after download
    card = agent.with_suffix(".md")
    text = card.read_text(encoding="utf-8") if card.is_file() else f"# {repo.rpartition('/')[2]}\n"
    named = TOOLSET if TOOLSET in files else str(toolset)
    with _refusals(repo):
        from huggingface_hub import CommitOperationAdd, HfApi, ModelCardData

        data = ModelCardData(
            library_name="hirl-restore",
            pipeline_tag="image-to-image",
            tags=["reinforcement-learning", "image-restoration", "HIRL-Restore-v0"],
            hirl_restore={"toolset": named, "files": sorted(files)},
        )
        content = f"---\n{data.to_yaml()}\n---\n\n{text.rstrip()}\n{USE.format(repo=repo)}"
        operations = [CommitOperationAdd(CARD, content.encode())]
        operations += [CommitOperationAdd(name, str(path)) for name, path in files.items()]
        api = HfApi()
        api.create_repo(repo, private=private, exist_ok=True)
        return str(api.create_commit(repo, operations, commit_message=f"{AGENT} for the toolset {named}").commit_url)


def from_hub(repo: str, revision: str | None = None, trust: bool = False) -> HubAgent:
    """Fetches an agent that `save_to_hub` published; files in the cache are not fetched again.

    Args:
        repo: Name of the repository, as USER/NAME.
        revision: A branch, tag or commit. Default: the newest.
        trust: Whether its toolset file may name functions of modules that are installed here, which are run.

    Raises:
        ImportError: If huggingface_hub is not installed.
        ValueError: If there is no such repository, it holds no such agent, or its toolset is unknown here or may not be
            used.
    """
    with _refusals(repo):
        from huggingface_hub import ModelCard, hf_hub_download

        card = ModelCard.load(hf_hub_download(repo, CARD, revision=revision))
        held = card.data.to_dict().get("hirl_restore")
        if not isinstance(held, dict) or AGENT not in held.get("files", ()):
            raise ValueError("its card names no agent of this package")
        files = {str(name): Path(hf_hub_download(repo, str(name), revision=revision)) for name in held["files"]}
        toolset = str(held.get("toolset", "hirl"))
        if TOOLSET in files:
            _check_tools(files[TOOLSET], trust)
            toolset = str(files[TOOLSET])
        elif toolset not in toolsets.names():
            raise ValueError(f"its toolset {toolset!r} has no name here; load the plugin that registers it")
    return HubAgent(files[AGENT], toolset)


def _files(toolset: str | Path) -> dict[str, Path]:
    """The files of a toolset to publish, by their published names; none for a toolset that has a name."""
    path = Path(toolset)
    if path.suffix not in YAML_SUFFIXES:
        toolsets.resolve(toolset)
        if str(toolset) not in toolsets.names():
            raise ValueError(f"toolset {toolset} has no name elsewhere: describe it in a toolset file, and give that")
        return {}
    _check_tools(path, trust=True)
    try:
        files = {file.resolve().relative_to(path.parent.resolve()).as_posix(): file for file in files_of(path)[1:]}
    except ValueError as error:
        raise ValueError(f"toolset {path}: its networks must lie beside it to be published ({error})") from None
    return {TOOLSET: path, **files}


def _check_tools(toolset: Path, trust: bool) -> None:
    """Raises ValueError if a toolset file names tools of another file or, unless it is trusted, functions."""
    for tool in cells_of(toolset):
        if "function" in tool and not trust:
            raise ValueError(f"{toolset.name} runs {tool['function']}; read it, then give trust=True")
        whose, colon, _ = str(tool.get("tool", "")).partition(":")
        if colon and whose not in toolsets.names():
            raise ValueError(f"{toolset.name} names a tool of {whose!r}, a toolset that has no name here")


@contextmanager
def _refusals(repo: str) -> Iterator[None]:
    """Turns errors of the Hub into one plain line."""
    optional("huggingface_hub", "hub")
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        yield
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError, ValueError) as error:
        raise ValueError(f"Hub repository {repo}: {first_line(error)}") from None

"""The page: its components, and the actions of its buttons."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import gradio as gr
import matplotlib
import numpy as np
from PIL import Image

from hirl_agents.restorer import Restorer
from hirl_env.data.images import ALLOW_AS_MANY, ALLOW_MORE
from hirl_env.quality import Measure
from hirl_env.tools.toolset import Cell
from hirl_experiments.restoring.finding import SUFFIXES
from hirl_experiments.web.session import Session

KEPT = 3600  # seconds that a picture is remembered after its last use
# The path in one row, however long it is: Gradio's thumbnails grow with their room, and hide their own captions.
STYLE = """
#path .grid-container { grid-auto-columns: 190px; grid-auto-flow: column; grid-template-columns: none; height: auto;
  padding-top: 36px }
#path .thumbnail-item { aspect-ratio: 1 }
"""
INTRODUCTION = """# HIRL-Restore
Drop a picture: the agent restores it, step by step. Take another tool, undo,
go on from there; then download the result."""


def page(restorer: Restorer, measure: Measure, max_pixels: int) -> gr.Blocks:
    """The page as an application, to be launched.

    Args:
        restorer: Restorer whose agent and tools are used.
        measure: Blind measure with a quality map.
        max_pixels: Most pixels of a picture.
    """
    actions = Actions(restorer, measure, max_pixels)
    with gr.Blocks(title="HIRL-Restore", analytics_enabled=False, delete_cache=(600, KEPT)) as blocks:
        gr.Markdown(INTRODUCTION)
        session = gr.State(None, time_to_live=KEPT)
        with gr.Row():
            with gr.Column(scale=2):
                pictures = _pictures(measure.name)
            with gr.Column(scale=1):
                controls = _controls(list(actions.tools))
        _connect(session, pictures, controls, actions)
    return blocks


@dataclass(frozen=True)
class Actions:
    """The actions of the page.

    Each returns the session, because it is forgotten some time after it was returned last, and new content of the page:
    all of it, as from `shown`, unless the action says otherwise.

    Attributes:
        restorer: Restorer whose agent and tools are used.
        measure: Blind measure.
        max_pixels: Most pixels of a picture.
    """

    restorer: Restorer
    measure: Measure
    max_pixels: int

    @cached_property
    def tools(self) -> dict[str, Cell]:
        """The cells of the tools by their names."""
        toolset = self.restorer.toolset
        return {toolset[cell].name: cell for cell in toolset.cells}

    def open(self, path: str | None, strength: float, map: bool) -> list[Any]:
        """Opens a file, and lets the agent restore it."""
        if path is None:
            no_download, no_map = gr.DownloadButton(interactive=False, value=None), gr.Image(None, visible=False)
            return [None, None, no_download, "", None, "", no_map]
        try:
            session = Session(Path(path), self.restorer, self.measure, self.max_pixels)
            session.go_on()
        except (ValueError, OSError, MemoryError) as error:
            raise _error(_for_visitors(str(error), Path(path).parent)) from None
        return [session, *shown(session, strength, map)]

    def take(self, session: Session | None, tool: str, strength: float, map: bool) -> list[Any]:
        """Applies a tool."""
        session = _remembered(session)
        if tool in self.tools:
            try:
                session.take(self.tools[tool])
            except ValueError as error:
                raise _error(str(error)) from None
        return [session, *shown(session, strength, map)]

    def undo(self, session: Session | None, strength: float, map: bool) -> list[Any]:
        """Takes the last step back."""
        session = _remembered(session)
        session.undo()
        return [session, *shown(session, strength, map)]

    def go_on(self, session: Session | None, strength: float, map: bool) -> list[Any]:
        """Lets the agent continue."""
        session = _remembered(session)
        session.go_on()
        return [session, *shown(session, strength, map)]

    def blend(self, session: Session | None, strength: float) -> list[Any]:
        """Keeps a part of the change; returns the content that depends on it, as from `result`."""
        if session is None:  # set before a picture is opened
            return [gr.skip()] * 4
        return [session, *result(session, strength)]

    def draw_map(self, session: Session | None, map: bool) -> list[Any]:
        """Draws the quality map, or removes it."""
        if session is None:
            return [gr.skip()] * 2
        return [session, drawn_map(session, map)]

    def look_back(self, session: Session | None, event: gr.SelectData) -> list[Any]:
        """The agent's values of all tools after the step that was clicked on, in HTML."""
        session = _remembered(session)
        return [session, bars(session, min(int(event.index), len(session.steps) - 1))]


def _remembered(session: Session | None) -> Session:
    if session is None:
        raise _error(f"No picture is open: drop one. A picture is forgotten {KEPT // 60} minutes after its last use.")
    return session


def _for_visitors(message: str, folder: Path) -> str:
    """An error's message without the folder of uploads, and without options that only who serves the page can give."""
    for part in (f"{folder}/", ALLOW_MORE, ALLOW_AS_MANY):
        message = message.replace(part, "")
    return message


def _error(message: str) -> gr.Error:
    """An error for the person at the page; it is no failure of the program, so the terminal shows no traceback."""
    return gr.Error(message, print_exception=False)


def _pictures(measure: str) -> dict[str, gr.Component]:
    """The left column: the file, before and after, the path."""
    return {
        "file": gr.File(label="Picture", file_types=sorted(SUFFIXES), height=110, elem_id="file"),
        "slider": gr.ImageSlider(label="Before | after", format="png", interactive=False, elem_id="slider"),
        "path": gr.Gallery(
            label=f"Path: tool and {measure} (a step shows what was expected then)",
            format="png",
            object_fit="contain",
            height=250,
            interactive=False,
            elem_id="path",
        ),
    }


def _controls(tools: list[str]) -> dict[str, gr.Component]:
    """The right column: the agent's values, the tools, and the controls for the result."""
    controls: dict[str, gr.Component] = {
        "values": gr.HTML(label="What the agent expects of each tool from here on", elem_id="values"),
        "tool": gr.Dropdown(tools, label="Tool", value=tools[0], elem_id="tool"),
    }
    with gr.Row():
        controls["take"] = gr.Button("Take this tool", elem_id="take")
        controls["undo"] = gr.Button("Undo", elem_id="undo")
        controls["go on"] = gr.Button("Let the agent go on", elem_id="go-on")
    return controls | {
        "strength": gr.Slider(0, 1, 1, step=0.05, label="Strength of the change", elem_id="strength"),
        "map": gr.Checkbox(label="Quality map (bright: good)", elem_id="map"),
        "drawn map": gr.Image(
            label="Quality map", format="png", visible=False, buttons=["fullscreen"], interactive=False
        ),
        "download": gr.DownloadButton("Download the result", interactive=False, elem_id="download"),
        "notes": gr.Markdown(elem_id="notes"),
    }


def _connect(session: gr.State, pictures: Mapping[str, Any], controls: Mapping[str, Any], actions: Actions) -> None:
    """Connects the page's events to actions, with their inputs and outputs."""
    of_result = [pictures["slider"], controls["download"], controls["notes"]]
    seen = [session, *of_result, pictures["path"], controls["values"], controls["drawn map"]]
    options: dict[str, Any] = {"concurrency_id": "restore", "concurrency_limit": 1, "api_visibility": "private"}
    shown_by = [session, controls["strength"], controls["map"]]
    opened = [pictures["file"], controls["strength"], controls["map"]]
    pictures["file"].change(actions.open, opened, seen, **options)
    taken = [session, controls["tool"], controls["strength"], controls["map"]]
    controls["take"].click(actions.take, taken, seen, **options)
    controls["undo"].click(actions.undo, shown_by, seen, **options)
    controls["go on"].click(actions.go_on, shown_by, seen, **options)
    pictures["path"].select(actions.look_back, session, [session, controls["values"]], **options)
    # Not when it is released: the keyboard moves it, too. Of what comes while one is worked on, the last counts.
    blended = [session, *of_result]
    controls["strength"].change(actions.blend, shown_by[:2], blended, trigger_mode="always_last", **options)
    mapped = [session, controls["drawn map"]]
    controls["map"].change(actions.draw_map, [session, controls["map"]], mapped, **options)


def shown(session: Session, strength: float, map: bool) -> list[Any]:
    """The content of the page for a session: the `result`, the path, the agent's values, the quality map."""
    path = [(step.thumbnail, caption(session, number)) for number, step in enumerate(session.steps)]
    return [*result(session, strength), path, bars(session, len(session.steps) - 1), drawn_map(session, map)]


def result(session: Session, strength: float) -> list[Any]:
    """The content that depends on the strength of the change: before and after, the download, its notes."""
    target, notes = session.saved(strength)
    return [
        (session.steps[0].thumbnail, session.seen(session.after(strength))),
        gr.DownloadButton(value=str(target), interactive=True),
        "\n".join(f"- {note}" for note in notes),
    ]


def drawn_map(session: Session, map: bool) -> gr.Image:
    """The quality map of the result; hidden if it is not wanted, or the picture is too small for it."""
    quality = session.quality_map() if map else None
    return gr.Image(None if quality is None else _coloured(quality), visible=quality is not None)


def caption(session: Session, number: int) -> str:
    """The caption of a thumbnail of the path: the tool, and the blind score."""
    step = session.steps[number]
    score = "" if step.score is None else f" · {step.score:.1f}"
    return f"{number}: {step.tool or 'as given'}{score}"


def bars(session: Session, number: int) -> str:
    """The agent's values of all tools after a step, as bars in HTML."""
    values, toolset = session.steps[number].values, session.restorer.toolset
    largest = max(float(np.abs(values).max()), 1e-9)
    rows = []
    for cell in toolset.cells:
        value = float(values[cell])
        colour = "#2a7" if value > 0 else "#c66"
        width = 100 * abs(value) / largest
        rows.append(
            f"<tr><td>{html.escape(toolset[cell].name)}</td><td style='width:50%'><div style='background:{colour};"
            f"height:0.8em;width:{width:.0f}%'></div></td><td style='text-align:right'>{value:+.2f}</td></tr>"
        )
    choice = session.best(number)
    end = "the agent would stop here" if choice is None else f"the agent would take {html.escape(toolset[choice].name)}"
    title = f"<b>{'At first' if number == 0 else f'After step {number}'}, the agent expects of each tool:</b>"
    return f"{title}<table style='width:100%'>{''.join(rows)}</table><p>{end}</p>"


def _coloured(quality: np.ndarray[Any, Any]) -> Image.Image:
    colours = matplotlib.colormaps["viridis"](np.clip(quality / 100, 0, 1))[..., :3]
    return Image.fromarray((colours * 255).round().astype(np.uint8)).resize((400, 400), Image.Resampling.NEAREST)

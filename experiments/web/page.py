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
from hirl_env.quality import Measure
from hirl_env.tools.toolset import Cell
from hirl_experiments.pictures.finding import SUFFIXES
from hirl_experiments.restoring.sheet import thumbnail
from hirl_experiments.web.session import Session

SHOWN = 1400  # pixels of a picture's longer side on the page
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
    with gr.Blocks(title="HIRL-Restore", analytics_enabled=False, delete_cache=(600, 3600)) as blocks:
        gr.Markdown(INTRODUCTION)
        session = gr.State(None, time_to_live=3600)
        with gr.Row():
            with gr.Column(scale=2):
                pictures = _pictures(measure.name)
            with gr.Column(scale=1):
                controls = _controls(list(actions.tools))
        _connect(session, pictures, controls, actions)
    return blocks


@dataclass(frozen=True)
class Actions:
    """The actions of the page; all except `look_back` return the new content of the page, as from `shown`.

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
        """Opens a file, and lets the agent restore it; the new session comes before what is shown."""
        if path is None:
            return [None, *shown(None, strength, map)]
        try:
            session = Session(Path(path), self.restorer, self.measure, self.max_pixels)
            session.go_on()
        except (ValueError, OSError, MemoryError) as error:
            raise gr.Error(str(error).replace(str(Path(path).parent) + "/", "")) from None
        return [session, *shown(session, strength, map)]

    def take(self, session: Session | None, tool: str, strength: float, map: bool) -> list[Any]:
        """Applies a tool."""
        if session is not None and tool in self.tools:
            try:
                session.take(self.tools[tool])
            except ValueError as error:
                raise gr.Error(str(error)) from None
        return shown(session, strength, map)

    def undo(self, session: Session | None, strength: float, map: bool) -> list[Any]:
        """Takes the last step back."""
        if session is not None:
            session.undo()
        return shown(session, strength, map)

    def go_on(self, session: Session | None, strength: float, map: bool) -> list[Any]:
        """Lets the agent continue."""
        if session is not None:
            session.go_on()
        return shown(session, strength, map)

    def look_back(self, session: Session | None, event: gr.SelectData) -> str:
        """The agent's values of all tools after the step that was clicked on, in HTML."""
        return "" if session is None else bars(session, min(int(event.index), len(session.steps) - 1))


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
    seen = [pictures["slider"], pictures["path"]]
    seen += [controls[name] for name in ("values", "drawn map", "download", "notes")]
    options: dict[str, Any] = {"concurrency_id": "restore", "concurrency_limit": 1, "api_visibility": "private"}
    shown_by = [session, controls["strength"], controls["map"]]
    opened = [pictures["file"], controls["strength"], controls["map"]]
    pictures["file"].change(actions.open, opened, [session, *seen], **options)
    taken = [session, controls["tool"], controls["strength"], controls["map"]]
    controls["take"].click(actions.take, taken, seen, **options)
    controls["undo"].click(actions.undo, shown_by, seen, **options)
    controls["go on"].click(actions.go_on, shown_by, seen, **options)
    pictures["path"].select(actions.look_back, session, controls["values"], **options)
    # Not when it is released: the keyboard moves it, too. Of what comes while one is worked on, the last counts.
    controls["strength"].change(shown, shown_by, seen, trigger_mode="always_last", **options)
    controls["map"].change(shown, shown_by, seen, **options)


def shown(session: Session | None, strength: float, map: bool) -> list[Any]:
    """The content of the page for a session: slider, path, values, quality map, download, notes."""
    if session is None:
        nothing = gr.DownloadButton(interactive=False, value=None)
        return [None, None, "", gr.Image(None, visible=False), nothing, ""]
    target, notes = session.saved(strength)
    quality = session.quality_map() if map else None
    return [
        tuple(thumbnail(session.seen(pixels), SHOWN) for pixels in (session.before(), session.after(strength))),
        [
            (thumbnail(session.seen(session.after(step=number)), SHOWN), caption(session, number))
            for number in range(len(session.steps))
        ],
        bars(session, len(session.steps) - 1),
        gr.Image(None if quality is None else _coloured(quality), visible=quality is not None),
        gr.DownloadButton(value=str(target), interactive=True),
        "\n".join(f"- {note}" for note in notes),
    ]


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

"""The page: what is on it, and what its buttons do."""

from __future__ import annotations

import html
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
import matplotlib
import numpy as np
from PIL import Image

from hirl_agents.restorer import Restorer
from hirl_env.quality import Measure
from hirl_experiments.io.finding import SUFFIXES
from hirl_experiments.io.pictures import Pixels
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
    names = {restorer.toolset[cell].name: cell for cell in restorer.toolset.cells}

    def opened(path: str | None) -> list[Any]:
        if path is None:
            return [None, *shown(None, 1.0, False)]
        try:
            session = Session(Path(path), restorer, measure, max_pixels)
            session.go_on()
        except (ValueError, OSError, MemoryError) as error:
            raise gr.Error(str(error).replace(str(Path(path).parent) + "/", "")) from None
        return [session, *shown(session, 1.0, False)]

    def took(session: Session | None, name: str, strength: float, map: bool) -> list[Any]:
        if session is not None and name in names:
            try:
                session.take(names[name])
            except ValueError as error:
                raise gr.Error(str(error)) from None
        return shown(session, strength, map)

    def acted(act: Callable[[Session], None], session: Session | None, strength: float, map: bool) -> list[Any]:
        if session is not None:
            act(session)
        return shown(session, strength, map)

    def looked_back(session: Session | None, event: gr.SelectData) -> str:
        return "" if session is None else bars(session, min(int(event.index), len(session.steps) - 1))

    with gr.Blocks(title="HIRL-Restore", analytics_enabled=False, delete_cache=(600, 3600)) as blocks:
        gr.Markdown(INTRODUCTION)
        session = gr.State(None, time_to_live=3600)
        with gr.Row():
            with gr.Column(scale=2):
                file = gr.File(label="Picture", file_types=sorted(SUFFIXES), height=110, elem_id="file")
                slider = gr.ImageSlider(label="Before | after", format="png", interactive=False, elem_id="slider")
                path = gr.Gallery(
                    label=f"Path: tool and {measure.name} (a step shows what was expected then)",
                    format="png",
                    object_fit="contain",
                    height=250,
                    interactive=False,
                    elem_id="path",
                )
            with gr.Column(scale=1):
                values = gr.HTML(label="What the agent expects of each tool from here on", elem_id="values")
                tool = gr.Dropdown(list(names), label="Tool", value=next(iter(names)), elem_id="tool")
                with gr.Row():
                    take = gr.Button("Take this tool", elem_id="take")
                    undo = gr.Button("Undo", elem_id="undo")
                    go_on = gr.Button("Let the agent go on", elem_id="go-on")
                strength = gr.Slider(0, 1, 1, step=0.05, label="Strength of the change", elem_id="strength")
                map = gr.Checkbox(label="Quality map (bright: good)", elem_id="map")
                drawn = gr.Image(
                    label="Quality map", format="png", visible=False, buttons=["fullscreen"], interactive=False
                )
                download = gr.DownloadButton("Download the result", interactive=False, elem_id="download")
                notes = gr.Markdown(elem_id="notes")
        seen = [slider, path, values, drawn, download, notes]
        options: dict[str, Any] = {"concurrency_id": "restore", "concurrency_limit": 1, "api_visibility": "private"}
        file.change(opened, file, [session, *seen], **options)
        take.click(took, [session, tool, strength, map], seen, **options)
        undo.click(partial(acted, Session.undo), [session, strength, map], seen, **options)
        go_on.click(partial(acted, Session.go_on), [session, strength, map], seen, **options)
        path.select(looked_back, session, values, **options)
        # Not when it is released: the keyboard moves it, too. Of what comes while one is worked on, the last counts.
        strength.change(shown, [session, strength, map], seen, trigger_mode="always_last", **options)
        map.change(shown, [session, strength, map], seen, **options)
    return blocks


def shown(session: Session | None, strength: float, map: bool) -> list[Any]:
    """What the page shows of a session: slider, path, values, quality map, download, notes."""
    if session is None:
        nothing = gr.DownloadButton(interactive=False, value=None)
        return [None, None, "", gr.Image(None, visible=False), nothing, ""]
    content, suffix, notes = session.saved(strength)
    folder = Path(tempfile.mkdtemp())
    name = Path(session.name)
    target = folder / f"{name.stem}-restored{suffix or name.suffix}"
    target.write_bytes(content)
    quality = session.quality_map() if map else None
    return [
        tuple(_small(session.seen(pixels)) for pixels in (session.before(), session.after(strength))),
        [
            (_small(session.seen(session.after(step=number))), caption(session, number))
            for number in range(len(session.steps))
        ],
        bars(session, len(session.steps) - 1),
        gr.Image(None if quality is None else _coloured(quality), visible=quality is not None),
        gr.DownloadButton(value=str(target), interactive=True),
        "\n".join(f"- {note}" for note in notes),
    ]


def caption(session: Session, number: int) -> str:
    """Under a thumbnail of the path: the tool, and the blind score."""
    step = session.steps[number]
    score = "" if step.score is None else f" · {step.score:.1f}"
    return f"{number}: {step.tool or 'as given'}{score}"


def bars(session: Session, number: int) -> str:
    """What the agent thinks of every tool after a step, as bars in HTML."""
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


def _small(pixels: Pixels) -> Image.Image:
    eight = (pixels / 257).round().astype(np.uint8) if pixels.dtype == np.uint16 else pixels
    picture = Image.fromarray(eight).convert("RGB")
    picture.thumbnail((SHOWN, SHOWN), Image.Resampling.LANCZOS)
    return picture


def _coloured(quality: np.ndarray[Any, Any]) -> Image.Image:
    colours = matplotlib.colormaps["viridis"](np.clip(quality / 100, 0, 1))[..., :3]
    return Image.fromarray((colours * 255).round().astype(np.uint8)).resize((400, 400), Image.Resampling.NEAREST)

"""`hirl web`: a page on which pictures are restored step by step."""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path

from hirl_agents.restorer import Restorer
from hirl_env.devices import AnyPrecision, available_precision
from hirl_env.extras import optional
from hirl_env.quality import BlindNetwork, measures
from hirl_experiments.command_line.checks import at_least

MAX_PIXELS = 25_000_000
QUEUE = 16  # requests that may wait; more are refused


def web(
    host: str = "127.0.0.1",
    port: int = 7860,
    agent: str = "hirl",
    toolset: str = "hirl",
    measure: str = "hirl-biqa",
    precision: AnyPrecision = "auto",
    device: str = "auto",
    max_pixels: int = MAX_PIXELS,
    max_megabytes: int = 100,
) -> None:
    """Open a page on which pictures are restored step by step, by the agent or by hand. Needs no network.

    Anyone who can reach the page can use this machine's processor and memory, but nothing else: only uploaded files can
    be read through it. Requests are processed one at a time; the steps of a picture stay in memory for an hour
    after the last of them.

    Args:
        host: Address of the page: 127.0.0.1 can be reached from this machine only, 0.0.0.0 from others too; or one of
            IPv6.
        port: Port of the page.
        agent: Agent that chooses the tools, as in hirl restore.
        toolset: Toolset that it was trained with, as in hirl restore.
        measure: The blind measure that scores each step: hirl-biqa or paq2piq.
        precision: Precision of the tools' convolutions: float32, bf16, or auto (bf16 where the hardware has it).
        device: Device on which the tools run: cpu, cuda, mps, or auto.
        max_pixels: Most pixels of a picture.
        max_megabytes: Most megabytes of a file.
    """
    precision = available_precision(precision, device)
    at_least(1, port=port, max_pixels=max_pixels, max_megabytes=max_megabytes)
    if port > 65535:
        raise ValueError(f"--port is 1 to 65535, got {port}")
    if not isinstance(measures.resolve(measure).function, BlindNetwork):
        raise ValueError(f"--measure {measure} has no quality map for the page; hirl-biqa and paq2piq have one")
    _check_address(host, port)
    restorer = Restorer(agent, toolset, precision=precision, device=device)
    with tempfile.TemporaryDirectory(prefix="hirl-web-") as folder:
        serve(restorer, measure, Path(folder), host, port, max_pixels, max_megabytes)


def _check_address(host: str, port: int) -> None:
    """Raises OSError if there can be no page."""
    for name in (host, "127.0.0.1"):  # Gradio asks for the port there, too
        try:
            family, *_, address = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)[0]
            socket.create_server(address[:2], family=family).close()
        except OSError as error:
            raise OSError(f"--host {host} --port {port}: {error.strerror}; choose another") from None


def serve(
    restorer: Restorer, measure: str, folder: Path, host: str, port: int, max_pixels: int, max_megabytes: int
) -> None:
    """Serves the page until it is interrupted.

    Args:
        restorer: Restorer whose agent and tools are used.
        measure: The blind measure's name.
        folder: Folder for everything that is uploaded or made; the caller removes it.
        host: Address of the page, as in `web`.
        port: Port of the page.
        max_pixels: Most pixels of a picture.
        max_megabytes: Most megabytes of a file.

    Raises:
        ImportError: If Gradio is not installed.
        OSError: If there can be no page at this address.
    """
    # Set before Gradio is imported, which reads these once.
    os.environ["GRADIO_TEMP_DIR"] = tempfile.tempdir = str(folder)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    gr = optional("gradio", "web")
    from hirl_experiments.web.page import STYLE, page

    blocks = page(restorer, measures.resolve(measure), max_pixels).queue(max_size=QUEUE, api_open=False)
    name = f"[{host}]" if ":" in host else host
    blocks.launch(
        server_name=name,
        server_port=port,
        max_file_size=max_megabytes * 2**20,
        quiet=True,
        prevent_thread_lock=True,
        share=False,
        footer_links=[],
        css=STYLE,
        # System fonts; others would be fetched from Google.
        theme=gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["monospace"]),
    )
    print(f"http://{name}:{port} (stop it with Ctrl-C)", flush=True)
    blocks.block_thread()

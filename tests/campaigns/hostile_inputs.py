"""Twenty files that are there to run code, to take all memory or all time, or to be written over: counts what they get.

python -m tests.campaigns.hostile_inputs FOLDER
"""

from __future__ import annotations

import io
import json
import os
import resource
import struct
import sys
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image, PngImagePlugin

from hirl_agents import HIRL
from hirl_agents.networks import FlatQ
from hirl_env.weights import save_weights
from hirl_experiments import cli
from tests.campaigns.in_a_child import HUNG, run
from tests.campaigns.toy_restore import main as restore
from tests.conftest import evil_pickle

MEMORY = 12 << 30  # bytes of addresses: more is an attack that succeeded
QUICK = ("--no-wandb", "--threads", "1")


def hirl(*arguments: object) -> None:
    sys.argv = ["hirl", *map(str, arguments)]
    cli.main()


def restored(*arguments: object) -> None:
    sys.argv = ["hirl", *map(str, arguments)]
    restore()


def agents(folder: Path, ran: Path) -> Iterator[tuple[str, object]]:
    evil = evil_pickle(ran)
    picture = folder / "in" / "picture.png"
    with zipfile.ZipFile(folder / "evil.zip", "w") as archive:
        archive.writestr("data", evil)
        archive.writestr("policy.pth", evil)
    yield "a zip as --agent", lambda: hirl("restore", picture, "--agent", folder / "evil.zip", "--out", folder / "o")
    yield "a zip for HIRL.load", lambda: HIRL.load(folder / "evil.zip")
    with zipfile.ZipFile(folder / "evil.npz", "w") as archive:
        header = b"\x93NUMPY\x01\x00" + struct.pack("<H", 118)
        header += b"{'descr': '|O', 'fortran_order': False, 'shape': (), }".ljust(117) + b"\n"
        archive.writestr("weights.npy", header + evil)
    yield "an npz of objects", lambda: hirl("restore", picture, "--agent", folder / "evil.npz", "--out", folder / "o")
    (folder / "evil.safetensors").write_bytes(evil)
    for name in ("evil.safetensors", "view.safetensors", "steps.safetensors", "types.safetensors"):
        yield name, lambda name=name: hirl("restore", picture, "--agent", folder / name, "--out", folder / "o")
    said = {"network": "flat", "n_types": "4", "n_degrees": "4", "width": "8", "norm": "batch"}
    for name, more in (("view", {"view": "foo"}), ("steps", {"max_steps": "9" * 12}), ("types", {"n_types": "9" * 9})):
        save_weights(FlatQ(4, 4, width=8), folder / f"{name}.safetensors", metadata=said | more)


def runs(folder: Path, ran: Path) -> Iterator[tuple[str, object]]:
    evil = evil_pickle(ran)
    code = f"!!python/object/apply:builtins.open ['{ran}', 'w']\n"
    (folder / "code.yaml").write_text(code)
    yield "code in a preset", lambda: hirl("train", "--preset", folder / "code.yaml", "--images", folder / "in", *QUICK)
    yield "code in a sweep", lambda: hirl("sweep", folder / "code.yaml", "--images", folder / "in")
    run_folder = folder / "run"
    run_folder.mkdir()
    (run_folder / "config.yaml").write_text(code)
    yield "code in a run's settings", lambda: hirl("train", "--resume", run_folder, *QUICK)
    sweep = folder / "sweep" / "tune"
    sweep.mkdir(parents=True)
    (sweep / "tuner.pkl").write_bytes(evil)
    (sweep.parent / "sweep.json").write_text("{}")
    yield "a sweep's notes", lambda: hirl("sweep", "--resume", sweep.parent)
    tools = folder / "tools"
    tools.mkdir()
    torch.save({"evil": 1}, tools / "net.pth")
    (tools / "net.pth").write_bytes(evil)
    (tools / "toolset.yaml").write_text("denoise:\n  - {network: net.pth}\n")
    picture = folder / "in" / "picture.png"
    yield (
        "a network of a toolset",
        lambda: hirl("restore", picture, "--toolset", tools / "toolset.yaml", "--out", folder / "o"),
    )


def pictures(folder: Path, ran: Path) -> Iterator[tuple[str, object]]:
    source = folder / "in"
    picture = source / "picture.png"
    bomb = bytearray(_saved(Image.new("RGB", (8, 8)), "JPEG"))
    at = bomb.index(b"\xff\xc0") + 5
    bomb[at : at + 4] = struct.pack(">HH", 65500, 65500)
    (folder / "bomb.jpg").write_bytes(bomb)
    text = PngImagePlugin.PngInfo()
    text.add(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(1 << 30), 9))
    Image.new("RGB", (8, 8)).save(folder / "text.png", pnginfo=text)
    tiff = bytearray(_saved(Image.new("RGB", (8, 8)), "TIFF"))
    first = struct.unpack_from("<I", tiff, 4)[0]
    count = struct.unpack_from("<H", tiff, first)[0]
    struct.pack_into("<I", tiff, first + 2 + 12 * count, first)  # the page after this one is this one
    (folder / "loop.tif").write_bytes(tiff)
    os.mkfifo(folder / "pipe.png")
    (folder / "self.png").symlink_to("self.png")
    for name in ("bomb.jpg", "text.png", "loop.tif", "pipe.png", "self.png"):
        yield name, lambda name=name: restored(folder / name, "--out", folder / f"out-{name}")
    yield "a source as --json", lambda: hirl("score", picture, "--measure", "hirl-biqa", "--json", picture)
    (folder / "o2").mkdir()
    (folder / "o2" / "picture.png").symlink_to(ran)
    yield "a planted link", lambda: restored(picture, "--out", folder / "o2")
    (source / "$(touch ran) `touch ran`;touch ran.png").write_bytes(picture.read_bytes())
    yield "a name that is a command", lambda: restored(source, "--out", folder / "o3")


def campaign(folder: Path) -> dict[str, int]:
    source, ran = folder / "in", folder / "ran"
    source.mkdir(parents=True)
    os.chdir(folder)
    pixels = np.random.default_rng(0).integers(0, 150, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(source / "picture.png")
    before = (source / "picture.png").read_bytes()
    counts = dict.fromkeys(("inputs", "refused", "tracebacks", "hangs", "sources touched", "code executed"), 0)
    for kind in (agents, runs, pictures):
        for name, attack in list(kind(folder, ran)):

            def job(attack=attack) -> None:
                resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
                try:
                    attack()
                except ValueError as error:  # in Python, an error is what is asked for
                    sys.exit(str(error))

            code, said = run(job)
            counts["inputs"] += 1
            counts["refused"] += code == 1
            counts["tracebacks"] += "Traceback" in said
            counts["hangs"] += code == HUNG
            counts["sources touched"] += (source / "picture.png").read_bytes() != before
            counts["code executed"] += ran.exists()
            ran.unlink(missing_ok=True)
            print(json.dumps({"input": name, "code": code, "said": said.strip().splitlines()[-1:]}), flush=True)
    return counts


def _saved(image: Image.Image, format: str) -> bytes:
    file = io.BytesIO()
    image.save(file, format=format)
    return file.getvalue()


if __name__ == "__main__":
    for name, count in campaign(Path(sys.argv[1]).resolve()).items():
        print(f"{name:>28}: {count}")

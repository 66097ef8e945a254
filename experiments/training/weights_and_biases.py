"""Optional logging to Weights & Biases."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import urllib.error
import urllib.request
import warnings
from pathlib import Path
from typing import Any, cast

import torch
from stable_baselines3.common.logger import Image, KVWriter

PATIENCE = 10  # seconds
ONLINE = ("online", "shared", "run")
WANDB_MODES = ("online", "offline", "disabled", "shared", "dryrun", "run")


def start_wandb(project: str, name: str, folder: Path, config: dict[str, Any]) -> Any:
    """A run of Weights & Biases; the same folder and configuration continue the same run.

    Honours ``WANDB_MODE``. It is offline if that is not set and nobody is logged in, or, with a warning, if the server
    does not answer within ten seconds. The runs of a sweep (``config["sweep"]``, with ``name`` and ``id``) form a
    group, and continue in any folder.

    Raises:
        ValueError: If Weights & Biases refuses, for example because of a wrong key or an unknown mode.
    """
    import wandb

    remedy = "set WANDB_MODE=offline, or leave Weights & Biases out"
    # Passed explicitly, because wandb reads the variable only once per process.
    mode = os.environ.get("WANDB_MODE")
    if mode and mode not in WANDB_MODES:
        raise ValueError(f"WANDB_MODE must be one of {', '.join(WANDB_MODES)}, got {mode!r}; {remedy}")
    sweep = config.get("sweep")
    where = sweep["id"] if sweep else folder.resolve()
    run_id = hashlib.sha256(f"{where} {config}".encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    settings = wandb.Settings(silent=True)
    try:
        mode = mode or ("online" if wandb.login(prompt=False, verify=False) else "offline")
        server = wandb.setup().settings.base_url
        if mode in ONLINE and not _answers(server):
            warnings.warn(f"Weights & Biases at {server} is out of reach: logging offline", stacklevel=2)
            mode = "offline"
        return wandb.init(
            project=project,
            group=sweep["name"] if sweep else None,
            name=name,
            config=config,
            id=run_id,
            resume="allow",
            dir=folder,
            mode=cast(Any, mode),
            settings=settings,
        )
    except wandb.Error as error:
        raise ValueError(f"Weights & Biases: {error}; {remedy}") from None


def _answers(server: str) -> bool:
    """Whether a server answers within ten seconds; wandb itself would try for minutes."""
    answered = threading.Event()

    def ask() -> None:
        with contextlib.suppress(OSError, ValueError):  # no server there
            with contextlib.suppress(urllib.error.HTTPError):  # an error page is an answer, too
                urllib.request.urlopen(server, timeout=PATIENCE).close()
            answered.set()

    # In a thread, because looking up a name may take longer than any timeout.
    threading.Thread(target=ask, daemon=True).start()
    return answered.wait(PATIENCE)


class WandbWriter(KVWriter):
    """Passes the logs of Stable-Baselines3 on to Weights & Biases."""

    def __init__(self, run: Any) -> None:
        self.run = run

    def write(self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0) -> None:
        """Logs numbers, pictures, and tensors as histograms."""
        import wandb

        row: dict[str, Any] = {}
        for key, value in key_values.items():
            if isinstance(value, Image):
                row[key] = wandb.Image(value.image)
            elif isinstance(value, torch.Tensor):
                row[key] = wandb.Histogram(value.tolist())
            else:
                row[key] = value
        self.run.log(row, step=step)

    def close(self) -> None:
        """Ends the run."""
        self.run.finish()

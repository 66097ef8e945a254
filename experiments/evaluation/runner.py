"""Runs restoration methods on distorted images, and measures their gains, costs and times."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import fmean
from typing import Any, TypedDict

from tqdm import tqdm

from hirl_agents.search import SearchResult
from hirl_env.data.degradations import Degradation, InOrder
from hirl_env.data.images import eight_bits
from hirl_env.data.samples import Sample
from hirl_env.devices import Precision
from hirl_env.quality import ssim
from hirl_env.quality.full_reference import capped_psnr
from hirl_env.restoration import Restoration
from hirl_env.tabulate import PIXELS
from hirl_env.tools.toolset import Toolset
from hirl_experiments.evaluation.method import Run
from hirl_experiments.evaluation.operations import CountedOperations
from hirl_experiments.evaluation.sampling import batches, begin

DECIMALS = {"psnr": 2, "ssim": 4, "gain": 2, "trials": 1, "seconds": 1, "images": 0}  # of a `Row`


@dataclass(frozen=True)
class Row:
    """One method on one degradation: means over images, and the total time for all of them.

    Attributes:
        degradation: Name of the degradation of the images.
        method: Name of the method; parts of ``single`` and ``brute-force`` have a suffix.
        psnr: PSNR, dB; of at most 50 an image, so that no clean one outweighs all others.
        ssim: SSIM, 0 to 1.
        gain: Gain in that PSNR over the distorted image, dB.
        trials: Number of applications of a tool per image. PixelRL has no tools: its five steps are shown, in each of
            which every pixel applies one of nine filters.
        seconds: Wall clock for all images.
        images: Number of images.
    """

    degradation: str
    method: str
    psnr: float
    ssim: float
    gain: float
    trials: float
    seconds: float
    images: int


class Measured(TypedDict):
    """Measurements of a method on a batch, image by image: names of the photographs, and the values for a `Row`.

    ``gflop`` is that of the tools that made the results; ``computed`` and ``seconds`` are totals for the batch,
    including the networks that chose and every tool that was tried. PSNR counts up to `SEEN_CAP`.
    """

    photographs: list[str]
    before: list[float]
    psnr: list[float]
    ssim: list[float]
    trials: list[int]
    gflop: list[float]
    computed: float
    seconds: float


# Measurements by the names of a method's rows; keys are the label of the samples, the number of the batch, the method.
Finished = MutableMapping[tuple[str | int, ...], dict[str, Measured]]


@dataclass(frozen=True)
class Runner:
    """Runs methods on distorted images, batch by batch, and measures their results.

    Attributes:
        methods: Methods, opened, by their names in ``finished``.
        toolset: Tools that methods choose among.
        precision: Precision of the tools' convolutions.
        finished: Results that need not be measured again; new results are added batch by batch.
        pixels: Number of pixels in a batch (see `batches`).
        as_saved: Whether results are measured after rounding to 8 bits, as files store them.
        on_batch: Function called with each batch and the results of every method that had not finished it before.
    """

    methods: Mapping[str, Run]
    toolset: Toolset
    precision: Precision
    finished: Finished = field(default_factory=dict)
    pixels: int = PIXELS
    as_saved: bool = False
    on_batch: Callable[[list[Sample], dict[str, SearchResult]], None] | None = None

    def measure(self, samples: Iterable[Sample], count: int, *label: str) -> dict[str, list[Measured]]:
        """Runs the methods on samples.

        Args:
            samples: Distorted images with references.
            count: Number of samples, for the progress bar.
            *label: Names that identify the samples.

        Returns:
            Measurements of each row, batch by batch; rows are in the order of ``methods``.
        """
        results: dict[str, list[Measured]] = {}
        self.toolset.count_costs()
        with tqdm(total=count, desc=" ".join(label), unit="image", leave=False, disable=None) as bar:
            for number, batch in enumerate(batches(samples, self.pixels)):
                start = begin(batch, self.toolset, self.precision)
                everything: dict[str, SearchResult] = {}
                for method, run in self.methods.items():
                    key: tuple[str | int, ...] = (*label, number, method)
                    if key not in self.finished:
                        found, self.finished[key] = _run(run, batch, start, self.as_saved)
                        if self.on_batch is not None:
                            everything |= found
                    for name, one in self.finished[key].items():
                        results.setdefault(name, []).append(one)
                    bar.update(len(batch) / len(self.methods))
                if self.on_batch is not None:
                    self.on_batch(batch, everything)
        return results

    def rows(self, samples: Iterable[Sample], count: int, degradation: str) -> list[Row]:
        """A row for each method on the samples of one degradation; arguments as in `measure`."""
        return [_row(degradation, name, parts) for name, parts in self.measure(samples, count, degradation).items()]


def _run(
    run: Run, batch: Sequence[Sample], start: Restoration, as_saved: bool
) -> tuple[dict[str, SearchResult], dict[str, Measured]]:
    """The results of a method on a batch, and their measurements."""
    applied = [one.degradation or InOrder(()) for one in batch]
    everything: dict[str, SearchResult] = {}
    measured: dict[str, Measured] = {}
    for found, gflop, seconds in _counted(run, start, applied):
        most = max(int(result.trials.sum()) for result in found.values())
        for name, result in found.items():
            # The shorter paths of a search would have taken their share of its trials.
            share = int(result.trials.sum()) / most if most else 1.0
            measured[name] = _measured(batch, start, result, gflop * share, seconds * share, as_saved)
        everything |= found
    return everything, measured


def _counted(
    run: Run, start: Restoration, applied: Sequence[Degradation]
) -> Iterator[tuple[dict[str, SearchResult], float, float]]:
    """Results of a method as they come, each with its GFLOP and seconds."""

    def begun() -> Iterator[dict[str, SearchResult]]:
        yield from run(start, applied)  # many methods do all their work when they are called

    results = begun()
    while True:
        began = time.perf_counter()
        with CountedOperations() as counted:
            found = next(results, None)
        if found is None:
            return
        yield found, counted.gflop, time.perf_counter() - began


def _measured(
    batch: Sequence[Sample], start: Restoration, found: SearchResult, gflop: float, seconds: float, as_saved: bool
) -> Measured:
    # Tools need not clamp, but a picture has values in [0, 1].
    images, references = found.state.images, found.state.references
    restored = eight_bits(images) if as_saved else images.clamp(0, 1)
    return {
        "photographs": [one.name for one in batch],
        "before": capped_psnr(start.state.images, start.state.references).tolist(),
        "psnr": capped_psnr(restored, references).tolist(),
        "ssim": ssim(restored, references).tolist(),
        "trials": found.trials.tolist(),
        "gflop": found.state.costs.tolist(),
        "computed": gflop,
        "seconds": seconds,
    }


def _row(degradation: str, method: str, parts: Sequence[Measured]) -> Row:
    def mean(values: Callable[[Measured], Iterable[float]]) -> float:
        return fmean(value for part in parts for value in values(part))

    return Row(
        degradation,
        method,
        psnr=mean(lambda part: part["psnr"]),
        ssim=mean(lambda part: part["ssim"]),
        gain=mean(lambda part: map(float.__sub__, part["psnr"], part["before"])),
        trials=mean(lambda part: part["trials"]),
        seconds=sum(part["seconds"] for part in parts),
        images=sum(len(part["photographs"]) for part in parts),
    )


def as_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Rows as plain dictionaries."""
    return [asdict(row) for row in rows]

"""The measures that have a name or a short-hand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Any

from hirl_env.extras import optional
from hirl_env.quality.full_reference import FROM_PIQ, capped_psnr, psnr
from hirl_env.quality.hirl_biqa import CROP, load_blind_quality
from hirl_env.quality.measure import BlindNetwork, Measure
from hirl_env.quality.paq2piq import load_paq2piq
from hirl_env.quality.sums import parse_sum, weighted_sum
from hirl_env.registry import Registry


def _brisque() -> Measure:
    optional("brisque", "brisque")
    from hirl_env.quality.brisque import SMALLEST, Brisque

    return Measure("brisque", Brisque(), needs_reference=False, smallest=SMALLEST)


@lru_cache(maxsize=1)
def _paq2piq() -> Measure:
    """The measure, made once per process, so that many environments share one network.

    Its weights are fetched now: where that fails, it is said once, before the first picture.
    """
    network = load_paq2piq()
    return Measure("paq2piq", BlindNetwork(lambda: network), needs_reference=False)


@lru_cache(maxsize=1)
def _hirl_biqa() -> Measure:
    return Measure("hirl-biqa", BlindNetwork(load_blind_quality), needs_reference=False, smallest=CROP)


def _of_piq(name: str) -> Measure:
    """One of piq's measures; raises ImportError now, and not at the first score, if piq is missing."""
    optional("piq", "measures")
    function, smallest = FROM_PIQ[name]
    return Measure(name, function, smallest=smallest)


def _shorthand(value: Any) -> Measure | None:
    """A measure from a sum like ``0.5*psnr + 10*ssim``, or from a bare function.

    A bare function of images and references is called with None if there are no references. Wrap a function that needs
    references in a `Measure`; those of this package are resolved to theirs.
    """
    if callable(value):
        known = {"psnr": psnr} | {name: function for name, (function, _) in FROM_PIQ.items()}
        for name, function in known.items():
            if function is value:
                return measures.resolve(name)
        return Measure(getattr(value, "__name__", type(value).__name__), value, needs_reference=False)
    if isinstance(value, str) and re.search(r"[*+]", value):
        return weighted(parse_sum(value))
    return None


measures: Registry[Measure] = Registry("measure", Measure, _shorthand)
measures.register("psnr", lambda: Measure("psnr", psnr))
measures.register("psnr-50", lambda: Measure("psnr-50", capped_psnr))
for _name in FROM_PIQ:
    measures.register(_name, partial(_of_piq, _name))
measures.register("hirl-biqa", _hirl_biqa)
measures.register("brisque", _brisque)
measures.register("paq2piq", _paq2piq)


def weighted(weights: Mapping[str | Measure, float] | Mapping[str, float]) -> Measure:
    """The weighted sum of measures, as `hirl_env.quality.sums.weighted_sum` makes it.

    Args:
        weights: Weights by measures or their names, such as ``{"psnr": 1, "ssim": 10}``.

    Raises:
        ValueError: If there are no measures, a weight is not a finite number, or a name is unknown.
    """
    return weighted_sum([(measures.resolve(measure), float(weight)) for measure, weight in weights.items()])

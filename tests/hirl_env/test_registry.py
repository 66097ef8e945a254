import pytest

from hirl_env import degradations, image_sources, measures, toolsets
from hirl_env.registry import Registry


def test_resolves_names_and_passes_objects_through():
    registry: Registry[list] = Registry("thing", list)
    registry.register("empty", list)
    other = [1]
    assert registry.resolve("empty") == []
    assert registry.resolve(other) is other


def test_unknown_name_lists_the_known_ones():
    registry: Registry[list] = Registry("thing", list)
    registry.register("one", list)
    registry.register("two", list)
    with pytest.raises(ValueError, match="unknown thing 'three'; known are: one, two"):
        registry.resolve("three")


def test_a_name_is_given_once():
    registry: Registry[list] = Registry("thing", list)
    registry.register("one", list)
    with pytest.raises(ValueError, match="registered already"):
        registry.register("one", list)


def test_what_ships():
    assert {
        "mild",
        "moderate",
        "severe",
        "mixture",
        "singles",
        "noise-15",
        "jpeg-10",
        "blur-15",
        "rl-restore-severe",
        "rl-restore-any",
        "unknown",
        "light",
    } <= set(degradations.names())
    assert {"psnr", "ssim"} <= set(measures.names())
    assert {"photos", "div2k-train", "bsds500-test", "cbsd68", "kodak24", "csiq", "clive"} <= set(image_sources.names())
    assert {"paper", "hirl"} <= set(toolsets.names())


def test_objects_of_another_kind_are_refused():
    registry: Registry[list] = Registry("thing", list)
    with pytest.raises(ValueError, match="a thing must be a name or a list, got 5"):
        registry.resolve(5)


def test_what_is_no_factory_is_refused_when_it_is_registered():
    for wrong in ("a name", toolsets.resolve("paper"), lambda images, references: images):
        with pytest.raises(ValueError, match="'odd': register a function without arguments that returns it"):
            measures.register("odd", wrong)
    assert "odd" not in measures.names()


def test_a_factory_of_something_else_is_named():
    registry: Registry[list] = Registry("thing", list)
    registry.register("odd", tuple)
    with pytest.raises(ValueError, match=r"registered as the thing 'odd' must return a list; it returned \(\)"):
        registry.resolve("odd")

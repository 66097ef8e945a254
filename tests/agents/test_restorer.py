import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from hirl_agents.common.crops import cell_values
from hirl_agents.loading import load_agent
from hirl_agents.networks import FlatQ, TwoLevelQ, save_q
from hirl_agents.restorer import Restorer
from hirl_env.data.degradations import degradations
from hirl_env.data.images import to_pixels, to_tensor
from hirl_env.data.photographs import image_sources
from hirl_env.quality import measures
from hirl_env.restoration import Restoration
from hirl_env.tools.tool import Tool
from hirl_env.tools.toolset import Toolset

DELTAS = torch.tensor([[1.0, 8.0], [-2.0, -16.0]])  # what the toy tools add, of 255


def towards(target: float):
    """An agent that knows the toy tools: how much nearer each brings the mean to ``target``, of 255."""

    def values(images: torch.Tensor) -> torch.Tensor:
        errors = images.mean(dim=(1, 2, 3))[:, None, None] * 255 - target
        return errors.abs() - (errors + DELTAS).abs()

    return values


def always(cell: tuple[int, int], value: float = 1.0, types: int = 2, degrees: int = 2):
    """An agent of one idea."""

    def values(images: torch.Tensor) -> torch.Tensor:
        cells = images.new_zeros(len(images), types, degrees)
        cells[:, cell[0], cell[1]] = value
        return cells

    return values


def flat(value: int, *shape: int) -> np.ndarray:
    return np.full(shape or (20, 24, 3), value, dtype=np.uint8)


# What is restored, and why it ends


@pytest.mark.parametrize("shape", [(20, 24, 3), (20, 24)])
def test_stops_when_nothing_is_worth_anything(toy_toolset, shape):
    image = flat(80, *shape)
    restored = Restorer(towards(100), toy_toolset, max_steps=7).restore(image)
    assert [step.tool for step in restored.steps] == ["add +8", "add +8", *["add +1"] * 4]
    assert [(step.type, step.degree) for step in restored.steps[1:3]] == [("brighten", 1), ("brighten", 0)]
    assert [step.value for step in restored.steps] == pytest.approx([8, 8, 1, 1, 1, 1], abs=1e-3)
    assert restored.why == "value"
    assert restored.final_value == pytest.approx(-1, abs=1e-3)
    assert restored.image.dtype == np.uint8
    assert restored.image.shape == shape
    assert (restored.image == 100).all()
    assert (image == 80).all()
    assert restored.psnr_before is restored.psnr_after is None
    assert all(step.image is None for step in restored.steps)


def test_stops_at_max_steps(toy_toolset):
    restored = Restorer(towards(100), toy_toolset, max_steps=2).restore(flat(80))
    assert (restored.why, restored.final_value) == ("steps", None)
    assert (restored.image == 96).all()
    restored = Restorer(always((1, 0), -3.0), toy_toolset, max_steps=3, stop="steps").restore(flat(80))
    assert len(restored.steps) == 3


def test_stops_when_the_reference_says_so_and_takes_that_step_back(toy_toolset):
    # 80, 88, 96, and 104 would be as far from 100 as 96 is.
    restored = Restorer(always((0, 1)), toy_toolset, stop="reference").restore(flat(80), flat(100))
    assert [step.tool for step in restored.steps] == ["add +8", "add +8"]
    assert (restored.why, restored.final_value) == ("reference", 1.0)
    assert (restored.image == 96).all()
    assert restored.psnr_before == pytest.approx(20 * np.log10(255 / 20))
    assert restored.psnr_after == pytest.approx(20 * np.log10(255 / 4))


def test_stops_when_quality_no_longer_rises_and_takes_that_step_back(toy_toolset):
    def nearness_to_100(images, references):
        assert references is None
        return -(images.mean(dim=(1, 2, 3)) * 255 - 100).abs()

    restored = Restorer(always((0, 1)), toy_toolset, stop="quality", measure=nearness_to_100).restore(flat(80))
    assert [step.tool for step in restored.steps] == ["add +8", "add +8"]
    assert (restored.why, restored.final_value) == ("quality", 1.0)
    assert (restored.score_before, restored.score_after) == pytest.approx((-20, -4), abs=1e-3)
    assert restored.psnr_after is None


def test_quality_is_not_measured_with_a_reference(toy_toolset):
    with pytest.raises(ValueError, match="'ssim' needs one"):
        Restorer(towards(100), toy_toolset, stop="quality", measure="ssim")


def test_a_reference_alone_changes_nothing_but_the_psnr(toy_toolset):
    restored = Restorer(always((0, 1)), toy_toolset, max_steps=4).restore(flat(80), flat(100))
    assert (restored.image == 112).all()
    assert restored.psnr_after == pytest.approx(20 * np.log10(255 / 12))


def test_an_agent_may_say_stop(toy_toolset):
    def values(images):
        cells = torch.zeros(len(images), 3, 2)
        cells[:, 0, 0] = 1
        cells[images.mean(dim=(1, 2, 3)) > 82.5 / 255, 2, 0] = 2
        return cells

    restored = Restorer(values, toy_toolset, max_steps=7).restore(flat(80))
    assert (len(restored.steps), restored.why, restored.final_value) == (3, "stop", 2.0)
    assert (restored.image == 83).all()


def test_nothing_to_do(toy_toolset):
    image = np.random.default_rng(0).integers(0, 256, (9, 70, 3), dtype=np.uint8)
    restored = Restorer(always((0, 0), 0.0), toy_toolset).restore(image, image, keep_steps=True)
    assert restored.steps == ()
    assert (restored.image == image).all()
    assert restored.psnr_before == restored.psnr_after == 100


@pytest.mark.parametrize(
    ("arguments", "levels"),
    [({"max_steps": 3}, [88, 96, 104]), ({"stop": "reference"}, [88, 96]), ({"max_steps": 1}, [88])],
)
def test_the_pictures_on_the_way(toy_toolset, arguments, levels):
    restored = Restorer(always((0, 1)), toy_toolset, **arguments).restore(flat(80), flat(100), keep_steps=True)
    assert [int(step.image.mean()) for step in restored.steps] == levels
    assert all(step.image.shape == (20, 24, 3) and step.image.dtype == np.uint8 for step in restored.steps)


def test_greys_are_the_mean_of_what_becomes_of_three_channels():
    def tint(images):
        return images + torch.tensor([30.0, 0.0, -3.0]).view(1, 3, 1, 1) / 255

    toolset = Toolset({"tint": [Tool("tint", tint)]})
    restored = Restorer(always((0, 0), types=1, degrees=1), toolset, max_steps=2).restore(flat(80, 6, 7))
    assert (restored.image == 98).all()


def test_the_size_of_the_tiles_makes_no_difference(toy_toolset):
    image = np.random.default_rng(0).integers(0, 256, (150, 211, 3), dtype=np.uint8)
    results = [Restorer(towards(100), toy_toolset, tile=tile).restore(image) for tile in (16, 512)]
    assert (results[0].image == results[1].image).all()
    assert results[0].steps


# Any size, with the shipped tools


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 3), (3, 5, 3), (17, 16, 3), (1, 40)])
def test_small_pictures(shape):
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    network = TwoLevelQ(4, 4, width=8)
    assert Restorer(network, max_steps=2, stop="steps").restore(image).image.shape == shape
    for cell in ((0, 1), (1, 2), (2, 0), (3, 3)):
        restored = Restorer(always(cell, types=4, degrees=4), max_steps=1, stop="steps").restore(image)
        assert restored.image.shape == shape
        assert len(restored.steps) == 1


# What the strategies see


def test_strategies_see_pictures_of_the_size_of_their_training_whole():
    images = torch.rand(2, 3, 64, 64)
    seen = []
    cell_values(lambda images: seen.append(images) or torch.zeros(2, 2, 2), images)
    assert torch.equal(seen[0], images)


def test_the_shipped_agent_does_whole_photographs_good():
    photograph = next(iter(image_sources.resolve("photos"))).reference[100:292, 100:356]
    level, rng = degradations.resolve("mild"), np.random.default_rng(0)
    distorted = to_pixels(level.draw(rng)(to_tensor(photograph), rng))
    restored = Restorer("hirl").restore(distorted, photograph)
    assert restored.why == "value"
    assert restored.psnr_after > restored.psnr_before + 0.5


@pytest.mark.parametrize(("agent", "view"), [(TwoLevelQ(4, 4, width=8, view=96), 96), ("hirl", 64)])
def test_strategies_see_crops_of_the_size_of_their_training(agent, view, monkeypatch):
    sides = []
    values = lambda self, seen, looks: sides.append(seen.shape[-2:]) or torch.ones(len(seen), 4, 4)  # noqa: E731
    monkeypatch.setattr(TwoLevelQ, "values", values)
    for said, side in ((None, view), (32, 32)):
        Restorer(agent, max_steps=1, view=said).restore(flat(80, 100, 110))
        assert set(sides) == {(side, side)}
        sides.clear()


def woven(side: int, width: int) -> np.ndarray:
    """Threads, over and under each other, in two colours."""
    rows, columns = np.mgrid[0:side, 0:side]
    across, along = (np.sin(places % width / width * np.pi) for places in (rows, columns))
    thread = np.where((rows // width + columns // width) % 2, across, along)
    return (np.array([60, 80, 40]) + thread[..., None] * np.array([150, 120, 160])).astype(np.uint8)


def between(shares: np.ndarray, one: tuple[int, int, int], other: tuple[int, int, int]) -> np.ndarray:
    """A picture of two colours and what lies between them."""
    return (np.array(one) + shares[..., None] * (np.array(other) - one)).round().astype(np.uint8)


ROWS, COLUMNS = np.mgrid[0:1:96j, 0:1:128j]


@pytest.mark.parametrize(
    "picture",
    [
        between(ROWS, (40, 90, 200), (235, 240, 250)),
        between((ROWS + COLUMNS) / 2, (255, 0, 0), (0, 0, 255)),
        between(np.hypot(ROWS - 0.4, COLUMNS - 0.6), (250, 240, 190), (10, 10, 40)),
        between(COLUMNS, (16, 16, 16), (239, 239, 239)),
        data.astronaut()[60:188, 160:288],
        np.asarray(Image.fromarray(data.camera()[100:228, 150:278]).convert("1").convert("RGB")),
        np.where(np.indices((96, 96)).sum(axis=0)[..., None] % 2, [230, 220, 200], [30, 40, 60]).astype(np.uint8),
        woven(96, 7),
        woven(96, 9),
        woven(96, 8),
        np.full((96, 96, 3), 128, np.uint8),
        np.full((96, 96, 3), [38, 255, 48], np.uint8),
    ],
    ids=[
        "sky",
        "red to blue",
        "halo",
        "ramp",
        "photograph",
        "dithered",
        "chequered",
        "woven",
        "woven more coarsely",
        "woven like blocks",
        "grey",
        "green",
    ],
)
def test_a_clean_picture_comes_out_as_it_went_in(picture):
    restored = Restorer("hirl").restore(picture)
    assert not restored.steps
    assert (restored.image == picture).all()


# Agents


@pytest.mark.parametrize("network", [TwoLevelQ(4, 4, width=8, max_steps=2), FlatQ(4, 4, width=8, max_steps=2)])
def test_agents_from_files(tmp_path, network):
    image = np.random.default_rng(0).integers(0, 256, (40, 48, 3), dtype=np.uint8)
    save_q(network, tmp_path / "agent.safetensors", torch.float32)
    direct = Restorer(network, stop="steps").restore(image)
    assert len(direct.steps) == 2, "as many as in its training"
    for path in (tmp_path / "agent.safetensors", str(tmp_path / "agent.safetensors")):
        read = Restorer(path, stop="steps").restore(image)
        assert (read.image == direct.image).all()
        assert [step.tool for step in read.steps] == [step.tool for step in direct.steps]


def test_a_network_in_training_is_left_as_it_is():
    network = TwoLevelQ(4, 4, width=8, norm="batch").train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    Restorer(network, max_steps=1, stop="steps").restore(flat(80))
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_agents_for_another_toolset_are_refused(toy_toolset, tmp_path):
    save_q(TwoLevelQ(4, 4, width=8), tmp_path / "agent.safetensors")
    for agent in (tmp_path / "agent.safetensors", TwoLevelQ(2, 3, width=8)):
        with pytest.raises(ValueError, match="degrees, and the toolset has 2 x 2"):
            Restorer(agent, toy_toolset)
    Restorer(TwoLevelQ(3, 2, width=8), toy_toolset)  # with STOP


def test_tools_in_another_order_are_refused(toy_toolset, tmp_path):
    save_q(TwoLevelQ(2, 2, width=8).trained_with(toy_toolset), tmp_path / "agent.safetensors")
    assert toy_toolset.signature == "brighten: add +1, add +8; darken: sub 2, sub 16"
    Restorer(tmp_path / "agent.safetensors", toy_toolset)
    turned = Toolset(
        {kind: [toy_toolset[row, degree] for degree in (0, 1)] for row, kind in ((1, "darken"), (0, "brighten"))}
    )
    with pytest.raises(
        ValueError, match=r"trained with other tools than the toolset has \(brighten: add \+1, add \+8;"
    ):
        Restorer(tmp_path / "agent.safetensors", turned)


def test_values_that_do_not_fit_are_refused(toy_toolset):
    with pytest.raises(ValueError, match=r"values \(N, 2, 2\).*got \(1, 4\)"):
        Restorer(lambda images: torch.zeros(len(images), 4), toy_toolset).restore(flat(80))
    with pytest.raises(ValueError, match="not finite"):
        Restorer(always((0, 0), float("nan")), toy_toolset).restore(flat(80))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"agent": "hirll"}, "unknown agent 'hirll'; known are: hirl, hirl-paper, flat-dqn, rl-restore-paper, and"),
        ({"agent": "nowhere.safetensors"}, "nowhere.safetensors: No such file"),
        ({"agent": "nowhere.zip"}, "nowhere.zip: No such file"),
        ({"agent": "."}, r"agent . is a folder; name a file, such as best.safetensors"),
        ({"agent": 3}, "a name, a file, or a function"),
        ({"toolset": "mine"}, "unknown toolset 'mine'"),
        ({"max_steps": 0}, "max_steps must be at least 1, got 0"),
        ({"max_steps": 2.5}, "max_steps must be at least 1, got 2.5"),
        ({"stop": "no_gain"}, "unknown stop 'no_gain'; known are: value, reference, quality, steps"),
        ({"precision": "half"}, "unknown precision 'half'"),
        ({"device": "tpu7"}, "device"),
        ({"tile": 100}, "multiples of 16"),
        ({"view": 8}, "view must be at least 16"),
        ({"view": 64.5}, "view must be at least 16 pixels, got 64.5"),
        ({"only": "brighten"}, r"only must be several names, got 'brighten'; write \('brighten',\)"),
    ],
)
def test_wrong_arguments(toy_toolset, arguments, message):
    with pytest.raises(ValueError, match=message):
        Restorer(**{"agent": towards(100), "toolset": toy_toolset, **arguments})


@pytest.mark.parametrize(
    ("image", "reference", "message"),
    [
        (flat(80).astype(np.float32), None, "image must be a numpy array of uint8 or uint16, got float32"),
        ([[1, 2]], None, "got list"),
        (flat(80, 4, 5, 4), None, r"\(H, W, 3\) or \(H, W\), got \(4, 5, 4\)"),
        (flat(80, 0, 5, 3), None, r"got \(0, 5, 3\)"),
        (flat(80, 4, 5), flat(80, 4, 5, 3), "of one shape"),
        (flat(80, 4, 5), flat(80, 4, 5).astype(int), "reference must be a numpy array of uint8 or uint16"),
    ],
)
def test_wrong_pictures(toy_toolset, image, reference, message):
    with pytest.raises(ValueError, match=message):
        Restorer(towards(100), toy_toolset).restore(image, reference)


def test_stopping_by_reference_needs_one(toy_toolset):
    with pytest.raises(ValueError, match="needs the reference"):
        Restorer(towards(100), toy_toolset, stop="reference").restore(flat(80))


def test_16_bits_stay_16_bits(toy_toolset):
    def values(images):
        return torch.tensor([[[1.0, 0.0], [0.0, 0.0]]]).expand(len(images), 2, 2)

    restorer = Restorer(values, toy_toolset, max_steps=1, stop="steps")
    deep = np.random.default_rng(0).integers(0, 60_000, (20, 24, 3), dtype=np.uint16)
    for pixels in (deep, deep[..., 0]):
        restored = restorer.restore(pixels).image
        assert restored.dtype == np.uint16
        assert np.abs(restored.astype(int) - pixels - 257).max() <= 1  # float32 has 24 bits


def test_tools_that_may_not_be_used_are_not(toy_toolset):
    def values(images):
        return torch.tensor([[[1.0, 4.0], [2.0, 3.0]]]).expand(len(images), 2, 2)

    def used(**arguments):
        restorer = Restorer(values, toy_toolset, max_steps=1, **arguments)
        return [step.tool for step in restorer.restore(np.full((16, 16, 3), 100, dtype=np.uint8)).steps]

    assert used() == ["add +8"]
    assert used(only=["darken"]) == ["sub 16"]
    assert used(without=["add +8", "darken-1"]) == ["sub 2"]
    assert used(only=["brighten"], without=["brighten-1"]) == ["add +1"]
    with pytest.raises(
        ValueError, match=r"unknown tool or type 'dark'; known are: brighten, darken, add \+1, brighten-0"
    ):
        used(only=["dark"])
    with pytest.raises(ValueError, match="no tool is left to use"):
        used(only=["darken"], without=["darken"])


@pytest.mark.parametrize(("margin", "of_nine"), [(1.2, 0.4), (0.15, 0.1), (0.05, 0.05), (-0.3, -0.1)])
def test_a_stop_margin_falls_with_the_root_of_the_number_of_looks_to_a_tenth(toy_toolset, margin, of_nine):
    torch.manual_seed(0)
    network = TwoLevelQ(2, 2, width=8, norm="none", view=32).eval()
    careful = network.with_stop_margin(np.array([margin]))
    images = torch.rand(1, 3, 96, 96)  # nine looks of 32
    restoration = Restoration(toy_toolset, measures.resolve("psnr"))
    for size, lowered in ((32, margin), (96, of_nine)):
        restoration.begin(images[..., :size, :size], images[..., :size, :size])
        eager, late = (load_agent(one, toy_toolset).begin(restoration)(np.array([0])) for one in (network, careful))
        assert torch.allclose(eager - late, torch.full_like(eager, lowered), atol=1e-5)

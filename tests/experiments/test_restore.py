"""`hirl restore`, mostly with tools that add 8 of 255 at each step, so that every pixel is known."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from agents.networks import TwoLevelQ, save_q
from agents.restorer import Restorer
from experiments import restore as module
from experiments.picture_files import read_picture
from experiments.restore import restore
from hirl_env.quality import Measure, measures

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.fixture
def brighter(toy_toolset, monkeypatch):
    """Replaces the restorer by one that adds 8 at each step, until the mean is 200."""

    def values(images: torch.Tensor) -> torch.Tensor:
        cells = torch.zeros(len(images), 2, 2)
        cells[:, 0, 1] = 200 / 255 - images.mean(dim=(1, 2, 3))
        return cells

    monkeypatch.setattr(
        "experiments.restore.Restorer", lambda agent, **arguments: Restorer(values, toy_toolset, **arguments)
    )


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def colours(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 200, shape or (12, 10, 3), dtype=np.uint8)


def picture(path: str, pixels: np.ndarray | None = None, **options) -> Path:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(colours() if pixels is None else pixels).save(path, **options)
    return Path(path)


def log(out: str = "out") -> list[dict]:
    return json.loads((Path(out) / "restore.json").read_text())["rows"]


run = partial(restore, out=Path("out"), max_steps=1)


# What comes out of which kind of file


def restored(path: str, pixels: np.ndarray | Image.Image, **options) -> Image.Image:
    """Saves a picture, restores it in one step of +8, and opens the result."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(path, **options)
    run((path,))
    (row,) = log()
    assert row["error"] is None
    with Image.open(Path("out") / path) as opened, Image.open(path) as original:
        assert opened.format == original.format
        opened.load()
        return opened


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.bmp", "a.ppm", "A.PNG"])
def test_lossless_formats(brighter, place, name):
    result = restored(name, colours())
    assert result.mode == "RGB"
    assert (np.asarray(result) == colours() + 8).all()


@pytest.mark.parametrize("name", ["a.jpg", "a.webp"])
def test_lossy_formats_are_saved_well(brighter, place, name):
    smooth = np.asarray(Image.fromarray(colours(4, 4, 3)).resize((64, 64), Image.Resampling.BICUBIC))
    result = restored(name, smooth, quality=60)
    with Image.open(name) as original:
        wanted = np.asarray(original.convert("RGB")).astype(int) + 8
    assert np.abs(np.asarray(result).astype(int) - wanted).mean() < 2
    if name == "a.jpg":
        assert result.layer[0][1:3] == result.layer[1][1:3] == (1, 1)  # 4:4:4


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.webp"])
def test_alpha_is_kept(brighter, place, name):
    options = {"lossless": True} if name == "a.webp" else {}
    result = restored(name, colours(12, 10, 4), **options)
    assert result.mode == "RGBA"
    assert (np.asarray(result)[..., 3] == colours(12, 10, 4)[..., 3]).all()
    if name != "a.webp":
        assert (np.asarray(result)[..., :3] == colours(12, 10, 4)[..., :3] + 8).all()


def test_grey_with_alpha(brighter, place):
    result = restored("a.png", Image.merge("LA", [Image.new("L", (5, 4), 70), Image.new("L", (5, 4), 9)]))
    assert result.mode == "LA"
    assert (np.asarray(result) == (78, 9)).all()


def test_palettes_with_and_without_transparency(brighter, place):
    indices = Image.fromarray(np.array([[0, 1], [2, 1]], dtype=np.uint8), "P")
    indices.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    result = restored("a.png", indices.copy())
    assert result.mode == "RGB"
    assert np.asarray(result)[0].tolist() == [[18, 28, 38], [48, 58, 68]]
    Path("out/restore.json").unlink()
    result = restored("b.png", indices, transparency=bytes([255, 7, 0]))
    assert result.mode == "RGBA"
    assert np.asarray(result).tolist() == [
        [[18, 28, 38, 255], [48, 58, 68, 7]],
        [[78, 88, 98, 0], [48, 58, 68, 7]],
    ]


def test_a_transparent_colour_becomes_alpha(brighter, place):
    result = restored("a.png", np.array([[[1, 2, 3], [4, 5, 6]]], dtype=np.uint8), transparency=(4, 5, 6))
    assert np.asarray(result).tolist() == [[[9, 10, 11, 255], [12, 13, 14, 0]]]


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif"])
def test_greys_stay_grey(brighter, place, name):
    result = restored(name, np.full((16, 16), 60, dtype=np.uint8))
    assert result.mode == "L"
    assert (np.asarray(result) == 68).all()


def test_greys_that_are_stored_as_colours_are_not_tinted(place, monkeypatch):
    seen = []

    class Note(Restorer):
        def __init__(self, agent, **arguments):
            super().__init__(TwoLevelQ(3, 3, width=8), **{**arguments, "stop": "steps"})

        def restore(self, image, *arguments, **options):
            seen.append(image.shape)
            return super().restore(image, *arguments, **options)

    monkeypatch.setattr("experiments.restore.Restorer", Note)
    result = restored("a.png", np.repeat(colours(20, 24, 1), 3, axis=2))
    assert seen == [(20, 24)]
    assert result.mode == "RGB"
    assert (np.asarray(result) == np.asarray(result)[..., :1]).all()


def test_16_bit_greys_come_out_with_8(brighter, place, capsys):
    values = np.array([[257 * 10, 257 * 20], [257 * 30, 257 * 40]], dtype=np.uint16)
    result = restored("a.png", values)
    assert result.mode == "L"
    assert np.asarray(result).tolist() == [[18, 28], [38, 48]]
    assert "hirl: a.png: saved with 8 bits instead of 16" in capsys.readouterr().err
    Path("out/restore.json").unlink()
    result = restored("b.png", values, transparency=257 * 20)
    assert np.asarray(result).tolist() == [[[18, 255], [28, 0]], [[38, 255], [48, 255]]]


def test_cmyk_becomes_rgb_without_its_profile(brighter, place, capsys):
    result = restored("a.jpg", Image.new("CMYK", (16, 16), (100, 120, 140, 20)), icc_profile=PROFILE)
    assert result.mode == "RGB"
    assert "icc_profile" not in result.info
    with Image.open("a.jpg") as original:
        wanted = np.asarray(original.convert("RGB")).astype(int) + 8
    assert np.abs(np.asarray(result) - wanted).max() <= 3
    assert "saved as RGB instead of CMYK" in capsys.readouterr().err
    assert log()[0]["notes"] == ["saved as RGB instead of CMYK, without a colour profile"]


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif"])
def test_exif_and_profile_are_kept_and_the_picture_is_upright(brighter, place, name):
    exif = Image.Exif()
    exif[0x010F] = "A maker"
    exif[0x0112] = 6  # to be shown rotated by 90 degrees clockwise
    exif.get_ifd(0x8769)[0x829A] = 0.5  # exposure time
    exif.get_ifd(0x8825)[1] = "N"  # latitude
    pixels = np.repeat(np.repeat(colours(2, 3, 3), 16, axis=0), 16, axis=1)
    result = restored(name, pixels, exif=exif.tobytes(), icc_profile=PROFILE)
    assert result.size == (32, 48)
    assert result.info["icc_profile"] == PROFILE
    kept = result.getexif()
    assert kept.get(0x0112, 1) == 1
    assert kept[0x010F] == "A maker"
    assert kept.get_ifd(0x8769)[0x829A] == 0.5
    assert kept.get_ifd(0x8825)[1] == "N"
    if name in ("a.png", "a.tif"):
        assert (np.asarray(result) == np.rot90(pixels, -1) + 8).all()


def test_exif_is_not_touched_where_it_need_not_be(brighter, place):
    exif = Image.Exif()
    exif[0x010F] = "A maker"
    data = exif.tobytes() + b"what no parser knows"
    assert restored("a.jpg", colours(), exif=data).info["exif"] == data


def test_how_a_tiff_was_stored_is_not_carried_over(brighter, place):
    tags = {270: "a title", 317: 2}  # 317: differences of neighbours are stored
    result = restored("a.tif", colours(40, 30, 3), compression="tiff_lzw", tiffinfo=tags)
    assert (np.asarray(result) == colours(40, 30, 3) + 8).all()
    assert result.getexif()[270] == "a title"


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.tif"])
def test_of_several_frames_the_first_is_restored(brighter, place, name, capsys):
    frames = [Image.fromarray(colours() // divisor) for divisor in (1, 2, 3)]
    options = {"lossless": True} if name == "a.webp" else {}
    result = restored(name, frames[0], save_all=True, append_images=frames[1:], **options)
    assert getattr(result, "n_frames", 1) == 1
    assert f"{name}: holds 3 pictures; only the first is restored" in capsys.readouterr().err
    if name != "a.webp":
        assert (np.asarray(result) == colours() + 8).all()


def test_the_format_is_that_of_the_content(brighter, place):
    Image.fromarray(colours()).save("a.jpg", format="PNG")
    run(("a.jpg",))
    with Image.open("out/a.jpg") as result:
        assert result.format == "PNG"


def test_a_picture_on_which_nothing_is_done_is_copied(brighter, place, capsys):
    picture("a.jpg", np.full((16, 16, 3), 230, dtype=np.uint8), quality=30)
    run(("a.jpg",))
    assert Path("out/a.jpg").read_bytes() == Path("a.jpg").read_bytes()
    assert "a.jpg: left as it is (stopped: value)" in capsys.readouterr().out
    (row,) = log()
    assert (row["path"], row["why"], row["saved"]) == ([], "value", "out/a.jpg")


# Which files, and where to


def names(out: str = "out") -> set[str]:
    return {str(path.relative_to(out)) for path in Path(out).rglob("*") if path.is_file()} - {"restore.json"}


def test_folders_globs_and_files(brighter, place):
    for path in ("one/a.png", "one/deep/b.jpg", "two/c.png", "two/d.png", "two/e.webp", "f.tif"):
        picture(path)
    Path("one/notes.txt").write_text("no picture")
    run(("one", "two/*.png", "f.tif"))
    assert names() == {"a.png", "deep/b.jpg", "c.png", "d.png", "f.tif"}
    assert [row["file"] for row in log()] == ["one/a.png", "one/deep/b.jpg", "two/c.png", "two/d.png", "f.tif"]


def test_a_file_named_twice_is_restored_once(brighter, place):
    picture("one/a.png")
    run(("one/a.png", "one", "one/*"))
    assert len(log()) == 1


def test_the_results_of_an_earlier_run_are_not_restored_again(brighter, place):
    picture("a.png")
    picture("deep/b.png")
    for _ in range(2):
        run((".",), force=True)
        assert names() == {"a.png", "deep/b.png"}


@pytest.mark.parametrize("arguments", [(("one",), "one"), (("one/a.png",), "one"), (("a.png", "two"), ".")])
def test_the_originals_are_never_overwritten(brighter, place, arguments):
    pictures, out = arguments
    before = {path: path.read_bytes() for path in (picture("one/a.png"), picture("a.png"), picture("two/b.png"))}
    with pytest.raises(ValueError, match="is one of the pictures and would be overwritten"):
        restore(pictures, Path(out), force=True)
    assert all(path.read_bytes() == data for path, data in before.items())
    assert not Path(out, "restore.json").exists()


def test_two_pictures_of_one_name_are_an_error_before_anything_is_done(brighter, place):
    picture("one/a.png")
    picture("two/a.png")
    with pytest.raises(ValueError, match=r"one/a.png and two/a.png would both be saved as out/a.png"):
        run(("one", "two"))
    picture("three/a.jpg")
    picture("three/a.webp")
    with pytest.raises(ValueError, match=r"both be saved as out/a.step1.png"):
        run(("three",), save_steps=True)
    picture("restore.json", format="PNG")
    with pytest.raises(ValueError, match=r"the log and restore.json would both be saved"):
        run(("restore.json",))
    assert not Path("out").exists()
    run(("three",))
    assert names() == {"a.jpg", "a.webp"}


@pytest.mark.parametrize(
    ("pictures", "message"),
    [((), "name at least one picture"), (("empty",), "empty: no pictures in there"), (("a.png",), "out is a file")],
)
def test_mistakes_are_said_before_anything_is_done(brighter, place, pictures, message):
    Path("empty").mkdir()
    picture("a.png")
    if pictures == ("a.png",):
        Path("out").write_text("")
    with pytest.raises(ValueError, match=message):
        run(pictures)
    assert not Path("out").is_dir()


# What is never lost


def test_nothing_is_overwritten_unless_asked(brighter, place, capsys):
    picture("a.png")
    picture("b.png")
    Path("out").mkdir()
    Path("out/a.png").write_text("mine")
    with pytest.raises(ValueError, match=r"1 of 2 pictures could not be restored; out/restore\.json says why"):
        run(("a.png", "b.png"))
    assert Path("out/a.png").read_text() == "mine"
    assert "a.png: out/a.png exists already; --force overwrites it" in capsys.readouterr().err
    assert [row["saved"] for row in log()] == [None, "out/b.png"]

    with pytest.raises(ValueError, match=r"out/restore\.json is there already, of other settings"):
        run(("b.png",))
    run(("a.png", "b.png"), force=True)
    assert [row["saved"] for row in log()] == ["out/a.png", "out/b.png"]
    assert (np.asarray(Image.open("out/a.png")) == colours() + 8).all()


def test_steps_of_an_earlier_run_are_in_the_way_too(brighter, place):
    picture("a.png")
    Path("out").mkdir()
    Path("out/a.step1.png").write_text("mine")
    with pytest.raises(ValueError, match="1 of 1 pictures"):
        run(("a.png",), save_steps=True)
    assert names() == {"a.step1.png"}
    assert Path("out/a.step1.png").read_text() == "mine"


def test_bad_files_do_not_stop_the_rest(brighter, place, capsys, monkeypatch):
    picture("a.png")
    Path("b.png").write_text("no picture")
    Path("c.jpg").write_bytes(picture("whole.jpg", colours(64, 64, 3)).read_bytes()[:900])
    Image.fromarray(colours()).save("d.gif")
    Image.fromarray(colours()[..., 0].astype(np.float32)).save("e.tif")
    picture("f.png")
    picture("g.bmp")
    monkeypatch.setattr(module, "save_picture", failing_for("g.bmp", module.save_picture))
    with pytest.raises(ValueError, match="6 of 8 pictures could not be restored"):
        run(("a.png", "b.png", "c.jpg", "d.gif", "e.tif", "absent.png", "g.bmp", "f.png"))
    assert names() == {"a.png", "f.png"}
    errors = capsys.readouterr().err.strip().splitlines()
    rows = [row for row in log() if row["error"]]
    assert [f"hirl: {row['error']}" for row in rows] == errors
    parts = [
        *("b.png: not a readable", "c.jpg: not a readable", "d.gif: not a readable picture (its format is GIF"),
        *("e.tif: not a readable picture (its pixels are floating", "absent.png: no such file"),
        "g.bmp: RuntimeError: out of memory",
    ]
    assert all(error.startswith(f"hirl: {part}") for error, part in zip(errors, parts, strict=True))
    assert all(row["saved"] is None and row["path"] == [] for row in rows)


def failing_for(name: str, save):
    def save_or_fail(picture, pixels, path, *rest):
        if path.name == name:
            raise RuntimeError("out of memory")
        save(picture, pixels, path, *rest)

    return save_or_fail


def test_an_interrupt_leaves_the_log_and_no_half_pictures(place, toy_toolset, monkeypatch):
    seen = []

    def values(images):
        seen.append(images)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return torch.tensor([[[0.0, 1.0], [0.0, 0.0]]])

    monkeypatch.setattr(
        "experiments.restore.Restorer", lambda agent, **arguments: Restorer(values, toy_toolset, **arguments)
    )
    for name in "abc":
        picture(f"{name}.png")
    with pytest.raises(KeyboardInterrupt):
        run(("a.png", "b.png", "c.png"))
    assert names() == {"a.png"}
    assert [row["file"] for row in log()] == ["a.png"]


def test_what_ends_a_run_at_once_loses_no_finished_picture(brighter, place, monkeypatch):
    for name in "ab":
        picture(f"{name}.png")
    whole = module._restore_file

    def killed_at_b(job, *rest):
        if job.file.name == "b.png":
            # As good as a kill: nothing that the command could do about it runs.
            before.extend(log())
            raise SystemExit
        return whole(job, *rest)

    before = []
    monkeypatch.setattr(module, "_restore_file", killed_at_b)
    with pytest.raises(SystemExit):
        run(("a.png", "b.png"))
    assert [row["file"] for row in before] == ["a.png"]
    monkeypatch.setattr(module, "_restore_file", whole)
    run(("a.png", "b.png"))
    assert [row["file"] for row in log()] == ["a.png", "b.png"]


def test_the_same_command_goes_on_after_an_interrupt(brighter, place, monkeypatch):
    for name in "abc":
        picture(f"{name}.png")
    whole, restored = module._restore_file, []

    def interrupted_before(name):
        def restore_file(job, *rest):
            if job.file.name == name:
                raise KeyboardInterrupt
            restored.append(job.file.name)
            return whole(job, *rest)

        return restore_file

    for name in ("b.png", "c.png", None):
        monkeypatch.setattr(module, "_restore_file", interrupted_before(name))
        if name is None:
            run(("a.png", "b.png", "c.png"))
        else:
            with pytest.raises(KeyboardInterrupt, match="the same command goes on"):
                run(("a.png", "b.png", "c.png"))
    assert restored == ["a.png", "b.png", "c.png"]
    assert [row["file"] for row in log()] == ["a.png", "b.png", "c.png"]
    # What is no longer there is restored again, and with --force everything is.
    Path("out/b.png").unlink()
    run(("a.png", "b.png", "c.png"))
    assert restored[3:] == ["b.png"]
    run(("a.png", "b.png", "c.png"), force=True)
    assert restored[4:] == ["a.png", "b.png", "c.png"]


def test_a_picture_that_was_interrupted_while_it_was_saved_is_gone_on_with(brighter, place, monkeypatch):
    picture("a.png", np.full((16, 16), 180, dtype=np.uint8))
    again = partial(restore, ("a.png",), Path("out"), save_steps=True)
    whole, saved = module.save_picture, []

    def interrupted(picture, pixels, path, *rest):
        if len(saved) == 2:
            raise KeyboardInterrupt
        saved.append(path)
        whole(picture, pixels, path, *rest)

    monkeypatch.setattr(module, "save_picture", interrupted)
    with pytest.raises(KeyboardInterrupt):
        again()
    assert names() == {"a.step1.png", "a.step2.png"}
    monkeypatch.setattr(module, "save_picture", whole)
    again()
    assert names() == {"a.png", "a.step1.png", "a.step2.png", "a.step3.png"}
    # Files that were there before are never taken for such a rest.
    Path("out/a.png").unlink()
    for _ in range(2):
        with pytest.raises(ValueError, match="could not be restored"):
            again()


@pytest.mark.parametrize("text", ["mine", "[]", '{"settings": {}, "rows": []}'])
def test_a_log_that_is_something_else_is_left_alone(brighter, place, text):
    picture("a.png")
    Path("out").mkdir()
    Path("out/restore.json").write_text(text)
    with pytest.raises(ValueError, match="of other settings"):
        run(("a.png",))
    assert Path("out/restore.json").read_text() == text


# Steps and the log


def test_steps_are_saved_beside_the_picture(brighter, place, capsys):
    picture("deep/a.jpg", np.full((16, 16), 180, dtype=np.uint8), icc_profile=PROFILE)
    restore(("deep",), Path("out"), save_steps=True)
    assert names() == {"a.jpg", "a.step1.png", "a.step2.png", "a.step3.png"}
    for step, level in enumerate((188, 196, 204), start=1):
        with Image.open(f"out/a.step{step}.png") as result:
            assert (result.format, result.mode) == ("PNG", "L")
            assert result.info["icc_profile"] == PROFILE
            assert (np.asarray(result) == level).all()
    assert "a.jpg: add +8 -> add +8 -> add +8 (stopped: value)" in capsys.readouterr().out
    written = json.loads(Path("out/restore.json").read_text())
    assert written["settings"] == {
        **{"pictures": ["deep"], "out": "out", "agent": "hirl", "max_steps": 7, "stop": "value"},
        **{"measure": "hirl-biqa", "references": None},
        **{"precision": "float32", "device": "cpu", "save_steps": True, "force": False},
    }
    (row,) = written["rows"]
    assert row.pop("values") == pytest.approx([20 / 255, 12 / 255, 4 / 255], abs=1e-6)
    assert row.pop("final_value") == 0
    assert row.pop("seconds") > 0
    assert row == {
        **{"file": "deep/a.jpg", "saved": "out/a.jpg", "path": ["add +8"] * 3, "types": ["brighten"] * 3},
        **{"degrees": [1, 1, 1], "why": "value", "score_before": None, "score_after": None, "notes": [], "error": None},
    }


def test_stopping_by_quality_and_by_reference(brighter, place, capsys):
    picture("a.png", np.full((16, 16, 3), 100, dtype=np.uint8))
    picture("clean/a.png", np.full((16, 16, 3), 117, dtype=np.uint8))
    restore(("a.png",), Path("by-reference"), stop="reference", references=Path("clean"))
    assert (np.asarray(Image.open("by-reference/a.png")) == 116).all()
    assert log("by-reference")[0]["why"] == "reference"
    measures.register("flat", lambda: Measure("flat", lambda images, _: images.new_zeros(len(images)), False))
    try:
        restore(("a.png",), Path("by-quality"), stop="quality", measure="flat")
    finally:
        measures._factories.pop("flat")
    (row,) = log("by-quality")
    assert (row["path"], row["why"], row["score_before"], row["score_after"]) == ([], "quality", 0.0, 0.0)
    assert "a.png: left as it is (stopped: quality; flat: 0.0 to 0.0)" in capsys.readouterr().out


def test_references_and_their_stop_go_together(place):
    picture("a.png")
    for arguments in ({"stop": "reference"}, {"references": Path("clean")}):
        with pytest.raises(ValueError, match="--stop reference and --references DIR"):
            run(("a.png",), **arguments)
    with pytest.raises(ValueError, match="1 of 1 pictures could not be restored"):
        run(("a.png",), stop="reference", references=Path("clean"))
    assert log()[0]["error"] == "clean/a.png: no such file"


def test_reading_agrees_with_the_reader_of_the_environment(place):
    from hirl_env.data.images import read_image

    picture("a.jpg")
    picture("grey.png", colours()[..., 0])
    assert (read_picture(Path("a.jpg")).pixels == read_image("a.jpg")).all()
    assert (read_picture(Path("grey.png")).pixels[..., None] == read_image("grey.png")).all()


# From the shell


def test_from_the_shell_with_an_agent_from_a_file(place, hirl, capsys):
    save_q(TwoLevelQ(3, 3, width=8), "agent.safetensors")
    picture("one/a.png", colours(20, 24, 3))
    picture("one/b.jpg", colours(20, 24, 1)[..., 0])
    arguments = ["--out", "out", "--agent", "agent.safetensors", "--stop", "steps", "--max-steps", "2"]
    assert hirl("restore", "one/*", *arguments) == 0
    assert [len(row["path"]) for row in log()] == [2, 2]
    assert capsys.readouterr().out.count("(stopped: steps)") == 2
    assert hirl("restore", "one", *arguments) == 1
    assert capsys.readouterr().err == (
        "hirl: out/restore.json is there already, of other settings: choose another --out, or overwrite with --force\n"
    )
    Path("one/c.png").write_text("no picture")
    assert hirl("restore", "one", *arguments, "--force", "--save-steps") == 1
    assert capsys.readouterr().err.endswith(
        "\nhirl: 1 of 3 pictures could not be restored; out/restore.json says why\n"
    )
    assert names() == {"a.png", "b.jpg", *(f"{name}.step{step}.png" for name in "ab" for step in (1, 2))}


def test_a_wrong_agent_is_one_line(place, hirl, capsys):
    picture("a.png")
    assert hirl("restore", "a.png", "--out", "out", "--agent", "hirll") == 1
    errors = capsys.readouterr().err
    assert errors.startswith("hirl: unknown agent 'hirll'")
    assert errors.count("\n") == 1
    assert not Path("out").exists()

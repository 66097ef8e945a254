"""`hirl restore`, mostly with tools that add 8 of 255 at each step, so that every pixel is known."""

import json
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image, ImageCms

from hirl_agents.networks import TwoLevelQ, save_q
from hirl_agents.registry import SHIPPED_AGENTS
from hirl_agents.restorer import Restorer
from hirl_env.devices import available_precision
from hirl_env.quality import Measure, measures
from hirl_experiments.command_line.fingerprints import of_toolset, sha256
from hirl_experiments.restoring import one_picture
from hirl_experiments.restoring import run as module
from tests.conftest import colours
from tests.experiments.commands.conftest import log, names, picture, run

# What comes out; of which kind of file, test_picture_files.py says


def test_a_picture_is_restored_and_what_is_not_the_same_is_said(brighter, place, capsys):
    picture("a.png")
    Image.new("CMYK", (16, 16), (100, 120, 140, 20)).save("b.jpg")
    run(("a.png", "b.jpg"))
    assert (np.asarray(Image.open("out/a.png")) == colours() + 8).all()
    note = "saved as RGB instead of CMYK, without a colour profile"
    assert [row["notes"] for row in log()] == [[], [note]]
    assert f"hirl: b.jpg: {note}" in capsys.readouterr().err


def test_what_is_not_the_same_in_a_folder_is_said_once_more_in_one_line(brighter, place, capsys):
    for name in ("a", "b"):
        Image.new("CMYK", (16, 16), (100, 120, 140, 20)).save(f"{name}.jpg")
    picture("c.png")
    picture("d.gif")
    wanted = (
        "hirl: notes on 3 of 4 pictures: saved as RGB instead of CMYK, without a colour profile (2), "
        "saved with all colours instead of a palette (1), saved as PNG instead of GIF (1)"
    )
    for already in (False, True):
        run(("a.jpg", "b.jpg", "c.png", "d.gif"))
        lines = capsys.readouterr().err.splitlines()
        assert [line for line in lines if "notes on" in line] == [wanted], already
    run(("c.png",), out=Path("other"))
    run(("a.jpg",), out=Path("one"))
    assert "notes on" not in capsys.readouterr().err


def test_greys_that_are_stored_as_colours_are_not_tinted(place, monkeypatch):
    seen = []

    class Note(Restorer):
        def __init__(self, agent, toolset, **arguments):
            super().__init__(TwoLevelQ(4, 4, width=8), **{**arguments, "stop": "steps"})

        def restore(self, image, *arguments, **options):
            seen.append(image.shape)
            return super().restore(image, *arguments, **options)

    monkeypatch.setattr("hirl_experiments.restoring.settings.Restorer", Note)
    picture("a.png", np.repeat(colours(20, 24, 1), 3, axis=2))
    run(("a.png",))
    assert seen == [(20, 24)]
    result = np.asarray(Image.open("out/a.png").convert("RGB"))
    assert (result == result[..., :1]).all()


def test_a_picture_on_which_nothing_is_done_is_copied(brighter, place, capsys):
    picture("a.jpg", np.full((16, 16, 3), 230, dtype=np.uint8), quality=30)
    run(("a.jpg",))
    assert Path("out/a.jpg").read_bytes() == Path("a.jpg").read_bytes()
    assert "a.jpg: left as it is (stopped: value)" in capsys.readouterr().out
    (row,) = log()
    assert (row["path"], row["why"], row["saved"]) == ([], "value", "a.jpg")


# Which files, and where to


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


def test_a_pattern_that_finds_the_results_means_the_others(brighter, place, capsys):
    picture("holiday/a.png")
    run(("**/*.png",))
    picture("holiday/b.png")
    run(("**/*.png",))
    assert names() == {"a.png", "b.png"}
    assert [row["file"] for row in log()] == ["holiday/a.png", "holiday/b.png"]


def test_the_results_of_a_run_into_another_folder_are_left_out_unless_named(brighter, place, capsys):
    picture("holiday/a.png")
    run(("holiday",), out=Path("holiday/one"), sheet=True, save_steps=True)
    for number, pictures in enumerate(("holiday", "holiday/**/*.png", "holiday/*")):
        out = Path("holiday", f"two{number}")
        capsys.readouterr()
        run((pictures,), out=out)
        assert [row["file"] for row in log(str(out))] == ["holiday/a.png"]
        assert "left out: results of hirl restore (" in capsys.readouterr().err
    run(("holiday/one",), out=Path("named"))
    run(("holiday/on*",), out=Path("matched"))
    assert names("named") == {"a.png"}, "sheets and steps are no pictures"
    assert names("matched") == {"one/a.png"}


def test_pictures_of_the_same_names_elsewhere_are_others(brighter, place, monkeypatch, capsys):
    for folder in ("first", "second"):
        picture(f"{folder}/a.png", colours() + np.uint8(len(folder)))
    monkeypatch.chdir(place / "first")
    run(("a.png",), out=place / "out")
    monkeypatch.chdir(place / "second")
    with pytest.raises(ValueError, match="1 of 1 pictures"):
        run(("a.png",), out=place / "out")
    assert f"out/a.png is the result of {place}/first/a.png; --force overwrites it" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [(("one",), "one"), (("one/a.png",), "one"), (("a.png", "two"), ".")])
def test_the_originals_are_never_overwritten(brighter, place, arguments):
    pictures, out = arguments
    before = {path: path.read_bytes() for path in (picture("one/a.png"), picture("a.png"), picture("two/b.png"))}
    with pytest.raises(ValueError, match="is one of the pictures and would be overwritten"):
        run(pictures, Path(out), force=True)
    assert all(path.read_bytes() == data for path, data in before.items())
    assert not Path(out, "restore.jsonl").exists()


def test_two_pictures_of_one_name_are_an_error_before_anything_is_done(brighter, place):
    picture("one/a.png")
    picture("two/a.png")
    with pytest.raises(ValueError, match=r"one/a.png and two/a.png would both be saved as out/a.png"):
        run(("one", "two"))
    picture("restore.jsonl", format="PNG")
    with pytest.raises(ValueError, match=r"the log and restore.jsonl would both be saved"):
        run(("restore.jsonl",))
    assert not Path("out").exists()


def test_names_that_differ_by_their_suffixes_do_not_get_into_each_others_way(brighter, place):
    for name in ("a.jpg", "a.webp", "a.gif", "a.png"):
        picture(f"three/{name}")
    run(("three",), save_steps=True, sheet=True)
    saved = {"a.jpg", "a.webp", "a.png", "a.gif.png"}
    assert names() == saved | {f"{name}.{what}.png" for name in saved for what in ("step1", "sheet")}
    run(("three",), out=Path("webp"), format="webp")
    assert names("webp") == {"a.jpg.webp", "a.webp", "a.gif.webp", "a.png.webp"}


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        ((), "name at least one picture"),
        (("empty",), "empty: no pictures in there"),
        (("b*.png",), r"b\*.png: no file has such a name"),
        (("a.png",), "out is a file"),
    ],
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
    with pytest.raises(ValueError, match=r"1 of 2 pictures could not be restored; out/restore\.jsonl says why"):
        run(("a.png", "b.png"))
    assert Path("out/a.png").read_text() == "mine"
    assert "a.png: out/a.png exists already; --force overwrites it" in capsys.readouterr().err
    assert [row["saved"] for row in log()] == [None, "b.png"]

    with pytest.raises(ValueError, match=r"out/restore\.jsonl is there already, of other settings"):
        run(("b.png",), max_steps=2)
    run(("a.png", "b.png"), force=True)
    assert [row["saved"] for row in log()] == ["a.png", "b.png"]
    assert (np.asarray(Image.open("out/a.png")) == colours() + 8).all()


def test_steps_of_an_earlier_run_are_in_the_way_too(brighter, place):
    picture("a.png")
    Path("out").mkdir()
    Path("out/a.png.step1.png").write_text("mine")
    with pytest.raises(ValueError, match="1 of 1 pictures"):
        run(("a.png",), save_steps=True)
    assert names() == {"a.png.step1.png"}
    assert Path("out/a.png.step1.png").read_text() == "mine"


def test_bad_files_do_not_stop_the_rest(brighter, place, capsys, monkeypatch):
    picture("a.png")
    Path("b.png").write_text("no picture")
    Path("c.jpg").write_bytes(picture("whole.jpg", colours(64, 64, 3)).read_bytes()[:900])
    Image.fromarray(colours()).save("d.pcx")
    Image.fromarray(colours()[..., 0].astype(np.float32)).save("e.tif")
    picture("f.png")
    picture("g.bmp")
    monkeypatch.setattr(one_picture, "encoded", failing_for("BMP", one_picture.encoded))
    with pytest.raises(ValueError, match="6 of 8 pictures could not be restored"):
        run(("a.png", "b.png", "c.jpg", "d.pcx", "e.tif", "absent.png", "g.bmp", "f.png"))
    assert names() == {"a.png", "f.png"}
    errors = [line for line in capsys.readouterr().err.strip().splitlines() if line.startswith("hirl: ")]
    rows = [row for row in log() if row["error"]]
    assert [f"hirl: {row['error']}" for row in rows] == errors
    parts = [
        *("absent.png: no such file", "b.png: not a readable", "c.jpg: not a readable"),
        *("d.pcx: not a readable picture (its format is PCX", "e.tif: not a readable picture (its pixels are floating"),
        "g.bmp: RuntimeError: out of memory",
    ]
    assert all(error.startswith(f"hirl: {part}") for error, part in zip(errors, parts, strict=True))
    assert all(row["saved"] is None and row["path"] == [] for row in rows)


def failing_for(format: str, encode):
    def encode_or_fail(picture, *rest):
        if picture.format == format:
            raise RuntimeError("out of memory")
        return encode(picture, *rest)

    return encode_or_fail


def test_other_pictures_with_the_same_settings_go_to_the_same_log(brighter, place):
    with pytest.raises(ValueError, match="1 of 1 pictures could not be restored"):
        run(("mistyped.png",))
    for name in ("a.png", "b.png"):
        picture(name)
        run((name,))
    assert [(row["file"], row["saved"]) for row in log()] == [
        ("mistyped.png", None),
        ("a.png", "a.png"),
        ("b.png", "b.png"),
    ]
    with pytest.raises(ValueError, match=r"of other settings: max_steps \(there 1, now 2\)"):
        run(("a.png",), max_steps=2)


def test_an_interrupt_leaves_the_log_and_no_half_pictures(place, toy_toolset, monkeypatch):
    seen = []

    def values(images):
        seen.append(images)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return torch.tensor([[[0.0, 1.0], [0.0, 0.0]]])

    monkeypatch.setattr(
        "hirl_experiments.restoring.settings.Restorer",
        lambda agent, toolset, **arguments: Restorer(values, toy_toolset, **arguments),
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
    whole = module.restored_file

    def killed_at_b(job, *rest):
        if job.file.name == "b.png":
            # As good as a kill: nothing that the command could do about it runs.
            before.extend(log())
            raise SystemExit
        return whole(job, *rest)

    before = []
    monkeypatch.setattr(module, "restored_file", killed_at_b)
    with pytest.raises(SystemExit):
        run(("a.png", "b.png"))
    assert [row["file"] for row in before] == ["a.png"]
    monkeypatch.setattr(module, "restored_file", whole)
    run(("a.png", "b.png"))
    assert [row["file"] for row in log()] == ["a.png", "b.png"]


def test_the_same_command_goes_on_after_an_interrupt(brighter, place, monkeypatch):
    for name in "abc":
        picture(f"{name}.png")
    whole, restored = module.restored_file, []

    def interrupted_before(name):
        def restore_file(job, *rest):
            if job.file.name == name:
                raise KeyboardInterrupt
            restored.append(job.file.name)
            return whole(job, *rest)

        return restore_file

    for name in ("b.png", "c.png", None):
        monkeypatch.setattr(module, "restored_file", interrupted_before(name))
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


def test_the_log_is_named_only_where_something_was_written_to_it(brighter, place, capsys):
    picture("a.png")
    for wrote in (True, False):
        run(("a.png",))
        assert ("wrote out/restore.jsonl" in capsys.readouterr().out) == wrote


def test_what_is_restored_again_by_force_leaves_the_rest_of_the_log(brighter, place, capsys):
    for name in "ab":
        picture(f"{name}.png")
    run(("a.png", "b.png"))
    run(("b.png",), force=True)
    assert [row["file"] for row in log()] == ["a.png", "b.png"]
    run(("a.png",))
    assert [row["file"] for row in log()] == ["a.png", "b.png"], "which is known to be done"


def test_other_pictures_leave_a_note_of_what_a_kill_left(brighter, place, monkeypatch):
    for name in "ab":
        picture(f"{name}.png")
    whole = module.write

    def killed(files):
        whole(files)
        raise SystemExit

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(module, "write", killed)
        run(("a.png",))
    run(("b.png",))
    run(("a.png",))
    assert [row["saved"] for row in log()] == ["a.png", "b.png"]


def test_a_picture_that_was_interrupted_while_it_was_saved_is_gone_on_with(brighter, place, monkeypatch):
    picture("a.png", np.full((16, 16), 180, dtype=np.uint8))
    again = partial(run, ("a.png",), max_steps=None, save_steps=True)
    whole = module.write

    def interrupted(files):
        whole(dict(list(files.items())[:2]))
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        again()
    assert names() == {"a.png.step1.png", "a.png.step2.png"}
    monkeypatch.setattr(module, "write", whole)
    again()
    assert names() == {"a.png", "a.png.step1.png", "a.png.step2.png", "a.png.step3.png"}
    # A file of somebody else's is never taken for such a rest.
    Path("out/a.png").unlink()
    Path("out/a.png.step1.png").write_text("mine")
    for _ in range(2):
        with pytest.raises(ValueError, match="could not be restored"):
            again()
    assert Path("out/a.png.step1.png").read_text() == "mine"


@pytest.mark.parametrize("text", ["mine", "[]", "[]\n", "mine\n"])
def test_a_log_that_is_something_else_is_left_alone(brighter, place, text):
    picture("a.png")
    Path("out").mkdir()
    Path("out/restore.jsonl").write_text(text)
    with pytest.raises(ValueError, match="is no log of `hirl restore`; choose another --out"):
        run(("a.png",))
    assert Path("out/restore.jsonl").read_text() == text


def test_a_log_that_a_kill_left_with_one_byte_goes_on(brighter, place):
    picture("a.png")
    Path("out").mkdir()
    Path("out/restore.jsonl").write_text("{")
    run(("a.png",))
    assert names() == {"a.png"}


# Steps and the log


def test_steps_are_saved_beside_the_picture(brighter, place, capsys):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture("deep/a.jpg", np.full((16, 16), 180, dtype=np.uint8), icc_profile=profile)
    run(("deep",), max_steps=7, save_steps=True)
    assert names() == {"a.jpg", "a.jpg.step1.png", "a.jpg.step2.png", "a.jpg.step3.png"}
    for step, level in enumerate((188, 196, 204), start=1):
        with Image.open(f"out/a.jpg.step{step}.png") as result:
            assert (result.format, result.mode) == ("PNG", "L")
            assert result.info["icc_profile"] == profile
            assert (np.asarray(result) == level).all()
    assert "a.jpg: add +8 -> add +8 -> add +8 (stopped: value)" in capsys.readouterr().out
    (row,) = log()
    assert row.pop("settings") == {
        **{"agent": "hirl", "toolset": "hirl", "max_steps": 7, "only": [], "without": [], "strength": 1.0},
        **{"stop": "value", "measure": "hirl-biqa", "guard": None, "format": None, "quality": None},
        **{"price": 0.0, "precision": available_precision("auto", "cpu"), "device": "cpu"},
        **{"save_steps": True, "sheet": False, "trust": False, "toolset_sha256": of_toolset("hirl")},
        **{"agent_sha256": sha256(SHIPPED_AGENTS["hirl"]), "version": version("hirl-restore")},
    }
    assert row.pop("expected") == pytest.approx([20 / 255, 12 / 255, 4 / 255], abs=1e-6)
    assert row.pop("final_value") == 0
    assert row.pop("seconds") > 0
    saved = {f"a.jpg.step{step}.png": sha256(Path(f"out/a.jpg.step{step}.png")) for step in (1, 2, 3)}
    assert row == {
        **{"file": "deep/a.jpg", "target": "a.jpg", "saved": "a.jpg", "source": str(place / "deep/a.jpg")},
        **{"source_sha256": sha256(Path("deep/a.jpg")), "reference_sha256": None, "ours_before": {}},
        **{"saved_sha256": {**saved, "a.jpg": sha256(Path("out/a.jpg"))}},
        **{"path": ["add +8"] * 3, "types": ["brighten"] * 3, "degrees": [1, 1, 1], "why": "value"},
        **{"score_before": None, "score_after": None, "guard_before": None, "guard_after": None},
        **{"further_pages": [], "notes": [], "error": None, "not_kept": None},
    }


def test_stopping_by_quality_and_by_reference(brighter, place, capsys):
    picture("a.png", np.full((16, 16, 3), 100, dtype=np.uint8))
    picture("clean/a.png", np.full((16, 16, 3), 117, dtype=np.uint8))
    run(("a.png",), Path("by-reference"), max_steps=None, stop="reference", references=Path("clean"))
    assert (np.asarray(Image.open("by-reference/a.png")) == 116).all()
    assert log("by-reference")[0]["why"] == "reference"
    measures.register("flat", lambda: Measure("flat", lambda images, _: images.new_zeros(len(images)), False))
    try:
        run(("a.png",), Path("by-quality"), max_steps=None, stop="quality", measure="flat")
    finally:
        measures.factories.pop("flat")
    (row,) = log("by-quality")
    assert (row["path"], row["why"], row["score_before"], row["score_after"]) == ([], "quality", 0.0, 0.0)
    assert "a.png: left as it is (stopped: quality; flat: 0.0 to 0.0)" in capsys.readouterr().out


def test_a_grey_original_may_have_noise_in_colours(brighter, place):
    picture("a.png", np.full((16, 16, 3), (100, 102, 98), dtype=np.uint8))
    picture("clean/a.png", np.full((16, 16), 108, dtype=np.uint8))
    run(("a.png",), stop="reference", references=Path("clean"))
    (row,) = log()
    assert (row["error"], row["path"]) == (None, ["add +8"])


def test_an_original_of_a_grey_picture_may_have_colours(brighter, place):
    picture("a.png", colours(12, 10))
    picture("clean/a.png", np.dstack([colours(12, 10) + np.uint8(8 + more) for more in (-4, 0, 4)]))
    run(("a.png",), stop="reference", references=Path("clean"), max_steps=3)
    assert (np.asarray(Image.open("out/a.png")) == colours(12, 10) + 8).all()


def test_references_and_their_stop_go_together(brighter, place):
    picture("a.png")
    for arguments in ({"stop": "reference"}, {"references": Path("clean")}):
        with pytest.raises(ValueError, match="--stop reference and --references DIR"):
            run(("a.png",), **arguments)
    with pytest.raises(ValueError, match="--references clean: no such folder"):
        run(("a.png",), stop="reference", references=Path("clean"))
    assert not Path("out").exists(), "and the corrected command is not refused"
    Path("clean").mkdir()
    with pytest.raises(ValueError, match="1 of 1 pictures could not be restored"):
        run(("a.png",), stop="reference", references=Path("clean"))
    assert log()[0]["error"] == "clean/a.png: no such file, nor one of another suffix"
    picture("clean/a.bmp", colours() + np.uint8(8))
    run(("a.png",), stop="reference", references=Path("clean"))
    assert (log()[0]["path"], log()[0]["error"]) == (["add +8"], None)


# From the shell


def test_from_the_shell_with_an_agent_from_a_file(place, hirl, capsys):
    save_q(TwoLevelQ(4, 4, width=8), "agent.safetensors")
    picture("one/a.png", colours(20, 24, 3))
    picture("one/b.jpg", colours(20, 24, 1)[..., 0])
    arguments = ["--out", "out", "--agent", "agent.safetensors", "--stop", "steps", "--max-steps", "2"]
    assert hirl("restore", "one/*", *arguments) == 0
    assert [len(row["path"]) for row in log()] == [2, 2]
    assert capsys.readouterr().out.count("(stopped: steps)") == 2
    assert hirl("restore", "one", *arguments, "--save-steps") == 1
    assert capsys.readouterr().err == (
        "hirl: out/restore.jsonl is there already, of other settings: save_steps (there False, now True); choose "
        "another --out, or overwrite with --force\n"
    )
    Path("one/c.png").write_text("no picture")
    assert hirl("restore", "one", *arguments, "--force", "--save-steps") == 1
    assert capsys.readouterr().err.endswith(
        "\nhirl: 1 of 3 pictures could not be restored; out/restore.jsonl says why\n"
    )
    assert names() == {"a.png", "b.jpg", *(f"{name}.step{step}.png" for name in ("a.png", "b.jpg") for step in (1, 2))}


def test_a_wrong_agent_is_one_line(place, hirl, capsys):
    picture("a.png")
    assert hirl("restore", "a.png", "--out", "out", "--agent", "hirll") == 1
    errors = capsys.readouterr().err
    assert errors.startswith("hirl: unknown agent 'hirll'")
    assert errors.count("\n") == 1
    assert not Path("out").exists()


# Control


def test_a_change_too_small_for_whole_numbers_is_none(brighter, place):
    content = picture("a.jpg", quality=60).read_bytes()
    run(("a.jpg",), strength=0.05)
    assert Path("out/a.jpg").read_bytes() == content
    assert log()[0]["not_kept"] == "no visible change"


def test_strength_keeps_a_part_of_the_change(brighter, place, capsys):
    picture("a.png")
    run(("a.png",), strength=0.5)
    assert (np.asarray(Image.open("out/a.png")) == colours() + 4).all()
    run(("a.png",), out=Path("none"), strength=0.0)
    assert Path("none/a.png").read_bytes() == Path("a.png").read_bytes()
    assert "a.png: left as it is (strength 0; tried add +8) (stopped" in capsys.readouterr().out
    with pytest.raises(ValueError, match="--strength is 0"):
        run(("a.png",), strength=1.5)


def test_steps_are_saved_with_the_same_part_of_the_change(brighter, place):
    picture("a.png")
    run(("a.png",), strength=0.5, save_steps=True, max_steps=2)
    for name, change in (("a.png.step1.png", 4), ("a.png.step2.png", 8), ("a.png", 8)):
        assert (np.asarray(Image.open(f"out/{name}")) == colours() + change).all()


def test_options_of_tools_without_a_value_are_refused(place, hirl, capsys):
    picture("a.png")
    for option in ("only", "without"):
        assert hirl("restore", "a.png", "--out", "out", f"--{option}") == 1
        assert f"--{option} needs at least one value" in capsys.readouterr().err
    assert not Path("out").exists()


def test_tools_are_allowed_by_name(brighter, place):
    picture("a.png")
    run(("a.png",), without=("add +8", "darken"), stop="steps")
    assert log()[0]["path"] == ["add +1"]


def test_a_result_that_the_guard_dislikes_is_not_saved(brighter, place, capsys):
    measures.register("dark", lambda: Measure("dark", lambda images, _: -images.mean(dim=(1, 2, 3)), False))
    measures.register("bright", lambda: Measure("bright", lambda images, _: images.mean(dim=(1, 2, 3)), False))
    try:
        picture("a.png")
        run(("a.png",), guard="dark")
        assert Path("out/a.png").read_bytes() == Path("a.png").read_bytes()
        (row,) = log()
        assert (row["why"], row["path"]) == ("guard", ["add +8"])
        assert row["guard_after"] < row["guard_before"]
        said = capsys.readouterr()
        assert "left as it is: the guard says" in said.err
        assert "a.png: left as it is (guard; tried add +8) (stopped: guard; dark:" in said.out
        assert row["not_kept"] == "guard"
        run(("a.png",), out=Path("other"), guard="bright")
        assert (np.asarray(Image.open("other/a.png")) == colours() + 8).all()
    finally:
        measures.factories.pop("dark")
        measures.factories.pop("bright")
    with pytest.raises(ValueError, match="--guard: psnr needs a reference; name a blind measure"):
        run(("a.png",), guard="psnr")


def test_the_guard_says_which_pages_it_dislikes(brighter, place, capsys):
    pages = [Image.fromarray(np.full((16, 16, 3), level, dtype=np.uint8)) for level in (230, 100, 150)]
    pages[0].save("a.tif", save_all=True, append_images=pages[1:])
    pages[1].save("b.tif")
    run(("a.tif", "b.tif"), guard="hirl-biqa")
    why = "left as it is: the guard cannot score so small a picture"
    assert [row["notes"] for row in log()] == [[f"page 2: {why}", f"page 3: {why}"], [why]]
    assert "notes on 2 of 2 pictures: left as it is (2)" in capsys.readouterr().err


def test_a_picture_too_small_for_the_guard_is_kept(brighter, place, capsys):
    picture("a.png")
    run(("a.png",), guard="hirl-biqa")
    assert Path("out/a.png").read_bytes() == Path("a.png").read_bytes()
    assert (log()[0]["why"], log()[0]["guard_after"]) == ("guard", None)
    assert "left as it is: the guard cannot score so small a picture" in capsys.readouterr().err


def test_a_dry_run_says_the_paths_and_saves_nothing(brighter, place, capsys):
    picture("a.png")
    run(("a.png",), dry_run=True, save_steps=True)
    assert "a.png: add +8 (stopped: steps)" in capsys.readouterr().out
    assert not Path("out").exists()


def test_a_sheet_shows_before_and_after(brighter, place):
    picture("a.png", np.full((100, 200, 3), 100, dtype=np.uint8))
    run(("a.png",), sheet=True)
    drawn = np.asarray(Image.open("out/a.png.sheet.png"))
    assert (drawn[-20, [100, 412]] == [[100] * 3, [108] * 3]).all()


def test_a_sheet_says_which_tools_were_not_kept(brighter, place, monkeypatch):
    titles = []
    monkeypatch.setattr(one_picture, "sheet", lambda *arguments: titles.append(arguments[-1]) or b"")
    picture("a.png")
    run(("a.png",), sheet=True, guard="hirl-biqa")
    run(("a.png",), out=Path("all"), sheet=True)
    assert titles == ["left as it is (guard; tried add +8)", "add +8"]


def test_a_sheet_shows_cut_outs_on_white(brighter, place):
    pixels = np.full((100, 200, 4), (255, 0, 255, 0), dtype=np.uint8)
    pixels[40:60, 80:120] = (100, 100, 100, 255)
    picture("a.png", pixels)
    run(("a.png",), sheet=True)
    drawn = np.asarray(Image.open("out/a.png.sheet.png"))
    assert (drawn[-20, [100, 412]] == 255).all()
    assert (drawn[-62, [112, 424]] == [[100] * 3, [108] * 3]).all()


def test_a_sheet_of_a_small_picture_is_large_enough_to_read(brighter, place):
    picture("a.png")
    run(("a.png",), sheet=True)
    with Image.open("out/a.png.sheet.png") as drawn:
        assert drawn.width > 600
        pixels = np.asarray(drawn)
    bottom = pixels[-12 - 25 : -12, 12 : 12 + 250 : 25]  # the last of twelve rows, 25 times as large
    assert (bottom == colours()[-1]).all()


def test_a_picture_of_which_nothing_is_seen_is_kept(brighter, place):
    hidden = np.dstack([colours(12, 10, 3), np.zeros((12, 10), np.uint8)])
    content = picture("a.png", hidden).read_bytes()
    run(("a.png",))
    assert Path("out/a.png").read_bytes() == content


def test_another_format_and_its_quality(brighter, place, capsys):
    picture("a.png", np.repeat(colours(8, 8, 3), 8, axis=0).repeat(8, axis=1))
    run(("a.png",), format="jpg", quality=10)
    small = Path("out/a.jpg").stat().st_size
    run(("a.png",), out=Path("good"), format="jpg", quality=95)
    assert small < Path("good/a.jpg").stat().st_size
    for arguments, message in (
        ({"format": "xyz"}, "unknown --format 'xyz'; known are: avif, bmp"),
        ({"format": "gif"}, "--format gif cannot be written; known are: avif, bmp"),
        ({"quality": 101}, "--quality is 1 to 100"),
        ({"quality": 0}, "--quality must be at least 1"),
        ({"max_pixels": 0}, "--max-pixels must be at least 1"),
    ):
        with pytest.raises(ValueError, match=message):
            run(("a.png",), **arguments)


def test_pages_are_restored_each_by_itself(brighter, place, capsys):
    pages = [Image.fromarray(np.full((16, 16, 3), level, dtype=np.uint8)) for level in (100, 230, 150)]
    pages[0].save("a.tif", save_all=True, append_images=pages[1:])
    run(("a.tif",))
    with Image.open("out/a.tif") as result:
        levels = []
        for number in range(3):
            result.seek(number)
            levels.append(int(np.asarray(result)[0, 0, 0]))
    assert levels == [108, 230, 158]
    assert "a.tif, page 2: left as it is (stopped: value)" in capsys.readouterr().out
    assert [page["path"] for page in log()[0]["further_pages"]] == [[], ["add +8"]]


def test_hidden_colours_neither_count_nor_change(brighter, place):
    pixels = np.full((16, 16, 4), (240, 240, 240, 0), dtype=np.uint8)
    pixels[4:8, 4:8] = (100, 110, 120, 255)
    picture("a.png", pixels)
    run(("a.png",))
    result = np.asarray(Image.open("out/a.png"))
    assert (result[4:8, 4:8] == (108, 118, 128, 255)).all()
    result = result.copy()
    result[4:8, 4:8] = pixels[4:8, 4:8]
    assert (result == pixels).all()


def test_pages_that_are_not_saved_are_not_restored(brighter, place, capsys):
    pages = [Image.fromarray(np.full((16, 16, 3), level, dtype=np.uint8)) for level in (100, 150)]
    for folder in (".", "clean"):
        Path(folder).mkdir(exist_ok=True)
        pages[0].save(Path(folder, "a.tif"), save_all=True, append_images=pages[1:])
    run(("a.tif",), format="png")
    assert (np.asarray(Image.open("out/a.png")) == 108).all()
    assert (log()[0]["notes"], log()[0]["further_pages"]) == (["holds 2 pages; only the first is saved as PNG"], [])
    assert "page 2" not in capsys.readouterr().out
    run(("a.tif",), out=Path("compared"), format="png", stop="reference", references=Path("clean"))
    assert log("compared")[0]["error"] is None
    pages[0].save("clean/a.tif")
    with pytest.raises(ValueError, match="could not be restored"):
        run(("a.tif",), out=Path("other"), stop="reference", references=Path("clean"))
    assert log("other")[0]["error"] == "a.tif: clean/a.tif has 1 page instead of 2"


def test_a_noisy_cut_out_is_restored_like_an_opaque_picture(place):
    clean = skimage.data.astronaut()[:128, 180:308]
    noisy = (clean + np.random.default_rng(0).normal(0, 25, clean.shape)).clip(0, 255).astype(np.uint8)
    y, x = np.mgrid[:128, :128] - 64
    shape = np.where(x**2 + y**2 < 26**2, 255, 0).astype(np.uint8)  # a sixth of it
    picture("a.png", np.dstack([noisy, shape]))
    run(("a.png",), toolset="hirl", precision="float32")
    result = np.asarray(Image.open("out/a.png"))[..., :3]
    before, after = (np.mean((pixels[shape > 0].astype(float) - clean[shape > 0]) ** 2) for pixels in (noisy, result))
    assert after < before / 6, "8 dB"
    assert (result[shape == 0] == noisy[shape == 0]).all()


def test_what_is_left_out_of_a_folder_is_said_in_one_line_and_in_the_log(brighter, place, capsys):
    picture("in/a.png")
    Path("in/b.txt").write_text("")
    Path("in/.c.png").write_text("")
    run(("in",))
    assert "hirl: left out: .txt files (1), hidden files (1); the log names them\n" in capsys.readouterr().err
    last = json.loads(Path("out/restore.jsonl").read_text().splitlines()[-1])
    assert last == {"left_out": {"in/.c.png": "hidden files", "in/b.txt": ".txt files"}}

"""What an installation holds, and that it lives beside others."""

import configparser
import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from itertools import chain
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
FOLDERS = {"hirl_env": "hirl_env", "hirl_agents": "agents", "hirl_experiments": "experiments"}
# Top-level packages of other distributions, openai-agents among them.
OTHERS = ("agents", "experiments")


def test_every_package_is_installed():
    config = configparser.ConfigParser()
    config.read(REPOSITORY / "setup.cfg")
    folders = {
        ".".join([name, *file.parent.relative_to(REPOSITORY / folder).parts])
        for name, folder in FOLDERS.items()
        for file in (REPOSITORY / folder).rglob("__init__.py")
    }
    assert set(config["options"]["packages"].split()) == folders
    assert {name.partition(".")[0] for name in config["options.package_data"]} <= FOLDERS.keys()


def test_no_module_of_experiments_is_outside_a_room():
    assert {file.name for file in (REPOSITORY / "experiments").glob("*.py")} == {"__init__.py", "cli.py"}


def test_an_image_run_as_any_user_has_a_place_for_what_libraries_keep():
    names = re.search(r"^ENV (.*)$", (REPOSITORY / "Dockerfile").read_text(), re.MULTILINE)[1].split()
    assert {name.partition("=")[0] for name in names} >= {"HIRL_CACHE", "MPLCONFIGDIR"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel of this repository, without weights, which would make it large."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for folder in FOLDERS.values():
        ignored = shutil.ignore_patterns("*.safetensors", "__pycache__")
        shutil.copytree(REPOSITORY / folder, source / folder, ignore=ignored)
    for file in chain(REPOSITORY.glob("*.md"), REPOSITORY.glob("LICENSE"), REPOSITORY.glob("*.in")):
        shutil.copy(file, source)
    for file in ("setup.cfg", "pyproject.toml"):
        shutil.copy(REPOSITORY / file, source)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(out)]
    subprocess.run([*command, str(source)], check=True)
    (built,) = out.glob("hirl_restore-*.whl")
    return built


@pytest.fixture(scope="module")
def others_wheel(tmp_path_factory) -> Path:
    """The wheel of another distribution, whose top-level packages are called as folders of this repository."""
    path = tmp_path_factory.mktemp("others") / "others-1.0-py3-none-any.whl"
    files = {f"{name}/__init__.py": f"OWNER = 'others, {name}'\n" for name in OTHERS}
    files["others-1.0.dist-info/METADATA"] = "Metadata-Version: 2.1\nName: others\nVersion: 1.0\n"
    files["others-1.0.dist-info/WHEEL"] = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files["others-1.0.dist-info/RECORD"] = "".join(f"{name},,\n" for name in (*files, "others-1.0.dist-info/RECORD"))
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


class Environment:
    """A virtual environment that holds nothing but what is installed in it."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=True)
        self.bin = folder / ("Scripts" if os.name == "nt" else "bin")
        self.folder = folder

    def pip(self, *arguments: str) -> None:
        self.run("python", "-m", "pip", "--disable-pip-version-check", *arguments)

    def run(self, program: str, *arguments: str) -> str:
        return subprocess.check_output([self.bin / program, *arguments], text=True, cwd=self.folder).strip()

    def has_others(self) -> bool:
        code = f"import {', '.join(OTHERS)}; print({', '.join(f'{name}.OWNER' for name in OTHERS)}, sep='; ')"
        return self.run("python", "-c", code) == "; ".join(f"others, {name}" for name in OTHERS)

    def has_hirl(self) -> bool:
        find = "import importlib.util as u; print(*(u.find_spec(name) is not None for name in {names!r}))"
        found = self.run("python", "-c", find.format(names=tuple(FOLDERS)))
        return found == "True True True" and self.run("hirl", "--version").startswith("hirl ")


@pytest.mark.slow
@pytest.mark.parametrize("first", ["hirl", "others"])
def test_the_wheel_lives_beside_packages_called_agents_and_experiments(first, wheel, others_wheel, tmp_path):
    environment = Environment(tmp_path / "venv")
    for file in (wheel, others_wheel) if first == "hirl" else (others_wheel, wheel):
        environment.pip("install", "--no-deps", "--no-index", str(file))
    assert environment.has_hirl()
    assert environment.has_others()
    if first == "hirl":
        environment.pip("uninstall", "-y", "hirl-restore")
        assert environment.has_others()
    else:
        environment.pip("uninstall", "-y", "others")
        assert environment.has_hirl()


@pytest.mark.slow
def test_hirl_runs_in_a_folder_with_agents_and_experiments_of_its_own(tmp_path):
    for name in (*OTHERS, "env"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError('a package of the user')")
    arguments = ["--images", "photos", "--degradations", "mild", "--methods", "distorted", "hirl-paper", "--crop", "16"]
    command = [sys.executable, "-m", "hirl_experiments.cli", "evaluate", *arguments, "--json", "rows.json"]
    subprocess.run(command, check=True, cwd=tmp_path, stdout=subprocess.DEVNULL)
    assert (tmp_path / "rows.json").exists()


def installed_by(*extras: str) -> set[str]:
    """Packages of an installation with these extras."""
    config = configparser.ConfigParser()
    config.read(REPOSITORY / "setup.cfg")
    lines = config["options"]["install_requires"].split()
    for extra in extras:
        lines += config["options.extras_require"][extra].split()
    names = {re.split(r"[\[><=]", line)[0] for line in lines if not line.startswith("hirl-restore[")}
    nested = [line[len("hirl-restore[") : -1].split(",") for line in lines if line.startswith("hirl-restore[")]
    return names.union(*(installed_by(*more) for more in nested))


IMPORTED_AS = {
    "pillow": "PIL",
    "pyyaml": "yaml",
    "scikit-image": "skimage",
}
WITHOUT = """
import sys
sys.modules.update(dict.fromkeys(sys.argv[1:]))
"""
STEPS = """
import gymnasium as gym
import hirl_env

for env in (gym.make("HIRL-Restore-v0", crop_size=32), gym.make_vec("HIRL-Restore-v0", 2, crop_size=32)):
    env.reset(seed=0)
    env.step(env.action_space.sample())
"""


def ran(code: str, *extras: str) -> subprocess.CompletedProcess:
    """Runs code in an installation that has these extras alone."""
    absent = installed_by("all", "brisque") - installed_by(*extras) - {"scipy"}  # scikit-image brings SciPy
    modules = sorted(IMPORTED_AS.get(name, name.replace("-", "_")) for name in absent)
    command = [sys.executable, "-c", WITHOUT + code, *modules]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_environment_alone_needs_eight_packages():
    assert len(installed_by()) == 8
    done = ran(STEPS)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_agents_need_no_command_line():
    done = ran("import hirl_agents, hirl_agents.restorer, hirl_agents.search, hirl_agents.calibration", "agents")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("command", "extras", "words"),
    [
        ("restore", (), "is not installed: pip install 'hirl-restore[cli]'"),
        ("--help", (), ""),
    ],
)
def test_a_command_says_which_extra_it_needs(command, extras, words):
    code = f"import sys; from hirl_experiments.cli import main; sys.argv = ['hirl', {command!r}, 'x']; main()"
    done = ran(code, *extras)
    assert done.returncode == bool(words)
    assert words in done.stderr
    assert done.stderr.count("\n") == bool(words)


@pytest.mark.slow
def test_a_measure_says_which_extra_it_needs():
    code = STEPS.replace("crop_size=32", "crop_size=32, reward='ssim'")
    assert "ImportError: piq is not installed: pip install 'hirl-restore[measures]'" in ran(code).stderr

"""What an installation holds."""

import configparser
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
FOLDERS = {"hirl_env": "hirl_env", "hirl_agents": "agents", "hirl_experiments": "experiments"}


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

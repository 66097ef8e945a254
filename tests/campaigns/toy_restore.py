"""`hirl restore` with the tools and the agent of `toy_tools.py`. It takes the command's arguments."""

import sys
from pathlib import Path

from hirl_experiments import cli

PLUGIN = Path(__file__).with_name("toy_tools.py")
TOYS = ("--plugin", str(PLUGIN), "--agent", "toy", "--toolset", "toy", "--max-steps", "3")


def main() -> None:
    sys.argv = ["hirl", "restore", *sys.argv[1:], *TOYS]
    cli.main()


if __name__ == "__main__":
    main()

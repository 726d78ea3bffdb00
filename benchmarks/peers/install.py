"""Install the systems we compare with, in the virtual environment of this Python.

    .venv-peers/bin/python benchmarks/peers/install.py [ARGUMENTS OF PIP]

Three need help:

* byzpy 0.1.4 asks for torch < 2.6 and numpy < 2.1, and runs with newer ones: installed without
  its dependencies.
* blazefl 3.0.0 asks for Python 3.14, and runs on 3.11 once annotations are not evaluated and its
  two generic functions are written in the older way: installed regardless, then patched.
* byzfl imports torchvision, whose build on PyPI may not fit a CPU build of PyTorch; its job file
  takes care of that when it runs.

What cannot be installed is named, and the others are installed all the same.
"""

import re
import subprocess
import sys
import sysconfig
from pathlib import Path

HERE = Path(__file__).resolve().parent
WITHOUT_DEPENDENCIES = ("byzpy==0.1.4", "blazefl==3.0.0")
FUTURE = "from __future__ import annotations\n"


def pip(*arguments: str) -> bool:
    """Call pip; return whether it worked."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", *arguments, *sys.argv[1:]]
    return subprocess.run(command, check=False).returncode == 0


def install_requirements() -> None:
    """Install requirements.txt: together if possible, else those that can be."""
    listed = HERE / "requirements.txt"
    if pip("--requirement", str(listed)):
        return
    lines = [line.strip() for line in listed.read_text("utf-8").splitlines()]
    wanted = [line for line in lines if line and not line.startswith("#")]
    torch = next(line for line in wanted if line.startswith("torch=="))
    for line in wanted:
        if not pip(line, torch):
            print(f"{line} cannot be installed; its rows will say so.")


def patch_blazefl() -> None:
    """Let blazefl 3.0.0, written for Python 3.14, run on this one."""
    package = Path(sysconfig.get_path("purelib")) / "blazefl"
    for path in package.rglob("*.py"):
        text = path.read_text("utf-8")
        generic = re.sub(r"^(def \w+)\[T\]\(", r"\1(", text, flags=re.MULTILINE)
        if generic != text:
            generic = 'from typing import TypeVar\n\nT = TypeVar("T")\n' + generic
        if not generic.startswith(FUTURE):
            path.write_text(FUTURE + generic, "utf-8")


def main() -> None:
    """Install everything."""
    install_requirements()
    for package in WITHOUT_DEPENDENCIES:
        if not pip("--no-deps", "--ignore-requires-python", package):
            print(f"{package} cannot be installed; its rows will say so.")
    patch_blazefl()


if __name__ == "__main__":
    main()

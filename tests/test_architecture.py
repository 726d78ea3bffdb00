"""What holds for every file: where it may lie, how long it may be, what it may import."""

import os
import resource
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
FOLDERS = {"fedrobust": "fedrobust", "strategies": "fedrobust.strategies"}
FOLDERS |= {"attacks": "fedrobust.attacks"}


def sources(folder):
    """The files that really lie in a folder: not those behind a link."""
    return sorted(
        Path(place, name)
        for place, _, names in os.walk(ROOT / folder)
        for name in names
        if name.endswith(".py")
    )


def lines(path):
    return len(path.read_text("utf-8").splitlines())


def test_every_package_is_in_the_wheel():
    found = {
        ".".join([package, *path.parent.relative_to(ROOT / folder).parts])
        for folder, package in FOLDERS.items()
        for path in sources(folder)
        if path.name == "__init__.py"
    }

    listed = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]

    assert sorted(listed["packages"]) == sorted(found)


def test_no_file_is_two_nouns():
    found = [path for folder in FOLDERS for path in sources(folder)]

    long = {str(path.relative_to(ROOT)): lines(path) for path in found if lines(path) > 250}

    assert len(found) > 50
    assert long == {}


@pytest.mark.parametrize("folder", ["strategies", "attacks"])
def test_a_component_is_short(folder):
    long = {path.name: lines(path) for path in sources(folder) if lines(path) > 150}

    assert long == {}


@pytest.mark.parametrize("folder", ["strategies", "attacks"])
def test_a_component_has_one_import_name(folder):
    answer = subprocess.run(
        [sys.executable, "-c", f"import {folder}"],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )

    assert f"ImportError: Import `fedrobust.{folder}`, not `{folder}`" in answer.stderr


def test_arrows_point_down():
    answer = subprocess.run(
        [BIN / "lint-imports", "--no-cache"], check=False, cwd=ROOT, capture_output=True, text=True
    )

    assert answer.returncode == 0, answer.stdout


def test_the_command_line_imports_nothing_heavy():
    heavy = ["torch", "flwr", "numpy", "pandas", "sklearn", "scipy", "pydantic", "ray", "rich"]
    code = f"import sys, fedrobust.cli; print([m for m in {heavy} if m in sys.modules])"

    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert answer.stdout.strip() == "[]"


def test_help_answers_at_once():
    """Measured: 0.07 s of CPU."""
    seconds = []

    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([BIN / "fedrobust", "--help"], capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)

    assert min(seconds) < 0.3

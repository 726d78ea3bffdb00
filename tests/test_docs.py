"""Every code block of the documentation runs.

Blocks run in the order of the page, in an empty folder that has a copy of `examples/`:

* ```` ```python ````: executed; the blocks of a page share one namespace.
* ```` ```console ````: lines that start with `$ fedrobust` are executed and must succeed.
* any block whose first line is a comment that is a file's name (`# my_scenario.toml`) is first
  saved under that name.

A comment `<!-- not run: why -->` right before a block excludes it.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(
    r"(?P<excluded><!-- not run: [^>]*[^\s>][^>]*-->\s*\n)?"
    r"^(?P<fence>```+)(?P<language>\w+)[^\n]*\n(?P<code>.*?)^(?P=fence)[ ]*$",
    re.MULTILINE | re.DOTALL,
)
FILE_NAME = re.compile(r"# (?P<name>[\w./-]+\.\w+)\n")


@dataclass(frozen=True)
class Block:
    language: str
    code: str
    line: int  # of the page, where the code begins
    excluded: bool = False

    @property
    def commands(self):
        """What a console block types, with continued lines joined."""
        if self.language != "console":
            return []
        lines = self.code.replace("\\\n", " ").splitlines()
        return [line[2:] for line in lines if line.startswith("$ fedrobust")]


def blocks(text):
    return [
        Block(
            found["language"],
            found["code"],
            text[: found.start("code")].count("\n") + 1,
            found["excluded"] is not None,
        )
        for found in BLOCK.finditer(text)
    ]


def run(page, found, folder):
    """Run blocks in the current folder."""
    module = ModuleType("page_" + re.sub(r"\W", "_", page.stem))
    sys.modules[module.__name__] = module  # where dataclasses look for the names of a class
    for block in found:
        name = FILE_NAME.match(block.code)
        if name is not None:
            path = folder / name["name"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.code, encoding="utf-8")
        if block.language == "python":
            code = "\n" * (block.line - 1) + block.code  # errors name the line of the page
            exec(compile(code, str(page), "exec"), module.__dict__)
        for command in block.commands:
            answer = subprocess.run(
                command, shell=True, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                check=False, timeout=300,
            )  # fmt: skip
            assert answer.returncode == 0, f"{page}:{block.line}: $ {command}\n{answer.stderr}"
    return module


def parameter(page):
    commands = any(block.commands for block in blocks(page.read_text("utf-8")))
    marks = pytest.mark.slow if commands else ()
    return pytest.param(page, id=str(page.relative_to(ROOT)), marks=marks)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A current folder of its own, the commands of this Python, and no network habits."""
    if (ROOT / "examples").is_dir():
        shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    for name, value in {
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
    }.items():
        monkeypatch.setenv(name, value)
    return tmp_path


@pytest.mark.parametrize("page", [parameter(page) for page in PAGES if page.is_file()])
def test_the_page_runs(page, folder):
    run(page, [block for block in blocks(page.read_text("utf-8")) if not block.excluded], folder)


PAGE = """Text.

```python
x = 1
```
<!-- not run: it would take an hour -->
```python
x = 2
```
<!-- not run: -->

```console
$ fedrobust list \\
    rules
krum
$ rm -rf /
$ make demo
```

```toml
# scenario.toml
rounds = 3
```

```python
y = open("scenario.toml").read()
assert x == 1
```
"""


def test_blocks_are_found_where_they_are():
    found = blocks(PAGE)

    assert [block.language for block in found] == ["python", "python", "console", "toml", "python"]
    assert [block.line for block in found] == [4, 8, 13, 21, 26]
    assert [block.excluded for block in found] == [False, True, False, False, False]
    assert found[2].commands == ["fedrobust list      rules"]


def test_blocks_share_names_and_files(folder):
    found = [block for block in blocks(PAGE) if not block.excluded and not block.commands]

    module = run(Path("page.md"), found, folder)

    assert module.y == "# scenario.toml\nrounds = 3\n"


def test_a_failure_names_the_line_of_the_page(folder):
    found = blocks("Text.\n\n```python\nx = 1\nraise LookupError\n```\n")

    with pytest.raises(LookupError) as caught:
        run(Path("page.md"), found, folder)

    assert str(caught.traceback[-1].path) == "page.md"
    assert caught.traceback[-1].lineno + 1 == 5


def test_a_command_that_fails_is_named(folder):
    with pytest.raises(AssertionError, match=r"page.md:2: \$ fedrobust_no_such"):
        run(Path("page.md"), blocks("```console\n$ fedrobust_no_such\n```\n"), folder)

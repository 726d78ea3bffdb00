"""A report is written as a whole, and again in place of an older one."""

from dataclasses import replace
from pathlib import Path

import pytest

from fedrobust.errors import ResultsError
from fedrobust.report import writing
from tests.report.sample import sample


@pytest.fixture
def quick(monkeypatch):
    """Draw nothing but costs, which takes no time."""
    only = lambda content: [("costs_1", None), ("costs_2", None)][: len(content.settings)]  # noqa: E731
    monkeypatch.setattr(writing, "drawings", only)
    monkeypatch.setattr(writing, "drawn", lambda drawing, format: format.encode())


def one_setting(content):
    cells = [c for c in content.cells if c.setting == 0]
    return replace(
        content,
        settings=content.settings[:1],
        cells=cells,
        times=content.times[: len(cells)],
        rankings=content.rankings[:1],
        splits=content.splits[:1],
    )


def files(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.slow
def test_a_report_is_its_page_and_files_beside_it(tmp_path):
    written = writing.write(one_setting(sample()), tmp_path)

    assert written[0] == tmp_path / "report.html"
    assert set(written) == {tmp_path / name for name in files(tmp_path)}
    for name in ("report.md", "csv/cells.csv", "latex/tables.tex", "figures/ranks.pdf"):
        assert (tmp_path / name).stat().st_size > 100
    assert (tmp_path / "figures/ranks.svg").read_bytes().startswith(b"<?xml")


def test_writing_it_again_changes_nothing(tmp_path, quick):
    writing.write(sample(), tmp_path)
    before = files(tmp_path)

    writing.write(sample(), tmp_path)

    assert files(tmp_path) == before


def test_what_an_older_report_left_goes_and_what_is_not_ours_stays(tmp_path, quick):
    writing.write(replace(sample(), changes=[]), tmp_path)
    others = ["figures/photo.svg", "latex/paper.tex", "csv/mine.csv", "figures/costs.svg.bak"]
    for name in others:
        (tmp_path / name).write_text("mine")

    written = writing.write(one_setting(sample()), tmp_path)

    assert set(files(tmp_path)) == {str(p.relative_to(tmp_path)) for p in written} | set(others)
    assert (tmp_path / "latex/accuracy.tex").exists()
    assert not (tmp_path / "latex/accuracy_2.tex").exists()


def test_a_file_that_cannot_be_written_is_named(tmp_path, quick):
    (tmp_path / "csv").write_text("not a folder")

    with pytest.raises(ResultsError, match=r"csv/cells\.csv cannot be written"):
        writing.write(sample(), tmp_path)


def test_a_reader_never_sees_half_a_file(tmp_path, monkeypatch):
    path = tmp_path / "report.md"
    path.write_bytes(b"old")

    def full(self, data):
        self.open("wb").write(data[:1])
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        writing.put(path, b"new")

    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]

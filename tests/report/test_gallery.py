"""The gallery shows every drawing, small enough for a repository."""

import re
import runpy
from dataclasses import replace
from pathlib import Path

import pytest

from fedrobust.report.drawings import DRAWINGS
from tests.report.sample import sample

MAKER = Path(__file__).parents[2] / "docs" / "make_gallery.py"


@pytest.fixture(scope="module")
def maker():
    return runpy.run_path(str(MAKER))


@pytest.fixture(scope="module")
def content():
    whole = sample()
    cells = [c for c in whole.cells if c.setting == 0]
    one = {"settings": whole.settings[:1], "rankings": whole.rankings[:1]}
    return replace(whole, cells=cells, times=whole.times[: len(cells)], **one)


def test_every_picture_is_on_the_page_with_a_caption(maker, content):
    files = dict(maker["gallery"]([content, content]))

    *pictures, page = files
    shown = re.findall(r"!\[[^]]+\]\(([^)]+)\)", files[page].decode())
    assert page == "gallery.md"
    assert shown == pictures == [f"gallery/{name}.svg" for name in DRAWINGS]
    assert set(maker["CAPTIONS"]) == set(DRAWINGS)


def test_a_picture_too_large_for_a_repository_is_refused(maker, content, monkeypatch):
    gallery = maker["gallery"]
    monkeypatch.setitem(gallery.__globals__, "LARGEST", 1000)

    with pytest.raises(ValueError, match=r"heat_map_score\.svg may have 1000 bytes, not \d+"):
        list(gallery([content]))

"""A report's page while its study runs, in Chromium: from nothing at all to what is done."""

from dataclasses import replace

import pytest

from fedrobust.report.page import page
from tests.report.browser import Server, looking_at
from tests.report.sample import sample

PAUSE = 3100  # milliseconds: a little longer than the page waits before it asks again


@pytest.fixture(scope="module")
def content():
    return sample()


def test_before_any_run_is_done_the_page_says_so(browser, content, tmp_path):
    cells = [replace(c, state="missing", figures={}, curves={}, runs=[]) for c in content.cells]
    cells = [replace(cell, clients=None, timeline=None, roc=None) for cell in cells]
    nothing = replace(content, cells=cells, headlines=[], rankings=[], splits=[], times=[])
    (tmp_path / "report.html").write_text(page(nothing), encoding="utf-8")

    with looking_at(browser, (tmp_path / "report.html").as_uri()) as tab:
        assert "0 of 32 cells done, 32 missing" in tab.inner_text("header")
        assert "No run is done yet." in tab.inner_text("#heatmap")
        assert tab.locator("main section").count() == 9


def test_a_cell_that_lacks_seeds_is_marked(browser, content, tmp_path):
    partly = replace(content.cells[0], state="partly", why="seed 2 is missing.")
    some = replace(content, cells=[partly, *content.cells[1:]])
    (tmp_path / "report.html").write_text(page(some), encoding="utf-8")

    with looking_at(browser, (tmp_path / "report.html").as_uri()) as tab:
        assert "*" in tab.inner_text("#cell-0-0")
        assert "*" not in tab.inner_text("#cell-0-1")
        assert "*: some seeds are missing." in tab.inner_text("#heatmap")


def test_one_seed_has_no_intervals(browser, tmp_path):
    (tmp_path / "report.html").write_text(page(sample(seeds=1)), encoding="utf-8")

    with looking_at(browser, (tmp_path / "report.html").as_uri()) as tab:
        assert tab.locator("#heat .mean").count() > 10
        assert tab.locator("#heat .half, #standings .interval").count() == 0


def test_a_live_page_shows_what_is_new_and_keeps_the_readers_choices(browser, content):
    unfinished = replace(content.cells[5], state="missing", why="not yet", figures={}, runs=[])
    cells = [*content.cells[:5], unfinished, *content.cells[6:]]
    before = replace(content, cells=cells)
    texts = {
        "/": ("text/html; charset=utf-8", page(before, live=True)),
        "/data.json": ("application/json", before.json()),
    }

    with (
        Server(texts) as server,
        looking_at(browser, server.address, clock=True, allowed=[server.address]) as tab,
    ):
        assert tab.inner_text("#live") == "live: 29 of 30 cells done"
        assert tab.locator("#cell-1-1 .mean").count() == 0
        tab.select_option("#measure", "accuracy")
        tab.click("#cell-0-0")
        tab.keyboard.press("Escape")
        tab.evaluate("scrollTo(0, 900)")

        server.texts["/data.json"] = ("application/json", content.json())
        tab.clock.run_for(PAUSE)
        tab.locator("#cell-1-1 .mean").wait_for()

        assert tab.inner_text("#live") == "live: 30 of 30 cells done"
        assert tab.input_value("#measure") == "accuracy"
        assert tab.evaluate("scrollY") == 900
        assert tab.evaluate("document.activeElement.id") == "cell-0-0"


def test_an_open_cell_stays_open_and_shows_what_is_new(browser, content):
    cell = content.cell(1, 1, 0)
    first = replace(cell, state="partly", why="seeds 1, 2 have not finished", runs=cell.runs[:1])
    before = replace(content, cells=[first if one is cell else one for one in content.cells])
    texts = {
        "/": ("text/html; charset=utf-8", page(before, live=True)),
        "/data.json": ("application/json", before.json()),
    }

    with (
        Server(texts) as server,
        looking_at(browser, server.address, clock=True, allowed=[server.address]) as tab,
    ):
        tab.click("#cell-1-1")
        assert "seeds 1, 2 have not finished" in tab.inner_text("#details")
        tab.evaluate("details.scrollTop = 300")

        server.texts["/data.json"] = ("application/json", content.json())
        tab.clock.run_for(PAUSE)
        tab.locator("#details .notice").wait_for(state="detached")

        words = tab.inner_text("#details")
        assert all(run.model_hash in words for run in cell.runs)
        assert tab.evaluate("details.scrollTop") == 300
        tab.keyboard.press("Escape")
        tab.locator("#details[open]").wait_for(state="detached")
        assert tab.evaluate("document.activeElement.id") == "cell-1-1"


def test_a_live_page_says_when_its_server_is_gone_and_when_it_is_back(browser, content):
    there = ("application/json", content.json())
    texts = {
        "/": ("text/html; charset=utf-8", page(content, live=True)),
        "/data.json": ("application/json", "{ half an answer"),
    }

    with (
        Server(texts) as server,
        looking_at(browser, server.address, clock=True, allowed=[server.address]) as tab,
    ):
        tab.clock.run_for(PAUSE)
        tab.get_by_text("The server is gone.").wait_for()

        server.texts["/data.json"] = there
        tab.clock.run_for(PAUSE)
        tab.get_by_text("live: 30 of 30 cells done").wait_for()

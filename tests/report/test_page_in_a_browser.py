"""A report's page as readers use it, in Chromium: by mouse, by keyboard, on a phone, on paper."""

from dataclasses import replace
from itertools import pairwise
from statistics import median

import pytest

from fedrobust.report.content import Change, Option
from tests.report.browser import coloured, contrast, looking_at, rgb, saved
from tests.report.sample import sample

HOSTILE = '<img src=x onerror="document.title=1"><b>x</b> %{y} $a$ &amp; "quoted"'
CHANGES = [
    Change(0, 1, 0, "score", 0.5, 0.7, 0.1, 0.3, True),
    Change(1, 1, 0, "score", 0.5, 0.51, -0.1, 0.12, False),
    Change(1, 2, 1, "score", 0.5, 0.51, -0.1, 0.12, False),
]


@pytest.fixture(scope="module")
def content():
    return replace(sample(), changes=CHANGES, against="last week")


@pytest.fixture(scope="module")
def address(content, tmp_path_factory):
    return saved(content, tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def opened(browser, address):
    with looking_at(browser, address) as tab:
        yield tab


@pytest.fixture
def tab(opened):
    """The page with nothing chosen.  To open it anew for each test would take too long."""
    opened.keyboard.press("Escape")
    opened.evaluate(
        """() => new Promise((done) => {
          document.querySelectorAll(".checks, .data").forEach((list) => (list.open = false));
          addEventListener("hashchange", done, { once: true });
          location.hash = `new=${Math.random()}`;
        })"""
    )
    return opened


def rows(tab, table):
    """The words of each row's first cell."""
    return [row.strip() for row in tab.locator(f"#{table} tbody th .defense").all_inner_texts()]


def heads(tab, table):
    return tab.locator(f"#{table} thead th").all_inner_texts()


def after_sign(labels):
    """Names without the sign before them."""
    return [label[1:].strip() for label in labels]


def draw_all(tab):
    """Scroll through the page, as a reader does; figures are drawn when they come near."""
    for box in tab.locator(".plot").all():
        box.scroll_into_view_if_needed()
    wait_for_all_figures(tab)


def wait_for_all_figures(tab):
    tab.locator(".plot:not(:has(svg))").first.wait_for(state="detached")


def test_every_number_of_the_heat_map_is_the_contents(tab, content):
    for measure in ["score", "accuracy", "lost"]:
        tab.select_option("#measure", measure)
        for cell in [cell for cell in content.cells if cell.setting == 0]:
            shown = tab.locator(f"#cell-{cell.defense}-{cell.threat}")
            figure = cell.figures.get(measure)
            if figure is None:
                assert shown.locator(".mean").count() == 0
                assert cell.why in shown.text_content()
                continue
            assert shown.locator(".mean").inner_text() == f"{100 * figure.mean:.1f}"
            half = 100 * (figure.high - figure.low) / 2
            assert shown.locator(".half").inner_text() == f"±{half:.1f}"


def test_seconds_are_the_sum_of_all_phases(tab, content):
    tab.select_option("#measure", "seconds")

    shown = tab.locator("#cell-1-2 .mean").inner_text()

    index = next(i for i, c in enumerate(content.cells) if (c.defense, c.threat) == (1, 2))
    total = sum(content.times[index].values())
    assert shown == (f"{total:.3g}\u202fs" if total >= 1 else f"{1000 * total:.3g}\u202fms")


def test_a_cell_without_figures_says_why(tab, content):
    cell = tab.locator("#cell-3-3")

    assert cell.inner_text().startswith("not defined")
    assert "krum needs 2 f + 3 clients" in cell.get_attribute("title")
    cell.click()
    assert "Not defined. krum needs 2 f + 3 clients, not 10." in tab.inner_text("#details")


def test_hiding_a_defense_hides_it_everywhere(tab):
    tab.click("#defense-list > summary")
    tab.uncheck("#defense-1")

    for table in ["standings", "heat", "costs"]:
        assert len(rows(tab, table)) == 3, table
        assert "median" not in " ".join(rows(tab, table)), table
    assert "median" not in tab.inner_text("#curves")
    assert "3 of 4 defenses" in tab.inner_text("#shown")
    assert tab.evaluate("document.activeElement.id") == "defense-1"


def test_none_and_all_are_one_click_each(tab):
    tab.click("#threat-list > summary")

    tab.click("#threat-none")
    assert heads(tab, "heat") == ["Defense ↑", "worst case"]
    assert tab.locator("#curves .plot").count() == 0

    tab.click("#threat-all")
    assert len(heads(tab, "heat")) == 6
    assert tab.locator("#curves .plot").count() == 5


def test_lists_close_like_menus(tab):
    tab.click("#defense-list > summary")
    tab.focus("#defense-2")
    tab.keyboard.press("Escape")
    assert not tab.is_visible("#defense-2")
    assert tab.evaluate("document.activeElement.textContent") == "Defenses (4 of 4)"

    tab.click("#defense-list > summary")
    tab.click("h1")
    assert not tab.is_visible("#defense-2")


def test_without_any_defense_the_page_still_stands(tab):
    tab.click("#defense-list > summary")

    tab.click("#defense-none")

    assert rows(tab, "heat") == []
    assert tab.locator("main section").count() == 11


def test_another_setting_shows_its_own_numbers(tab, content):
    tab.select_option("#setting-partition\\.alpha", "10")

    figure = content.cell(1, 1, 1).figures["score"]
    assert tab.inner_text("#cell-1-1 .mean") == f"{100 * figure.mean:.1f}"
    assert "setting: alpha 10" in tab.inner_text("#shown")


def test_a_column_sorts_both_ways_and_says_so(tab, content):
    means = {d: content.cell(d, 1, 0).figures["score"].mean for d in range(4)}
    best_first = [content.defenses[d].label for d in sorted(means, key=means.get, reverse=True)]
    head = tab.locator("#heat thead th", has=tab.locator("#sort-heat-threat1"))

    tab.focus("#sort-heat-threat1")
    tab.keyboard.press("Enter")
    assert after_sign(rows(tab, "heat")) == best_first
    assert head.get_attribute("aria-sort") == "descending"
    assert tab.evaluate("document.activeElement.id") == "sort-heat-threat1"

    tab.keyboard.press("Enter")
    assert after_sign(rows(tab, "heat")) == best_first[::-1]
    assert head.get_attribute("aria-sort") == "ascending"


def test_what_has_no_number_sorts_last(tab):
    for _ in range(2):
        tab.click("#sort-heat-threat3")
        assert "Krum" in rows(tab, "heat")[-1]


def test_the_address_restores_the_view(browser, tab):
    tab.select_option("#setting-partition\\.alpha", "10")
    tab.select_option("#measure", "lost")
    tab.click("#sort-heat-threat2")
    tab.click("#defense-list > summary")
    tab.uncheck("#defense-3")
    tab.click("#threat-list > summary")
    tab.uncheck("#threat-0")
    tab.select_option("#clients-threat", "2")
    words = "main :is(p, li, h3, td, th, figcaption)"
    seen = tab.locator(words).all_inner_texts()

    with looking_at(browser, tab.url) as other:
        assert other.locator(words).all_inner_texts() == seen
        assert other.input_value("#measure") == "lost"
        assert other.input_value("#clients-threat") == "2"


def test_an_address_from_another_report_is_no_obstacle(browser, address):
    words = "#setting=gone&without-defense=gone&measure=gone&sort-heat=gone:ascending&sort-x=1"

    with looking_at(browser, address + words) as tab:
        assert len(rows(tab, "heat")) == 4
        assert tab.input_value("#measure") == "score"


def test_a_click_opens_a_cell_with_its_runs(tab, content):
    cell = content.cell(0, 2, 0)

    tab.click("#cell-0-2")

    words = tab.inner_text("#details")
    assert "mean under backdoor" in words
    assert all(run.id in words and run.model_hash in words for run in cell.runs)
    assert cell.scenario.strip() in words
    tab.click("#details .close")
    assert not tab.is_visible("#details")


def test_the_keyboard_opens_a_cell_and_returns_to_it(tab):
    tab.focus("#cell-0-0")
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("ArrowDown")
    assert tab.evaluate("document.activeElement.id") == "cell-1-1"

    tab.keyboard.press("Enter")
    assert tab.evaluate("document.activeElement.id") == "details-title"
    tab.keyboard.press("Escape")
    tab.locator("#details[open]").wait_for(state="detached")
    assert tab.evaluate("document.activeElement.id") == "cell-1-1"


def test_one_cell_of_the_heat_map_takes_part_in_the_order_of_tab(tab):
    assert tab.locator('button.cell[tabindex="0"]').count() == 1


def test_the_scenario_can_be_copied(tab, content):
    tab.click("#cell-0-2")

    tab.get_by_role("button", name="Copy the scenario").click()

    tab.get_by_text("Copied.").wait_for()
    assert tab.evaluate("navigator.clipboard.readText()") == content.cell(0, 2, 0).scenario


def test_a_browser_that_refuses_the_clipboard_copies_all_the_same(tab, content):
    tab.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('no')) }")
    tab.click("#cell-0-2")

    tab.get_by_role("button", name="Copy the scenario").click()

    tab.get_by_text("Copied.").wait_for()
    assert tab.evaluate("navigator.clipboard.readText()") == content.cell(0, 2, 0).scenario


def test_the_numbers_behind_a_figure_can_be_copied_as_csv(tab, content):
    tab.click("#seconds-behind > summary")
    tab.locator("#seconds-behind").get_by_role("button", name="Copy as CSV").click()
    tab.get_by_text("Copied.").wait_for()

    lines = tab.evaluate("navigator.clipboard.readText()").splitlines()

    assert lines[0] == 'Defense,"aggregation, s","training, s"'
    times = [t for c, t in zip(content.cells, content.times, strict=True) if c.setting == 0]
    middle = median(float(f"{t['training']:.5g}") for t in times[:4])
    assert float(lines[1].split(",")[2]) == pytest.approx(middle)


def test_changes_within_noise_are_folded(tab):
    words = tab.inner_text("#changes")

    assert "1 figure of 2 differ beyond noise." in words
    assert rows(tab, "changed") == ["●mean"]
    assert not tab.is_visible("#unchanged")


def test_labels_that_look_like_html_are_shown_as_text(browser, content, tmp_path_factory):
    hostile = replace(
        content,
        name=HOSTILE,
        defenses=[Option(HOSTILE, {}), Option("=1+1", {}), *content.defenses[2:]],
        threats=[content.threats[0], Option(HOSTILE, {}), *content.threats[2:]],
    )

    with looking_at(browser, saved(hostile, tmp_path_factory.mktemp("report"))) as tab:
        draw_all(tab)
        assert tab.inner_text("h1") == HOSTILE
        assert tab.title() == HOSTILE
        assert HOSTILE in rows(tab, "heat")[0]
        assert tab.locator("main img, main b, header img").count() == 0
        ticks = tab.locator("#critical .yaxislayer-above text").all_text_contents()
        assert HOSTILE[:20] in " ".join(ticks)

        tab.click("#seconds-behind > summary")
        tab.locator("#seconds-behind").get_by_role("button", name="Copy as CSV").click()
        tab.get_by_text("Copied.").wait_for()
        lines = tab.evaluate("navigator.clipboard.readText()").splitlines()
        assert lines[2].startswith("'=1+1,"), "a spreadsheet would run it"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_everything_contrasts_with_what_it_lies_on(tab, theme):
    """WCAG 2.2, 1.4.3: at least 4.5 to 1."""
    tab.select_option("#theme", theme)
    found = coloured(tab)
    tab.select_option("#measure", "lost")
    found += coloured(tab)
    tab.select_option("#theme", "auto")

    low = {f[0]: f[1:] for f in found if contrast(rgb(f[1]), rgb(f[2])) < 4.5}
    assert len(found) > 200
    assert low == {}


def test_the_theme_can_be_chosen_and_is_kept(browser, address):
    paper = "getComputedStyle(document.body).backgroundColor"
    with looking_at(browser, address) as tab:
        light = tab.evaluate(paper)

        tab.select_option("#theme", "dark")
        assert tab.evaluate(paper) != light

        tab.reload()
        assert tab.input_value("#theme") == "dark"
        assert tab.evaluate(paper) != light


def test_a_phone_scrolls_the_page_in_one_direction(browser, address):
    with looking_at(browser, address, width=360) as tab:
        draw_all(tab)
        tab.click("#choices > summary")
        tab.click("#defense-list > summary")
        assert tab.evaluate("document.documentElement.scrollWidth") == 360
        tab.click("#choices > summary")
        tab.click("#cell-0-2")
        assert tab.evaluate("document.documentElement.scrollWidth") == 360
        assert tab.evaluate("details.scrollWidth <= details.clientWidth")


def test_paper_is_light_and_has_every_figure_and_no_controls(browser, address):
    with looking_at(browser, address, theme="dark") as tab:
        tab.emulate_media(media="print", color_scheme="dark")
        wait_for_all_figures(tab)

        assert min(rgb(tab.evaluate("getComputedStyle(document.body).backgroundColor"))) > 240
        for selector in ["#filters", "nav", "#theme", "#measure", "button.copy"]:
            assert not tab.locator(selector).first.is_visible(), selector
        assert tab.is_visible("#heat")
        tab.set_viewport_size({"width": 680, "height": 900})
        assert tab.evaluate("document.documentElement.scrollWidth") == 680
        assert tab.locator(".plot").evaluate_all("all => all.every(one => one.checkVisibility())")

        tab.emulate_media(media="screen", color_scheme="dark")
        tab.locator("html[data-theme=dark]").wait_for()


def test_figures_have_names_and_headings_are_in_order(tab):
    draw_all(tab)

    for box in tab.locator(".plot").all():
        assert box.get_attribute("role") == "img"
        assert len(box.get_attribute("aria-label")) > 30
    levels = tab.locator("h1, h2, h3").evaluate_all("all => all.map(h => Number(h.tagName[1]))")
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert tab.locator("th:not([scope])").count() == 0
    assert tab.locator("table:not(:has(caption))").count() == 0
    names = tab.locator("[id]").evaluate_all("all => all.map(one => one.id)")
    assert len(names) == len(set(names))

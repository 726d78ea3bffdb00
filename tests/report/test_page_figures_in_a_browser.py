"""What a report's page draws and marks, in Chromium: reasons, scales, names, signs, edges."""

from dataclasses import replace
from itertools import combinations

import pytest

from fedrobust.report.content import Split
from fedrobust.report.trials import Trial, Tuning
from tests.report.browser import looking_at, rgb, saved
from tests.report.sample import THREATS, sample

MANY = [f"rule number {i}" for i in range(12)]
STYLE = "(node, name) => getComputedStyle(node)[name]"


@pytest.fixture(scope="module")
def content():
    """The sample, with a cell left out, one not begun, roles and phases as runs have them."""
    whole = sample()
    left_out, later = whole.cell(1, 1, 0), whole.cell(1, 2, 0)
    empty = {"runs": [], "figures": {}, "curves": {}}
    empty |= dict.fromkeys(["clients", "timeline", "reputations", "roc"])
    missing = replace(later, state="missing", why="seeds 0, 1, 2 have not finished", **empty)
    cells = [missing if cell is later else cell for cell in whole.cells if cell is not left_out]
    times = [{"aggregate": 0.001 * (1 + c.defense), "clients": 0.1} for c in cells]
    method = [("Again", "`fedrobust verify` runs <b>it</b>."), ("Odd", "one ` alone")]
    trials = [
        Trial({"training.lr": "0.1"}, 0.512, chosen=True),
        Trial({"training.lr": "<b>1</b>"}, None, chosen=False),
    ]
    tuning = [Tuning("median", {"strategy": "median"}, trials)]
    return replace(whole, cells=cells, times=times, method=method, tuning=tuning)


@pytest.fixture(scope="module")
def address(content, tmp_path_factory):
    return saved(content, tmp_path_factory.mktemp("figures"))


@pytest.fixture(scope="module")
def opened(browser, address):
    with looking_at(browser, address) as tab:
        yield tab


@pytest.fixture
def tab(opened):
    """The page with nothing chosen."""
    opened.evaluate(
        """() => new Promise((done) => {
          addEventListener("hashchange", done, { once: true });
          location.hash = `new=${Math.random()}`;
        })"""
    )
    return opened


def drawn(tab, figure):
    """A figure, after it was scrolled to and drawn."""
    box = tab.locator(f"#{figure}")
    box.scroll_into_view_if_needed()
    box.locator("svg").first.wait_for()
    return box


def boxes(nodes):
    return nodes.evaluate_all(
        "all => all.map(n => n.getBoundingClientRect())"
        ".map(({left, top, right, bottom}) => [left, top, right, bottom])"
    )


def overlap(one, other):
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return min(width, height)


def test_the_opening_counts_attacks_apart_from_nobody(browser, tmp_path):
    with looking_at(browser, saved(sample(), tmp_path)) as tab:
        assert tab.inner_text(".lead") == (
            "4 defenses × 3 attacks and nobody × 2 settings × 3 seeds: "  # noqa: RUF001
            "90 runs, all done, 2 of the cells not defined."
        )


def test_the_best_is_bold_and_ties_are_underlined_whatever_is_filtered(tab):
    def marks(place):
        mean = tab.locator(f"#cell-{place} .mean")
        return mean.evaluate(STYLE, "fontWeight"), mean.evaluate(STYLE, "textDecorationLine")

    assert marks("2-0") == ("700", "none")
    assert marks("1-0") == ("400", "underline")
    assert marks("0-0") == ("400", "none")

    tab.click("#defense-list > summary")
    tab.uncheck("#defense-2")

    assert marks("1-0") == ("400", "underline")
    assert "whatever is filtered" in tab.inner_text("#heatmap")
    assert "whatever is filtered" in tab.inner_text("#headlines")


def test_measures_other_than_the_score_have_no_marks(tab):
    tab.select_option("#measure", "accuracy")

    assert tab.locator("#heat .best, #heat .tied").count() == 0
    assert "Bold" not in tab.inner_text("#heatmap")


def test_every_gap_has_its_own_reason(tab):
    def why(place):
        return tab.locator(place).get_attribute("title")

    tab.select_option("#measure", "f1")
    worst = "#heat tbody tr:nth-child({}) .worst"

    assert why("#cell-2-1").endswith("No such figure: this rule or run does not tell.")
    assert why("#cell-3-3").endswith("krum needs 2 f + 3 clients, not 10.")
    assert why("#cell-1-2").endswith("seeds 0, 1, 2 have not finished")
    assert why("#heat tbody tr:nth-child(2) td:nth-child(4)") == "The study leaves this out."
    assert why(worst.format(3)) == (
        "ALIE, backdoor and free-riders: No such figure: this rule or run does not tell."
    )
    assert why(worst.format(2)).startswith("ALIE: The study leaves this out. backdoor: seeds 0, ")
    assert why(worst.format(4)) == "free-riders: krum needs 2 f + 3 clients, not 10."


def test_attacks_without_a_goal_have_no_part_in_the_worst_attack_success(tab, content):
    tab.select_option("#measure", "attack_success")

    worst = tab.inner_text("#heat tbody tr:nth-child(1) .worst .mean")

    assert worst == f"{100 * content.cell(0, 2, 0).figures['attack_success'].mean:.1f}"


def test_shares_have_one_scale_whatever_they_reach(tab):
    for measure in ["score", "accuracy", "attack_success"]:
        tab.select_option("#measure", measure)
        ends = tab.locator("#heatmap .legend > span").all_inner_texts()
        assert {end.split()[0] for end in ends if end} == {"0.0", "100.0"}


def test_each_setting_has_its_line_and_is_one_click_away(tab, content):
    lines = tab.locator(".settings > li")
    assert lines.count() == 2
    assert "the worst attack" in lines.nth(1).inner_text()
    assert tab.get_attribute("#setting-0", "aria-pressed") == "true"

    tab.click("#setting-1")

    assert "setting: alpha 10" in tab.inner_text("#shown")
    assert tab.get_attribute("#setting-1", "aria-pressed") == "true"
    assert tab.evaluate("document.activeElement.id") == "setting-1"
    assert "All below is of alpha 10." in tab.inner_text("#headlines")


def test_curves_are_of_the_last_round_and_zoom_in_on_their_second_half(tab, content):
    caption = tab.locator("#accuracy-0-figure figcaption")
    drawn(tab, "accuracy-0")
    whole = tab.locator("#accuracy-0 .ytick").all_text_contents()
    assert "In the last round alone, " in caption.inner_text()
    assert "The axis" not in caption.inner_text()
    assert (whole[0], whole[-1]) == ("0%", "100%")

    tab.check("#zoomed")

    low = min(min(content.cell(d, 0, 0).curves["accuracy"].low[5:]) for d in range(4))
    high = max(max(content.cell(d, 0, 0).curves["accuracy"].high[5:]) for d in range(4))
    margin = 0.03 * (high - low)
    ends = f"{100 * (low - margin):.1f}\u202f% to {100 * (high + margin):.1f}\u202f% alone"
    assert f"The axis shows {ends}, for the second half." in caption.inner_text()
    assert tab.locator("#accuracy-0 .ytick").all_text_contents() != whole
    assert "zoomed=yes" in tab.url


@pytest.fixture(scope="module")
def crowded(browser, tmp_path_factory):
    """A page of more defenses than there is room for names."""
    with looking_at(browser, saved(sample(3, MANY), tmp_path_factory.mktemp("crowded"))) as tab:
        yield tab


def test_a_lines_name_stands_at_its_end_where_no_other_ends(crowded):
    for threat in range(4):
        names = boxes(drawn(crowded, f"accuracy-{threat}").locator(".annotation-text"))
        assert 0 < len(names) < len(MANY)
        assert all(overlap(a, b) <= 0 for a, b in combinations(names, 2))


@pytest.mark.parametrize("width", [1280, 390])
def test_names_in_the_scatter_lie_on_no_sign_and_on_no_other_name(crowded, width):
    crowded.set_viewport_size({"width": width, "height": 900})
    scatter = drawn(crowded, "scatter")
    crowded.wait_for_function(f"document.querySelector('#scatter svg').clientWidth < {width}")

    names, signs = boxes(scatter.locator(".annotation-text")), boxes(scatter.locator(".point"))

    assert len(signs) == len(MANY)
    assert len(names) > 3
    assert max(overlap(a, b) for a, b in combinations(names, 2)) <= 0
    assert max(overlap(name, sign) for name in names for sign in signs) <= 0


def test_intervals_have_the_colour_of_their_defense(tab):
    scatter = drawn(tab, "scatter")
    stroke = "all => all.map(n => getComputedStyle(n).stroke)"
    bars = scatter.locator(".errorbar .xerror").evaluate_all(stroke)

    fill = "all => all.map(n => getComputedStyle(n).fill)"

    assert bars == scatter.locator(".point").evaluate_all(fill)
    assert len(set(bars)) == 4


def test_clients_are_malicious_whatever_their_attack_is_called_and_of_a_seed(tab):
    ticks = drawn(tab, "clients-accuracy").locator(".ytick").all_text_contents()
    rows = drawn(tab, "timeline").locator(".ytick text").all_text_contents()

    assert ticks == ["honest", "malicious"]
    assert {row.split(" · ")[-1] for row in rows if "%" not in row} == {"honest", "malicious"}
    for figure in ["clients-reward", "clients-accuracy", "timeline"]:
        assert tab.inner_text(f"#{figure}-figure figcaption").endswith("Seed 0.")


def test_reputations_end_at_zero_with_a_cross_where_a_client_is_removed(tab):
    for figure in ["clients-reputation", "clients-quota"]:
        lines = drawn(tab, figure).locator(".js-line")
        dashes = lines.evaluate_all("all => all.map(n => getComputedStyle(n).strokeDasharray)")
        crosses = boxes(tab.locator(f"#{figure} .point"))
        caption = tab.inner_text(f"#{figure}-figure figcaption")

        assert [dash != "none" for dash in dashes] == [True] * 3 + [False] * 9
        assert len([1 for left, _, right, _ in crosses if right - left > 5]) == 1
        assert "malicious ones 0.0\u202f% to 10.0\u202f%" in caption
        assert caption.endswith("A cross is a removal. Seed 0.")


def test_a_clients_own_model_is_compared_with_what_it_reaches_alone(tab):
    points = drawn(tab, "clients-gain").locator(".point")

    assert points.count() == 12
    assert "as 7 of 9 honest clients do" in tab.inner_text("#clients-gain-figure figcaption")
    tab.click("#clients-gain-behind > summary")
    head = tab.locator("#clients-gain-behind th[scope=col]").all_inner_texts()
    assert head[-3:] == ["Own model", "Alone", "Removed in round"]


def test_numbers_behind_reputations_are_those_of_every_client(tab, content):
    tab.click("#clients-reputation-behind > summary")

    rows = tab.locator("#clients-reputation-behind tbody tr")

    assert rows.count() == 12
    assert "0.1" in rows.nth(0).inner_text()
    assert rows.nth(1).inner_text().split("\t")[:2] == ["1", "ALIE"]


def test_only_rules_that_keep_reputations_have_them(tab):
    tab.select_option("#clients-defense", "0")
    assert tab.locator("#clients-reputation").count() == 0
    assert tab.locator("#clients-gain").count() == 1

    tab.select_option("#clients-defense", "2")
    assert tab.locator("#clients-gain").count() == 0


def test_the_dialog_of_a_cell_has_its_reputations(tab):
    tab.click("#cell-3-2")

    drawn(tab, "details-clients-reputation")

    tab.click("#details .close")
    assert tab.locator("#details-clients-reputation").count() == 0


def test_detection_is_drawn_for_every_attack_with_a_line_for_every_rule_that_judges(tab):
    assert tab.locator("#detection figure").count() == 3  # nobody is detected where nobody attacks
    lines = drawn(tab, "roc-1").locator(".js-line")
    caption = tab.inner_text("#roc-1-figure figcaption")

    assert lines.count() == 2 + 1  # with that of chance
    assert "mean of 3 seeds: 90.0\u202f% of NNM + <b>Krum</b> & co_1 50%, down to 60.0" in caption
    assert caption.endswith("Lines are of seed 0.")


def test_what_the_rule_takes_has_a_scale_of_its_own(tab):
    ticks = drawn(tab, "rule-seconds").locator(".xtick").all_text_contents()

    assert max(map(float, ticks)) < 0.01
    assert "1\u202fms" in tab.inner_text("#costs tbody tr:nth-child(1)")
    assert "rough guide" in tab.inner_text("#cost")
    assert "fastest" not in tab.inner_text("#cost")


def test_classes_have_colours_of_their_own_unless_they_are_too_many(browser, content, tmp_path):
    counts = [[10] * 30 for _ in range(5)]
    large = Split(1, 0, list(range(5)), counts)
    both = replace(content, splits=[content.splits[0], large])

    with looking_at(browser, saved(both, tmp_path)) as tab:
        colours = "all => all.map(n => getComputedStyle(n).backgroundColor)"
        key = tab.locator("#split .swatch").evaluate_all(colours)
        assert len(set(key)) == len(key) == 10

        tab.click("#setting-1")
        assert tab.locator("#split .swatch").count() == 0
        assert tab.locator("#split .ramp i").count() == 30


def test_backticks_in_the_method_are_code(tab):
    assert tab.locator("#method dd code").all_inner_texts() == ["fedrobust verify"]
    again, odd = tab.locator("#method dd").all_inner_texts()

    assert again == "fedrobust verify runs <b>it</b>."
    assert odd == "one ` alone"


def test_a_table_that_goes_on_beyond_the_edge_fades_there_until_its_end(browser, address):
    with looking_at(browser, address, width=390) as tab:
        box = tab.locator("#heat-box")
        tab.locator("#heat-box.more").wait_for()
        assert box.evaluate(STYLE, "maskImage") != "none"

        box.evaluate("box => box.scrollTo(box.scrollWidth, 0)")

        tab.locator("#heat-box:not(.more)").wait_for()
        first = tab.locator("#heat tbody th").first.bounding_box()
        assert first["x"] == box.bounding_box()["x"], "names stay in sight"


def test_paper_is_white_and_keeps_tables_whole_and_every_settings_line(browser, address):
    with looking_at(browser, address, theme="dark") as tab:
        tab.emulate_media(media="print", color_scheme="dark")
        tab.locator("html[data-paper]").wait_for()

        assert rgb(tab.locator("body").evaluate(STYLE, "backgroundColor")) == [255, 255, 255]
        for table in ["#heat", "#standings"]:
            assert tab.locator(table).evaluate(STYLE, "breakInside") == "avoid"
            assert tab.locator(f"{table} thead").evaluate(STYLE, "breakAfter") == "avoid"
        assert tab.locator(".settings > li").evaluate_all(
            "all => all.every(n => n.checkVisibility())"
        )
        assert tab.is_visible("text=All below is of alpha 0.1.")


def test_words_fill_a_wide_page_in_lines_that_can_be_read(tab):
    places = boxes(tab.locator(".headlines > li"))

    assert len(places) == len(THREATS)
    assert len({round(left) for left, *_ in places}) == 2
    assert all(right - left <= 640 for left, _, right, _ in places)


def test_what_a_choice_of_hyperparameters_rests_on_is_shown(opened):
    rows = opened.locator("#tuning tbody tr")

    assert [row.split("\t") for row in rows.all_inner_texts()] == [
        ["median", "0.1", "51.2\u202f%", "chosen"],
        ["median", "<b>1</b>", "not finished", ""],
    ]


def test_without_tuning_the_page_has_no_such_section(browser, tmp_path):
    with looking_at(browser, saved(sample(), tmp_path)) as tab:
        assert tab.locator("#method").count() == 1
        assert tab.locator("#tuning").count() == 0

"""Drawings of a report: all are drawn, nothing overlaps, and their bytes are always the same."""

import re
from dataclasses import replace
from importlib.resources import files
from itertools import combinations
from xml.etree import ElementTree

import matplotlib as mpl
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from fedrobust.report.drawings import DRAWINGS, drawings, drawn, style
from tests.report.sample import sample

DEFENSES = [
    "mean",
    "coordinate-wise median of all the updates",
    "trimmed mean",
    "multi-Krum",
    "geometric median",
    "centered clipping with client momentum 0.9",
    "NNM + trimmed mean",
    "SignGuard $x_1$ & <b>\\beta",
]
THREATS = [
    "nobody",
    "sign flip, three times as long",
    "backdoor",
    "ALIE z = 1.5",
    "IPM epsilon 0.5",
    "label flip",
    "adaptive attack against the rule itself",
    "free-riders",
    "min-max",
    "Gaussian noise, sigma 10",
]


def one_setting(content):
    return replace(
        content,
        settings=content.settings[:1],
        cells=[c for c in content.cells if c.setting == 0],
        times=content.times[: sum(c.setting == 0 for c in content.cells)],
        rankings=content.rankings[:1],
        splits=content.splits[:1],
    )


LARGE = dict(drawings(one_setting(sample(3, DEFENSES, THREATS))))


def boxes(drawing):
    """Where each text is, in pixels, after the layout has found its place."""
    with style.applied():
        canvas = FigureCanvasAgg(drawing)
        canvas.draw()
        renderer = canvas.get_renderer()
        hidden = set(beyond_axes(drawing))
        texts = [t for t in drawing.findobj(Text) if t.get_visible() and t.get_text().strip()]
        return [(t, t.get_window_extent(renderer)) for t in texts if t not in hidden]


def beyond_axes(drawing):
    """Labels of ticks that are not drawn, because they lie beyond what the axes show."""
    for axes in drawing.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in axis.get_major_ticks():
                if not low <= tick.get_loc() <= high:
                    yield from (tick.label1, tick.label2)


def overlaps(one, other):
    """How many pixels of two texts overlap, where both are upright or both are not."""
    width = min(one.x1, other.x1) - max(one.x0, other.x0)
    height = min(one.y1, other.y1) - max(one.y0, other.y0)
    return min(width, height)


def test_a_full_report_has_every_drawing_of_every_setting():
    names = [name for name, _ in drawings(sample())]

    assert names == [f"{name}_{setting}" for setting in (1, 2) for name in DRAWINGS]


@pytest.mark.parametrize("name", DRAWINGS)
def test_no_text_is_cut_off_or_lies_on_another(name):
    """Slanted labels, whose boxes are larger than they are, are looked at by eye."""
    drawing = LARGE[name]

    found = boxes(drawing)

    width, height = drawing.canvas.get_width_height()
    for text, box in found:
        inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= width + 1 and box.y1 <= height + 1
        assert inside, f"{text.get_text()!r} is cut off"
    upright = [(text, box) for text, box in found if text.get_rotation() in (0, 90)]
    for (text, box), (other, its) in combinations(upright, 2):
        assert overlaps(box, its) <= 1, f"{text.get_text()!r} lies on {other.get_text()!r}"


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_drawing_has_the_width_of_a_column_or_a_page_and_legible_text(name):
    drawing = LARGE[name]

    assert drawing.get_figwidth() in (3.4, 7.0)
    assert drawing.get_figheight() < 9
    assert min(text.get_fontsize() for text, _ in boxes(drawing)) >= 7


@pytest.mark.parametrize("format", ["svg", "pdf"])
@pytest.mark.parametrize("name", ["heat_map_score", "timeline", "curves_attack_success"])
def test_the_same_content_makes_the_same_bytes(name, format):
    content = one_setting(sample())

    first, second = (drawn(dict(drawings(content))[name], format) for _ in range(2))

    assert first == second
    assert drawn(LARGE[name], format) != first
    assert b"Date" not in first and b"date>" not in first
    assert not re.search(rb' d="[^"]*\.\d{3}', first)


def test_text_stays_text_whatever_it_holds():
    svg = ElementTree.fromstring(drawn(LARGE["costs"], "svg"))

    shown = " ".join("".join(node.itertext()) for node in svg.iter() if node.tag.endswith("}text"))

    assert "SignGuard $x_1$ & <b>" in re.sub(r"\s+", " ", shown)


def test_any_label_can_be_drawn():
    labels = ["$", "$$x^", "\x00\x1b[1m", "\n", "", "中文 🎉", "x" * 500]
    content = one_setting(sample(2, labels, labels))

    for _, drawing in drawings(content):
        assert ElementTree.fromstring(drawn(drawing, "svg")).tag.endswith("svg")


def test_one_seed_one_defense_and_one_threat_can_be_drawn():
    content = one_setting(sample(1, ["mean"], ["nobody"]))
    score = content.cells[0].figures["score"]
    bare = replace(content.rankings[0].standings[0], price=None, noise=None, worst=score)
    ranking = replace(content.rankings[0], standings=[bare], critical=None, groups=[])

    names = {
        name
        for name, drawing in drawings(replace(content, rankings=[ranking]))
        if drawn(drawing, "svg")
    }

    assert names == {
        "heat_map_score", "heat_map_accuracy", "curves_accuracy", "robustness", "fairness",
        "gain", "timeline", "costs", "split",
    }  # fmt: skip


def test_where_nothing_has_finished_nothing_is_drawn():
    content = sample()
    empty = {"state": "missing", "runs": [], "figures": {}, "curves": {}}
    empty |= {"clients": None, "timeline": None, "reputations": None, "roc": None}
    cells = [replace(c, **empty) for c in content.cells]
    nothing = replace(content, cells=cells, rankings=[], splits=[], times=[{}] * len(cells))

    assert list(drawings(nothing)) == []


def test_colours_dashes_and_markers_tell_twelve_defenses_apart():
    signs = {(style.color(d), style.dash(d), style.marker(d)) for d in range(12)}

    assert len(signs) == 12
    assert len({(style.color(d), style.dash(d)) for d in range(12)}) == 12


def test_colours_dashes_and_markers_are_those_of_the_page():
    folder = files("fedrobust.report").joinpath("page")
    css, js = (folder.joinpath(name).read_text("utf-8") for name in ("colours.css", "theme.js"))
    light = css.split(":root[")[0]

    def listed(name):
        return re.findall(r'"([\w-]+)"', re.search(rf"{name} = \[(.*?)\]", js)[1])

    assert re.findall(r"--series-\d: (#\w+);", light) == style.COLORS
    assert re.findall(r"--scale-\d: (#\w+);", light) == style.SCALE
    dashes = dict(zip(listed("DASHES"), map(style.dash, range(5)), strict=True))
    assert dashes == {
        "solid": "-", "dash": "--", "dot": ":", "dashdot": "-.", "longdash": (0, (8, 2))
    }  # fmt: skip
    signs = dict(zip(listed("SYMBOLS"), map(style.marker, range(7)), strict=True))
    assert signs == {
        "circle": "o", "square": "s", "diamond": "D", "triangle-up": "^", "cross": "P", "star": "*",
        "hexagon": "h",
    }  # fmt: skip
    assert (style.dash(5), style.marker(7), style.color(8)) == (
        style.dash(0), style.marker(0), style.color(0)
    )  # fmt: skip


def test_the_best_score_is_bold_and_its_ties_are_underlined():
    content = one_setting(sample())

    axes = dict(drawings(content))["heat_map_score"].axes[0]

    bold = [text.get_position() for text in axes.texts if text.get_weight() == "bold"]
    underlined = [(line.get_xdata()[0], line.get_ydata()[0]) for line in axes.lines]
    assert bold == [(x, 2) for x in range(4)]
    assert [(x, round(y)) for x, y in underlined] == [(x, 1) for x in range(4)]


def test_a_share_has_the_same_colour_in_every_heat_map():
    found = dict(drawings(one_setting(sample())))

    higher, lower = (found[f"heat_map_{key}"].axes[1] for key in ("score", "attack_success"))

    assert higher.get_ylim() == lower.get_ylim() == (0, 1)


@pytest.mark.parametrize("name", ["fairness", "timeline", "reputation", "gain"])
def test_clients_are_malicious_whatever_their_attack_is_called(name):
    drawing = dict(drawings(one_setting(sample())))[name]

    texts = [text.get_text() for text, _ in boxes(drawing)]

    assert any(text.startswith("malicious") for text in texts)
    assert not any(text.startswith("ALIE") for text in texts)
    assert any(text.replace("\n", " ").endswith("seed 0") for text in texts)


@pytest.mark.parametrize("name", ["reputation", "reward"])
def test_the_line_of_a_client_ends_at_zero_with_a_cross_where_it_is_removed(name):
    axes = dict(drawings(one_setting(sample())))[name].axes[0]

    ends = [(line.get_xdata()[-1], line.get_ydata()[-1], line.get_marker()) for line in axes.lines]
    assert ends == [(40, 0.0, "X") if client == 1 else (100, 0.1, "") for client in range(12)]
    assert [line.get_linestyle() for line in axes.lines] == ["--"] * 3 + ["-"] * 9


def test_rules_that_judge_clients_have_a_curve_under_each_attack():
    content = one_setting(sample())

    drawing = dict(drawings(content))["detection"]

    assert [axes.get_title() for axes in drawing.axes] == ["ALIE", "backdoor", "free-riders"]
    for axes, judging in zip(drawing.axes, [2, 2, 1], strict=True):  # one cell is not defined
        lines = [line for line in axes.lines if line.get_color() != "black"]
        assert len(lines) == judging
        assert list(lines[0].get_xdata()) == content.cell(0, 1, 0).roc.honest
        assert list(lines[0].get_ydata()) == content.cell(0, 1, 0).roc.malicious


def test_a_rule_that_rewards_all_the_same_has_reputations_alone():
    content = one_setting(sample())
    cells = [
        replace(c, reputations=replace(c.reputations, quota=[[None] * 10] * 12))
        if c.reputations
        else c
        for c in content.cells
    ]

    names = dict(drawings(replace(content, cells=cells)))

    assert "reputation" in names
    assert "reward" not in names


def test_what_the_rule_takes_has_a_panel_of_its_own():
    content = one_setting(sample())
    times = [{"aggregate": 0.001, "clients": 0.1} for _ in content.times]

    whole, rule = dict(drawings(replace(content, times=times)))["costs"].axes

    assert (len(whole.containers), len(rule.containers)) == (2, 1)
    assert rule.get_title() == "The rule, in ms"
    assert [round(bar.get_width(), 6) for bar in rule.containers[0]] == [1.0] * 4


def test_nothing_of_the_users_settings_shows_and_none_is_changed():
    with mpl.rc_context({"font.size": 30.0, "svg.fonttype": "path"}):
        content = one_setting(sample())

        found = drawn(dict(drawings(content))["costs"], "svg")

        assert mpl.rcParams["font.size"] == 30.0
    assert found == drawn(dict(drawings(content))["costs"], "svg")


@pytest.mark.parametrize(
    ("text", "inches", "shown"),
    [
        ("short", 1.0, "short"),
        ("two words here", 0.71, "two words\nhere"),
        ("one two three four five six", 0.71, "one two\nthree fou…"),
        ("x" * 30, 0.71, "xxxxxxxxxx\nxxxxxxxxx…"),
    ],
)
def test_labels_are_wrapped_and_end_in_an_ellipsis(text, inches, shown):
    assert style.fitting(text, inches) == shown

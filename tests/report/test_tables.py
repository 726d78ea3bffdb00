"""What stands in the tables of a report."""

from dataclasses import replace
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedrobust.report.content import Change, Figure
from fedrobust.report.grids import grids
from fedrobust.report.scales import ABSENT, Scale
from fedrobust.report.table import Entry, Table, column, notes_of, spread_note
from fedrobust.report.tables import changes, costs, ranking, seconds_by_phase, tables
from fedrobust.report.trials import Trial, Tuning
from fedrobust.report.tuning_table import tuning
from tests.report.sample import sample

PERCENT = Scale.of("share", ())


def figure(*each):
    mean = sum(each) / len(each)
    known = len(each) > 1
    return Figure(mean, min(each) if known else None, max(each) if known else None, list(each))


@pytest.mark.parametrize(
    ("unit", "value", "text", "name"),
    [
        ("share", 0.8125, "81.2", "%"),
        ("share", -0.031, "−3.1", "%"),  # noqa: RUF001
        ("share", -0.0001, "0.0", "%"),
        ("seconds", 1.234, "1.23", "s"),
        ("seconds", 0.01234, "12.3", "ms"),
        ("seconds", 0.0, "0.00", "ms"),
        ("bytes", 3_200_000.0, "3.20", "MB"),
        ("bytes", 999.0, "999", "B"),
        ("number", 1234.5, "1234", ""),
        ("number", 0.01234, "0.0123", ""),
    ],
)
def test_figures_have_three_digits_in_a_unit_of_their_size(unit, value, text, name):
    scale = Scale.of(unit, [value])

    assert (scale.write(value), scale.name) == (text, name)


@given(st.lists(st.floats(1e-9, 1e12), min_size=1), st.sampled_from(["seconds", "bytes", "number"]))
def test_the_largest_figure_is_written_to_half_a_percent(values, unit):
    scale = Scale.of(unit, values)

    assert float(scale.write(max(values))) * scale.size == pytest.approx(
        max(values), rel=5.1e-3, abs=5e-10
    )


def test_the_best_of_a_column_is_marked_and_what_cannot_be_told_from_it():
    figures = [figure(0.80, 0.81, 0.82), figure(0.79, 0.81, 0.82), figure(0.2, 0.21, 0.22), None]

    assert [e.mark for e in column(figures, PERCENT, "higher")] == ["best", "tied", "", ""]
    assert [e.mark for e in column(figures, PERCENT, "lower")] == ["", "", "best", ""]
    assert [e.mark for e in column(figures, PERCENT, "")] == ["", "", "", ""]


def test_where_all_figures_are_the_same_none_is_best():
    entries = column([figure(0.5, 0.6), figure(0.5, 0.6)], PERCENT, "higher")

    assert [entry.mark for entry in entries] == ["", ""]


def test_what_is_not_a_rival_cannot_be_best():
    entries = column(
        [figure(0.9), figure(0.5), figure(0.4)], PERCENT, "higher", [False, True, True]
    )

    assert [entry.mark for entry in entries] == ["", "best", ""]


def test_a_spread_is_half_of_an_interval():
    entry, without = column([Figure(0.99, 0.96, 1.02, [0.98, 1.0]), figure(0.5)], PERCENT, "")

    assert (entry.text, entry.spread) == ("99.0", "3.0")
    assert without.spread == ""
    assert list(spread_note([figure(0.5)])) == []


def test_a_grid_shows_every_figure_of_its_setting():
    content = sample()

    for setting in range(len(content.settings)):
        for table, key in zip(grids(content, setting), ["score", "accuracy", "lost"], strict=False):
            for d, row in enumerate(table.rows):
                for t, entry in enumerate(row[1:]):
                    found = content.cell(d, t, setting).figures.get(key)
                    shown = ABSENT if found is None else PERCENT.write(found.mean)
                    assert (row[0].text, entry.text) == (content.defenses[d].label, shown)


def test_a_cell_without_a_figure_has_a_note_that_says_why():
    table = next(grids(sample(), 0))

    assert (table.rows[3][4].text, table.rows[3][4].note) == (ABSENT, "a")
    assert table.notes[0] == "a: krum needs 2 f + 3 clients, not 10."


def test_a_grid_leaves_out_threats_and_defenses_that_have_no_such_figure():
    tables_of = {table.name: table for table in grids(sample(), 1)}

    assert tables_of["attack_success_2"].header == ["Defense", "backdoor"]
    assert [row[0].text for row in tables_of["f1_2"].rows] == [
        "mean",
        "NNM + <b>Krum</b> & co_1 50%",
    ]


def test_a_combination_that_the_study_leaves_out_says_so():
    content = sample()
    cells = [c for c in content.cells if (c.defense, c.threat) != (1, 1)]
    times = [{"training": 1.0}] * len(cells)

    table = next(grids(replace(content, cells=cells, times=times), 0))

    assert table.rows[1][2].note == "a"
    assert table.notes[0] == "a: There is no such run."


def test_notes_are_sentences():
    content = sample()
    partly = replace(content.cells[0], state="partly", why="seeds 1, 2 have not finished")

    table = next(grids(replace(content, cells=[partly, *content.cells[1:]]), 0))

    assert table.notes[0] == "a: seeds 1, 2 have not finished."
    assert all(note.endswith(".") for table in tables(content) for note in table.notes)


def test_what_is_the_same_in_all_cells_is_a_sentence():
    content = sample()

    found = list(grids(content, 1))

    assert [table.name for table in found if not table.rows] == ["alike_2"]
    assert found[-1].title == "The same in all cells (alpha 10)"
    assert found[-1].caption == "Bytes a round: 3.20 MB."
    assert "bytes_2" not in [table.name for table in found]


def test_what_one_seed_tells_apart_is_no_sentence():
    content = sample()
    first = content.cells[0]
    other = Figure(3.2e6, 3e6, 3.4e6, [3.0e6, 3.2e6, 3.4e6])
    cells = [replace(first, figures={**first.figures, "bytes": other}), *content.cells[1:]]

    assert "bytes_1" in [table.name for table in grids(replace(content, cells=cells), 0)]


def test_a_single_cell_keeps_its_tables():
    content = sample(1, ["mean"], ["nobody"])

    one = replace(content, cells=content.cells[:1], settings=content.settings[:1])

    assert all(table.rows for table in grids(one, 0))


@pytest.mark.parametrize(
    ("plain", "marks", "notes"),
    [
        (True, ["", "best", ""], ["a", "", ""]),
        (False, ["", "", "best"], ["a", "a", ""]),
    ],
)
def test_what_others_are_compared_with_is_no_rival(plain, marks, notes):
    """The mean loses nothing to itself; another rule that loses nothing has done well."""
    content = sample()
    lost = {0: figure(0.0, 0.0, 0.0), 1: figure(0.0, 0.0, 0.0), 2: figure(0.3, 0.3, 0.3)}
    cells = [
        replace(cell, figures={"lost": lost.get(cell.defense, figure(0.9, 0.9, 0.9))})
        for cell in content.cells
    ]
    defenses = [replace(content.defenses[0], plain=plain), *content.defenses[1:]]

    (table,) = grids(replace(content, cells=cells, defenses=defenses), 0)

    calm = [row[1] for row in table.rows[:3]]
    assert [entry.mark for entry in calm] == marks
    assert [entry.note for entry in calm] == notes
    assert "a: What the others are compared with." in table.notes
    assert table.rows[0][2].mark == "best"


def test_marks_are_explained_where_there_are_any():
    def said(*marks):
        row = [Entry("1", mark=mark) for mark in marks]
        table = Table("", "", "", [""] * len(row), "", [row], ["More."])
        return list(notes_of(table, "Underlined"))

    assert said("") == ["More."]
    assert said("best", "") == ["Bold: the best of its column.", "More."]
    assert said("best", "tied")[1] == "Underlined: cannot be told from it."


def test_tuning_shows_every_score_and_what_was_chosen():
    lr = "training.lr"
    rows = [
        Tuning("mean", {"strategy": "mean"}, [
            Trial({lr: "0.1"}, 0.5, chosen=False), Trial({lr: "0.3"}, 0.75, chosen=True),
        ]),
        Tuning("krum", {"strategy": "krum"}, [Trial({lr: "0.3"}, None, chosen=False)]),
    ]  # fmt: skip

    (table,) = tuning(replace(sample(), tuning=rows))

    assert table.header == ["Chosen for", "lr 0.1", "lr 0.3"]
    assert [[entry.text for entry in row] for row in table.rows] == [
        ["mean", "50.0", "75.0"],
        ["krum", ABSENT, ABSENT],
    ]
    assert [entry.mark for entry in table.rows[0]] == ["", "", "best"]
    assert [entry.note for entry in table.rows[1]] == ["", "", "a"]
    assert list(notes_of(table, "")) == ["Bold: chosen.", "a: Runs have not finished."]
    assert list(tuning(sample())) == []


def test_a_ranking_names_the_worst_attack_and_explains_its_figures():
    content = sample()

    (table,) = ranking(content, 0)

    assert table.header[:3] == ["Defense", "Worst case", "under"]
    assert [row[0].text for row in table.rows][:2] == ["centered clipping", "median"]
    assert {row[2].text for row in table.rows} == {"backdoor"}
    assert any("closer than 1.50" in note for note in table.notes)


def test_defenses_that_miss_attacks_stand_in_a_ranking_without_figures():
    content = sample()
    first = content.rankings[0]
    bare = replace(first.standings[0], rank=None, worst=None, average=None, worst_threat=None)
    one = replace(first, standings=[bare], critical=None, p=None)

    (table,) = ranking(replace(content, rankings=[one]), 0)

    assert [entry.text for entry in table.rows[0]].count(ABSENT) == 4
    assert list(ranking(replace(content, rankings=[]), 0)) == []


def test_costs_are_medians_over_threats_and_add_up():
    content = sample()

    (table,) = costs(content, 0)

    own = [
        t
        for c, t in zip(content.cells, content.times, strict=True)
        if (c.defense, c.setting) == (1, 0)
    ]
    middle = {phase: median(t[phase] for t in own) for phase in ("aggregation", "training")}
    assert seconds_by_phase(content, 0)[1] == pytest.approx(middle)
    shown = [float(entry.text) for entry in table.rows[1][1:]]
    assert shown[:3] == pytest.approx(
        [1e3 * v for v in (*middle.values(), sum(middle.values()))], abs=1
    )
    assert shown[3] == pytest.approx(3.2)
    assert list(costs(replace(content, times=[{}] * len(content.cells)), 0)) == []


def test_changes_beyond_noise_are_listed_and_others_counted():
    large = Change(0, 1, 0, "accuracy", 0.5, 0.7, 0.15, 0.25, True)
    small = Change(0, 2, 0, "accuracy", 0.5, 0.51, None, None, False)

    (table,) = changes(replace(sample(), changes=[small, large], against="last week"))

    assert table.title == "What changed since last week"
    assert [entry.text for entry in table.rows[0][-4:]] == ["50.0", "70.0", "20.0", "15.0 to 25.0"]
    assert len(table.rows) == 1
    assert table.notes == ["Figures that differ by no more: 1."]
    assert list(changes(sample())) == []


@pytest.mark.parametrize("seeds", [1, 3])
def test_every_table_is_rectangular_and_has_a_name_of_its_own(seeds):
    found = list(tables(sample(seeds)))

    for table in found:
        assert {len(row) for row in table.rows} <= {len(table.header)} == {len(table.align)}
        assert table.rows or table.caption
    assert len({table.name for table in found}) == len(found) == 18

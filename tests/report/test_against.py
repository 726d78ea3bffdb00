"""Two reports differ in what changed beyond noise."""

from dataclasses import replace

import pytest

from fedrobust.errors import ConfigError
from fedrobust.report.against import compared
from fedrobust.report.statistics import figure
from tests.report.sample import sample


def changed(content, *by, measure="accuracy"):
    """Return the content with one figure of one cell moved, seed by seed."""
    cell = content.cells[5]
    each = cell.figures[measure].each
    moved = figure([value + gap for value, gap in zip(each, by, strict=True)])
    cells = [*content.cells]
    cells[5] = replace(cell, figures={**cell.figures, measure: moved})
    return replace(content, cells=cells)


def beyond(content):
    return [change for change in content.changes if change.beyond_noise]


def test_a_report_does_not_differ_from_itself():
    found = compared(sample(), sample(), "itself")

    assert found.changes
    assert beyond(found) == []
    assert found.against == "itself"


def test_a_large_change_is_beyond_noise_and_a_small_one_is_not():
    gaps = (0.02, -0.03, 0.01), (0.2, 0.2001, 0.1999)
    small, large = (beyond(compared(changed(sample(), *by), sample(), "x")) for by in gaps)

    assert small == []
    (change,) = large
    cell = sample().cells[5]
    assert (change.defense, change.threat, change.setting) == (
        cell.defense,
        cell.threat,
        cell.setting,
    )
    assert change.after - change.before == pytest.approx(0.2)
    assert change.low < 0.2 < change.high


def test_with_a_single_seed_any_difference_is_told():
    found = compared(changed(sample(1), 0.003), sample(1), "x")

    assert [change.measure for change in beyond(found)] == ["accuracy"]
    assert found.changes[0].low is None


def test_cells_are_matched_by_their_labels():
    before = sample()
    turned = replace(
        before,
        defenses=before.defenses[::-1],
        cells=[replace(c, defense=len(before.defenses) - 1 - c.defense) for c in before.cells],
    )

    assert beyond(compared(before, turned, "x")) == []


def test_reports_with_nothing_in_common_are_refused():
    other = replace(sample(), settings=[replace(o, label="else") for o in sample().settings])

    with pytest.raises(ConfigError, match="need a cell in common"):
        compared(sample(), other, "runs/other")


def test_among_many_figures_a_few_small_p_values_are_chance():
    """A paired test alone calls this one real, at p = 0.02."""
    found = compared(changed(sample(), 0.05, 0.06, 0.04), sample(), "x")

    assert beyond(found) == []


def test_labels_on_two_axes_are_not_run_together():
    before = sample()
    apart = [replace(o, values={"a": "x", "b": o.label}) for o in before.defenses]
    other = [replace(o, values={"a": f"x, {o.label}", "b": ""}) for o in before.defenses]

    with pytest.raises(ConfigError, match="need a cell in common"):
        compared(replace(before, defenses=apart), replace(before, defenses=other), "x")

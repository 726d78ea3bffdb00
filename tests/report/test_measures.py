"""Figures of a run, from its summary."""

import pytest

from fedrobust.report.measures import figures_of


@pytest.mark.parametrize(
    ("removals", "figures"),
    [
        ({"malicious": 4, "caught": {"7": 9, "8": 12}, "wronged": {}}, (0.5, 0, 10.5)),
        ({"malicious": 2, "caught": {}, "wronged": {"1": 3}}, (0, 1, None)),
        ({"malicious": 0, "caught": {}, "wronged": {}}, (None, 0, None)),
        (None, (None, None, None)),
    ],
)
def test_removals_are_counted(removals, figures):
    found = figures_of({"collaboration": {"removals": removals}})

    keys = ("removed_malicious", "removed_honest", "removal_round")
    assert tuple(map(found.get, keys)) == figures

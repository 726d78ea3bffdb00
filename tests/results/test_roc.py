"""Curves and areas against scikit-learn, and against every pair counted by hand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, roc_curve

from fedrobust.results.roc import auc, roc

UPDATE = st.tuples(
    st.integers(1, 4),
    st.sampled_from(["honest", "alie", "ipm"]),
    st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0, None]),
)


def table(updates):
    rows = pd.DataFrame(updates, columns=["round", "role", "suspicion"])
    return rows.astype({"suspicion": float})


def counted(updates, role):
    """Return the share of pairs of a round that the malicious one wins, one by one."""
    won = pairs = 0.0
    for one in updates:
        for other in updates:
            malicious = one[1] == role if role else one[1] != "honest"
            apart = malicious and other[1] == "honest" and one[0] == other[0]
            if apart and one[2] is not None and other[2] is not None:
                pairs += 1
                won += 1.0 if one[2] > other[2] else 0.5 if one[2] == other[2] else 0.0
    return won / pairs if pairs else None


@given(st.lists(UPDATE, min_size=1, max_size=40), st.sampled_from([None, "alie", "ipm"]))
def test_the_area_is_that_of_all_pairs_within_rounds(updates, role):
    assert auc(table(updates), role) == pytest.approx(counted(updates, role))


@given(st.lists(UPDATE, min_size=1, max_size=40), st.sampled_from([None, "alie", "ipm"]))
def test_it_is_the_area_under_the_curve(updates, role):
    rows = table(updates)

    curve = roc(rows, role)

    if curve is None:
        assert auc(rows, role) is None
        return
    false, true = curve
    assert (false[0], true[0], false[-1], true[-1]) == (0, 0, 1, 1)
    assert (np.diff(false) >= 0).all()
    assert (np.diff(true) >= 0).all()
    assert np.trapezoid(true, false) == pytest.approx(auc(rows, role))


@given(
    st.lists(UPDATE.filter(lambda update: update[2] is not None), min_size=2, max_size=40).filter(
        lambda updates: 0 < sum(role == "honest" for _, role, _ in updates) < len(updates)
    )
)
def test_of_one_round_it_is_the_curve_of_scikit_learn(updates):
    rows = table([(1, role, value) for _, role, value in updates])

    false, true = roc(rows)

    positive = rows.role != "honest"
    theirs = roc_curve(positive, rows.suspicion, drop_intermediate=False)
    assert auc(rows) == pytest.approx(roc_auc_score(positive, rows.suspicion))
    corners = {(round(x, 9), round(y, 9)) for x, y in zip(*theirs[:2], strict=True)}
    assert {(round(x, 9), round(y, 9)) for x, y in zip(false, true, strict=True)} <= corners


def test_a_perfect_detector_is_perfect_however_many_attackers_a_round_has():
    many = [(1, "alie" if c < 3 else "honest", float(c < 3)) for c in range(4)]
    few = [(2, "alie" if c < 1 else "honest", float(c < 1)) for c in range(4)]

    calm = [(3, "honest", float(c)) for c in range(4)]
    rows = table(many + few + calm)

    assert auc(rows) == 1.0
    false, true = roc(rows)
    assert np.trapezoid(true, false) == 1.0


def test_one_attack_is_set_apart_from_honest_clients_and_not_from_others():
    rows = table([(1, "honest", 0.5), (1, "alie", 1.0), (1, "ipm", 0.0)])

    assert auc(rows, "alie") == 1.0
    assert auc(rows, "ipm") == 0.0
    assert auc(rows) == 0.5
    assert auc(rows, "mimic") is None

"""Whom a rule that keeps reputations removed."""

import pytest

from fedrobust.results.reputations import Removals, removals
from fedrobust.results.rows import ClientRow, RoundRow
from fedrobust.results.store import Store
from fedrobust.strategies.reputation import Reputation


@pytest.fixture
def judged(tmp_path):
    """A run of scores by client and round, where None is not judged."""

    def enter(scores, **rule):
        with Store(tmp_path) as store:
            run = store.begin(
                "x", scenario_hash="x" * 16, scenario={}, rounds=4, seed=0, versions={}, machine={}
            )
            for number, own in enumerate(zip(*scores.values(), strict=True), start=1):
                rows = [ClientRow(c, "1", "honest", score=s) for c, s in enumerate(own)]
                store.record_round(run, RoundRow(number, None, None, None, None, 2, 2), rows)
            return removals(store, run, Reputation(**rule))

    return enter


def test_a_client_is_removed_from_when_on_its_reputation_stays_zero(judged):
    scores = {
        0: [0.5, 0.5, 1.0, 0.9],
        1: [0.5, 0.0, 0.0, 0.0],
        2: [0.0, 0.5, 0.0, None],
        3: [0.0, 0.0, 0.0, 0.1],
        4: [0.0, None, None, None],
        5: [None, None, None, None],
    }

    assert judged(scores, warm_up=0) == {1: 2, 2: 3, 4: 1}


def test_nobody_is_removed_before_its_warm_up_ends(judged):
    scores = {0: [0.5, 0.5, 1.0, 0.9], 1: [0.0, 0.0, 0.0, 0.0], 2: [None, None, 0.0, 0.0]}

    assert judged(scores, warm_up=2) == {1: 3}


def test_without_a_threshold_nobody_is_removed(judged):
    assert judged({0: [1.0] * 4, 1: [0.0] * 4}, warm_up=0, threshold=0.0) == {}


@pytest.mark.parametrize(
    ("removed", "said"),
    [
        (Removals(2, {8: 11, 9: 7}, {}), "2 of 2 malicious clients, the last in round 11, and no"),
        (Removals(2, {}, {}), "0 of 2 malicious clients, and no honest one."),
        (Removals(2, {8: 3}, {1: 4, 5: 6}), "round 3, and 2 honest (clients 1, 5)."),
        (Removals(0, {}, {}), "Removed for good: nobody."),
        (Removals(0, {}, {1: 4}), "Removed for good: 1 honest (client 1)."),
    ],
)
def test_removals_are_told_with_those_who_were_wronged(removed, said):
    assert said in removed.sentence()

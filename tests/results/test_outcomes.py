import pytest

from fedrobust.results import outcomes
from fedrobust.results.outcomes import Goal, Minority
from fedrobust.results.rows import GoalRow, RoundRow
from fedrobust.results.store import Store


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path) as store:
        yield store


@pytest.fixture
def run(store):
    return store.begin("", "0123456789", {}, rounds=9, seed=0, versions={}, machine={})


def enter(store, run, number, success=(), **row):
    goals = [GoalRow(place, name, rate) for place, name, rate in success]
    measured = RoundRow(number, None, None, None, None, 1, 1, **row)
    store.record_round(run, measured, goals=goals)


def test_a_goal_is_averaged_over_the_last_evaluations_of_each_adversary(store, run):
    for number, rate in enumerate([0.0, 0.5, 0.7, None], 1):
        enter(store, run, number, [(0, "dba", rate), (2, "label_flip", 0.1)])

    found = outcomes.goals(store, run, since=1)

    assert found.keys() == {0, 2}
    assert found[0] == Goal("dba", pytest.approx(0.6))
    assert found[2] == Goal("label_flip", pytest.approx(0.1))


def test_validation_is_averaged_over_the_same_evaluations_as_the_test(store, run):
    rates = [(0.1, 0.9), (0.5, 0.2), (0.7, None), (None, 0.9), (0.9, 0.6)]
    for number, (tested, validated) in enumerate(rates, 1):
        row = RoundRow(number, None, None, None, None, 1, 1)
        store.record_round(run, row, goals=[GoalRow(0, "dba", tested, validated)])

    (goal,) = outcomes.goals(store, run, since=1).values()

    assert goal.success == pytest.approx(0.7)
    assert goal.validation_success == pytest.approx(0.4)


def test_an_early_last_evaluation_counts_all_the_same(store, run):
    enter(store, run, 1, [(0, "dba", 0.4)])

    assert outcomes.goals(store, run, since=5)[0].success == 0.4


@pytest.mark.parametrize(
    ("rates", "end", "expected"),
    [
        ([0.1, 0.8, 0.7, 0.41, 0.4, 0.1], 2, 3),
        ([0.1, 0.8, 0.7], 2, None),
        ([0.0, 0.0, 0.0], 1, None),
        ([0.5, 0.25], 1, 1),
        ([0.5], 4, None),
    ],
)
def test_a_half_life_is_counted_from_the_last_round_of_the_attack(store, run, rates, end, expected):
    for number, rate in enumerate(rates, 1):
        enter(store, run, number, [(0, "dba", rate)])

    assert outcomes.half_life(store, run, 0, end) == expected


def test_deviations_are_medians_of_the_rounds_that_have_them(store, run):
    for number, (distance, kappa) in enumerate(
        [(1.0, 0.5), (9.0, None), (2.0, 0.7), (None, None)], 1
    ):
        enter(store, run, number, distance=distance, kappa=kappa)

    assert outcomes.deviations(store, run) == (2.0, 0.6)


def test_clients_are_rated_by_the_classes_that_they_hold_over_the_last_rounds(store, run):
    for number, within in [(1, [0.1, 0.1]), (8, [0.4, 0.8]), (9, [0.6, 1.0])]:
        row = RoundRow(number, 0.5, None, None, None, 1, 1)
        store.record_round(run, row, classes=within)
    store.record_holdings(run, [(0, 0, 10), (1, 0, 5), (1, 1, 15)])

    rated = outcomes.client_accuracies(store, run, since=7)

    assert rated == {0: pytest.approx(0.5), 1: pytest.approx(0.25 * 0.5 + 0.75 * 0.9)}


def test_a_minority_is_who_holds_most_of_a_class(store, run):
    store.record_holdings(run, [(0, 0, 50), (1, 0, 50), (1, 1, 5), (2, 1, 20), (3, 1, 5)])

    assert outcomes.minority(store, run, [2]) == Minority(label=1, share=20 / 30)
    assert outcomes.minority(store, run, [3]) is None
    assert outcomes.minority(store, run, [1]) is None
    assert outcomes.minority(store, run, []) is None

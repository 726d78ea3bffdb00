import pytest

from fedrobust.results import detection
from fedrobust.results.detection import Tally
from fedrobust.results.rows import ClientRow, RoundRow
from fedrobust.results.store import Store

H = "honest"
LOST = "no reply"
NAN = "values that are not finite"


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path) as store:
        yield store


def recorded(store, *rounds):
    """Enter rounds, each a list of (client, role, weight or fault, score), and return the run."""
    run = store.begin("", "0123456789", {}, rounds=9, seed=0, versions={}, machine={})
    for number, clients in enumerate(rounds, 1):
        rows = [
            ClientRow(client, str(client), role, fault is None, fault, weight=weight, score=score)
            for client, role, told, score in clients
            for fault, weight in [(told, None) if isinstance(told, str) else (None, told)]
        ]
        store.record_round(run, RoundRow(number, None, None, None, None, 9, 9), rows)
    return run


@pytest.fixture
def run(store):
    return recorded(
        store,
        [(0, H, 0.5, 1.0), (1, H, 0.5, 2.0), (2, "alie", 0.0, 9.0), (3, "ipm", 0.0, 5.0)],
        [(0, H, 0.0, 4.0), (1, H, LOST, None), (2, "alie", 1.0, 1.0), (3, "ipm", NAN, None)],
        [(0, H, 0.4, 1.0), (1, H, 0.6, 1.0), (2, "alie", 0.0, 3.0), (3, H, 0.0, 2.0)],
    )  # fmt: skip


def test_each_round_is_told_by_what_became_of_whom(store, run):
    assert detection.per_round(store, run) == {
        1: Tally(caught=2, missed=0, wronged=0, spared=2),
        2: Tally(caught=1, missed=1, wronged=1, spared=0),
        3: Tally(caught=1, missed=0, wronged=1, spared=2),
    }


def test_rates_follow_from_the_tally(store, run):
    tally = detection.overall(store, run)

    assert tally == Tally(4, 1, 2, 4)
    assert tally.precision == pytest.approx(4 / 6)
    assert tally.recall == pytest.approx(4 / 5)
    assert tally.f1 == pytest.approx(2 * (4 / 6) * (4 / 5) / (4 / 6 + 4 / 5))
    assert tally.false_positive_rate == pytest.approx(2 / 6)


def test_rates_of_nothing_are_unknown():
    assert Tally(0, 0, 0, 5).precision is None
    assert Tally(0, 0, 0, 5).recall is None
    assert Tally(3, 0, 0, 0).false_positive_rate is None
    assert Tally(0, 0, 0, 5).f1 is None


def test_a_rule_that_gives_no_weights_excludes_nobody_that_one_knows_of(store):
    run = recorded(store, [(0, H, None, None), (1, "alie", NAN, None)])

    assert detection.overall(store, run) is None
    assert [
        role.excluded for role in detection.report(detection.judged(store, run, trust=False))
    ] == [None, None]


def test_suspicion_is_the_rank_within_the_round(store, run):
    rows = detection.judged(store, run, trust=False)

    first = rows[rows["round"] == 1].sort_values("client").suspicion
    assert first.tolist() == pytest.approx([0, 1 / 3, 1, 2 / 3])


def test_trust_is_suspicion_the_other_way_round(store, run):
    suspect = detection.judged(store, run, trust=False).suspicion
    trusted = detection.judged(store, run, trust=True).suspicion

    assert (suspect + trusted).dropna().tolist() == pytest.approx([1.0] * 10)


def test_without_scores_weights_tell_who_is_suspected(store):
    run = recorded(store, [(0, H, 0.7, None), (1, "alie", 0.1, None), (2, H, 0.2, None)])

    rows = detection.judged(store, run, trust=False).sort_values("client")

    assert rows.suspicion.tolist() == pytest.approx([0, 1, 0.5])


def test_the_area_is_how_often_an_attacker_is_the_more_suspect(store, run):
    roles = {
        role.role: role for role in detection.report(detection.judged(store, run, trust=False))
    }

    # pairs that alie wins within rounds: 2 of 2, 0 of 1 and 3 of 3
    assert roles["alie"].auc == pytest.approx(5 / 6)
    assert roles["honest"].auc is None


def test_a_role_is_reported_with_its_reward_and_how_long_it_went_unfound(store, run):
    honest, alie, ipm = detection.report(detection.judged(store, run, trust=False))

    assert [honest.role, alie.role, ipm.role] == ["honest", "alie", "ipm"]
    assert (honest.clients, honest.updates, honest.lost, honest.malformed) == (3, 7, 1, 0)
    assert (ipm.clients, ipm.updates, ipm.malformed) == (1, 2, 1)
    assert alie.excluded == pytest.approx(2 / 3)
    assert ipm.excluded == 1.0
    assert alie.reward == pytest.approx(1 / 3)
    assert alie.fair_share == pytest.approx(3 / 12)
    assert alie.relative_weight == pytest.approx((1 / 3) / (2.0 / 6))
    assert alie.updates_to_detection == 1
    assert honest.updates_to_detection is not None


def test_who_is_never_found_is_said_to_be(store):
    run = recorded(store, *[[(0, H, 0.5, None), (1, "alie", 0.5, None)]] * 3)

    _, alie = detection.report(detection.judged(store, run, trust=False))

    assert alie.updates_to_detection is None
    assert alie.auc == 0.5


def test_updates_that_were_not_judged_are_no_time_to_detection(store):
    run = recorded(
        store,
        [(0, H, 1.0, None), (1, "alie", LOST, None)],
        [(0, H, 1.0, None), (1, "alie", 0.0, None)],
    )

    *_, alie = detection.report(detection.judged(store, run, trust=False))

    assert alie.updates_to_detection == 1

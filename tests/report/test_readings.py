"""What a report reads of single runs, of too many clients, rounds and points some."""

import pandas as pd
import pytest

from fedrobust.report import readings
from fedrobust.report.gathering import content_of
from fedrobust.results import detection
from fedrobust.results.store import Store
from fedrobust.scenario import Scenario


def test_of_many_clients_some_of_each_role_are_told(results):
    with Store(results, create=False) as store:
        run = store.run(content_of(results).cells[1].runs[0].id)
        rows = detection.judged(store, run.id, trust=False)
        found = readings.clients(store, run.id, Scenario.parse(run.scenario), rows, most=4)

    assert len(found.client) == 4
    assert set(found.role) == {"honest", "sign_flip"}


def judged(scores, malicious=()):
    """The rows of a run, of scores by client and round; None where it was not judged."""
    rows = [
        (number, client, "alie" if client in malicious else "honest", score, score)
        for client, own in scores.items()
        for number, score in enumerate(own, start=1)
    ]
    return pd.DataFrame(rows, columns=["round", "client", "role", "score", "quota"])


def test_a_reputation_holds_until_the_client_is_judged_again():
    rows = judged({0: [None, 0.5, None, None, 0.4], 1: [0.5, 0.5, 0.0, None, None]})

    found = readings.reputations(rows, 5, points=60)

    assert found.rounds == [1, 2, 3, 4, 5]
    assert found.client == [1, 0]
    assert found.reputation == [[0.5, 0.5, 0.0, 0.0, 0.0], [None, 0.5, 0.5, 0.5, 0.4]]
    assert found.quota == found.reputation


def test_of_many_rounds_some_are_told_with_the_last():
    rows = judged({0: [number / 1000 for number in range(1, 101)]})

    found = readings.reputations(rows, 100, points=10)

    assert found.rounds == list(range(10, 101, 10))
    assert found.reputation == [[number / 1000 for number in found.rounds]]


def test_of_many_reputations_some_of_each_kind_are_told():
    ends = {client: [0.1, 0.0 if client < 20 else client / 1000] for client in range(100)}

    found = readings.reputations(judged(ends, malicious=range(80, 100)), 2, points=60)

    assert len(found.client) <= readings.MOST_LINES
    assert found.role == sorted(found.role)
    zero = [
        client for client, line in zip(found.client, found.reputation, strict=True) if line[-1] == 0
    ]
    assert len(zero) == found.role.count("alie") == 4


def test_where_nobody_was_judged_there_are_no_reputations():
    assert readings.reputations(judged({0: [None, None]}), 2, points=60) is None


def suspicions(honest, malicious):
    """The rows of a round, by how suspect clients are."""
    roles = ["honest"] * len(honest) + ["alie"] * len(malicious)
    return pd.DataFrame({"round": 1, "role": roles, "suspicion": [*honest, *malicious]})


def test_a_curve_of_detection_has_both_ends_however_few_points_it_has():
    rows = suspicions([i / 100 for i in range(0, 100, 2)], [i / 100 for i in range(1, 100, 2)])

    whole, few = (readings.detection(rows, points=points) for points in (1000, 5))

    assert len(whole.honest) > 50
    assert len(few.honest) == 5
    for found in (whole, few):
        assert (found.honest[0], found.malicious[0]) == (0, 0)
        assert (found.honest[-1], found.malicious[-1]) == (1, 1)
        assert found.malicious == sorted(found.malicious)


@pytest.mark.parametrize(
    ("honest", "malicious"), [([0.1, 0.9], []), ([0.5, 0.5], [0.5]), ([None], [None])]
)
def test_where_nobody_attacks_or_nobody_is_suspected_there_is_no_curve(honest, malicious):
    assert readings.detection(suspicions(honest, malicious), points=60) is None

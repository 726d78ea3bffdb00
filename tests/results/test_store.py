import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedrobust.errors import ResultsError
from fedrobust.results.rows import ClientRow, RoundRow
from fedrobust.results.store import Store

HASH = "0123456789abcdef"
ROUND = RoundRow(1, 0.5, 0.25, 1.5, None, asked=3, admitted=2)
CLIENTS = [
    ClientRow(0, "7", "honest", norm=1.0, cosine=0.5, weight=0.5, score=0.1),
    ClientRow(1, "8", "honest", note="claims no examples"),
    ClientRow(2, "9", "malicious", admitted=False, fault="not finite", norm=math.inf),
]


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path) as store:
        yield store


def begin(store, scenario_hash=HASH, name="krum", scenario=None):
    return store.begin(
        name, scenario_hash, scenario or {}, rounds=3, seed=7, versions={}, machine={}
    )


def test_a_round_reads_as_it_was_written(store):
    run = begin(store)

    store.record_round(run, ROUND, CLIENTS, {"clients": 2.0, "aggregate": 0.5})

    assert store.rounds(run) == [ROUND]
    assert store.clients(run, 1) == CLIENTS
    assert store.timings(run, 1) == {"clients": 2.0, "aggregate": 0.5}


def test_a_repeated_round_replaces_itself(store):
    run = begin(store)
    store.record_round(run, ROUND, CLIENTS, {"clients": 2.0})

    store.record_round(run, replace(ROUND, accuracy=0.75), CLIENTS[:1])

    assert [row.accuracy for row in store.rounds(run)] == [0.75]
    assert store.clients(run, 1) == CLIENTS[:1]
    assert store.timings(run, 1) == {}


def test_a_run_reads_as_it_was_written(store):
    scenario = {"rounds": 3, "strategy": [{"name": "krum", "f": None}], "training": {"rate": 0.1}}

    run = store.begin(
        "krum", HASH, scenario, rounds=3, seed=7, versions={"torch": "2"}, machine={"cpus": 2}
    )
    store.finish(run, "finished", "ff00", {"accuracy": 0.5, "loss": math.nan, "worst": math.inf})

    row = store.run(run)
    assert (row.id, row.name, row.scenario_hash, row.scenario) == (run, "krum", HASH, scenario)
    assert (row.rounds, row.seed, row.versions) == (3, 7, {"torch": "2"})
    assert (row.machine, row.status, row.model_hash) == ({"cpus": 2}, "finished", "ff00")
    assert row.summary == {"accuracy": 0.5, "loss": None, "worst": None}
    assert row.started <= row.finished
    assert row.finished.endswith("+00:00")


def test_attempts_are_numbered(store):
    ids = [begin(store) for _ in range(11)]
    other = begin(store, "fedcba9876543210")

    assert ids[0] == "01234567-1"
    assert ids[-1] == "01234567-11"
    assert other == "fedcba98-1"
    assert [run.id for run in store.runs()] == [*ids, other]
    assert store.latest(HASH).id == ids[-1]
    assert store.latest("unheard of") is None


def test_resuming_forgets_the_rounds_after_the_checkpoint(store):
    run = begin(store)
    for number in (1, 2, 3):
        store.record_round(run, replace(ROUND, round=number), CLIENTS, {"clients": 1.0})
    store.finish(run, "interrupted", summary={"accuracy": 0.5})

    store.truncate(run, after_round=1)

    assert [row.round for row in store.rounds(run)] == [1]
    assert store.clients(run, 1) == CLIENTS
    assert (store.clients(run, 2), store.timings(run, 3)) == ([], {})
    row = store.run(run)
    assert (row.status, row.finished, row.summary) == ("running", None, None)


def test_a_run_answers_to_the_beginning_of_its_id(store):
    first, second = begin(store), begin(store, "fedcba98")

    assert store.run("fed").id == second
    assert store.run("0").id == first


def test_an_id_comes_before_longer_ones_that_start_like_it(store):
    ids = [begin(store) for _ in range(10)]

    assert store.run("01234567-1").id == ids[0]
    with pytest.raises(ResultsError, match=r"longer id than '01234567'.* 01234567-10 \(krum\)"):
        store.run("01234567")


def test_an_unknown_run_gets_suggestions(store):
    begin(store)

    with pytest.raises(ResultsError, match=r"Did you mean '01234567-1'\? Known: .*\(krum\)"):
        store.run("01234576-1")
    with pytest.raises(ResultsError, match="Known: 01234567-1"):
        store.run("%")


def test_a_folder_without_runs_says_so(store):
    with pytest.raises(ResultsError, match="Known: none"):
        store.run("x")


def test_a_round_needs_a_run(store):
    with pytest.raises(ResultsError, match="cannot be written: FOREIGN KEY"):
        store.record_round("nobody", ROUND)
    with pytest.raises(ResultsError, match="'nobody' did not"):
        store.finish("nobody", "failed")
    assert store.runs() == []


def test_a_round_is_written_in_full_or_not_at_all(store):
    run = begin(store)

    with pytest.raises(ResultsError, match="UNIQUE"):
        store.record_round(run, ROUND, [CLIENTS[0], CLIENTS[0]])

    assert store.rounds(run) == []


def test_numbers_of_numpy_and_torch_are_numbers(store):
    run = begin(store)

    store.record_round(
        run,
        replace(ROUND, asked=np.int64(3), accuracy=torch.tensor(0.5), loss=np.float32(1.5)),
        [replace(CLIENTS[0], client=np.int64(0), admitted=np.bool_(True), norm=np.float64(1.0))],
    )

    assert store.rounds(run) == [ROUND]
    assert store.clients(run, 1) == CLIENTS[:1]


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
counts = st.integers(0, 2**63 - 1)
measures = st.none() | st.floats(allow_nan=False)
round_rows = st.builds(
    RoundRow, counts, *[measures] * 4, counts, counts, applied=st.booleans(), note=texts
)
client_rows = st.builds(
    ClientRow, counts, texts, texts, st.booleans(), st.none() | texts, st.none() | texts,
    *[measures] * 4,
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(row=round_rows, clients=st.lists(client_rows, unique_by=lambda row: row.client, max_size=5))
def test_any_row_survives(store, row, clients):
    run = begin(store)

    store.record_round(run, row, clients)

    assert store.rounds(run) == [row]
    assert store.clients(run, row.round) == sorted(clients, key=lambda row: row.client)


def test_what_is_not_a_number_or_not_a_text_does_no_harm(store):
    run = begin(store)

    store.record_round(run, replace(ROUND, loss=math.nan), [replace(CLIENTS[1], note="\ud800\0")])

    assert store.rounds(run)[0].loss is None
    assert store.clients(run, 1)[0].note == "\\ud800\0"

import sqlite3
from dataclasses import replace

import pandas as pd
import pytest

from fedrobust.errors import ResultsError
from fedrobust.results.absorbing import absorb
from fedrobust.results.export import read
from fedrobust.results.rows import ClientRow, GoalRow, RoundRow
from fedrobust.results.store import FILE, Store

HASH = "0123456789abcdef"


def filled(folder, status="finished", scenario_hash=HASH):
    """A run of two rounds with a row in every table."""
    with Store(folder) as store:
        run = store.begin(
            "krum", scenario_hash, {"rounds": 2}, rounds=2, seed=7, versions={}, machine={"cpus": 2}
        )
        for number in (1, 2):
            store.record_round(
                run,
                RoundRow(number, 0.5, 0.25, 1.5, 0.1, asked=2, admitted=2),
                [ClientRow(0, "7", "honest"), ClientRow(1, "8", "alie", weight=0.0)],
                {"clients": 2.0},
                classes=[0.25, 0.75],
                goals=[GoalRow(0, "alie", 0.1)],
            )
        store.record_holdings(run, [(0, 1, 20)])
        store.record_corruptions(run, 3, {"fog": 0.5})
        store.finish(run, status, "ff00", {"accuracy": 0.5})
    return run


def test_every_row_of_a_run_is_there_afterwards(tmp_path):
    theirs = filled(tmp_path / "theirs")

    with Store(tmp_path / "ours") as store:
        ours = absorb(store, tmp_path / "theirs")

    before, after = read(tmp_path / "theirs", theirs), read(tmp_path / "ours", ours)
    for name, table in before.items():
        assert len(table)
        pd.testing.assert_frame_equal(after[name], table)


def test_a_run_becomes_the_next_attempt_at_its_scenario(tmp_path):
    filled(tmp_path / "theirs")
    filled(tmp_path / "ours", "interrupted")
    filled(tmp_path / "ours", scenario_hash="fedcba98")

    with Store(tmp_path / "ours") as store:
        before = store.runs()
        absorbed = [absorb(store, tmp_path / "theirs") for _ in range(2)]
        after = store.runs()

    assert absorbed == ["01234567-2", "01234567-3"]
    assert after[:2] == before
    assert after[2] == replace(after[3], id="01234567-2")


@pytest.mark.parametrize("status", ["running", "interrupted", "failed"])
def test_a_run_that_has_not_finished_is_refused(status, tmp_path):
    filled(tmp_path / "theirs", status)

    with Store(tmp_path / "ours") as store:
        with pytest.raises(ResultsError, match=f"01234567-1, which is {status}"):
            absorb(store, tmp_path / "theirs")
        assert store.runs() == []


def test_a_folder_without_runs_is_refused(tmp_path):
    Store(tmp_path / "theirs").close()

    with Store(tmp_path / "ours") as store, pytest.raises(ResultsError, match="has none"):
        absorb(store, tmp_path / "theirs")


def test_results_of_another_format_are_refused(tmp_path):
    filled(tmp_path / "theirs")
    with sqlite3.connect(tmp_path / "theirs" / FILE) as sql:
        sql.execute("PRAGMA user_version = 1")

    with (
        Store(tmp_path / "ours") as store,
        pytest.raises(ResultsError, match="not those of format 1"),
    ):
        absorb(store, tmp_path / "theirs")


def test_what_cannot_be_entered_wholly_is_not_entered_at_all(tmp_path):
    filled(tmp_path / "theirs")

    with Store(tmp_path / "ours") as store:
        store.connection.execute("DROP TABLE timings")
        with pytest.raises(ResultsError, match="timings"):
            absorb(store, tmp_path / "theirs")
        assert store.runs() == []
        assert store.connection.execute("SELECT count(*) FROM clients").fetchone() == (0,)
        attached = store.connection.execute("PRAGMA database_list").fetchall()

    assert [name for _, name, _ in attached] == ["main"]

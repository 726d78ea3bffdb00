import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace

import pytest

from fedrobust.errors import ResultsError
from fedrobust.results.database import FORMAT
from fedrobust.results.rows import ClientRow, RoundRow
from fedrobust.results.store import FILE, Store

HASH = "0123456789abcdef"
ROUND = RoundRow(1, 0.5, 0.25, 1.5, None, asked=2, admitted=2)
CLIENTS = [ClientRow(0, "7", "honest", norm=1.0), ClientRow(1, "8", "alie", norm=2.0)]


def in_another_process(code, folder):
    """Start a process that has a store of the folder and the rows above."""
    given = f"""
import time
from math import inf
from fedrobust.results import store as module
from fedrobust.results.rows import *
store, row, clients = module.Store({str(folder)!r}), {ROUND!r}, {CLIENTS!r}
run = store.begin("", {HASH!r}, {{}}, rounds=3, seed=7, versions={{}}, machine={{}})
"""
    return subprocess.Popen([sys.executable, "-c", given + code], stdout=subprocess.PIPE, text=True)


def test_processes_write_at_the_same_time(tmp_path):
    code = """
for number in range(30):
    store.record_round(run, RoundRow(number, 0.5, None, None, None, 3, 3), clients, {"a": 1.0})
store.finish(run, "finished")
"""

    writers = [in_another_process(code, tmp_path) for _ in range(3)]

    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    with Store(tmp_path) as store:
        assert sorted(run.id[-1] for run in store.runs()) == ["1", "2", "3"]
        assert {len(store.rounds(run.id)) for run in store.runs()} == {30}
        assert all(store.clients(run.id, 29) == CLIENTS for run in store.runs())


def test_a_killed_process_loses_only_the_round_it_was_in(tmp_path):
    code = """
store.record_round(run, row, clients)
insert = module._insert
def half(sql, table, rows):
    insert(sql, table, rows[:1])
    if table == "clients":
        print("half", flush=True)
        time.sleep(60)
module._insert = half
store.record_round(run, RoundRow(2, 0.5, None, None, None, 3, 3), clients)
"""
    writer = in_another_process(code, tmp_path)
    assert writer.stdout.readline() == "half\n"

    os.kill(writer.pid, signal.SIGKILL)
    writer.wait()

    with Store(tmp_path) as store:
        run = store.latest(HASH)
        assert store.rounds(run.id) == [ROUND]
        assert run.status == "running"
        assert store.connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        store.record_round(run.id, replace(ROUND, round=2), CLIENTS)
        assert store.clients(run.id, 2) == CLIENTS


def test_reading_makes_no_folder(tmp_path):
    with pytest.raises(ResultsError, match=r"needs a results.sqlite"):
        Store(tmp_path / "typo", create=False)

    assert not (tmp_path / "typo").exists()


@pytest.mark.parametrize(("version", "remedy"), [(99, "upgrade fedrobust"), (-1, "another folder")])
def test_other_formats_are_refused(tmp_path, version, remedy):
    with Store(tmp_path) as store:
        store.connection.execute(f"PRAGMA user_version = {version}")

    with pytest.raises(ResultsError, match=f"format {FORMAT}, not .*{version}; .*{remedy}"):
        Store(tmp_path)


def test_other_databases_are_left_alone(tmp_path):
    with sqlite3.connect(tmp_path / FILE) as other:
        other.execute("CREATE TABLE mine (a)")

    with pytest.raises(ResultsError, match="a database that fedrobust did not make"):
        Store(tmp_path)

    tables = sqlite3.connect(tmp_path / FILE).execute("SELECT name FROM sqlite_master").fetchall()
    assert tables == [("mine",)]


def test_other_files_are_refused(tmp_path):
    (tmp_path / FILE).write_text("accuracy,round\n" * 100)

    with pytest.raises(ResultsError, match="cannot be opened: file is not a database"):
        Store(tmp_path)


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(ResultsError, match="cannot be made"):
        Store(tmp_path / "file")

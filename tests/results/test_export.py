import json
import math
import sys

import pandas as pd
import pytest

from fedrobust.errors import ResultsError
from fedrobust.results.export import export, read
from fedrobust.results.rows import ClientRow, GoalRow, RoundRow
from fedrobust.results.store import Store

NAMES = [
    *("runs", "rounds", "clients", "classes", "goals", "timings", "holdings", "corruptions"),
]


@pytest.fixture
def folder(tmp_path):
    """Two runs of two rounds; in the second no measure is known."""
    with Store(tmp_path / "runs") as store:
        for seed in (1, 2):
            run = store.begin(
                "krum, seed", "0123456789", {"seed": seed, "strategy": ["krum"]},
                rounds=2, seed=seed, versions={}, machine={},
            )  # fmt: skip
            measured = {"sent_bytes": 4096, "validation_accuracy": 0.25}
            row = RoundRow(1, 0.1 + 0.2, 1 / 3, 1e-20, None, 2, 1, **measured)
            clients = [
                ClientRow(0, "18446744073709551615", "honest", norm=math.inf, cosine=-1.0),
                ClientRow(1, "2", "malicious", False, fault="not finite", note='says "hi",\nand é'),
            ]
            goals = [GoalRow(1, "label_flip", 0.75, validation_success=0.5)]
            store.record_round(
                run, row, clients, {"clients": 0.5}, classes=[0.25, math.nan], goals=goals
            )
            store.record_holdings(run, [(0, 1, 20)])
            store.record_corruptions(run, 3, {"fog": 0.5})
            store.record_round(run, RoundRow(2, None, None, None, None, 2, 0, False, "No replies."))
        store.finish(run, "finished", "ff", {"accuracy": 0.5})
    return tmp_path / "runs"


def test_all_tables_of_all_runs_can_be_read(folder):
    tables = read(folder)

    assert list(tables) == NAMES
    assert [len(table) for table in tables.values()] == [2, 4, 4, 4, 2, 2, 2, 2]
    assert tables["rounds"].accuracy.tolist()[0] == 0.1 + 0.2
    assert tables["clients"].norm.tolist()[0] == math.inf


def test_one_run_can_be_read(folder):
    tables = read(folder, "01234567-2")

    assert [len(table) for table in tables.values()] == [1, 2, 2, 2, 1, 1, 1, 1]
    assert set(tables["clients"].run) == {"01234567-2"}


def test_types_do_not_depend_on_content(folder, tmp_path):
    Store(tmp_path / "empty").close()

    full, empty = read(folder), read(tmp_path / "empty")

    assert all(full[name].dtypes.equals(empty[name].dtypes) for name in NAMES)
    assert full["rounds"].attack_success.dtype == float
    assert full["clients"].client.dtype == int


@pytest.mark.parametrize("format", ["csv", "parquet", "json"])
def test_an_export_is_one_file_a_table(folder, tmp_path, format):
    for _ in range(2):  # the second time over the first
        written = export(folder, "01234567-1", format, tmp_path / "new" / "out")

    assert written == [tmp_path / "new" / "out" / f"{name}.{format}" for name in NAMES]
    assert all(path.is_file() for path in written)


def test_csv_reads_as_it_was(folder, tmp_path):
    export(folder, None, "csv", tmp_path)

    for name, table in read(folder).items():
        found = pd.read_csv(tmp_path / f"{name}.csv", dtype=dict(table.dtypes))
        found = found.fillna({"note": ""}) if name == "rounds" else found
        pd.testing.assert_frame_equal(found, table, check_exact=True)


def test_parquet_reads_as_it_was(folder, tmp_path):
    export(folder, None, "parquet", tmp_path)

    for name, table in read(folder).items():
        found = pd.read_parquet(tmp_path / f"{name}.parquet")
        pd.testing.assert_frame_equal(found.astype(table.dtypes), table, check_exact=True)


def test_json_is_strict_and_nested(folder, tmp_path):
    export(folder, "01234567-2", "json", tmp_path)

    def strict(constant):
        raise AssertionError(constant)

    runs, rounds, clients, classes, goals, timings, holdings, corruptions = (
        json.loads((tmp_path / f"{name}.json").read_text("utf-8"), parse_constant=strict)
        for name in NAMES
    )
    assert runs[0]["scenario"] == {"seed": 2, "strategy": ["krum"]}
    assert runs[0]["summary"] == {"accuracy": 0.5}
    assert (rounds[0]["accuracy"], rounds[0]["loss"]) == (0.1 + 0.2, 1e-20)
    assert (rounds[1]["accuracy"], rounds[1]["applied"]) == (None, 0)
    assert [row["sent_bytes"] for row in rounds] == [4096, 0]
    assert [row["validation_accuracy"] for row in rounds] == [0.25, None]
    assert (clients[0]["norm"], clients[0]["admitted"]) == (None, 1)
    assert clients[1]["note"] == 'says "hi",\nand é'
    of = {"run": "01234567-2"}
    assert timings == [{**of, "round": 1, "phase": "clients", "seconds": 0.5}]
    assert [row["accuracy"] for row in classes] == [0.25, None]
    who = {**of, "round": 1, "adversary": 1, "attack": "label_flip"}
    assert goals == [{**who, "success": 0.75, "validation_success": 0.5}]
    assert holdings == [{**of, "client": 0, "class": 1, "examples": 20}]
    assert corruptions == [{**of, "kind": "fog", "severity": 3, "accuracy": 0.5}]


def test_an_empty_table_is_an_empty_list(tmp_path):
    Store(tmp_path).close()

    export(tmp_path, None, "json", tmp_path)

    assert json.loads((tmp_path / "rounds.json").read_text()) == []


def test_reading_does_not_see_half_of_what_is_written_meanwhile(folder, monkeypatch):
    original = pd.read_sql_query

    def slowly(query, sql, **options):
        table = original(query, sql, **options)
        with Store(folder) as other:
            other.record_round("01234567-1", RoundRow(3, 0.5, None, None, None, 2, 2))
        return table

    monkeypatch.setattr(pd, "read_sql_query", slowly)

    assert set(read(folder)["rounds"]["round"]) == {1, 2}
    assert set(read(folder)["rounds"]["round"]) == {1, 2, 3}


def test_parquet_without_pyarrow_says_what_to_type(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(ResultsError, match=r"pip install 'fedrobust\[parquet\]'"):
        export(folder, None, "parquet", tmp_path)


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"format": "xlsx"}, "csv, parquet or json, not 'xlsx'"),
        ({"run": "9"}, "No run '9'"),
        ({"folder": "/nowhere"}, "/nowhere has none"),
        ({"destination": __file__}, "cannot be written"),
    ],
)
def test_wrong_arguments_are_named(folder, tmp_path, changed, complaint):
    arguments = {"folder": folder, "run": None, "format": "csv", "destination": tmp_path / "out"}

    with pytest.raises(ResultsError, match=complaint):
        export(**arguments | changed)

    assert not (tmp_path / "out").exists()

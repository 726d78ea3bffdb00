"""The command line, as a person uses it."""

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from fedrobust import registry
from fedrobust.catalogue import listing, page
from fedrobust.errors import UnknownComponent

SMALL = ["rounds=3", "clients=12", "data=digits", "partition=iid"]
RFFL = """
rounds = 8
clients = 8
data = "digits"
model = { name = "mlp", hidden = [32] }
training = { epochs = 2, batch_size = 16, lr = 0.2 }
strategy = [{ name = "reputation", max_norm = 0.2, warm_up = 4, memory = 0.7 }]
adversary = [{ attack = { name = "random_weights", bound = 1.0 }, clients = [6, 7] }]
"""


@pytest.fixture
def fedrobust(tmp_path):
    """Return a function that runs the command in an empty folder."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
        "COLUMNS": "200",
    }

    def run(*arguments, status=0):
        done = subprocess.run(
            [sys.executable, "-m", "fedrobust", *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout if status == 0 else done.stderr

    return run


def test_from_nothing_to_a_result_without_reading_code(fedrobust, tmp_path):
    assert "fedrobust simulate scenario.toml" in fedrobust("init")
    text = (tmp_path / "scenario.toml").read_text()
    (tmp_path / "scenario.toml").write_text(text.replace("rounds = 150", "rounds = 4"))

    printed = fedrobust("simulate", "scenario.toml", "clients=20")

    assert "round 4/4" in printed
    assert "of the test data correctly" in printed
    assert "runs/scenario/results.sqlite" in printed
    (resolved,) = (tmp_path / "runs/scenario").glob("*.toml")
    fedrobust("simulate", str(resolved), "rounds=1")


def test_certify_says_what_is_proven_without_running(fedrobust):
    fedrobust("init")

    printed = fedrobust("certify", "scenario.toml", 'strategy=["krum"]', "num_malicious=3")

    assert "Defense: krum" in printed
    assert "kappa" in printed


def test_init_overwrites_nothing(fedrobust, tmp_path):
    (tmp_path / "scenario.toml").write_text("mine")

    said = fedrobust("init", status=2)

    assert "exists already" in said
    assert (tmp_path / "scenario.toml").read_text() == "mine"


def test_the_demo_compares_four_runs_and_says_what_it_shows(fedrobust):
    printed = fedrobust("simulate", *SMALL)

    assert "no attack, mean" in printed
    assert "attack, centered clipping + momentum" in printed
    assert "averaging loses" in printed


def test_an_interrupted_demo_goes_on_with_the_runs_that_had_not_begun(fedrobust, tmp_path):
    whole = json.loads(fedrobust("simulate", *SMALL, "--json", "--out", "whole"))
    fedrobust("simulate", *SMALL, "--out", "parts")
    with sqlite3.connect(tmp_path / "parts/demo/results.sqlite") as db:
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("DELETE FROM runs WHERE name LIKE '%median%' OR name LIKE '%clipping%'")

    resumed = json.loads(fedrobust("simulate", *SMALL, "--json", "--out", "parts", "--resume"))

    assert [r["model_hash"] for r in resumed.values()] == [r["model_hash"] for r in whole.values()]


def test_json_is_one_object_and_nothing_else(fedrobust):
    fedrobust("init")

    result = json.loads(fedrobust("simulate", "scenario.toml", *SMALL, "--json"))

    assert 0 <= result["accuracy"] <= 1
    assert len(result["model_hash"]) == 64
    assert result["rounds"] == 3


def test_clients_that_a_rule_removes_are_told_of_at_once_and_at_the_end(fedrobust, tmp_path):
    (tmp_path / "rffl.toml").write_text(RFFL)

    printed = fedrobust("simulate", "rffl.toml").splitlines()
    result = json.loads(fedrobust("simulate", "rffl.toml", "--json", "--resume"))

    assert "rffl: round 5: client 7 (random_weights) removed" in printed
    assert any("round 8/8" in line and "malicious 0%" in line for line in printed)
    said = "Removed for good: 2 of 2 malicious clients, the last in round 5, and no honest one."
    assert said in printed
    told = {"malicious": 2, "caught": {"6": 5, "7": 5}, "wronged": {}}
    assert result["collaboration"]["removals"] == told


def test_what_clients_own_models_are_worth_stands_beside_the_servers_model(fedrobust, tmp_path):
    (tmp_path / "rffl.toml").write_text(RFFL)

    said = fedrobust("simulate", "rffl.toml", "rounds=2", "--standalone")

    head = next(line for line in said.splitlines() if "model hash" in line)
    alone = next(line for line in said.splitlines() if "each alone" in line and ":" not in line)
    assert head.split()[-6:] == ["class", "own", "models", "seconds", "model", "hash"]
    server, _, own = (float(word[:-1]) for word in alone.split() if word.endswith("%"))
    assert own > server + 20
    assert "own models" not in fedrobust("simulate", *SMALL)


def test_quiet_is_the_accuracy_alone(fedrobust):
    fedrobust("init")

    assert 0 <= float(fedrobust("simulate", "scenario.toml", *SMALL, "--quiet")) <= 1
    demo = fedrobust("simulate", *SMALL, "--quiet").splitlines()
    assert all(0 <= float(line.split()[0]) <= 1 for line in demo)
    assert len(demo) == 4


def test_resume_of_a_finished_run_gives_the_same_result(fedrobust):
    fedrobust("init")
    arguments = ["simulate", "scenario.toml", *SMALL, "--json"]

    assert json.loads(fedrobust(*arguments)) == json.loads(fedrobust(*arguments, "--resume"))


def test_a_mistake_is_a_sentence_not_a_traceback(fedrobust, tmp_path):
    fedrobust("init")

    said = fedrobust("simulate", "scenario.toml", "strategy.1.raduis=3", status=2)

    assert said.startswith("fedrobust: ")
    assert "Did you mean 'radius'?" in said
    assert "Traceback" not in said
    assert "fedrobust init" in fedrobust("simulate", "missing.toml", status=2)
    assert "Did you mean 'krum'?" in fedrobust("show", "kurm", status=2)
    assert "Did you mean 'strategies'?" in fedrobust("list", "strategy", status=2)


def test_what_cannot_be_read_or_written_is_said(fedrobust, tmp_path):
    (tmp_path / "afile").write_text("")

    assert "Cannot write nodir/x.toml" in fedrobust("init", "nodir/x.toml", status=2)
    assert "afile" in fedrobust("simulate", *SMALL, "--out", "afile", status=2)
    assert "No ':x'" in fedrobust("show", ":x", status=2)
    assert "one scenario at a time" in fedrobust("simulate", "a.toml", "b.toml", status=2)


def test_the_scenario_may_come_after_its_changes_and_stays_as_it_is(fedrobust, tmp_path):
    fedrobust("init", "mine.toml")
    before = (tmp_path / "mine.toml").read_text()

    fedrobust("simulate", *SMALL, "mine.toml", "--out", ".")

    assert (tmp_path / "mine.toml").read_text() == before


def test_export_writes_tables_that_pandas_reads(fedrobust, tmp_path):
    fedrobust("init")
    run = json.loads(fedrobust("simulate", "scenario.toml", *SMALL, "--json"))["run"]

    printed = fedrobust("export", run, "--format", "csv", "--out", "tables")

    written = [Path(line) for line in printed.splitlines()]
    rounds = next(path for path in written if "rounds" in path.name)
    assert len(pd.read_csv(tmp_path / rounds)) == 3
    assert fedrobust("export", "runs/scenario", "--format", "json", "--out", "all")
    assert "No run or folder" in fedrobust("export", "nothing", status=2)
    assert "formats: csv" in fedrobust("export", run, "--format", "xml", status=2)


def test_version_names_what_it_stands_on(fedrobust):
    printed = fedrobust("version")

    assert all(name in printed for name in ("fedrobust 0.1.0", "flwr 1.41", "torch", "python 3."))


@pytest.mark.parametrize("kind", registry.KINDS)
def test_list_and_show_explain_every_component(kind):
    names = registry.names(kind)

    assert len(names) >= 4
    for name in names:
        shown, cls = page(name), registry.find(kind, name)
        assert f"  {name} " in listing(kind)
        assert f'name = "{name}"' in shown
        for field in cls.model_fields:
            assert f"  {field}: " in shown
            described = shown.split(f"  {field}: ")[1].splitlines()
            assert described[1].startswith("      "), f"{name}.{field} is not described"


def test_show_tells_the_bound_the_defaults_and_the_source():
    shown = page("krum")

    assert "n >= 2f + 3" in shown
    assert "keep: int | Literal" in shown or "keep: " in shown
    assert "https://arxiv.org/abs/1703.02757" in shown


def test_a_name_that_nobody_has_is_an_error_with_a_suggestion():
    with pytest.raises(UnknownComponent, match="Did you mean 'krum'"):
        page("kurm")

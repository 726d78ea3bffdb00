"""Runs: what they record, and that none of it is lost."""

import math
import os
import signal
import sqlite3
import subprocess
import sys
import time

import pandas as pd
import pytest

from fedrobust.errors import ResultsError
from fedrobust.overrides import merged, parsed
from fedrobust.results.store import Store
from fedrobust.scenario import Scenario
from fedrobust.simulate import simulate

TEXT = """
rounds = 12
clients = 12
sample = 0.75
data = "digits"
partition = { name = "dirichlet", alpha = 1.0 }
training = { steps = 2, batch_size = 8, momentum = 0.5 }
strategy = [{ name = "client_momentum", on = "step" }, { name = "centered_clipping", radius = 1.0 }]

[[adversary]]
attack = { name = "gaussian_noise" }
clients = [0, 5]
active = { start = 2, probability = 0.7 }
"""


@pytest.fixture
def scenario():
    def make(*overrides):
        return Scenario.parse(merged(parsed(TEXT), overrides))

    return make


class Stop(Exception):
    """Ends a run from within."""


def stopping_after(number, error):
    def watch(progress):
        if progress.round == number and progress.ledger is not None:
            raise error

    return watch


def test_records_every_round_and_client(scenario, tmp_path):
    outcome = simulate(scenario(), tmp_path)

    with sqlite3.connect(tmp_path / "results.sqlite") as db:
        rounds = pd.read_sql("SELECT * FROM rounds ORDER BY round", db)
        clients = pd.read_sql("SELECT * FROM clients", db)
        timings = pd.read_sql("SELECT * FROM timings", db)
        runs = pd.read_sql("SELECT * FROM runs", db)
    assert list(rounds["round"]) == list(range(1, 13))
    assert rounds["accuracy"].between(0, 1).all()
    arrays = [(10, 64), (10,)]  # of the model, each with a header
    assert set(rounds["sent_bytes"]) == {9 * sum(128 + 4 * math.prod(shape) for shape in arrays)}
    assert rounds["received_bytes"].equals(rounds["sent_bytes"].rename("received_bytes"))
    assert (clients.groupby("round").size() == 9).all()
    assert set(clients["role"]) == {"honest", "gaussian_noise"}
    assert set(clients.loc[clients["role"] != "honest", "client"]) <= {0, 5}
    assert set(timings["phase"]) >= {"clients", "adversaries", "aggregate", "evaluate"}
    assert (timings["seconds"] >= 0).all()
    assert list(runs["status"]) == ["finished"]
    assert list(runs["model_hash"]) == [outcome.model_hash]


def test_the_same_scenario_gives_the_same_model_and_another_seed_another(scenario, tmp_path):
    hashes = [
        simulate(scenario(line), tmp_path / str(i)).model_hash
        for i, line in enumerate(["seed = 0", "seed = 0", "seed = 1"])
    ]

    assert hashes[0] == hashes[1] != hashes[2]


@pytest.mark.parametrize("number", [1, 5, 11])
@pytest.mark.parametrize("error", [KeyboardInterrupt, Stop])
def test_a_resumed_run_is_bit_equal_to_one_that_was_never_interrupted(
    scenario, tmp_path, number, error
):
    whole = simulate(scenario(), tmp_path / "whole")

    with pytest.raises(error):
        simulate(scenario(), tmp_path / "parts", watch=stopping_after(number, error))
    resumed = simulate(scenario(), tmp_path / "parts", resume=True)

    assert resumed.model_hash == whole.model_hash
    assert _rounds(tmp_path / "parts").equals(_rounds(tmp_path / "whole"))
    assert resumed.run == whole.run


def test_resuming_a_finished_run_returns_its_outcome_and_runs_nothing(scenario, tmp_path):
    first = simulate(scenario(), tmp_path)

    again = simulate(scenario(), tmp_path, resume=True, watch=stopping_after(1, Stop))

    assert again == first


def test_there_must_be_something_to_resume(scenario, tmp_path):
    simulate(scenario("rounds = 1"), tmp_path)

    with pytest.raises(ResultsError, match="without --resume"):
        simulate(scenario("rounds = 2"), tmp_path, resume=True)


def test_a_run_that_starts_anew_leaves_the_old_one_alone(scenario, tmp_path):
    first = simulate(scenario("rounds = 2"), tmp_path)
    second = simulate(scenario("rounds = 2"), tmp_path)

    assert first.run != second.run
    assert first.model_hash == second.model_hash
    assert len(Store(tmp_path).runs()) == 2


def test_rules_that_cannot_work_keep_the_model_and_say_so(scenario, tmp_path):
    """Five of nine rows are NaN: too few remain for a trimmed mean that must withstand four."""
    few = scenario(
        "rounds = 3",
        "sample = 1.0",
        "clients = 9",
        'strategy = [{name = "trimmed_mean", num_malicious = 4}]',
        'adversary = [{attack = "tests.flower.toys:Broken", clients = [0, 1, 2, 3, 4]}]',
    )
    # Half the federation is broken, but each broken reply is known to be and need not be withstood.
    outcome = simulate(few, tmp_path)

    assert outcome.summary.kept == 0
    assert outcome.summary.dropped == {"values that are not finite": 15}


def test_backdoors_are_measured_every_round(scenario, tmp_path):
    patched = scenario(
        "rounds = 4",
        "evaluate_every = 3",
        'adversary = [{attack = {name = "patch_backdoor", target = 0, size = 2}, share = 0.2}]',
    )

    simulate(patched, tmp_path)

    rounds = _rounds(tmp_path)
    assert list(rounds["round"][rounds["attack_success"].notna()]) == [3, 4]


@pytest.mark.slow
def test_kill_9_loses_at_most_the_round_it_hits(tmp_path):
    text = TEXT.replace("rounds = 12", "rounds = 400")
    (tmp_path / "killed.toml").write_text(text)
    (tmp_path / "whole.toml").write_text(text)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    options = {"cwd": tmp_path, "env": environment}
    fedrobust = [sys.executable, "-m", "fedrobust", "simulate"]
    command = [*fedrobust, "killed.toml", "--quiet"]
    process = subprocess.Popen(command, **options)
    database = tmp_path / "runs" / "killed" / "results.sqlite"
    _wait_for(lambda: database.exists() and len(_rounds(database.parent)) >= 20, process)

    process.send_signal(signal.SIGKILL)
    process.wait()
    reached = len(_rounds(database.parent))
    resumed = subprocess.run(
        [*command, "--resume"], check=False, capture_output=True, text=True, **options
    )

    assert process.returncode == -signal.SIGKILL
    assert resumed.returncode == 0, resumed.stderr
    assert 20 <= reached < 400
    subprocess.run([*fedrobust, "whole.toml", "--quiet"], check=True, **options)
    (killed,), (whole,) = Store(database.parent).runs(), Store(tmp_path / "runs/whole").runs()
    assert (killed.status, killed.model_hash) == ("finished", whole.model_hash)


@pytest.mark.slow
def test_ctrl_c_exits_with_130_and_says_how_to_go_on(tmp_path):
    (tmp_path / "stopped.toml").write_text(TEXT.replace("rounds = 12", "rounds = 4000"))
    command = [sys.executable, "-m", "fedrobust", "simulate", "stopped.toml", "--out", "runs"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    )
    database = tmp_path / "runs" / "stopped" / "results.sqlite"
    _wait_for(lambda: database.exists() and len(_rounds(database.parent)) >= 5, process)

    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "Go on with: fedrobust simulate stopped.toml --out runs --resume" in printed
    assert [run.status for run in Store(database.parent).runs()] == ["interrupted"]


def _rounds(folder):
    try:
        with sqlite3.connect(f"file:{folder / 'results.sqlite'}?mode=ro", uri=True) as db:
            return pd.read_sql("SELECT * FROM rounds ORDER BY round", db).drop(columns="run")
    except (sqlite3.OperationalError, pd.errors.DatabaseError):
        return pd.DataFrame({"round": []})  # not there yet


def _wait_for(condition, process, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, "the run ended too soon"
        assert time.monotonic() < deadline, "the run does not get anywhere"
        time.sleep(0.05)

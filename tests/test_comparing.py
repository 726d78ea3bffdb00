"""Cells of a study run in processes of their own; what happens to one does not stop others."""

import multiprocessing
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from time import monotonic, sleep

import pytest
from filelock import FileLock

from fedrobust.comparing import compare
from fedrobust.errors import ConfigError
from fedrobust.report.gathering import content_of
from fedrobust.results.store import Store
from fedrobust.simulate import simulate
from fedrobust.study import Cell, Study

BASE = {"rounds": 4, "clients": 10, "data": "digits", "evaluate_every": 2}
STUDY = {
    "seeds": [0, 1],
    "scenario": BASE,
    "axes": {"strategy": ["mean", "coordinate_median"]},
}


def hashes(folder):
    with Store(folder) as store:
        return {
            run.scenario_hash: run.model_hash for run in store.runs() if run.status == "finished"
        }


@pytest.mark.slow
def test_parallel_runs_give_what_single_ones_do_and_are_not_run_again(tmp_path):
    cells = Study.parse(STUDY).cells()
    seen = []

    done = compare(cells, tmp_path / "study", jobs=2, watch=lambda c: seen.append(c.rounds_done()))
    for cell in cells:
        simulate(cell.scenario, tmp_path / "alone")
    again = compare(cells, tmp_path / "study", jobs=2)

    assert done.count("done") == again.count("done") == 4
    assert hashes(tmp_path / "study") == hashes(tmp_path / "alone")
    assert (seen[0], seen[-1]) == (0, 16)
    assert seen == sorted(seen)
    with Store(tmp_path / "study") as store:
        assert len(store.runs()) == 4


@pytest.mark.slow
def test_a_cell_that_fails_is_told_of_and_the_others_go_on(tmp_path):
    table = {
        **STUDY,
        "axes": {"data": ["digits", {"name": "csv", "path": "absent.csv", "target": "y"}]},
    }
    cells = Study.parse(table).cells()

    comparison = compare(cells, tmp_path, jobs=2)

    assert comparison.count("done") == 2
    assert comparison.count("failed") == 2
    assert all("absent.csv" in why for why in comparison.why.values())


def test_a_cell_beyond_a_bound_is_no_run(tmp_path):
    cells = [Cell({"strategy": "bulyan"}, 0, None, "n is too small")]

    comparison = compare(cells, tmp_path)

    assert comparison.state == {0: "undefined"}
    assert comparison.why == {0: "n is too small"}


@pytest.mark.slow
def test_a_process_that_is_killed_is_replaced_and_its_cell_goes_on(tmp_path):
    cells = Study.parse({**STUDY, "scenario": {**BASE, "rounds": 200}}).cells()[:2]
    victims = []

    def kill_once(comparison):
        running = multiprocessing.active_children()
        if not victims and comparison.rounds.get(0, 0) >= 20:
            victims.append(running[0].pid)
            os.kill(victims[0], signal.SIGKILL)

    comparison = compare(cells, tmp_path / "killed", jobs=1, watch=kill_once)
    for cell in cells:
        simulate(cell.scenario, tmp_path / "alone")

    assert victims
    assert comparison.count("done") == 2
    assert hashes(tmp_path / "killed") == hashes(tmp_path / "alone")


@pytest.mark.slow
def test_cells_of_the_same_scenario_are_one_run(tmp_path):
    axes = {"strategy": {"a": "mean", "b": "mean"}}
    cells = Study.parse({**STUDY, "axes": axes}).cells()

    comparison = compare(cells, tmp_path, jobs=2)

    assert comparison.count("done") == 4
    with Store(tmp_path) as store:
        assert len(store.runs()) == 2


def test_a_second_study_in_the_same_folder_is_refused(tmp_path):
    with (
        FileLock(tmp_path / ".lock"),
        pytest.raises(ConfigError, match="Another `fedrobust compare` is at work"),
    ):
        compare(Study.parse(STUDY).cells(), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_study_goes_on_with_the_same_command(tmp_path, how):
    study = tmp_path / "mine.toml"
    study.write_text(
        'seeds = [0, 1]\n[scenario]\nrounds = 150\nclients = 10\ndata = "digits"\n'
        '[axes]\nstrategy = ["mean", "coordinate_median"]\n'
    )
    command = [sys.executable, "-m", "fedrobust", "compare", str(study), "--jobs", "2"]
    where = {"cwd": tmp_path, "text": True, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    first = subprocess.Popen(command, **where)
    wait_for_a_checkpoint(tmp_path / "runs" / "mine")

    first.send_signal(how)
    told, _ = first.communicate(timeout=60)
    second = subprocess.run(command, timeout=120, check=False, **where)
    whole = [*command, "--out", "whole"]
    uninterrupted = subprocess.run(whole, timeout=120, check=False, **where)

    if how == signal.SIGINT:
        assert first.returncode == 130
        assert "Go on with: fedrobust compare" in told
    assert "Traceback" not in told + second.stdout
    assert (second.returncode, uninterrupted.returncode) == (0, 0)
    assert "Report: runs/mine/report.html" in second.stdout
    with Store(tmp_path / "runs" / "mine") as store:
        runs = store.runs()
    assert len(runs) == 4
    assert {run.status for run in runs} == {"finished"}
    ours, theirs = (content_of(tmp_path / out / "mine") for out in ("runs", "whole"))
    assert replace(ours, times=[]).json() == replace(theirs, times=[]).json()
    pages = (untimed(tmp_path / out / "mine" / "report.html") for out in ("runs", "whole"))
    assert len(set(pages)) == 1


def untimed(report: Path) -> str:
    return re.sub(r'"times":\[.*?\]', "", report.read_text())


def wait_for_a_checkpoint(folder: Path) -> None:
    deadline = monotonic() + 60
    while not list(folder.glob("checkpoints/*.pt")):
        assert monotonic() < deadline
        sleep(0.05)

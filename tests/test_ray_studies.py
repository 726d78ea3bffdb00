"""Cells of a study as tasks on a Ray cluster: the same results, whatever happens to a task."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep

import pytest

from fedrobust import ray_crew
from fedrobust.comparing import compare
from fedrobust.errors import ConfigError
from fedrobust.results.export import read
from fedrobust.results.store import Store
from fedrobust.simulate import simulate
from fedrobust.study import Study

BASE = {"rounds": 4, "clients": 10, "data": "digits", "evaluate_every": 2}
STUDY = {
    "seeds": [0],
    "scenario": BASE,
    "axes": {"strategy": ["mean", "coordinate_median"]},
}
MISSING = {"name": "csv", "path": "absent.csv", "target": "y"}

needs_ray = [pytest.mark.slow, pytest.mark.ray, pytest.mark.xdist_group("ray")]


def on_ray(test):
    for mark in needs_ray:
        test = mark(test)
    return test


@pytest.fixture(scope="module")
def cluster():
    """A cluster of two CPUs that outlives the studies."""
    ray = pytest.importorskip("ray", reason="the extra `simulation` is not installed")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield ray
    ray.shutdown()


def hashes(folder):
    with Store(folder) as store:
        return {run.scenario_hash: run.model_hash for run in store.runs()}


@on_ray
def test_a_study_gives_the_models_and_the_records_of_local_runs(cluster, tmp_path):
    cells, seen = Study.parse(STUDY).cells(), []
    for cell in cells:
        simulate(cell.scenario, tmp_path / "alone")

    done = compare(
        cells, tmp_path / "ray", watch=lambda c: seen.append(c.rounds_done()), ray="local"
    )
    again = compare(cells, tmp_path / "ray", ray="local")

    assert done.count("done") == again.count("done") == 2
    assert hashes(tmp_path / "ray") == hashes(tmp_path / "alone")
    assert (seen[0], seen[-1]) == (0, 8)
    ours, theirs = read(tmp_path / "alone"), read(tmp_path / "ray")
    assert {name: len(table) for name, table in ours.items()} == {
        name: len(table) for name, table in theirs.items()
    }
    with Store(tmp_path / "ray") as store:
        written = {f"{run.id}.toml" for run in store.runs()}
    assert {path.name for path in (tmp_path / "ray").glob("*.toml")} == written
    assert cluster.is_initialized()


@on_ray
def test_a_cell_that_fails_is_told_of_and_the_others_go_on(cluster, tmp_path):
    cells = Study.parse({**STUDY, "axes": {"data": [MISSING, "digits"]}}).cells()

    comparison = compare(cells, tmp_path, ray="local")

    assert comparison.state == {0: "failed", 1: "done"}
    assert "absent.csv" in comparison.why[0]
    with Store(tmp_path) as store:
        assert [run.status for run in store.runs()] == ["finished"]


@on_ray
def test_rounds_are_told_while_a_task_runs(cluster, tmp_path):
    cells = Study.parse({**STUDY, "scenario": {**BASE, "rounds": 400}}).cells()[:1]
    seen = set()

    compare(cells, tmp_path, watch=lambda c: seen.add((c.state[0], c.rounds.get(0, 0))), ray="auto")

    assert any(state == "running" and 0 < rounds < 400 for state, rounds in seen)


def dies_once(scenario, place, board, home, choices):
    mark = home / "died"
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return ray_crew_run(scenario, place, board, home, choices)


def dies(*_):
    os.kill(os.getpid(), signal.SIGKILL)


ray_crew_run = ray_crew._run


@pytest.fixture
def task(cluster, tmp_path, monkeypatch):
    """Return how to let tasks do something else."""
    import cloudpickle

    module = sys.modules[__name__]
    cloudpickle.register_pickle_by_value(module)  # Ray's workers cannot import tests
    monkeypatch.chdir(tmp_path)
    yield lambda function: monkeypatch.setattr(ray_crew, "_run", function)
    cloudpickle.unregister_pickle_by_value(module)


@on_ray
def test_a_task_that_dies_is_tried_once_more(task, tmp_path):
    task(dies_once)

    comparison = compare(Study.parse(STUDY).cells()[:1], tmp_path / "study", ray="auto")

    assert (tmp_path / "died").exists()
    assert comparison.state == {0: "done"}


@on_ray
def test_a_task_that_dies_twice_is_told_of(task, tmp_path):
    task(dies)

    comparison = compare(Study.parse(STUDY).cells()[:1], tmp_path / "study", ray="auto")

    assert comparison.state == {0: "failed"}
    assert "died 2 times" in comparison.why[0]


SCRIPT = """
import sys
from pathlib import Path
from fedrobust.comparing import compare
from fedrobust.study import Study

folder, study = Path(sys.argv[1]), Study.load(Path(sys.argv[2]))
def watch(comparison):
    for place, state in comparison.state.items():
        (folder.parent / f"{place}.{state}").touch()
if __name__ == "__main__":
    try:
        compare(study.cells(), folder, 2, watch, ray="local")
    except KeyboardInterrupt:
        sys.exit(130)
"""


@on_ray
def test_an_interrupted_study_keeps_what_is_complete_and_says_nothing(tmp_path):
    pytest.importorskip("ray", reason="the extra `simulation` is not installed")
    (tmp_path / "script.py").write_text(SCRIPT)
    study = tmp_path / "study.toml"
    study.write_text(
        'seeds = [0]\n[scenario]\nclients = 10\ndata = "digits"\n[axes]\nrounds = [2, 100000]\n'
    )
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    command = [sys.executable, tmp_path / "script.py", tmp_path / "results", study]
    running = subprocess.Popen(
        command, cwd=tmp_path, env={**os.environ, "TMPDIR": str(scratch), "RAY_TMPDIR": "/tmp"},
        text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    wait_for(tmp_path / "0.done")
    wait_for(tmp_path / "1.running")

    running.send_signal(signal.SIGINT)
    told, _ = running.communicate(timeout=60)

    assert (running.returncode, told) == (130, "")
    with Store(tmp_path / "results") as store:
        assert [(run.rounds, run.status) for run in store.runs()] == [(2, "finished")]
    assert list(scratch.glob("fedrobust-*")) == []


def wait_for(path: Path) -> None:
    deadline = monotonic() + 60
    while not path.exists():
        assert monotonic() < deadline
        sleep(0.05)


@pytest.fixture
def stranger(monkeypatch):
    """A process that is not connected to any cluster."""
    ray = pytest.importorskip("ray", reason="the extra `simulation` is not installed")
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


@pytest.mark.parametrize("address", ["127.0.0.1:9", "ray://127.0.0.1:9"])
def test_a_cluster_that_does_not_answer_is_told_of_in_seconds(address, stranger, tmp_path):
    began = monotonic()

    with pytest.raises(ConfigError, match=r"none answers.*ray start --head"):
        compare(Study.parse(STUDY).cells(), tmp_path, ray=address)

    assert monotonic() - began < 10


@pytest.mark.parametrize("address", ["nonsense", "http://host:80", "host:port", "ray://"])
def test_an_address_that_is_none_is_told_of(address, stranger, tmp_path):
    with pytest.raises(ConfigError, match=f'"host:port".*not {address!r}'):
        compare(Study.parse(STUDY).cells(), tmp_path, ray=address)


def test_ray_is_asked_for_where_it_is_missing(monkeypatch, tmp_path):
    monkeypatch.setattr(ray_crew, "find_spec", lambda name: None)

    with pytest.raises(ConfigError, match=r"pip install 'fedrobust\[simulation\]'"):
        compare(Study.parse(STUDY).cells(), tmp_path, ray="local")

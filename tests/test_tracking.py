"""What other programs are told of a run is what its own results say."""

import logging
import shutil
import subprocess
import sys

import pytest

from fedrobust import tracking
from fedrobust.commands import Options, run_scenario
from fedrobust.errors import ConfigError
from fedrobust.results.detection import per_round
from fedrobust.results.store import Store
from fedrobust.scenario import Scenario
from fedrobust.services import Service
from fedrobust.simulate import simulate
from fedrobust.tracking import Tracker, together, tracker

TABLE = {
    "name": "krum, attacked",
    "rounds": 6,
    "clients": 10,
    "data": "digits",
    "evaluate_every": 2,
    "strategy": "krum",
    "adversary": [
        {"attack": "sign_flip", "clients": [0, 5], "active": {"start": 4}},
        {"attack": {"name": "patch_backdoor", "target": 1}, "clients": [1]},
    ],
}
ROUNDS = [2, 4, 6]


@pytest.fixture
def scenario():
    return Scenario.parse(TABLE)


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory):
    """MLflow's tables, which take seconds to make."""
    pytest.importorskip("sqlalchemy", reason="the extra `mlflow` is not installed")
    mlflow = pytest.importorskip("mlflow", reason="the extra `mlflow` is not installed")
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    mlflow.MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def client(empty_database, tmp_path, monkeypatch):
    """What reads MLflow's records of a folder."""
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copy(empty_database, tmp_path)
    return MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")


def tracked(name, scenario, folder, **options):
    with tracker(name, scenario, folder) as follow:
        return simulate(scenario, folder, watch=follow, **options)


def interrupted(name, scenario, folder, after):
    def stop(reached):
        if reached.round == after and reached.ledger is not None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), tracker(name, scenario, folder) as follow:
        simulate(scenario, folder, watch=together(follow, stop))


def recorded(folder):
    """What the results say of each figure, by round."""
    with Store(folder) as store:
        run = store.runs()[-1].id
        rounds = [row for row in store.rounds(run) if row.accuracy is not None]
        tallies = per_round(store, run)
    return {
        **{
            name: {row.round: pytest.approx(getattr(row, name)) for row in rounds}
            for name in ("accuracy", "worst_class_accuracy", "loss", "attack_success")
        },
        "excluded_malicious": {row.round: tallies[row.round].caught for row in rounds},
        "excluded_honest": {row.round: tallies[row.round].wronged for row in rounds},
    }


def scalars(folder):
    """What TensorBoard shows of the only run of a folder: figure, step, value."""
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    (run,) = (folder / "tensorboard").iterdir()
    seen = events.EventAccumulator(str(run)).Reload()
    return {
        name: {one.step: one.value for one in seen.Scalars(name)} for name in seen.Tags()["scalars"]
    }


def metrics(client, run):
    return {
        name: {one.step: one.value for one in client.get_metric_history(run.info.run_id, name)}
        for name in run.data.metrics
    }


def only_run(client, experiment=TABLE["name"]):
    known = client.get_experiment_by_name(experiment)
    (run,) = client.search_runs([known.experiment_id])
    return run


def final(figures):
    return {name.removeprefix("final/") for name in figures if name.startswith("final/")}


def test_tensorboard_shows_what_is_recorded(scenario, tmp_path):
    pytest.importorskip("tensorboard", reason="the extra `tensorboard` is not installed")

    outcome = tracked("tensorboard", scenario, tmp_path)

    (folder,) = (tmp_path / "tensorboard").iterdir()
    assert folder.name == f"krum-attacked-{outcome.run}"
    shown, results = scalars(tmp_path), recorded(tmp_path)
    assert {name: shown[name] for name in results} == results
    assert list(shown["seconds"]) == ROUNDS
    assert shown["final/accuracy"] == {6: pytest.approx(outcome.summary.accuracy)}
    assert {"accuracy", "worst_class_accuracy", "attack_success", "excluded_honest"} <= final(shown)


def test_tensorboard_goes_on_with_the_steps_of_an_interrupted_run(scenario, tmp_path):
    pytest.importorskip("tensorboard", reason="the extra `tensorboard` is not installed")
    interrupted("tensorboard", scenario, tmp_path, after=3)
    before = scalars(tmp_path)

    tracked("tensorboard", scenario, tmp_path, resume=True)

    assert list(before["accuracy"]) == [2]
    assert list(scalars(tmp_path)["accuracy"]) == ROUNDS


def test_mlflow_shows_what_is_recorded(scenario, client, tmp_path):
    outcome = tracked("mlflow", scenario, tmp_path)

    run = only_run(client)
    shown, results = metrics(client, run), recorded(tmp_path)
    assert {name: shown[name] for name in results} == results
    assert list(shown["seconds"]) == ROUNDS
    assert shown["final/accuracy"] == {6: outcome.summary.accuracy}
    assert (run.info.run_name, run.info.status) == (outcome.run, "FINISHED")
    assert run.data.tags["fedrobust.model_hash"] == outcome.model_hash
    assert run.data.params["rounds"] == "6"
    assert run.data.params["adversary.0.attack.name"] == "sign_flip"
    assert run.data.params["training.batch_size"] == str(scenario.training.batch_size)


def test_mlflow_goes_on_with_an_interrupted_run(scenario, client, tmp_path):
    interrupted("mlflow", scenario, tmp_path, after=3)
    before = only_run(client)

    tracked("mlflow", scenario, tmp_path, resume=True)

    after = only_run(client)
    assert (before.info.status, after.info.status) == ("KILLED", "FINISHED")
    assert after.info.run_id == before.info.run_id
    assert list(metrics(client, after)["accuracy"]) == ROUNDS


def test_another_attempt_is_another_run(scenario, client, tmp_path):
    outcomes = [tracked("mlflow", scenario, tmp_path) for _ in range(2)]

    experiment = client.get_experiment_by_name(TABLE["name"]).experiment_id
    names = {run.info.run_name for run in client.search_runs([experiment])}
    assert names == {outcome.run for outcome in outcomes}
    assert len(names) == 2


def test_mlflow_goes_where_the_environment_says(scenario, client, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")

    tracked("mlflow", scenario.model_copy(update={"name": ""}), tmp_path / "results")

    assert only_run(client, "fedrobust").info.status == "FINISHED"
    assert not (tmp_path / "results" / "mlflow.db").exists()


def test_a_finished_run_that_is_resumed_is_not_told_of_again(scenario, tmp_path):
    simulate(scenario, tmp_path)

    tracked("tensorboard", scenario, tmp_path, resume=True)

    assert not (tmp_path / "tensorboard").exists()


class Broken(Service):
    """Fails after some calls, and counts them."""

    needs = ()

    def __init__(self, folder, works):
        super().__init__(folder)
        self.works, self.calls = works, 0

    def _call(self, *_):
        self.calls += 1
        if self.calls > self.works:
            raise OSError("no room")

    begin = log = end = _call


@pytest.mark.parametrize("works", range(5))
def test_a_service_that_fails_is_told_of_once_and_left_alone(works, scenario, tmp_path, caplog):
    service = Broken(tmp_path, works)  # of 5 calls: one to begin, three rounds, one to end

    with caplog.at_level(logging.WARNING), Tracker(service, scenario) as follow:
        outcome = simulate(scenario, tmp_path, watch=follow)

    assert outcome.summary.rounds == 6
    assert service.calls == works + 1
    told = [entry.getMessage() for entry in caplog.records if entry.name == tracking.__name__]
    assert told == ["Broken does not follow the run any more: no room"]


def test_a_server_that_does_not_answer_is_left_alone(scenario, tmp_path, caplog, monkeypatch):
    pytest.importorskip("sqlalchemy", reason="the extra `mlflow` is not installed")
    pytest.importorskip("mlflow", reason="the extra `mlflow` is not installed")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")

    outcome = tracked("mlflow", scenario, tmp_path)

    assert outcome.summary.rounds == 6
    assert "MLflow does not follow the run any more" in caplog.text


def test_what_is_not_installed_is_asked_for(scenario, tmp_path, monkeypatch):
    monkeypatch.setattr(tracking, "find_spec", lambda name: None)

    with pytest.raises(ConfigError, match=r"pip install 'fedrobust\[tensorboard\]'"):
        tracker("tensorboard", scenario, tmp_path)


def test_an_unknown_service_is_told_of(scenario, tmp_path):
    with pytest.raises(ConfigError, match=r"Did you mean 'mlflow'\? Known: mlflow, tensorboard"):
        tracker("mlflw", scenario, tmp_path)


def test_the_command_line_tells_all_that_are_named(tmp_path, monkeypatch, capfd):
    calls = []

    class Listening(Broken):
        def __init__(self, folder):
            super().__init__(folder, works=99)
            calls.append(self)

    monkeypatch.setattr(tracking, "SERVICES", {"one": Listening, "two": Listening})
    path = tmp_path / "mine.toml"
    path.write_text('rounds = 2\nclients = 5\ndata = "digits"\n')

    run_scenario(path, [], tmp_path / "runs", Options(quiet=True, track=("one", "two")))

    assert [service.calls for service in calls] == [4, 4]
    assert [service.folder for service in calls] == [tmp_path / "runs"] * 2


QUIET = """
import sys
from pathlib import Path
from fedrobust.commands import Options, run_scenario

path = Path(sys.argv[1])
run_scenario(path, [], path.parent / "runs", Options(quiet=True, track=("mlflow", "tensorboard")))
"""


@pytest.mark.slow
def test_services_print_nothing_of_their_own(empty_database, tmp_path):
    pytest.importorskip("tensorboard", reason="the extra `tensorboard` is not installed")
    path = tmp_path / "mine.toml"
    path.write_text('rounds = 2\nclients = 5\ndata = "digits"\n')

    answer = subprocess.run(
        [sys.executable, "-c", QUIET, path], capture_output=True, text=True, check=True
    )

    assert 0 < float(answer.stdout) < 1
    assert answer.stderr == ""
    assert (tmp_path / "runs" / "mlflow.db").exists()

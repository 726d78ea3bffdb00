"""Programs that show how runs go, beside their own results: TensorBoard and MLflow."""

import json
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from time import time
from typing import Any, ClassVar

from fedrobust.results.rows import RunRow

__all__ = ["SERVICES", "MLflow", "Service", "TensorBoard"]

Plain = bool | int | float | str


class Service(ABC):
    """Where the figures of one run go.  Whatever it raises ends the tracking, never the run.

    Args:
        folder: where the run's own results lie.
    """

    needs: ClassVar[tuple[str, ...]]  # modules, which the extra that is called like it installs

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @abstractmethod
    def begin(self, run: RunRow) -> None:
        """Take up a run, or go on with it where an earlier process was interrupted."""

    @abstractmethod
    def log(self, round: int, figures: Mapping[str, float]) -> None:
        """Take the figures of a round, by name."""

    @abstractmethod
    def end(self, run: RunRow) -> None:
        """Let go of a run, which has a summary if it has finished."""


class TensorBoard(Service):
    """Event files in `tensorboard/` of the folder, a folder a run."""

    needs = ("tensorboard",)

    def begin(self, run: RunRow) -> None:
        from torch.utils.tensorboard import SummaryWriter

        name = re.sub(r"[^\w.-]+", "-", f"{run.name} {run.id}".strip())
        self._writer: Any = SummaryWriter(str(self.folder / "tensorboard" / name))

    def log(self, round: int, figures: Mapping[str, float]) -> None:
        for name, value in figures.items():
            self._writer.add_scalar(name, value, round)
        self._writer.flush()  # a run that is killed would take two minutes of figures along

    def end(self, run: RunRow) -> None:
        if run.summary is not None:
            self._writer.add_hparams(
                _parameters(run.scenario), _final(run.summary), run_name=".", global_step=run.rounds
            )
        self._writer.close()


class MLflow(Service):
    """A run at $MLFLOW_TRACKING_URI, or else in `mlflow.db` of the folder."""

    needs = ("mlflow", "sqlalchemy", "alembic")

    def begin(self, run: RunRow) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")  # or it tries for minutes
        from mlflow import MlflowClient

        own = f"sqlite:///{self.folder.resolve() / 'mlflow.db'}"
        self._client = MlflowClient(os.environ.get("MLFLOW_TRACKING_URI") or own)
        name = run.name or "fedrobust"
        known = self._client.get_experiment_by_name(name)
        experiment = known.experiment_id if known else self._client.create_experiment(name)
        tags = {"fedrobust.scenario": run.scenario_hash, "fedrobust.started": run.started}
        same = " AND ".join(f"tags.`{tag}` = '{value}'" for tag, value in tags.items())
        if found := self._client.search_runs([experiment], same):
            self._id = found[0].info.run_id
            self._client.update_run(self._id, "RUNNING")
        else:
            self._id = self._client.create_run(experiment, tags=tags, run_name=run.id).info.run_id
            for name, value in _parameters(run.scenario).items():
                self._client.log_param(self._id, name, value)

    def log(self, round: int, figures: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        now = int(1000 * time())
        metrics = [Metric(name, value, now, round) for name, value in figures.items()]
        self._client.log_batch(self._id, metrics=metrics)

    def end(self, run: RunRow) -> None:
        if run.summary is not None:
            self.log(run.rounds, _final(run.summary))
            self._client.set_tag(self._id, "fedrobust.model_hash", run.model_hash)
        ended = {"finished": "FINISHED", "interrupted": "KILLED"}
        self._client.set_terminated(self._id, ended.get(run.status, "FAILED"))


SERVICES: dict[str, type[Service]] = {"mlflow": MLflow, "tensorboard": TensorBoard}


def _parameters(table: Mapping[str, Any]) -> dict[str, Plain]:
    """Return nested tables as one, with keys as the command line has them.

    >>> _parameters({"rounds": 3, "adversary": [{"share": 0.2, "clients": [1, 2]}]})
    {'rounds': 3, 'adversary.0.share': 0.2, 'adversary.0.clients': '[1, 2]'}
    """
    return dict(_leaves(table, ()))


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Plain]]:
    if isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        value = {str(place): item for place, item in enumerate(value)}
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(item, (*path, key))
    else:
        yield ".".join(path), value if isinstance(value, Plain) else json.dumps(value)


def _final(summary: Mapping[str, Any]) -> dict[str, float]:
    """Return the figures of a summary; of clients that were excluded, how many."""
    counted = {name: len(summary[name]) for name in ("excluded_malicious", "excluded_honest")}
    numbers = {name: value for name, value in summary.items() if type(value) in (int, float)}
    return {f"final/{name}": float(value) for name, value in {**numbers, **counted}.items()}

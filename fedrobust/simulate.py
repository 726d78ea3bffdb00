"""Run a scenario in this process: train, attack, defend, evaluate, record, resume."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import tomli_w
from torch import Tensor

from fedrobust import capacity
from fedrobust.core.footprint import Footprint
from fedrobust.core.ledger import RoundLedger
from fedrobust.core.metrics import Quality
from fedrobust.core.mishap import WAITING
from fedrobust.core.trainers.planner import REMEMBERED
from fedrobust.core.world import World
from fedrobust.errors import ResultsError
from fedrobust.flower.adversary_grid import AdversaryGrid
from fedrobust.flower.client_app import FedRobustApp
from fedrobust.flower.fault_grid import FaultGrid
from fedrobust.flower.local_grid import LocalGrid
from fedrobust.flower.server_app import serve, strategy_of
from fedrobust.recording import Recorder
from fedrobust.results import checkpoint, habits, provenance
from fedrobust.results.reputations import removals
from fedrobust.results.store import Store
from fedrobust.scenario import Scenario
from fedrobust.summary import Summary, summarise

__all__ = ["Outcome", "Progress", "simulate"]


@dataclass(frozen=True)
class Progress:
    """What a run has reached."""

    round: int  # the last one that is recorded
    rounds: int
    quality: Quality | None  # None where the round was not evaluated
    attack_success: float | None  # the highest of all adversaries with a goal
    ledger: RoundLedger | None  # None when a run starts or resumes
    seconds: float  # the round took
    footprint: Footprint | None = None  # what the run takes, when it starts
    removed: Mapping[int, int] = field(default_factory=dict)  # when it resumes: client: round


@dataclass(frozen=True)
class Outcome:
    """What a run came to."""

    run: str  # its id in the store
    folder: Path
    model_hash: str
    summary: Summary


Watch = Callable[[Progress], None]


def simulate(
    scenario: Scenario,
    folder: Path,
    *,
    resume: bool = False,
    watch: Watch = lambda progress: None,
    cohort: bool = True,
) -> Outcome:
    """Run a scenario and record it in a folder.

    Each round is recorded and checkpointed before the next begins, so a run that is killed loses
    at most the round it was in, and resumes to the very result it would have had.

    Args:
        scenario: what to run.
        folder: where `results.sqlite` and the checkpoints lie; made if it does not exist.
        resume: continue the last run of this scenario in the folder; if it has finished, only
            return its outcome.
        watch: called when the run starts and after each round.
        cohort: train all clients of a round together; one by one the model is the same to 1e-5.

    Raises:
        ConfigError, DataError: if the scenario cannot be run, for want of memory too.
        ResultsError: if there is nothing to resume.
        KeyboardInterrupt: when interrupted; the run is marked so and can be resumed.
    """
    with Store(folder) as store:
        last = store.latest(scenario.digest()) if resume else None
        if resume and last is None:
            raise ResultsError(
                f"{folder} holds no run of this scenario to resume; start it without --resume."
            )
        if last is not None and last.status == "finished":
            summary = summarise(store, last.id, scenario)
            return Outcome(last.id, folder, last.model_hash or "", summary)
        world = scenario.world()
        needed = capacity.checked(world, scenario.sampled)
        run = last.id if last is not None else _begin(store, scenario)
        REMEMBERED.update({**habits.load(), **REMEMBERED})
        simulation = _Simulation(scenario, world, store, run, watch, cohort)
        try:
            if last is not None:
                provenance.warn_of_changes(last)
                simulation.restore()
            (folder / f"{run}.toml").write_text(tomli_w.dumps(scenario.table()), encoding="utf-8")
            digest = checkpoint.model_hash(simulation.go(needed))
        except BaseException as error:
            interrupted = isinstance(error, KeyboardInterrupt)
            store.finish(run, "interrupted" if interrupted else "failed")
            raise
        summary = summarise(store, run, scenario)
        store.finish(run, "finished", model_hash=digest, summary=summary.table())
    return Outcome(run, folder, digest, summary)


class _Simulation:
    """One run: the grid, the strategy, and what happens after each round."""

    def __init__(
        self,
        scenario: Scenario,
        world: World,
        store: Store,
        run: str,
        watch: Watch,
        cohort: bool,
    ) -> None:
        self.scenario, self.world, self.store, self.run = scenario, world, store, run
        self.watch = watch
        self.local = LocalGrid(FedRobustApp(lambda _: world), scenario.clients, cohort=cohort)
        self.strategy = strategy_of(scenario, world, on_round=self._keep_ledger)
        self.grid = AdversaryGrid(
            self.local,
            world.adversaries,
            world.seed,
            world=world,
            rehearse=self.strategy.rehearse,
        )
        self.faults = FaultGrid(self.grid, scenario.fault, scenario.seed)
        self.recorder = Recorder(world, store, run)
        self.params = world.task.init()
        self.ledger: RoundLedger | None = None
        self.began = perf_counter()

    @property
    def checkpoint_path(self) -> Path:
        return self.store.path.parent / "checkpoints" / f"{self.run}.pt"

    def go(self, needed: Footprint) -> Tensor:
        """Run the rounds that are left and return the model ``[d]``."""
        done, rounds = self.strategy.rounds_done, self.scenario.rounds
        self.recorder.begin()
        removed = removals(self.store, self.run, self.scenario.rule.rule) if done else {}
        self.watch(Progress(done, rounds, None, None, None, 0.0, needed, removed))
        self.began = perf_counter()
        model = serve(
            self.faults, self.strategy, self.world, self.params, rounds - done, self._after_round
        )
        self.recorder.end(model, self.scenario.test_corruption)
        return model

    def restore(self) -> None:
        """Go back to the last checkpoint, and forget what was recorded after it."""
        path = self.checkpoint_path
        kept = checkpoint.load(path) if path.exists() else None
        done = kept["round"] if kept else 0
        self.store.truncate(self.run, done)
        if kept:
            self.params = kept["params"]
            self.strategy.rounds_done = done
            self.strategy.state, self.strategy.models = kept["rule"], kept["models"]
            self.world.planner.choices.update(kept.get("trainers", {}))
            self.grid.state = kept["adversaries"]
            self.faults.state = kept.get("faults", {})
            self.local.restore(kept["clients"])

    def _keep_ledger(self, ledger: RoundLedger) -> None:
        for entry in ledger.entries:
            befell = self.faults.notes.get(entry.client)
            entry.note = "; ".join(filter(None, (entry.note, befell))) or None
        self.ledger = ledger

    def _after_round(self, number: int, params: Tensor) -> Mapping[str, float] | None:
        """Evaluate, record and checkpoint a round."""
        ledger, self.ledger = self.ledger, None
        if ledger is None:
            raise ResultsError(f"Round {number} ended without a ledger.")
        before, self.params = self.params, params
        seconds, start, measured = dict(ledger.seconds), perf_counter(), None
        if number % self.scenario.evaluate_every == 0 or number == self.scenario.rounds:
            own = self.strategy.models
            if self.scenario.evaluate_clients and not own:
                own = ledger.trained(before)
            measured = self.recorder.measure(params, own)
        seconds["evaluate"] = perf_counter() - start
        seconds["clients"] -= self.grid.seconds
        seconds["adversaries"] = self.grid.seconds
        if self.faults.seconds is not None:
            seconds[WAITING] = self.faults.seconds
        self.recorder.enter(ledger, measured, seconds)
        self._save(number)
        took, self.began = perf_counter() - self.began, perf_counter()
        quality = measured.quality if measured else None
        success = measured.attack_success if measured else None
        self.watch(Progress(number, self.scenario.rounds, quality, success, ledger, took))
        return None if quality is None else quality.figures()

    def _save(self, number: int) -> None:
        state: dict[str, Any] = {
            "round": number,
            "params": self.params,
            "rule": self.strategy.state,
            "models": self.strategy.models,
            "adversaries": self.grid.state,
            "faults": self.faults.state,
            "clients": self.local.memories(),
            "trainers": self.world.planner.choices,
        }
        habits.save(REMEMBERED)  # whatever becomes of this run, the next computes as it did
        checkpoint.save(self.checkpoint_path, state)


def _begin(store: Store, scenario: Scenario) -> str:
    return store.begin(
        name=scenario.name,
        scenario_hash=scenario.digest(),
        scenario=scenario.table(),
        rounds=scenario.rounds,
        seed=scenario.seed,
        versions=provenance.versions(),
        machine=provenance.machine(),
    )

"""What is measured of a run, round by round, and entered in its results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import isfinite

import torch
from torch import Tensor

from fedrobust.core import metrics
from fedrobust.core.adversary import Adversary
from fedrobust.core.ledger import RoundLedger
from fedrobust.core.metrics import Deviation, Quality
from fedrobust.core.task import Task
from fedrobust.core.world import World
from fedrobust.results.rows import ClientRow, GoalRow, RoundRow
from fedrobust.results.store import Store

__all__ = ["Measured", "Recorder"]


@dataclass(frozen=True)
class Measured:
    """How good the model is after a round."""

    quality: Quality
    goals: tuple[GoalRow, ...]  # of each adversary that has one
    validation_accuracy: float | None = None  # None if the server holds no examples back
    own: Mapping[int, float] = field(default_factory=dict)  # accuracy of clients' own models

    @property
    def attack_success(self) -> float | None:
        """The highest of all adversaries with a goal."""
        rates = [goal.success for goal in self.goals if goal.success is not None]
        return max((rate for rate in rates if isfinite(rate)), default=None)


class Recorder:
    """Measures a run and enters what it finds.

    Args:
        world: what is learned, by whom.
        store: where to enter it.
        run: whose results they are.
    """

    def __init__(self, world: World, store: Store, run: str) -> None:
        self._world, self._store, self._run = world, store, run

    @cached_property
    def _holdings(self) -> Tensor:
        """How many examples of each class a client holds, ``[n, C]``."""
        data, shards = self._world.task.data, self._world.federation.shards
        counts = [torch.bincount(data.y[shard], minlength=data.num_classes) for shard in shards]
        return torch.stack(counts)

    def begin(self) -> None:
        """Enter who holds what."""
        held = self._holdings.nonzero().tolist()
        self._store.record_holdings(
            self._run, ((client, c, int(self._holdings[client, c])) for client, c in held)
        )

    def end(self, params: Tensor, severity: int | None) -> None:
        """Enter how the final model ``[d]`` fares on corrupted inputs, if that is asked for."""
        if severity is not None:
            task = self._world.placed
            model = params.to(task.data.x.device)
            rates = metrics.corrupted_accuracy(task, model, severity, self._world.seed)
            self._store.record_corruptions(self._run, severity, rates)

    def measure(self, params: Tensor, own: Mapping[int, Tensor]) -> Measured:
        """Evaluate a model, for the federation and for its adversaries.

        Args:
            params: ``[d]`` the server's.
            own: the models ``[d]`` of clients who have one of their own.
        """
        task, world = self._world.placed, self._world
        model = params.to(task.data.x.device)
        held = world.validated
        reached = (_reached(task, held, model, adversary) for adversary in world.adversaries)
        return Measured(
            metrics.quality(task, model),
            tuple(goal for goal in reached if goal.success is not None),
            None if held is None else metrics.quality(held, model).accuracy,
            {
                client: metrics.agreement(task, mine.to(model), task.data.x_test, task.data.y_test)
                for client, mine in own.items()
            },
        )

    def enter(
        self,
        ledger: RoundLedger,
        measured: Measured | None,
        seconds: dict[str, float],
    ) -> None:
        """Enter a round; `measured` is None where the model was not evaluated."""
        quality = measured.quality if measured else None
        roles = {e.client: self._world.role(e.client, ledger.number) for e in ledger.entries}
        deviation = _deviation(ledger, roles)
        row = RoundRow(
            round=ledger.number,
            accuracy=quality.accuracy if quality else None,
            worst_class_accuracy=quality.worst_class_accuracy if quality else None,
            loss=quality.loss if quality else None,
            attack_success=measured.attack_success if measured else None,
            asked=len(ledger.entries),
            admitted=ledger.admitted,
            distance=deviation.distance if deviation else None,
            kappa=deviation.kappa if deviation else None,
            sent_bytes=ledger.sent_bytes,
            received_bytes=ledger.received_bytes,
            validation_accuracy=measured.validation_accuracy if measured else None,
            applied=ledger.applied,
            note=ledger.note,
        )
        self._store.record_round(
            self._run,
            row,
            self._clients(ledger, roles, quality, measured.own if measured else {}),
            seconds,
            classes=quality.class_accuracy if quality else (),
            goals=measured.goals if measured else (),
        )

    def _clients(
        self,
        ledger: RoundLedger,
        roles: Mapping[int, str],
        quality: Quality | None,
        own: Mapping[int, float],
    ) -> Sequence[ClientRow]:
        known = range(self._world.federation.num_clients)
        accuracies: dict[int, float] = {}
        if quality is not None:
            who = [entry.client for entry in ledger.entries if entry.client in known]
            accuracies = dict(
                zip(who, quality.accuracy_on(self._holdings[who]).tolist(), strict=True)
            )
        return [
            ClientRow(
                client=entry.client,
                node=str(entry.node),
                role=roles[entry.client],
                admitted=entry.fault is None,
                fault=None if entry.fault is None else str(entry.fault),
                note=entry.note,
                norm=entry.norm,
                cosine=entry.cosine,
                weight=entry.weight,
                score=entry.score,
                accuracy=accuracies.get(entry.client),
                own_accuracy=own.get(entry.client),
                quota=entry.quota,
            )
            for entry in ledger.entries
        ]


def _reached(task: Task, held: Task | None, model: Tensor, adversary: Adversary) -> GoalRow:
    success = metrics.attack_success(task, model, adversary)
    validated = None if held is None else metrics.attack_success(held, model, adversary)
    return GoalRow(adversary.index, adversary.name, success, validated)


def _deviation(ledger: RoundLedger, roles: Mapping[int, str]) -> Deviation | None:
    if ledger.updates is None or ledger.update is None:
        return None
    honest = [roles[entry.client] == "honest" for entry in ledger.entries if entry.fault is None]
    return metrics.deviation(ledger.updates, torch.tensor(honest), ledger.update)

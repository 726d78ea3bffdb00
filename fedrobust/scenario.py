"""A scenario: everything that determines a run, read from TOML and the command line."""

import hashlib
import json
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

import torch
from pydantic import BaseModel, BeforeValidator, Field, NonNegativeInt, PositiveInt, ValidationError

from fedrobust.complaints import explain
from fedrobust.core import seeds
from fedrobust.core.adversary import Adversary
from fedrobust.core.aggregator import (
    Aggregator,
    Chain,
    Mean,
    PostAggregator,
    PreAggregator,
    RoundInfo,
)
from fedrobust.core.behavior import Behavior
from fedrobust.core.engine import Engine
from fedrobust.core.federation import Federation
from fedrobust.core.sampling import malicious_in_sample
from fedrobust.core.seeds import Purpose
from fedrobust.core.task import Task
from fedrobust.core.training import Training
from fedrobust.core.world import World
from fedrobust.errors import ConfigError, TooManyMalicious
from fedrobust.overrides import merged, parsed
from fedrobust.parts import DataPart, ModelPart, PartitionPart, StrategyPart, default
from fedrobust.threat import AdversarySpec, assigned

__all__ = ["Scenario"]

T = TypeVar("T")


def _listed(value: Any) -> Any:
    """Let a strategy of one part be written without brackets."""
    return [value] if isinstance(value, str | dict) else value


class Scenario(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """Everything that determines a run.  Two equal scenarios give equal results.

    Fields:
        name: what reports call it; it does not influence the run.
        seed: of all randomness.
        rounds: how often the server updates its model.
        clients: how many there are.
        sample: the share of clients that take part in a round.
        data, partition, model, training: what is learned, by whom, and how.
        strategy: the defense: behaviors of honest clients, server steps, at most one rule.
        num_malicious: how many malicious clients the server expects; as many as adversaries
            control by default.
        adversary: who attacks.
        evaluate_every: evaluate the model after every so many rounds, and after the last.
        engine: how to compute it, which changes results by no more than the order of sums.
    """

    name: str = ""
    seed: int = Field(0, ge=0, lt=2**63)
    rounds: PositiveInt = 100
    clients: PositiveInt = 50
    sample: float = Field(1.0, gt=0, le=1)
    data: DataPart = default("data", "fashion_mnist")
    partition: PartitionPart = default("partitions", "iid")
    model: ModelPart = default("models", "softmax")
    training: Training = Training()
    strategy: Annotated[tuple[StrategyPart, ...], BeforeValidator(_listed)] = ()
    num_malicious: NonNegativeInt | None = None
    adversary: tuple[AdversarySpec, ...] = ()
    evaluate_every: PositiveInt = 1
    engine: Engine = Engine()

    @classmethod
    def load(cls, path: Path, overrides: Iterable[str] = ()) -> Self:
        """Read a TOML file; each override is a line of TOML, such as ``adversary.0.share=0.3``.

        Raises:
            ConfigError: if the file or an override cannot be read, or describes no scenario.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"Cannot read the scenario {str(path)!r}: {error}. "
                "`fedrobust init` writes one to start from."
            ) from error
        try:
            return cls.parse(merged(parsed(text), overrides))
        except ConfigError as error:
            raise ConfigError(f"{path}:\n{error}") from error

    @classmethod
    def parse(cls, table: dict[str, Any]) -> Self:
        """Build a scenario from nested tables.

        Raises:
            ConfigError: with a line for each thing that is wrong.
        """
        try:
            scenario = cls.model_validate(table)
        except ValidationError as error:
            raise ConfigError(explain(error, cls)) from error
        scenario.check()
        return scenario

    def table(self) -> dict[str, Any]:
        """Return the scenario as nested tables, with every default written out."""
        return self.model_dump(mode="json", exclude_none=True)

    def digest(self) -> str:
        """Return a hash of all that determines the run: not its name, nor how it is computed."""
        table = {k: value for k, value in self.table().items() if k not in ("name", "engine")}
        return hashlib.sha256(json.dumps(table, sort_keys=True).encode()).hexdigest()

    @property
    def rule(self) -> Chain:
        """The server's part of the strategy: steps, at most one rule, more steps."""
        rules = self._parts(Aggregator)
        if len(rules) > 1:
            listed = " and ".join(rule.reference() for rule in rules)
            raise ConfigError(f"strategy: has one rule, not {listed}; remove all but one.")
        return Chain(
            before=self._parts(PreAggregator),
            rule=rules[0] if rules else Mean(),
            after=self._parts(PostAggregator),
        )

    @property
    def sampled(self) -> int:
        """How many clients take part in a round."""
        return max(1, round(self.sample * self.clients))

    @property
    def declared(self) -> int:
        """How many malicious clients the server expects among all."""
        if self.num_malicious is not None:
            return self.num_malicious
        return sum(len(adversary.clients) for adversary in self.adversaries)

    @property
    def adversaries(self) -> tuple[Adversary, ...]:
        """The adversaries with the clients that each of them controls."""
        return assigned(self.adversary, self.clients, self.seed)

    def check(self) -> None:
        """Refuse what pydantic cannot see: client ids, two rules, a rule beyond its bound.

        Raises:
            ConfigError: with the path of what is wrong.
        """
        _ = self.adversaries
        self._check_order()
        expected = malicious_in_sample(self.clients, min(self.declared, self.clients), self.sampled)
        updates = torch.randn(self.sampled, 3, generator=torch.Generator().manual_seed(0))
        info = RoundInfo(
            number=1,
            params=torch.zeros(3),
            clients=torch.arange(self.sampled),
            examples=torch.ones(self.sampled),
            generator=torch.Generator().manual_seed(0),
            num_malicious=expected,
            reference=torch.ones(3),
        )
        try:
            self.rule.aggregate(updates, self.rule.init(torch.zeros(3)), info)
        except TooManyMalicious as error:
            raise ConfigError(
                f"strategy: {error} (A round has {self.sampled} of {self.clients} clients; set "
                "num_malicious, sample or clients.)"
            ) from error

    def _check_order(self) -> None:
        order = {PreAggregator: 0, Aggregator: 1, PostAggregator: 2}
        places = [
            (place, part.reference())
            for part in self.strategy
            for kind, place in order.items()
            if isinstance(part, kind)
        ]
        for (before, first), (after, second) in pairwise(places):
            if before > after:
                raise ConfigError(
                    f"strategy: {second} acts before {first}; write it before {first}, too."
                )

    def world(self) -> World:
        """Load the data, share them out, and build the model.

        Raises:
            ConfigError: if the model or an attack does not fit the data.
            DataError: if the data cannot be loaded or shared out.
        """
        self.engine.torch_device()  # whether it is there, before anything takes long
        data = self.data.load(self.seed)
        shape = tuple(data.x.shape[1:])
        shards = self.partition.split(
            data.y.numpy(),
            self.clients,
            seeds.numpy_generator(self.seed, Purpose.PARTITION),
            None if data.groups is None else data.groups.numpy(),
        )
        with seeds.global_torch_seed(self.seed, Purpose.MODEL):
            model = self.model.build(shape, data.num_classes)
        return World(
            Task(model, data),
            Federation([torch.from_numpy(shard) for shard in shards]),
            self.training,
            tuple(b.for_task(data.num_classes, shape) for b in self._parts(Behavior)),
            tuple(a.for_task(data.num_classes, shape) for a in self.adversaries),
            self.seed,
            self.engine,
        )

    def _parts(self, kind: type[T]) -> tuple[T, ...]:
        return tuple(part for part in self.strategy if isinstance(part, kind))

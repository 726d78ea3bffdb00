"""A scenario: everything that determines a run, read from TOML and the command line."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

import torch
from pydantic import BaseModel, BeforeValidator, Field, NonNegativeInt, PositiveInt, ValidationError

from fedrobust.checks import check
from fedrobust.complaints import explain
from fedrobust.core import seeds
from fedrobust.core.adversary import Adversary, Schedule
from fedrobust.core.aggregator import (
    Aggregator,
    Mean,
    PostAggregator,
    PreAggregator,
)
from fedrobust.core.allotment import allotted
from fedrobust.core.behavior import Behavior
from fedrobust.core.chain import Chain
from fedrobust.core.engine import Engine
from fedrobust.core.federation import Federation
from fedrobust.core.seeds import Purpose
from fedrobust.core.task import Task
from fedrobust.core.training import Training
from fedrobust.core.world import World
from fedrobust.errors import ConfigError
from fedrobust.overrides import merged, parsed
from fedrobust.parts import (
    DataPart,
    FaultPart,
    ModelPart,
    PartitionPart,
    StrategyPart,
    default,
    listed,
)
from fedrobust.threat import AdversarySpec, assigned

__all__ = ["Scenario"]

T = TypeVar("T")


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
        root_examples: how many training examples, drawn at random, the server keeps for rules
            that compare updates with its own; clients do not get them.
        validation: the share of the training examples, drawn at random, that the server holds back
            from clients and evaluates the model on, so that nobody chooses by test data; none by
            default.
        adversary: who attacks.
        fault: what goes wrong by itself, in this order; nothing by default.
        test_corruption: how severely, from 1 to 5, to corrupt test inputs, in many ways, on which
            the final model is tested too; not at all by default.
        evaluate_every: evaluate the model after every so many rounds, and after the last.
        evaluate_clients: evaluate what each client has made of the model by its own training, too,
            where the strategy does not give it a model of its own, which is always evaluated.
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
    strategy: Annotated[tuple[StrategyPart, ...], BeforeValidator(listed)] = ()
    num_malicious: NonNegativeInt | None = None
    root_examples: NonNegativeInt = 0
    validation: float = Field(0.0, ge=0, lt=1)
    adversary: tuple[AdversarySpec, ...] = ()
    fault: Annotated[tuple[FaultPart, ...], BeforeValidator(listed)] = ()
    test_corruption: int | None = Field(None, ge=1, le=5)
    evaluate_every: PositiveInt = 1
    evaluate_clients: bool = False
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
        check(scenario)
        return scenario

    def table(self) -> dict[str, Any]:
        """Return the scenario as nested tables, with every default written out.

        What is new and not used is left out, so that older results are still found.
        """
        unused = ("fault", "validation", "evaluate_clients")
        absent: dict[str, Any] = {name: True for name in unused if not getattr(self, name)}
        if self.training.lr_decay == 1:
            absent["training"] = {"lr_decay"}
        return self.model_dump(mode="json", exclude_none=True, exclude=absent)

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
        extra = getattr(self.partition, "extra_clients", None) or 0
        return assigned(self.adversary, self.clients, self.seed, self.training, extra)

    @property
    def is_control(self) -> bool:
        """Whether no adversary ever acts."""
        return all(spec.active.start > self.rounds for spec in self.adversary)

    def control(self) -> Self:
        """Return the same scenario while its adversaries sleep: what they would have spoiled.

        Their clients are honest, and how often the model does what they want is still measured.
        """
        asleep = Schedule(start=self.rounds + 1)
        quiet = [spec.model_copy(update={"active": asleep}) for spec in self.adversary]
        name = f"{self.name}, nobody attacks" if self.name else ""
        return self.model_copy(update={"adversary": tuple(quiet), "name": name})

    def standalone(self) -> Self:
        """Return the same clients, all honest, each of whom learns alone for as many rounds."""
        gone = ("adversary", "fault", "evaluate_clients", "num_malicious")
        kept = {key: value for key, value in self.table().items() if key not in gone}
        name = f"{self.name}, each alone" if self.name else ""
        return self.parse({**kept, "strategy": "standalone", "name": name})

    @property
    def is_standalone(self) -> bool:
        """Whether each client learns alone, and nobody attacks."""
        return not self.adversary and [p.reference() for p in self.strategy] == ["standalone"]

    def world(self) -> World:
        """Load the data, share them out, and build the model.

        Raises:
            ConfigError: if the model or an attack does not fit the data.
            DataError: if the data cannot be loaded or shared out.
        """
        self.engine.torch_device()  # whether it is there, before anything takes long
        data = self.data.load(self.seed)
        shape = tuple(data.x.shape[1:])
        others, root, held = allotted(
            len(data.y), self.clients, self.seed, self.root_examples, self.validation
        )
        shards = self.partition.split(
            data.y[others].numpy(),
            self.clients,
            seeds.numpy_generator(self.seed, Purpose.PARTITION),
            None if data.groups is None else data.groups[others].numpy(),
        )
        with seeds.global_torch_seed(self.seed, Purpose.MODEL):
            model = self.model.build(shape, data.num_classes)
        return World(
            Task(model, data),
            Federation([others[torch.from_numpy(shard)] for shard in shards]),
            self.training,
            tuple(b.for_task(data.num_classes, shape) for b in self._parts(Behavior)),
            tuple(a.for_task(data.num_classes, shape) for a in self.adversaries),
            self.seed,
            self.engine,
            root if self.root_examples else None,
            held if self.validation else None,
            self.rule.needs_losses,
        )

    def _parts(self, kind: type[T]) -> tuple[T, ...]:
        return tuple(part for part in self.strategy if isinstance(part, kind))

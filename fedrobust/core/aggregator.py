"""How a server turns the updates of a round into one: pure functions with explicit state.

Shapes: n updates of a model with d parameters form a matrix ``[n, d]``, one row a client.
"""

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from pydantic import NonNegativeInt
from torch import Tensor

from fedrobust.core.component import Component
from fedrobust.errors import TooManyMalicious

__all__ = [
    "Aggregate",
    "Aggregator",
    "Bounded",
    "Chain",
    "Mean",
    "PostAggregator",
    "PreAggregator",
    "RoundInfo",
    "Stage",
    "State",
    "Transformed",
]

State = Any  # nested tuples, lists and dicts of tensors and numbers, so that it can be saved


@dataclass(frozen=True, eq=False)
class RoundInfo:
    """What a server knows about the round whose updates it aggregates."""

    number: int
    params: Tensor  # [d] the global model the clients started from
    clients: Tensor  # [n] who sent row i, as authenticated, never as claimed
    examples: Tensor  # [n] how many examples client i says it has: not to be trusted
    generator: torch.Generator
    num_malicious: int = 0  # how many of these rows the server expects to be malicious
    dropped: int = 0  # malformed replies, which no rule needs to withstand any more
    reference: Tensor | None = None  # [d] an update the server trained on its own data

    def mixed(self, mixing: Tensor) -> "RoundInfo":
        """Return what is known of rows that are mixtures ``[m, n]`` of these."""
        examples = mixing.to(self.examples.dtype) @ self.examples
        return replace(self, clients=torch.arange(len(mixing)), examples=examples)


class Aggregate(NamedTuple):
    """What an aggregator returns."""

    update: Tensor  # [d]
    state: State = ()
    weights: Tensor | None = None  # [n] how much each row counted, where the rule can say
    scores: Tensor | None = None  # [n] the rule's own measure of suspicion or trust
    models: Tensor | None = None  # [n, d] what each client gets next, where they differ


class Transformed(NamedTuple):
    """What a pre-aggregator returns."""

    updates: Tensor  # [m, d]
    state: State = ()
    mixing: Tensor | None = None  # [m, n] how much of input j is in output i; None: i is i
    factors: Tensor | None = None  # [n] by how much each input was scaled; None: by 1


class Stage(Component):
    """A step of the server's pipeline."""

    def init(self, params: Tensor) -> State:
        """Return the state before the first round of a model ``[d]``."""
        return ()


class Bounded(Stage):
    """A stage that withstands a bounded number of malicious rows.

    Fields:
        num_malicious: how many malicious updates a round may hold (f); None for as many as the
            server expects, which a scenario derives from its `num_malicious`.
    """

    num_malicious: NonNegativeInt | None = None

    @property
    def bound(self) -> tuple[int, int]:
        """The numbers a and b for which it needs n >= a f + b updates."""
        return 2, 1

    def requirement(self) -> str:
        """Return the bound as a formula.

        >>> Bounded().requirement()
        'n >= 2f + 1'
        """
        return "n >= {}f + {}".format(*self.bound)

    def malicious_among(self, n: int, info: RoundInfo) -> int:
        """Return f for a round of n updates.

        Raises:
            TooManyMalicious: if the stage cannot withstand that many.
        """
        f = info.num_malicious
        if self.num_malicious is not None:
            f = max(0, self.num_malicious - info.dropped)
        a, b = self.bound
        if n < a * f + b:
            most = (n - b) // a
            can = f"withstand at most {most} of {n}" if most >= 0 else f"work with {n} updates"
            raise TooManyMalicious(
                f"{type(self).__name__} needs {self.requirement()}: it can {can}, "
                f"not f = {f} malicious of n = {n}."
            )
        return f


class Aggregator(Stage):
    """A rule that combines ``[n, d]`` updates into one ``[d]`` update."""

    @abstractmethod
    def aggregate(self, updates: Tensor, state: State, info: RoundInfo) -> Aggregate:
        """Combine the rows of `updates`; must not modify its arguments.

        Raises:
            AggregationError: if it cannot; the server then keeps its model.
        """


class PreAggregator(Stage):
    """A step before the rule that maps ``[n, d]`` updates to ``[m, d]``."""

    @abstractmethod
    def transform(self, updates: Tensor, state: State, info: RoundInfo) -> Transformed:
        """Return the new rows and state; must not modify its arguments."""


class PostAggregator(Stage):
    """A step after the rule that maps its ``[d]`` update to another."""

    @abstractmethod
    def transform(self, update: Tensor, state: State, info: RoundInfo) -> tuple[Tensor, State]:
        """Return the new update and state; must not modify its arguments."""


class Mean(Aggregator):
    """Average the updates, each counting the same.

    No robustness: the reference point of every report.  It ignores how many examples clients
    claim, because an attacker would claim the most.
    """

    def aggregate(self, updates: Tensor, state: State, info: RoundInfo) -> Aggregate:
        n = len(updates)
        weights = torch.full((n,), 1 / n, dtype=updates.dtype, device=updates.device)
        return Aggregate(weights @ updates, state, weights)


class Chain(Aggregator):
    """A rule with steps before and after it, itself a rule."""

    before: tuple[PreAggregator, ...] = ()
    rule: Aggregator = Mean()
    after: tuple[PostAggregator, ...] = ()

    def init(self, params: Tensor) -> State:
        return [stage.init(params) for stage in (*self.before, self.rule, *self.after)]

    def aggregate(self, updates: Tensor, state: State, info: RoundInfo) -> Aggregate:
        old, new = iter(state), []
        mixing = None  # [m, n] how much of the update of client j is in row i
        scaling: Tensor | None = None  # [n] as long as rows are clients
        for first in self.before:
            updates, kept, mixed, factors = first.transform(updates, next(old), info)
            new.append(kept)
            if factors is not None and mixing is not None:
                mixing = factors[:, None].to(mixing.dtype) * mixing
            elif factors is not None:
                scaling = factors if scaling is None else scaling * factors
            if mixed is not None:
                mixing = mixed if mixing is None else mixed @ mixing
                info = info.mixed(mixed)
        update, kept, weights, scores, models = self.rule.aggregate(updates, next(old), info)
        new.append(kept)
        for last in self.after:
            update, kept = last.transform(update, next(old), info)
            new.append(kept)
        if mixing is not None:  # tell the weights of clients, not of mixtures
            weights = None if weights is None else weights.to(mixing.dtype) @ mixing
            scores = models = None
        if weights is not None and scaling is not None:
            weights = weights * scaling.to(weights.dtype)
        return Aggregate(update, new, weights, scores, models)

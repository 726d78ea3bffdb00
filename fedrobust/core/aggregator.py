"""How a server turns the updates of a round into one: pure functions with explicit state.

Shapes: n updates of a model with d parameters form a matrix ``[n, d]``, one row a client.
"""

from abc import abstractmethod
from typing import Any, ClassVar, NamedTuple

import torch
from pydantic import NonNegativeInt
from torch import Tensor

from fedrobust.core.component import Component
from fedrobust.core.knowledge import RootData, RoundInfo
from fedrobust.errors import TooManyMalicious

__all__ = [
    "Aggregate",
    "Aggregator",
    "Bounded",
    "Mean",
    "PostAggregator",
    "PreAggregator",
    "RootData",
    "RoundInfo",
    "Stage",
    "State",
    "Transformed",
]

State = Any  # nested tuples, lists and dicts of tensors and numbers, so that it can be saved


class Aggregate(NamedTuple):
    """What an aggregator returns."""

    update: Tensor  # [d]
    state: State = ()
    weights: Tensor | None = None  # [n] how much each row counted, where the rule can say
    scores: Tensor | None = None  # [n] the rule's own measure of suspicion or trust
    models: Tensor | None = None  # [n, d] what each client gets next, where they differ
    quotas: Tensor | None = None  # [n] how much of the update each client gets, from 0 to 1


class Transformed(NamedTuple):
    """What a pre-aggregator returns."""

    updates: Tensor  # [m, d]
    state: State = ()
    mixing: Tensor | None = None  # [m, n] how much of input j is in output i; None: i is i
    factors: Tensor | None = None  # [n] by how much each input was scaled; None: by 1
    sketch: bool = False  # whether these rows only stand for those given, to be judged by


class Stage(Component):
    """A step of the server's pipeline."""

    @property
    def needs_root(self) -> bool:
        """Whether the server has to have examples of its own."""
        return False

    @property
    def needs_losses(self) -> bool:
        """Whether clients have to say what they lose by the model that they are sent."""
        return False

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
        a, b = self.bound
        return f"n >= {'' if a == 1 else a}f + {b}"

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
            got = f"it can withstand at most {most} of {n}, not f = {f} malicious of n = {n}"
            raise TooManyMalicious(
                f"{type(self).__name__} needs {self.requirement()}: "
                f"{got if most >= 0 else f'n = {n} updates are too few for any f'}."
            )
        return f


class Aggregator(Stage):
    """A rule that combines ``[n, d]`` updates into one ``[d]`` update.

    A rule `by_distance` is a weighted mean of the rows whose weights, which it returns, depend on
    nothing but the distances between them: it can judge shorter rows that stand for them.  A rule
    without `magnitudes` keeps the direction of each coordinate, and not how far it moves.  The
    scores of one that `scores_trust` are the higher the more it trusts a row; of others, the more
    it suspects it.  Those of one that `keeps_reputations` are shares of one whole that clients
    keep from round to round; they are 0 for good once a client is removed, and may be 0 before.
    """

    by_distance: ClassVar[bool] = False
    magnitudes: ClassVar[bool] = True
    scores_trust: ClassVar[bool] = False
    keeps_reputations: ClassVar[bool] = False

    @property
    def by_client(self) -> bool:
        """Whether it has to know who sent a row, and not only what."""
        return False

    @property
    def probation(self) -> int | None:
        """Rounds a client takes part in before it may be removed; None if nobody ever is."""
        return None

    @property
    def needs_clients(self) -> tuple[int, ...]:
        """Which clients have to take part in every round."""
        return ()

    def kappa(self, n: int, f: int) -> float | None:
        """Return the proven constant of a rule that reckons with f of n rows; None if unknown.

        It is (f, kappa)-robust if, for any n - f of the rows, the squared distance of its result
        from their mean is at most kappa times their mean squared distance from it.  That a rule
        has a `num_malicious` of its own, or a bound, is for `Chain.kappa` to see to.
        """
        return None

    @abstractmethod
    def aggregate(self, updates: Tensor, state: State, info: RoundInfo) -> Aggregate:
        """Combine the rows of `updates`; must not modify its arguments.

        Raises:
            AggregationError: if it cannot; the server then keeps its model.
        """


class PreAggregator(Stage):
    """A step before the rule that maps ``[n, d]`` updates to ``[m, d]``."""

    def kappa(self, n: int, f: int, behind: float) -> float | None:
        """Return the proven constant with this step before a rule whose own is `behind`.

        Both reckon with f of n rows, and the step hands on n.
        """
        return None

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

    by_distance: ClassVar[bool] = True

    def aggregate(self, updates: Tensor, state: State, info: RoundInfo) -> Aggregate:
        n = len(updates)
        weights = torch.full((n,), 1 / n, dtype=updates.dtype, device=updates.device)
        return Aggregate(weights @ updates, state, weights)

"""What is proven of a scenario's defense for the number of malicious clients it declares.

The definition is that of Allouah, Farhadkhani, Guerraoui, Gupta, Pinot and Stephan, "Fixing by
Mixing: A Recipe for Optimal Byzantine ML under Heterogeneity", AISTATS 2023,
https://arxiv.org/abs/2302.01772: a defense is (f, kappa)-robust if the squared distance of its
result from the mean of any n - f updates is at most kappa times their variance around it.
"""

from bisect import bisect_left
from collections.abc import Iterator
from functools import partial
from math import ceil
from typing import NamedTuple, Self

from fedrobust.core.rehearsal import Rehearsal
from fedrobust.core.sampling import malicious_in_sample
from fedrobust.errors import AggregationError
from fedrobust.scenario import Scenario

__all__ = ["Certificate"]

_ROWS = 25  # of a table, about


class Certificate(NamedTuple):
    """What is proven of one round."""

    defense: str  # the steps of the server
    clients: int  # how many there are
    declared: int  # how many of them are expected to be malicious
    controlled: int  # how many adversaries control
    n: int  # how many updates a round has
    f: int  # how many of them are expected to be malicious
    own: tuple[tuple[str, int], ...]  # steps that reckon with a number of their own, and with which
    most: int | None  # how many its bounds and numbers admit, below half; None if it has none
    kappas: tuple[float | None, ...]  # for 0, 1, ... malicious ones, as far as it admits them

    @classmethod
    def of(cls, scenario: Scenario) -> Self:
        """Return what is proven of a scenario's defense."""
        n, rule = scenario.sampled, scenario.rule
        own = tuple(
            (stage.reference(), stage.num_malicious)
            for stage in rule.bounded
            if stage.num_malicious is not None
        )
        below_half = (n - 1) // 2
        most = None
        if rule.bounded:
            limit = min([below_half, *(number for _, number in own)])
            rehearsal = Rehearsal(rule, n)
            refused = partial(_refused, rehearsal)
            most = bisect_left(range(1, limit + 1), True, key=refused)
        malicious = range((below_half if most is None else most) + 1)
        return cls(
            " + ".join(stage.reference() for stage in rule.stages),
            scenario.clients,
            scenario.declared,
            sum(len(adversary.clients) for adversary in scenario.adversaries),
            n,
            malicious_in_sample(scenario.clients, scenario.declared, n),
            own,
            most,
            tuple(rule.kappa(n, f) for f in malicious),
        )

    def lines(self) -> Iterator[str]:
        """Say it, a line at a time."""
        n, f = self.n, self.f
        yield f"Defense: {self.defense}"
        yield (
            f"A round has n = {n} of {self.clients} clients. With {self.declared} malicious ones "
            f"among all, expect f = {f}"
            + ("." if f == self.declared else ", and more in at most 1 of 1000 rounds.")
        )
        if self.controlled > self.declared:
            yield (
                f"Adversaries control {self.controlled}, more than the {self.declared} declared: "
                "nothing below is promised."
            )
        if self.most is None:
            yield "The rule itself sets no bound."
        else:
            yield f"It accepts up to f = {self.most}."
        if 2 * f >= n:
            yield (
                "That is half of a round or more, which no rule withstands that only sees updates: "
                "nothing is proven."
            )
        elif too_few := [f"{name} with {number}" for name, number in self.own if number < f]:
            yield f"Nothing is proven beyond what it reckons with: {' and '.join(too_few)}."
        elif f >= len(self.kappas) or self.kappas[f] is None:
            yield "No constant is proven of this defense: measure it."
        else:
            yield (
                "Proven: its squared distance from the mean of the honest updates is at most kappa "
                "times their variance."
            )
            yield from self._table()

    def _table(self) -> Iterator[str]:
        yield "   f     kappa   least possible"
        last = len(self.kappas) - 1
        for f in sorted({*range(0, last, max(1, ceil(last / _ROWS))), self.f, last}):
            if (kappa := self.kappas[f]) is not None:
                mark = " <" if f == self.f else ""
                yield f"{f:4d} {kappa:9.3f} {f / (self.n - 2 * f):16.3f}{mark}"


def _refused(rehearsal: Rehearsal, f: int) -> bool:
    try:
        rehearsal.play(f)
    except AggregationError:
        return True
    return False

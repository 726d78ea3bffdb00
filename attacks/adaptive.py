"""An attack whose number is tuned against the server's rule.

Tuning against a known rule is due to Shejwalkar and Houmansadr, "Manipulating the Byzantine:
Optimizing Model Poisoning Attacks and Defenses for Federated Learning", NDSS 2021,
https://doi.org/10.14722/ndss.2021.24498.  Of `alie` and `ipm` it makes Opt-ALIE and Opt-IPM.
"""

import logging
from contextlib import suppress
from dataclasses import replace
from functools import partial
from math import inf, isnan, log2
from typing import ClassVar, Literal, Self

import torch
from pydantic import Field, PositiveFloat, SerializeAsAny, ValidationError, model_validator
from torch import Tensor

from fedrobust.attacks.alie import ALIE
from fedrobust.core import rows
from fedrobust.core.adversary import Attack, Knowledge, View
from fedrobust.core.aggregator import State
from fedrobust.core.searching import most, muted, real_fields

__all__ = ["Adaptive"]

_log = logging.getLogger(__name__)


class Adaptive(Attack):
    """Send what another attack crafts with the number that harms most under the server's rule.

    It tries numbers on a copy of the server, first a grid, then by golden section next to the
    best, and sends the best it tried; of several peaks it may miss the highest.  Around `ipm` it
    hurts rules that average what is near or in the middle (`krum`, `trimmed_mean`, `smea`);
    `signguard`, which goes by signs, withstands a fifth of such clients.

    Our choices: a round that the server would lose counts as an update of zero.  If no number
    counts, clients send what they would have sent; where the rule is not known, the wrapped attack
    goes on as it was written.  A warning says so once.

    Fields:
        attack: what to tune.
        field: which of its real numbers; the first by default.
        objective: what harm is: the "distance" of the server's update from the benign mean, the
            "loss" of the new model, or its "success" at the goal of the adversary.
        stealth: leave out numbers that put a row farther from the benign mean than so many times
            the farthest benign row; None for no limit.
        when: search in every "round", or "once" and keep what was found.
        low, high: the numbers to try lie between; those that the field does not take are left out.
        evaluations: how often to try, at most.
    """

    default_knowledge: ClassVar[Knowledge] = Knowledge.RULE

    attack: SerializeAsAny[Attack] = ALIE()
    field: str | None = None
    objective: Literal["distance", "loss", "success"] = "distance"
    stealth: PositiveFloat | None = None
    when: Literal["round", "once"] = "round"
    low: PositiveFloat = 2**-4
    high: PositiveFloat = 2**6
    evaluations: int = Field(20, ge=2)

    @model_validator(mode="after")
    def _tunable(self) -> Self:
        name = self.attack.reference()
        if not self.attack.inert or type(self.attack).craft is Attack.craft:
            behind = f'["{name}", {{ name = "adaptive", attack = "rescaling" }}]'
            raise ValueError(f"{name} changes training; tune one behind it: attack = {behind}.")
        if not self._grid:
            taken = f"{self.field or 'number'} from {self.low:g} to {self.high:g}"
            has = ", ".join(real_fields(self.attack)) or "none"
            raise ValueError(f"{name} takes no {taken}; numbers it has: {has}.")
        return self

    @property
    def _grid(self) -> list[float]:
        first, last, steps = log2(self.low), log2(self.high), self.evaluations // 2
        values = (2 ** (first + (last - first) * i / steps) for i in range(steps + 1))
        return [value for value in values if first < last and self._tuned(value)]

    def _tuned(self, value: float) -> Attack | None:
        """Return the wrapped attack with another number; None if it does not take that one."""
        names = [name for name in real_fields(self.attack) if self.field in (None, name)]
        with suppress(ValidationError, IndexError):
            return self.attack.model_validate({**dict(self.attack), names[0]: value})
        return None

    @property
    def least_knowledge(self) -> Knowledge:
        return Knowledge.RULE

    @property
    def tries_models(self) -> bool:
        return self.objective != "distance" or self.attack.tries_models

    @property
    def needs_goal(self) -> bool:
        return self.objective == "success"

    def discards(self, knowledge: Knowledge) -> bool:
        return self.attack.discards(knowledge)

    def for_task(self, num_classes: int, input_shape: tuple[int, ...]) -> Self:
        return self.model_copy(update={"attack": self.attack.for_task(num_classes, input_shape)})

    def init(self, params: Tensor) -> State:  # its own, the number found, whether it warned
        return self.attack.init(params), None, False

    def craft(self, view: View, state: State) -> tuple[Tensor, State]:
        inner, value, warned = state
        if view.simulate is not None and (view.trial or self.objective == "distance"):
            if value is None or self.when == "round":
                mean = view.benign.mean(dim=0, dtype=torch.float64)
                far = float(_farthest(view.benign, mean))
                limit = inf if self.stealth is None else self.stealth * far
                harm = partial(self._harm, view, inner, mean, limit)
                with muted(self.attack):  # it is only trying
                    value = most(harm, self._grid, self.evaluations)
            attack, why = None if value is None else self._tuned(value), "no number counts"
        else:
            attack, why = self.attack, 'it needs knowledge = "rule"'
        if value is None and not warned:
            _log.warning("Adaptive does not adapt: %s.", why)
        sent, inner = (view.own, inner) if attack is None else attack.craft(view, inner)
        return sent, (inner, value, warned or value is None)

    def _harm(self, view: View, inner: State, mean: Tensor, limit: float, value: float) -> float:
        """Return what a number comes to; minus infinity if it does not count."""
        attack, generator = self._tuned(value), view.generator.clone_state()  # the same draws
        assert attack is not None and view.simulate is not None
        sent, _ = attack.craft(replace(view, generator=generator), inner)
        if not sent.isfinite().all() or (limit < inf and _farthest(sent, mean) > limit):
            return -inf
        made = view.simulate(sent)
        update = torch.zeros_like(view.params) if made is None else made
        if self.objective == "distance" or (trial := view.trial) is None:
            harm = float((update.double() - mean).norm())
        else:
            judge = trial.loss if self.objective == "loss" else trial.success
            harm = judge(view.params + update)
        lost = inf if self.objective == "loss" else -inf  # a loss that is no number is the worst
        return lost if isnan(harm) else harm


def _farthest(updates: Tensor, mean: Tensor) -> Tensor:
    return rows.distances(updates, mean).max()

"""A rule with steps before and after it."""

from typing import NamedTuple, cast

from torch import Tensor

from fedrobust.core.aggregator import (
    Aggregate,
    Aggregator,
    Bounded,
    Mean,
    PostAggregator,
    PreAggregator,
    RoundInfo,
    Stage,
    State,
    Transformed,
)
from fedrobust.errors import AggregationError

__all__ = ["Chain", "Prepared"]


class Prepared(NamedTuple):
    """What the steps before a rule make of a round."""

    updates: Tensor  # [m, d] what the rule looks at
    whole: Tensor | None  # [m, d] the rows, where `updates` only stand for them
    mixing: Tensor | None  # [m, n] how much of the update of client j is in row i
    scaling: Tensor | None  # [n] by how much clients were scaled, as long as rows are clients
    info: RoundInfo
    state: list[State]
    heights: list[int]  # how many rows each of them was given, and the rule


class Chain(Aggregator):
    """A rule with steps before and after it, itself a rule."""

    before: tuple[PreAggregator, ...] = ()
    rule: Aggregator = Mean()
    after: tuple[PostAggregator, ...] = ()

    @property
    def stages(self) -> tuple[PreAggregator | Aggregator | PostAggregator, ...]:
        """All steps, in the order in which they act."""
        return (*self.before, self.rule, *self.after)

    @property
    def bounded(self) -> tuple[Bounded, ...]:
        """The steps that withstand a bounded number of malicious rows."""
        stages: tuple[Stage, ...] = self.stages
        return tuple(stage for stage in stages if isinstance(stage, Bounded))

    @property
    def needs_root(self) -> bool:
        return any(stage.needs_root for stage in self.stages)

    @property
    def needs_losses(self) -> bool:
        return any(stage.needs_losses for stage in self.stages)

    @property
    def needs_clients(self) -> tuple[int, ...]:
        return self.rule.needs_clients

    def kappa(self, n: int, f: int) -> float | None:
        """Return the proven constant for f of n rows, whatever number its stages reckon with.

        A rule that is (g, kappa)-robust is so for f < g, too: the mean of n - f rows is the mean
        over the means of all n - g of them, whose variance is on average no larger, and a square
        is convex.  So each stage may reckon with more than what is before it, and never with less.
        """
        numbers, level = [], f
        for stage in (*self.before, self.rule):
            reckoned = level
            if isinstance(stage, Bounded):
                reckoned = f if stage.num_malicious is None else stage.num_malicious
                a, b = stage.bound
                if n < a * reckoned + b:
                    return None
            if reckoned < level:
                return None
            numbers.append(level := reckoned)
        if self.after or n <= 2 * level:
            return None
        kappa = self.rule.kappa(n, level)
        for step, number in reversed(list(zip(self.before, numbers, strict=False))):
            kappa = None if kappa is None else step.kappa(n, number, kappa)
        return kappa

    def init(self, params: Tensor) -> State:
        return [stage.init(params) for stage in self.stages]

    def aggregate(self, updates: Tensor, state: State, info: RoundInfo) -> Aggregate:
        updates, whole, mixing, scaling, info, new, _ = self.prepared(updates, state, info)
        kept, *others = state[len(new) :]
        out = self._aggregated(updates, whole, kept, info)
        update, weights = out.update, out.weights
        new.append(out.state)
        for last, old in zip(self.after, others, strict=True):
            update, kept = last.transform(update, old, info)
            new.append(kept)
        if mixing is not None:  # tell the weights of clients, not of mixtures
            weights = None if weights is None else weights.to(mixing.dtype) @ mixing
            out = Aggregate(update)
        if weights is not None and scaling is not None:
            weights = weights * scaling.to(weights.dtype)
        return out._replace(update=update, state=new, weights=weights)

    def prepared(self, updates: Tensor, state: State, info: RoundInfo) -> Prepared:
        """Let the steps before the rule act.

        Raises:
            AggregationError: if one cannot, or if it does not fit what comes after it.
        """
        new: list[State] = []
        heights = [len(updates)]
        mixing: Tensor | None = None
        scaling: Tensor | None = None
        whole: Tensor | None = None
        for first, old in zip(self.before, state, strict=False):
            done = first.transform(updates, old, info)
            if whole is not None:
                whole = _followed(whole, done, first)
            elif done.sketch:
                whole = updates
            updates, kept, mixed, factors, _ = done
            new.append(kept)
            heights.append(len(updates))
            if factors is not None and mixing is not None:
                mixing = factors[:, None].to(mixing.dtype) * mixing
            elif factors is not None:
                scaling = factors if scaling is None else scaling * factors
            if mixed is not None:
                if self.rule.by_client:
                    raise AggregationError(
                        f"{self.rule.reference()} has to know who sent an update, which nobody "
                        f"can say of the mixtures that {first.reference()} makes; remove one of "
                        "the two."
                    )
                mixing = mixed if mixing is None else mixed @ mixing
                info = info.mixed(mixed)
        if whole is not None and not self.rule.by_distance:
            raise AggregationError(
                f"{self.rule.reference()} cannot work on sketches of updates: behind a sketch "
                "belongs a rule that only looks at distances and says what each update weighs, "
                "such as krum, minimum_diameter_averaging or geometric_median."
            )
        return Prepared(updates, whole, mixing, scaling, info, new, heights)

    def _aggregated(
        self, updates: Tensor, whole: Tensor | None, state: State, info: RoundInfo
    ) -> Aggregate:
        """Aggregate rows, or `whole` ones by what the rule thinks of their sketches."""
        out = self.rule.aggregate(updates, state, info)
        if whole is None:
            return out
        weights = cast(Tensor, out.weights)  # rules by distance have them
        return out._replace(update=weights.to(whole.dtype) @ whole)


def _followed(whole: Tensor, done: Transformed, step: PreAggregator) -> Tensor:
    """Do to whole rows what a step did to their sketches.

    A step that scales them by their lengths would let a row through that is longer than its sketch.
    """
    if done.sketch:
        raise AggregationError(
            f"{step.reference()} would make sketches of sketches: one step that makes them is "
            "enough; remove the other."
        )
    if done.mixing is None or done.factors is not None:
        raise AggregationError(
            f"{step.reference()} cannot work on sketches of updates; write it before the step that "
            "makes them."
        )
    return done.mixing.to(whole.dtype) @ whole

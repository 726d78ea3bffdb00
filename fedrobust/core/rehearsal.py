"""Whether a server could aggregate its rounds, tried before there are any."""

from functools import cached_property
from itertools import pairwise

import torch
from torch import Tensor

from fedrobust.core.aggregator import Bounded, PreAggregator, RootData, RoundInfo
from fedrobust.core.chain import Chain

__all__ = ["Rehearsal"]

_MANY = 50  # updates: with more the slowest rules take minutes
_DIMENSION = 3


class _Rehearsed(RootData):
    """Stands in for what a server learns where only shapes matter."""

    @property
    def update(self) -> Tensor:
        return torch.ones(_DIMENSION)

    def losses(self, models: Tensor, examples: int) -> Tensor:
        return torch.zeros(len(models), dtype=torch.float64)

    def accuracies(self, models: Tensor) -> Tensor:
        return torch.ones(len(models), dtype=torch.float64)


class Rehearsal:
    """Rounds of a server without clients.

    Where updates are many only the bounds of its steps are looked at, and whether they fit
    together: aggregating can take minutes.

    Args:
        rule: what the server does.
        n: how many updates a round has.
    """

    def __init__(self, rule: Chain, n: int) -> None:
        self._rule, self._n = rule, n

    def play(self, f: int) -> None:
        """Aggregate a round, f of whose updates are malicious.

        Raises:
            AggregationError: if the server could not.
        """
        for stage, height in zip(self._rule.stages, self._heights, strict=False):
            if isinstance(stage, Bounded):
                stage.malicious_among(height, self._info(height, f))
        if self._n <= _MANY:
            info = self._info(self._n, f)
            self._rule.aggregate(_updates(info), self._rule.init(info.params), info)

    @cached_property
    def _heights(self) -> list[int]:
        """How many rows the steps before the rule are given, and the rule."""
        info = self._info(min(self._n, _MANY), 0)
        tried = self._rule.prepared(_updates(info), self._rule.init(info.params), info).heights
        heights = [self._n]
        for step, (given, made) in zip(self._rule.before, pairwise(tried), strict=True):
            heights.append(heights[-1] if made == given else self._made(step, heights[-1]))
        return heights

    def _made(self, step: PreAggregator, n: int) -> int:
        """Return how many rows a step makes of n."""
        info = self._info(n, 0)
        return len(step.transform(_updates(info), step.init(info.params), info).updates)

    def _info(self, n: int, f: int) -> RoundInfo:
        clients = list(dict.fromkeys([*self._rule.needs_clients, *range(n)]))
        return RoundInfo(
            number=1,
            params=torch.zeros(_DIMENSION),
            clients=torch.tensor(clients[:n]),
            examples=torch.ones(n),
            generator=torch.Generator().manual_seed(0),
            num_malicious=f,
            root=_Rehearsed(),
            losses=torch.ones(n),
        )


def _updates(info: RoundInfo) -> Tensor:
    return torch.randn(len(info.clients), _DIMENSION, generator=info.generator)

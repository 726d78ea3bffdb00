"""All components there are: a new file is found by itself."""

import pytest
import torch

from fedrobust import registry
from fedrobust.core import behavior
from fedrobust.core.adversary import Attack
from fedrobust.core.aggregator import (
    Aggregator,
    Bounded,
    PostAggregator,
    PreAggregator,
    RootData,
)
from fedrobust.core.behavior import Behavior


class Beacon(RootData):
    """A server that knows the best update: models lose by how far they are from it."""

    def __init__(self, update):
        self._update = update

    @property
    def update(self):
        return self._update

    def losses(self, models, examples):
        return (models - self._update).double().square().sum(dim=1)

    def accuracies(self, models):
        return 1 / (1 + self.losses(models, 1))


FILES = [(kind, name) for kind in ("strategies", "attacks") for name in registry.builtin(kind)]
COMPONENTS = [registry.find(kind, name) for kind, name in FILES]


def found(*bases):
    return [pytest.param(c, id=c.reference()) for c in COMPONENTS if issubclass(c, bases)]


RULES = found(Aggregator)
STEPS = found(PreAggregator)
AFTER = found(PostAggregator)
ATTACKS = found(Attack)
BOUNDED = found(Bounded)
HOOKS = (*behavior.HOOKS, "trains")
BEHAVIORS = [
    pytest.param(c, id=c.reference())
    for c in COMPONENTS
    if issubclass(c, Behavior) and any(getattr(c, h) is not getattr(Behavior, h) for h in HOOKS)
]


def same(one, other):
    """Say whether nested tuples, lists and dicts hold equal tensors and numbers."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other

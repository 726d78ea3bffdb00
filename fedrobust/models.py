"""Architectures that a scenario can name."""

from math import prod

from pydantic import PositiveInt
from torch import nn

from fedrobust.core.task import Model

__all__ = ["MLP", "LeNet", "ResNet", "Softmax"]


class Softmax(Model):
    """Softmax regression."""

    def build(self, input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(prod(input_shape), num_classes))


class MLP(Model):
    """MLP.

    Fields:
        hidden: sizes.
    """

    hidden: tuple[PositiveInt, ...] = (64,)

    def build(self, input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
        sizes = [prod(input_shape), *self.hidden]
        layers: list[nn.Module] = [nn.Flatten()]
        for a, b in zip(sizes, sizes[1:], strict=False):
            layers += [nn.Linear(a, b), nn.ReLU()]
        return nn.Sequential(*layers, nn.Linear(sizes[-1], num_classes))


class LeNet(Softmax):
    """Temporary."""


class ResNet(Softmax):
    """Temporary."""

"""What is learned: data, a model as a pure function of a flat vector, and a loss."""

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from fedrobust.core.component import Component
from fedrobust.core.layout import Layout
from fedrobust.errors import ConfigError

__all__ = ["Batch", "Data", "DataSet", "Model", "Task"]


@dataclass(frozen=True, eq=False)
class Data:
    """A classification data set, in memory."""

    x: Tensor  # [N, ...] float32, training inputs
    y: Tensor  # [N] int64, training labels
    x_test: Tensor  # [M, ...]
    y_test: Tensor  # [M]
    num_classes: int
    groups: Tensor | None = None  # [N] int64, the natural client of each training example


class DataSet(Component):
    """Where data come from."""

    @abstractmethod
    def load(self, seed: int) -> Data:
        """Return the data; `seed` decides whatever is random about them.

        Raises:
            DataError: if the data cannot be found or read.
        """


class Model(Component):
    """An architecture."""

    @abstractmethod
    def build(self, input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
        """Return a module that maps ``[b, *input_shape]`` to logits ``[b, num_classes]``.

        Raises:
            ConfigError: if the architecture cannot take such inputs.
        """


class Batch(NamedTuple):
    """Examples to learn from in one step."""

    x: Tensor  # [b, ...]
    y: Tensor  # [b]
    w: Tensor  # [b] example weights; zero for padding


@dataclass(frozen=True, eq=False)
class Task:
    """A classification problem whose model is a pure function of a flat vector ``[d]``."""

    model: nn.Module
    data: Data

    def __post_init__(self) -> None:
        """Refuse layers that keep statistics or draw random numbers of their own."""
        for name, layer in self.model.named_modules():
            kind = type(layer).__name__
            if "BatchNorm" in kind or (getattr(layer, "track_running_stats", False)):
                raise ConfigError(
                    f"The model's layer {name!r} is a {kind}, whose running statistics leak "
                    "between clients; use GroupNorm or LayerNorm."
                )
            if "Dropout" in kind and getattr(layer, "p", 0) > 0:
                raise ConfigError(
                    f"The model's layer {name!r} is a {kind}, which draws from a global "
                    "generator, so no run could be repeated; remove it or set p = 0."
                )

    @cached_property
    def layout(self) -> Layout:
        """Where each array of the model lies in the flat vector."""
        return Layout.of(self.model)

    def init(self) -> Tensor:
        """Return the initial model ``[d]``."""
        return self.layout.vector_of(self.model)

    def logits(self, params: Tensor, x: Tensor) -> Tensor:
        """Return the logits ``[b, num_classes]`` of inputs ``[b, ...]`` under model ``[d]``."""
        return functional_call(self.model, self.layout.unflatten(params), (x,))  # type: ignore[no-any-return]

    def loss(self, params: Tensor, batch: Batch) -> Tensor:
        """Return the weighted mean cross-entropy of a batch; zero if all weights are."""
        each = cross_entropy(self.logits(params, batch.x), batch.y, reduction="none")
        return (each * batch.w).sum() / batch.w.sum().clamp(min=torch.finfo(each.dtype).tiny)

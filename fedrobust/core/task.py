"""What is learned: data, a model as a pure function of a flat vector, and a loss."""

import copy
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from fedrobust.core.component import Component
from fedrobust.core.layout import Layout
from fedrobust.errors import ConfigError

__all__ = [
    "Batch",
    "Data",
    "DataSet",
    "Model",
    "Task",
    "cross_entropy_slopes",
    "mean_cross_entropy",
    "mean_weights",
]


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

    @cached_property
    def learned(self) -> Tensor | None:
        """Which entries of the vector are learned, as 1 and 0 ``[d]``; None if all are.

        Buffers and frozen parameters are part of the model, but no gradient moves them.
        """
        moving = {name for name, p in self.model.named_parameters() if p.requires_grad}
        parts = [
            torch.full((shape.numel(),), float(name in moving))
            for name, shape in self.layout.shapes.items()
        ]
        mask = torch.cat(parts).to(self.data.x.device)
        return None if mask.all() else mask

    @cached_property
    def made_of_an_example(self) -> int:
        """How many numbers the layers make of one example."""
        made = 0

        def count(layer: nn.Module, given: object, out: object) -> None:
            nonlocal made
            made += out.numel() if isinstance(out, Tensor) else 0

        leaves = [layer for layer in self.model.modules() if not list(layer.children())]
        hooks = [layer.register_forward_hook(count) for layer in leaves]
        try:
            with torch.no_grad():
                self.model(self.data.x[:1])
        finally:
            for hook in hooks:
                hook.remove()
        return made

    def to(self, device: torch.device) -> "Task":
        """Return the task on a device; itself if it is there."""
        data = self.data
        if data.x.device == device or device.type == data.x.device.type == "cpu":
            return self
        there = replace(
            data,
            x=data.x.to(device),
            y=data.y.to(device),
            x_test=data.x_test.to(device),
            y_test=data.y_test.to(device),
        )
        return Task(copy.deepcopy(self.model).to(device), there)

    def tested_on(self, examples: Tensor) -> "Task":
        """Return the task with some of the training examples, ``[v]`` places, as test data."""
        data = self.data
        there = replace(data, x_test=data.x[examples], y_test=data.y[examples])
        return Task(self.model, there)

    def init(self) -> Tensor:
        """Return the initial model ``[d]``."""
        return self.layout.vector_of(self.model)

    def logits(self, params: Tensor, x: Tensor) -> Tensor:
        """Return the logits ``[b, num_classes]`` of inputs ``[b, ...]`` under model ``[d]``."""
        return functional_call(self.model, self.layout.unflatten(params), (x,))  # type: ignore[no-any-return]

    def loss(
        self,
        params: Tensor,
        batch: Batch,
        criterion: Callable[[Tensor, Batch], Tensor] | None = None,
    ) -> Tensor:
        """Return the loss of a batch: by default the weighted mean cross-entropy."""
        return (criterion or mean_cross_entropy)(self.logits(params, batch.x), batch)


def mean_cross_entropy(logits: Tensor, batch: Batch) -> Tensor:
    """Return the weighted mean cross-entropy of logits ``[b, C]``; zero if all weights are."""
    each = cross_entropy(logits, batch.y, reduction="none")
    return (each * batch.w).sum() / _total(batch.w)


def cross_entropy_slopes(logits: Tensor, y: Tensor, weights: Tensor) -> Tensor:
    """Return the derivative of weighted cross-entropies, summed, with respect to the logits.

    Args:
        logits: ``[n, b, C]`` of n clients with b examples each.
        y: ``[n, b]`` labels.
        weights: ``[n, b]`` of the examples; see `mean_weights`.
    """
    # Over ten classes, softmax is twenty times as fast along any dimension but the last.
    slopes = torch.softmax(logits.transpose(1, 2), dim=1)  # [n, C, b]
    slopes.scatter_add_(1, y[:, None], slopes.new_full((), -1.0).expand(y[:, None].shape))
    return slopes.mul_(weights[:, None]).transpose(1, 2)


def mean_weights(w: Tensor) -> Tensor:
    """Return weights ``[n, b]`` by which a sum over each row is the row's weighted mean."""
    return w / _total(w)[:, None]


def _total(w: Tensor) -> Tensor:
    return w.sum(dim=-1).clamp(min=torch.finfo(w.dtype).tiny)

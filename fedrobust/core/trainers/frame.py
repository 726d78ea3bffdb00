"""How many clients fit into one model, and what a layer has to know about them."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

__all__ = ["Frame", "Layer", "NotStackable", "Use", "times"]


class NotStackable(Exception):
    """A model cannot be trained for many clients at once; the message says why."""


class Use(NamedTuple):
    """One run of a layer."""

    layer: "Layer"
    x: Tensor
    y: Tensor


class Frame:
    """How the examples of m clients, b of each, lie in one batch, and which layers saw them.

    Without convolutions each is an example of a larger batch, ``[m * b, ...]``.  With them the
    clients lie side by side in the channels, ``[b, m * C, H, W]``: a grouped convolution runs
    all of them, and whatever treats channels alike, such as pooling, needs no change.
    """

    def __init__(self, side_by_side: bool) -> None:
        self.side_by_side = side_by_side
        self.clients = self.examples = 0
        self.uses: list[Use] = []

    def pack(self, x: Tensor) -> Tensor:
        """Return inputs ``[m, b, ...]`` as the model takes them."""
        self.clients, self.examples = x.shape[:2]
        self.uses = []
        if not self.side_by_side:
            return x.flatten(0, 1)
        # Grouped convolutions are several times as fast with the channels innermost.
        return x.transpose(0, 1).flatten(1, 2).contiguous(memory_format=torch.channels_last)

    def rows(self, t: Tensor, width: int) -> Tensor:
        """Return a tensor within the model as ``[m, b * positions, width]``."""
        if not self.side_by_side:
            return t.reshape(self.clients, -1, width)
        return t.reshape(self.examples, self.clients, width).transpose(0, 1)

    def unrows(self, t: Tensor, like: Tensor) -> Tensor:
        """Return ``[m, b * positions, width]`` shaped as `like` was, but for the width."""
        if not self.side_by_side:
            return t.reshape(*like.shape[:-1], t.shape[-1])
        return t.transpose(0, 1).reshape(len(like), -1)

    def logits(self, out: Tensor) -> Tensor:
        """Return what the model returned as ``[m, b, C]``."""
        return self.rows(out, out.numel() // (self.clients * self.examples))


class Layer(nn.Module):
    """A layer whose parameters are those of m clients, one row each.

    It computes, and afterwards says how each parameter, and each single example, changes the
    loss.  Below, `x` is what it kept of its input, and `dy` the derivative of the loss with respect
    to what it returned.
    """

    def __init__(self, frame: Frame, names: Sequence[str]) -> None:
        super().__init__()
        self.frame, self.names = frame, tuple(names)
        self.places: list[int] = []  # of its parameters among those of the model
        self.params: list[Tensor] = []  # [m, *shape] each

    def record(self, x: Tensor, y: Tensor) -> Tensor:
        """Remember a run; derivatives are taken with respect to `y`, not to the parameters."""
        if not y.requires_grad:
            y.requires_grad_()
        self.frame.uses.append(Use(self, x.detach(), y))
        return y

    @abstractmethod
    def gradients(self, x: Tensor, dy: Tensor) -> list[Tensor]:
        """Return the gradient of each parameter, ``[m, *shape]``."""

    @abstractmethod
    def example_squares(self, x: Tensor, dy: Tensor) -> Tensor:
        """Return the squared norm ``[m, b]`` of the gradient of each example."""

    @abstractmethod
    def scaled(self, dy: Tensor, factors: Tensor) -> Tensor:
        """Return `dy` with each example multiplied by its factor ``[m, b]``."""

    def accumulate(
        self, into: Sequence[Tensor], keep: float, gain: float, x: Tensor, dy: Tensor
    ) -> None:
        """Set each tensor to `keep` times itself plus `gain` times its gradient."""
        for tensor, gradient in zip(into, self.gradients(x, dy), strict=True):
            times(tensor, keep).add_(gradient, alpha=gain)


def times(tensor: Tensor, factor: float) -> Tensor:
    """Multiply a tensor by a number, in place; most often that is one."""
    return tensor if factor == 1.0 else tensor.mul_(factor)

"""One model, two shapes: named arrays for PyTorch and Flower, one flat vector for us."""

from collections.abc import Mapping
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn

__all__ = ["Layout"]


class Layout(NamedTuple):
    """Where each named array lies in the flat vector ``[d]``.

    Parameters and floating-point buffers are part of it, in the model's own order; integer
    buffers (counters, index tables) are not: averaging them has no meaning.
    """

    shapes: dict[str, torch.Size]

    @classmethod
    def of(cls, model: nn.Module) -> Self:
        """Return the layout of a model's parameters and floating-point buffers."""
        return cls({name: tensor.shape for name, tensor in _arrays(model).items()})

    @property
    def size(self) -> int:
        """The length d of the flat vector."""
        return sum(shape.numel() for shape in self.shapes.values())

    def flatten(self, arrays: Mapping[str, Tensor]) -> Tensor:
        """Return the arrays as one new vector ``[d]``; KeyError if one is missing."""
        return torch.cat([arrays[name].reshape(-1) for name in self.shapes])

    def unflatten(self, vector: Tensor) -> dict[str, Tensor]:
        """Return named views of a vector ``[d]``."""
        pieces = torch.split(vector, [shape.numel() for shape in self.shapes.values()])
        return {n: v.view(s) for (n, s), v in zip(self.shapes.items(), pieces, strict=True)}

    def vector_of(self, model: nn.Module) -> Tensor:
        """Return a copy of the model's state as one vector ``[d]``."""
        return self.flatten(_arrays(model)).detach().clone()


def _arrays(model: nn.Module) -> dict[str, Tensor]:
    buffers = {n: b for n, b in model.named_buffers() if b.is_floating_point()}
    return {**dict(model.named_parameters()), **buffers}

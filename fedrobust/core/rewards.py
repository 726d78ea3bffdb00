"""Parts of an update, for clients who have earned no more."""

from collections.abc import Sequence
from math import ceil

import torch
from torch import Tensor

__all__ = ["largest"]

_ROUNDING = 1e-9  # a quota this much above a whole number of coordinates is that number


def largest(updates: Tensor, quotas: Tensor, layers: Sequence[int]) -> Tensor:
    """Return rows ``[n, d]`` of which only the largest coordinates of each layer are left.

    Of equal ones the first are kept.

    Args:
        updates: ``[n, d]``; rows that are one row, expanded, are sorted once.
        quotas: ``[n]`` which share of each layer a row keeps, rounded up; all of it from 1 on.
        layers: how many coordinates each has, in order; they add up to d.
    """
    pieces = torch.split(updates, list(layers), dim=1)
    return torch.cat([_largest(piece, quotas.tolist()) for piece in pieces], dim=1)


def _largest(layer: Tensor, quotas: Sequence[float]) -> Tensor:
    size = layer.shape[1]
    counts = [min(size, max(0, ceil(quota * size - _ROUNDING))) for quota in quotas]
    distinct = layer[:1] if layer.stride(0) == 0 else layer
    order = distinct.abs().argsort(dim=1, descending=True, stable=True)
    ranks = torch.arange(size, device=layer.device).expand_as(order)
    places = torch.empty_like(order).scatter_(1, order, ranks)
    return layer * (places < torch.tensor(counts).to(places)[:, None])

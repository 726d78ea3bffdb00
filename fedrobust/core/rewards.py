"""What clients get of an aggregate, who have not all earned the same."""

from collections.abc import Sequence
from math import ceil
from typing import Literal

import torch
from torch import Tensor

__all__ = ["Own", "largest", "moves"]

Own = Literal["added", "excluded", "dropped"]

_ROUNDING = 1e-9  # a quota this much above a whole number of coordinates is that number


def moves(
    updates: Tensor,
    aggregate: Tensor,
    weights: Tensor,
    quotas: Tensor,
    layers: Sequence[int],
    own: Own,
) -> Tensor:
    """Return how far clients' models move ``[n, d]``: by their own updates, and by rewards.

    A reward is what `largest` leaves of the aggregate.

    Args:
        updates: ``[n, d]``.
        aggregate: ``[d]``.
        weights: ``[n]`` how much of each update is in it.
        quotas: ``[n]`` which share of the aggregate clients have earned.
        layers: how many coordinates each layer has, in order; they add up to d.
        own: what becomes of a client's own update.  The reward is "added" to it; or so, and what
            is its own in the aggregate is "excluded"; or it is "dropped", and the reward is all.
    """
    whole = aggregate.expand_as(updates)
    if own == "excluded":
        whole = whole - weights[:, None] * updates
    reward = largest(whole, quotas, layers)
    return reward if own == "dropped" else updates + reward


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

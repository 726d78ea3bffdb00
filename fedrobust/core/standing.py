"""What a server thinks of clients by what they did, as shares of one whole."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Standing", "judged", "normalised", "shares_of", "with_newcomers"]


class Standing(NamedTuple):
    """One client, as the server remembers it."""

    reputation: float  # its share of all reputation; 0 for good once it is removed
    rounds: int  # in which it took part
    removed: int = 0  # in which round it was; 0: it is reputable


def with_newcomers(known: dict[int, Standing], clients: Iterable[int]) -> dict[int, Standing]:
    """Return standings in which clients who are new have the average reputation."""
    reputable = [standing.reputation for standing in known.values() if not standing.removed]
    average = sum(reputable) / len(reputable) if reputable else 1.0
    new = {client: Standing(average, 0) for client in clients if client not in known}
    return normalised(known | new) if new else known


def judged(
    known: Mapping[int, Standing],
    clients: Sequence[int],
    reputations: Sequence[float],
    round: int,
    threshold: float,
    warm_up: int,
) -> dict[int, Standing]:
    """Return the standings after a round, without the reputation of those who fall too low.

    Args:
        known: the standings before it.
        clients: the n that took part.
        reputations: n new reputations of theirs.
        round: its number.
        threshold: the share of the average reputation below which a client is removed for good.
        warm_up: rounds in which a client takes part before it may be removed.
    """
    new = dict(known)
    for client, reputation in zip(clients, reputations, strict=True):
        new[client] = Standing(reputation, known[client].rounds + 1, known[client].removed)
    # before any removal, so that the order of clients plays no part
    least = threshold / max(1, sum(not standing.removed for standing in new.values()))
    for client in clients:
        reputation, rounds, removed = new[client]
        if not removed and rounds > warm_up and reputation < least:
            new[client] = Standing(0.0, rounds, round)
    return normalised(new)


def normalised(standings: dict[int, Standing]) -> dict[int, Standing]:
    """Return standings whose reputations add up to 1, unless all are 0."""
    total = sum(standing.reputation for standing in standings.values()) or 1.0
    return {
        client: standing._replace(reputation=standing.reputation / total)
        for client, standing in standings.items()
    }


def shares_of(values: Tensor, reputable: Tensor) -> Tensor:
    """Return values ``[n]`` of reputable clients as shares of their sum; others have none.

    What is negative counts zero, and where nothing is left all reputable clients have the same.
    """
    counted = values.clamp(min=0) * reputable
    if counted.sum() <= 0:
        counted = reputable.to(values)
    return counted / counted.sum().clamp(min=torch.finfo(values.dtype).tiny)

"""Shapley values: what each player adds to a coalition, averaged over all orders of joining.

Shapley, "A Value for n-Person Games", 1953.  Sampled as in Ghorbani and Zou, "Data Shapley:
Equitable Valuation of Data for Machine Learning", ICML 2019, https://arxiv.org/abs/1904.02868,
algorithm 1 (TMC-Shapley).
"""

from collections.abc import Callable
from math import comb
from typing import NamedTuple

import torch
from torch import Tensor

from fedrobust.errors import ConfigError

__all__ = ["MOST", "Estimate", "Utility", "exact", "sampled"]

Utility = Callable[[Tensor], Tensor]  # coalitions [k, n], True for members: worth [k], float64
MOST = 10  # players of whom all 1,024 coalitions are evaluated without being asked twice


class Estimate(NamedTuple):
    """Shapley values, found from some orders of joining."""

    values: Tensor  # [n] float64
    errors: Tensor  # [n] float64, standard errors of the values


def exact(utility: Utility, num_players: int, *, most: int = MOST) -> Tensor:
    """Return the Shapley values ``[n]`` of all players, in float64.

    They add up to what all are worth together, less what nobody is.

    Args:
        utility: asked once, for all 2^n coalitions.
        num_players: n.
        most: how many players to accept.

    Raises:
        ConfigError: if there are more.
    """
    if num_players > most:
        raise ConfigError(
            f"Exact Shapley values of {num_players} players need 2^{num_players} coalitions "
            f"evaluated, and at most 2^{most} are allowed; sample permutations, or raise `most`."
        )
    players = torch.arange(num_players)
    member = (torch.arange(2**num_players)[:, None] >> players) % 2 == 1  # [2^n, n]
    others = member.sum(dim=1)[:, None] - member.long()  # [2^n, n] beside the player itself
    chance = [1 / (num_players * comb(num_players - 1, size)) for size in range(num_players)]
    weight = torch.tensor(chance, dtype=torch.float64)[others]
    return torch.where(member, weight, -weight).T @ utility(member)


def sampled(
    utility: Utility,
    num_players: int,
    permutations: int,
    generator: torch.Generator,
    *,
    tolerance: float = 0.0,
) -> Estimate:
    """Estimate the Shapley values of n players from random orders in which they join.

    An order is truncated where its coalition is worth as much as all players but for less than the
    tolerance: who has not joined by then adds nothing.  So the values add up to what all are worth
    less what nobody is, up to the tolerance; the standard errors do not tell of that bias.

    Args:
        utility: asked for nobody and all, and then n times at most for different coalitions of
            one size.
        num_players: n.
        permutations: how many orders to draw.
        generator: what they are drawn from.
        tolerance: in units of the utility; 0 truncates nothing.

    Raises:
        ConfigError: with fewer than 2 permutations, from which no error can be told.
    """
    if permutations < 2:
        raise ConfigError(
            f"Sampled Shapley values need at least 2 permutations, not {permutations}; "
            "100 are a start."
        )
    orders = torch.stack(
        [torch.randperm(num_players, generator=generator) for _ in range(permutations)]
    )  # [p, n]
    nobody, everybody = utility(torch.tensor([[False], [True]]).expand(2, num_players))
    coalitions = torch.zeros(permutations, num_players, dtype=torch.bool)
    gains = torch.zeros(permutations, num_players, dtype=torch.float64)
    worth = nobody.expand(permutations)  # [p] of the coalitions
    for joining in orders.T[:, :, None]:
        live = (everybody - worth).abs() >= tolerance
        coalitions.scatter_(1, joining, True)
        before, worth = worth, worth.clone()
        if live.any():
            distinct, which = torch.unique(coalitions[live], dim=0, return_inverse=True)
            worth[live] = utility(distinct)[which]
        gains.scatter_(1, joining, (worth - before)[:, None])
    return Estimate(gains.mean(dim=0), gains.std(dim=0) / permutations**0.5)

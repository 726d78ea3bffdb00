"""Who takes part in a round, and how many of them may be malicious."""

from functools import lru_cache
from math import comb

import torch

__all__ = ["malicious_in_sample", "sample"]

_ONE_IN = 1000  # rounds may hold more malicious clients than we expect


def sample(clients: list[int], size: int, generator: torch.Generator) -> list[int]:
    """Return `size` of the clients, drawn without replacement, in ascending order."""
    drawn = torch.randperm(len(clients), generator=generator)[:size]
    ordered = sorted(clients)
    return sorted(ordered[i] for i in drawn.tolist())


@lru_cache(maxsize=64)
def malicious_in_sample(clients: int, malicious: int, sampled: int) -> int:
    """Return how many malicious clients a round must be expected to hold.

    The smallest f such that more than f of `sampled` clients, drawn without replacement from
    `clients` of whom `malicious` are malicious, are malicious with probability at most 0.001:
    a quantile of the hypergeometric distribution.

    >>> malicious_in_sample(clients=100, malicious=20, sampled=100)
    20
    >>> malicious_in_sample(clients=100, malicious=20, sampled=20)
    9
    """
    if not malicious:
        return 0
    total = comb(clients, sampled)  # exact: beyond a thousand clients no float holds it
    beyond = total  # ways to draw more than f malicious clients
    f = max(0, sampled - (clients - malicious))  # fewer there cannot be
    ways = comb(malicious, f) * comb(clients - malicious, sampled - f)
    while f < min(malicious, sampled):
        beyond -= ways
        if beyond * _ONE_IN <= total:
            return f
        ways *= (malicious - f) * (sampled - f)
        ways //= (f + 1) * (clients - malicious - sampled + f + 1)  # without a remainder
        f += 1
    return min(malicious, sampled)

"""Who owns which examples, by counting."""

from bisect import bisect_left

import numpy as np
import numpy.typing as npt

from fedrobust.core.federation import Indices
from fedrobust.errors import DataError

__all__ = ["apportioned", "dealt", "shards", "with_minimum"]


def shards(owner: Indices, num_clients: int) -> list[Indices]:
    """Return the examples of each client, ascending, given who owns each example."""
    order = np.argsort(owner, kind="stable")
    sizes = np.bincount(owner, minlength=num_clients)
    return np.split(order, np.cumsum(sizes)[:-1])


def dealt(sizes: Indices, count: int, min_size: int, rng: np.random.Generator) -> list[Indices]:
    """Return random examples of each client, as many as its size, of `count` that there are.

    No size is below `min_size`.
    """
    sizes = np.maximum(sizes, min_size)
    if sizes.sum() > count:
        raise DataError(
            f"{len(sizes)} clients with {sizes.mean():.0f} examples each on average need "
            f"{sizes.sum()} examples, not {count}; lower examples"
            f"{', min_size' if min_size > 1 else ''} or the number of clients."
        )
    return np.split(rng.permutation(count)[: sizes.sum()], np.cumsum(sizes)[:-1])


def apportioned(weights: npt.NDArray[np.float64], count: int) -> Indices:
    """Return who owns each of `count` examples, ascending, in proportion to the weights."""
    bounds: npt.NDArray[np.float64] = np.cumsum(weights)
    owner: Indices = np.searchsorted(bounds, (np.arange(count) + 0.5) / count * bounds[-1])
    return owner


def with_minimum(
    owner: Indices, num_clients: int, min_size: int, rng: np.random.Generator
) -> Indices:
    """Return the owners after moving random examples from the largest clients to small ones."""
    if len(owner) < num_clients * min_size:
        raise DataError(
            f"{num_clients} clients with {min_size} or more examples each need at least "
            f"{num_clients * min_size} examples, not {len(owner)}; lower the number of clients"
            f"{' or min_size' if min_size > 1 else ''}."
        )
    sizes = np.bincount(owner, minlength=num_clients)
    missing = np.maximum(min_size - sizes, 0)
    given = _taken_from_largest(sizes, int(missing.sum()))
    shuffled = rng.permutation(len(owner))
    by_owner = shuffled[np.argsort(owner[shuffled], kind="stable")]
    rank = np.arange(len(owner)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    moved = by_owner[rank < np.repeat(given, sizes)]  # donor by donor: labels stay uneven
    filled = owner.copy()
    filled[moved] = np.repeat(np.arange(num_clients), missing)
    return filled


def _taken_from_largest(sizes: Indices, total: int) -> Indices:
    """Return what each client gives, if `total` go one by one from whoever then has most.

    >>> _taken_from_largest(np.array([9, 1, 7, 2]), total=5).tolist()
    [3, 0, 2, 0]
    """

    def above(level: int) -> Indices:
        return np.maximum(sizes - level, 0)

    levels = range(int(sizes.max()) + 1)
    level = bisect_left(levels, True, key=lambda level: bool(above(level).sum() < total)) - 1
    given = above(level)
    excess = int(given.sum()) - total
    given[np.flatnonzero(given)[:excess]] -= 1
    return given

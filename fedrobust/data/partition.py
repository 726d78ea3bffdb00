"""Ways to split training examples among clients.

Every partition gives each example to exactly one client and leaves no client without examples;
where that is impossible it says so.
"""

from bisect import bisect_left

import numpy as np
import numpy.typing as npt
from pydantic import Field, PositiveFloat, PositiveInt

from fedrobust.core.federation import Indices, Partition
from fedrobust.errors import DataError

__all__ = ["IID", "ByColumn", "Dirichlet", "PowerLaw", "Shards"]


class IID(Partition):
    """Deal the examples out at random, in equal parts.

    Every client has a sample of the same distribution.  Sizes differ by one at most, so each
    client has at least N / n examples, rounded down.
    """

    def split(
        self, y: Indices, num_clients: int, rng: np.random.Generator, groups: Indices | None
    ) -> list[Indices]:
        owner = rng.permutation(np.arange(len(y)) % num_clients)
        return _shards(_with_minimum(owner, num_clients, 1, rng), num_clients)


class Dirichlet(Partition):
    """Split each class in random proportions; the smaller `alpha`, the fewer classes a client has.

    For every class, the clients' shares are drawn from a symmetric Dirichlet distribution.  So
    clients differ in their labels and in their sizes; for large `alpha` the split becomes IID.
    Clients with fewer than `min_size` examples are filled up: the missing examples are taken one
    by one from whoever then has most, at random among that client's, and a filled client gets
    those of as few donors as possible, so its labels are as uneven as theirs.

    Fields:
        alpha: concentration; 0.1 is very uneven, 100 nearly even.
        min_size: the fewest examples a client may have.
    """

    alpha: float = Field(0.5, gt=0, le=1e6)
    min_size: PositiveInt = 1

    def split(
        self, y: Indices, num_clients: int, rng: np.random.Generator, groups: Indices | None
    ) -> list[Indices]:
        owner = np.empty(len(y), dtype=np.int64)
        for label in np.unique(y):
            members = rng.permutation(np.flatnonzero(y == label))
            shares = rng.dirichlet(np.full(num_clients, self.alpha))
            clients = rng.permutation(num_clients)  # or rounding would favor the same ones always
            owner[members] = clients[_apportioned(shares, len(members))]
        return _shards(_with_minimum(owner, num_clients, self.min_size, rng), num_clients)


class Shards(Partition):
    """Sort the examples by label, cut them into equal pieces, and deal the pieces out.

    The pathological split of McMahan et al., "Communication-Efficient Learning of Deep Networks
    from Decentralized Data", AISTATS 2017, https://arxiv.org/abs/1602.05629, section 3.  With
    two pieces most clients see two classes.  Pieces differ in size by one at most, so each client
    has at least `per_client` times N / (n `per_client`), rounded down.

    Fields:
        per_client: how many pieces a client gets.
    """

    per_client: PositiveInt = 2

    def split(
        self, y: Indices, num_clients: int, rng: np.random.Generator, groups: Indices | None
    ) -> list[Indices]:
        pieces = num_clients * self.per_client
        if len(y) < pieces:
            raise DataError(
                f"Shards needs at least {pieces} examples for {num_clients} clients with "
                f"{self.per_client} pieces each, not {len(y)}; lower per_client or the number "
                "of clients."
            )
        shuffled = rng.permutation(len(y))
        by_label = shuffled[np.argsort(y[shuffled], kind="stable")]
        holders = rng.permutation(np.repeat(np.arange(num_clients), self.per_client))
        owner = np.empty(len(y), dtype=np.int64)
        owner[by_label] = holders[np.arange(len(y)) * pieces // len(y)]
        return _shards(owner, num_clients)


class PowerLaw(Partition):
    """Give clients random examples in sizes that grow from the first to the last.

    Sizes grow evenly from the 1st to the 99th percentile of a power law, as in the experiments
    of Xu and Lyu, "A Reputation Mechanism Is All You Need", https://arxiv.org/abs/2011.10464.
    Labels are IID, only quantities differ; all examples are used.  With the default exponent the
    last client has 16 times as many examples as the first.  Clients with fewer than `min_size`
    are filled up from those that have most, one example at a time.

    Fields:
        exponent: of the power law on [0, 1] whose density is a x^(a - 1) (a); the larger, the
            more equal the clients.
        min_size: the fewest examples a client may have.
    """

    exponent: PositiveFloat = 1.65911332899
    min_size: PositiveInt = 1

    def split(
        self, y: Indices, num_clients: int, rng: np.random.Generator, groups: Indices | None
    ) -> list[Indices]:
        smallest = (0.01 / 0.99) ** (1 / self.exponent)  # relative to the largest
        weights = np.linspace(1.0, smallest, num_clients)[::-1]
        owner = rng.permutation(_apportioned(weights, len(y)))
        return _shards(_with_minimum(owner, num_clients, self.min_size, rng), num_clients)


class ByColumn(Partition):
    """Give each client the examples that name it: the natural split.

    Needs data with groups, such as `csv` with a `client` column.  Client i is the i-th group;
    groups have an example each at least, and keep the sizes they have.  Asking for another number
    of clients than there are groups is an error that tells the number, unless `packed`.

    Fields:
        packed: with fewer clients than groups, shuffle the groups and deal them out in turn, so
            that each client holds several; no group is ever divided.
    """

    packed: bool = False

    def split(
        self, y: Indices, num_clients: int, rng: np.random.Generator, groups: Indices | None
    ) -> list[Indices]:
        if groups is None:
            raise DataError(
                "ByColumn needs data whose examples name their client, such as csv with `client` "
                "set; these data do not."
            )
        known, group = np.unique(groups, return_inverse=True)
        if num_clients == len(known):
            return _shards(group, num_clients)
        if num_clients > len(known) or not self.packed:
            remedy = "" if num_clients > len(known) else ", or packed to give a client several"
            raise DataError(
                f"ByColumn needs one client for each of the {len(known)} groups in the data, not "
                f"{num_clients}; ask for {len(known)} clients{remedy}."
            )
        holders = rng.permutation(np.arange(len(known)) % num_clients)
        return _shards(holders[group], num_clients)


def _shards(owner: Indices, num_clients: int) -> list[Indices]:
    order = np.argsort(owner, kind="stable")
    sizes = np.bincount(owner, minlength=num_clients)
    return np.split(order, np.cumsum(sizes)[:-1])


def _apportioned(weights: npt.NDArray[np.float64], count: int) -> Indices:
    """Return who owns each of `count` examples, ascending, in proportion to the weights."""
    bounds: npt.NDArray[np.float64] = np.cumsum(weights)
    owner: Indices = np.searchsorted(bounds, (np.arange(count) + 0.5) / count * bounds[-1])
    return owner


def _with_minimum(
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

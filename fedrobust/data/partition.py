"""Ways to split training examples among clients.

No client is left without examples; where that is impossible a partition says so.  Unless its class
says otherwise, each example has exactly one client.
"""

from abc import abstractmethod

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from fedrobust.core.federation import Indices, Partition
from fedrobust.data._owners import apportioned, dealt, shards, with_minimum
from fedrobust.errors import DataError

__all__ = ["IID", "ByColumn", "Dirichlet", "GrowingClasses", "PowerLaw", "Shards"]


class _Sized(Partition):
    """Split among the first clients, then let others draw from the whole.

    What the first hold does not depend on how many join them, so runs with and without
    adversaries compare.
    """

    examples: PositiveInt | None = None
    extra_clients: NonNegativeInt | None = None  # not 0, so that tables of older runs are as before

    def split(
        self, y: Indices, num_clients: int, rng: np.random.Generator, groups: Indices | None
    ) -> list[Indices]:
        extra, name = self.extra_clients or 0, type(self).__name__
        first = num_clients - extra
        if first < 1:
            raise DataError(
                f"{name} needs more clients than its {extra} extra_clients, not {num_clients}; "
                "lower extra_clients."
            )
        each = self.examples or len(y) // first
        split = self._split(y, first, each, rng)
        if extra and each > len(y):
            raise DataError(
                f"{name} needs at least {each} examples for each of its extra_clients, not "
                f"{len(y)}; lower examples."
            )
        return split + [rng.permutation(len(y))[:each] for _ in range(extra)]

    @abstractmethod
    def _split(
        self, y: Indices, num_clients: int, each: int, rng: np.random.Generator
    ) -> list[Indices]:
        """Return the examples of the first clients, of whom one has `each` on average."""


class IID(_Sized):
    """Deal the examples out at random, in equal parts.

    Every client has a sample of the same distribution.  Sizes differ by one at most, so each
    client has at least N / n examples, rounded down; or all have `examples`, and some examples
    have no client.

    Fields:
        examples: how many a client has; None to deal out all.
        extra_clients: how many clients, the last ones, do not share: each has as many examples as
            one of the others, at random from all, so that some examples have several clients.
    """

    def _split(
        self, y: Indices, num_clients: int, each: int, rng: np.random.Generator
    ) -> list[Indices]:
        if self.examples is not None:
            return dealt(np.full(num_clients, each), len(y), 1, rng)
        owner = rng.permutation(np.arange(len(y)) % num_clients)
        return shards(with_minimum(owner, num_clients, 1, rng), num_clients)


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
            owner[members] = clients[apportioned(shares, len(members))]
        return shards(with_minimum(owner, num_clients, self.min_size, rng), num_clients)


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
        return shards(owner, num_clients)


class PowerLaw(_Sized):
    """Give clients random examples in sizes that grow from the first to the last.

    Sizes grow evenly from the 1st to the 99th percentile of a power law, as in the experiments
    of Xu and Lyu, "A Reputation Mechanism Is All You Need", https://arxiv.org/abs/2011.10464
    (POW).  Labels are IID, only quantities differ.  With the default exponent the last client has
    16 times as many examples as the first.  All examples are used, and clients with fewer than
    `min_size` are filled up from those that have most, one example at a time; or with `examples`,
    sizes are rounded up as in the paper, clients are filled up from examples that nobody has, and
    some examples have no client.

    Fields:
        exponent: of the power law on [0, 1] whose density is a x^(a - 1) (a); the larger, the
            more equal the clients.
        min_size: the fewest examples a client may have.
        examples: how many a client has on average; None to use all.
        extra_clients: how many clients, the last ones, do not share: each has as many examples as
            one of the others on average, at random from all, so that some have several clients.
    """

    exponent: PositiveFloat = 1.65911332899
    min_size: PositiveInt = 1

    def _split(
        self, y: Indices, num_clients: int, each: int, rng: np.random.Generator
    ) -> list[Indices]:
        smallest = (0.01 / 0.99) ** (1 / self.exponent)  # relative to the largest
        weights = np.linspace(1.0, smallest, num_clients)[::-1]
        if self.examples is not None:
            exact = weights / weights.sum() * each * num_clients
            sizes = np.ceil(exact - 1e-9).astype(np.int64)  # or round-off makes 600 to 601
            return dealt(sizes, len(y), self.min_size, rng)
        owner = rng.permutation(apportioned(weights, len(y)))
        return shards(with_minimum(owner, num_clients, self.min_size, rng), num_clients)


class GrowingClasses(_Sized):
    """Give clients equally many examples, of ever more classes from the first to the last.

    The first client has the first class only, the last has all; between them the number grows
    evenly, rounded down, as in the experiments of Xu and Lyu, "A Reputation Mechanism Is All You
    Need", https://arxiv.org/abs/2011.10464 (CLA).  Within a client each class has as many examples
    as another, and what is left over goes to its last one.

    Examples are drawn with replacement: one may have several clients, or be several times with
    one, and some have none.  What `dp_sgd` promises for an example holds for each time it is held.

    Fields:
        examples: how many a client has; None for N / n, rounded down.
        extra_clients: how many clients, the last ones, have as many examples at random, without
            repetition, whatever the class.
    """

    def _split(
        self, y: Indices, num_clients: int, each: int, rng: np.random.Generator
    ) -> list[Indices]:
        _, sizes = np.unique(y, return_counts=True)
        known = 1 + np.arange(num_clients) * (len(sizes) - 1) // max(1, num_clients - 1)
        if each < known[-1]:
            raise DataError(
                f"GrowingClasses needs at least {known[-1]} examples for a client with one of each "
                f"class, not {each}; set examples to {known[-1]} or more."
            )
        by_label, begins = np.argsort(y, kind="stable"), np.cumsum(sizes) - sizes
        classes = [np.minimum(np.arange(each) // (each // k), k - 1) for k in known]
        return [by_label[begins[held] + rng.integers(sizes[held])] for held in classes]


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
            return shards(group, num_clients)
        if num_clients > len(known) or not self.packed:
            remedy = "" if num_clients > len(known) else ", or packed to give a client several"
            raise DataError(
                f"ByColumn needs one client for each of the {len(known)} groups in the data, not "
                f"{num_clients}; ask for {len(known)} clients{remedy}."
            )
        holders = rng.permutation(np.arange(len(known)) % num_clients)
        return shards(holders[group], num_clients)

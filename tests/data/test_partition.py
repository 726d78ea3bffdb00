from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.data.partition import IID, ByColumn, Dirichlet, PowerLaw, Shards

PARTITIONS = [
    IID(),
    Dirichlet(),
    Dirichlet(alpha=0.01),
    Dirichlet(alpha=1e6),
    Shards(),
    PowerLaw(),
    PowerLaw(exponent=1e-9),
    ByColumn(),
    ByColumn(packed=True),
]


def rng(seed=0):
    return np.random.default_rng(seed)


def sizes(shards):
    return [len(shard) for shard in shards]


def label_counts(shards, y):
    return np.stack([np.bincount(y[shard], minlength=int(y.max()) + 1) for shard in shards])


def skew(shards, y):
    """How far a client's label frequencies lie from those of all data, in total variation."""
    counts = label_counts(shards, y)
    own, all_ = counts / counts.sum(axis=1, keepdims=True), counts.sum(axis=0) / counts.sum()
    return float(np.abs(own - all_).sum(axis=1).mean() / 2)


@pytest.mark.parametrize("partition", PARTITIONS, ids=repr)
@settings(deadline=None)
@given(data=st.data())
def test_every_example_has_exactly_one_client_and_every_client_an_example(partition, data):
    num_clients = data.draw(st.integers(1, 30))
    size = data.draw(st.integers(2 * num_clients, 200 + 2 * num_clients))
    y = np.array(data.draw(st.lists(st.integers(0, 4), min_size=size, max_size=size)))
    groups = rng(1).permutation(np.arange(size) % num_clients)

    shards = partition.split(y, num_clients, rng(data.draw(st.integers(0, 99))), groups)

    assert len(shards) == num_clients
    assert min(sizes(shards)) >= 1
    assert sorted(np.concatenate(shards)) == list(range(size))
    assert all(shard.dtype == np.int64 for shard in shards)


@pytest.mark.parametrize("partition", PARTITIONS, ids=repr)
def test_the_generator_alone_decides(partition):
    y = np.arange(300) % 7
    groups = np.arange(300) % (20 if partition != ByColumn(packed=True) else 60)

    first, again, other = (partition.split(y, 20, rng(s), groups) for s in (3, 3, 4))

    same = [np.array_equal(a, b) for a, b in zip(first, again, strict=True)]
    assert same == [True] * 20
    changed = any(not np.array_equal(a, b) for a, b in zip(first, other, strict=True))
    assert changed == (partition != ByColumn())  # which has nothing to decide


@pytest.mark.parametrize("partition", PARTITIONS, ids=repr)
def test_leaves_its_arguments_alone(partition):
    y, groups = np.arange(40) % 3, np.arange(40) % 10
    y.flags.writeable = groups.flags.writeable = False

    shards = partition.split(y, 10, rng(), groups)

    assert sum(sizes(shards)) == 40


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(0, 300))
def test_iid_sizes_differ_by_one_at_most(num_clients, more):
    shards = IID().split(np.zeros(num_clients + more, int), num_clients, rng(), None)

    assert max(sizes(shards)) - min(sizes(shards)) <= 1


@settings(deadline=None)
@given(
    st.integers(1, 20), st.integers(1, 20), st.floats(1e-4, 1e6), st.integers(0, 50), st.booleans()
)
def test_small_clients_are_filled_up_to_the_minimum(num_clients, least, alpha, more, by_size):
    y = np.arange(num_clients * least + more) % 4
    partition = (
        PowerLaw(min_size=least) if by_size else Dirichlet(alpha=min(alpha, 1e6), min_size=least)
    )

    shards = partition.split(y, num_clients, rng(), None)

    assert min(sizes(shards)) >= least
    assert sorted(np.concatenate(shards)) == list(range(len(y)))


def test_who_has_enough_keeps_it_when_others_are_filled_up():
    """With the same generator, only the clients above the level of the largest give."""
    y = np.arange(2000) % 10
    before = sizes(Dirichlet(alpha=0.1).split(y, 20, rng(5), None))
    after = sizes(Dirichlet(alpha=0.1, min_size=40).split(y, 20, rng(5), None))
    assert min(before) < 40

    givers = [b for b, a in zip(before, after, strict=True) if a < b]
    keepers = [b for b, a in zip(before, after, strict=True) if a == b]

    assert givers
    assert keepers
    assert min(givers) > max(keepers)
    assert [a for b, a in zip(before, after, strict=True) if b < 40] == [40] * sum(
        b < 40 for b in before
    )


@pytest.mark.parametrize("num_clients", [50, 3000])
def test_labels_become_more_uneven_as_alpha_falls(num_clients):
    y = rng(1).permutation(np.arange(30_000) % 10)
    alphas = [100.0, 1.0, 0.3, 0.1, 0.01]

    skews = [
        skew(Dirichlet(alpha=a, min_size=2).split(y, num_clients, rng(), None), y) for a in alphas
    ]

    assert all(before + 0.02 < after for before, after in pairwise(skews))
    assert skews[-1] > 0.75
    if num_clients == 50:
        assert skews[0] < 0.05


def test_dirichlet_with_large_alpha_gives_everyone_the_same():
    y = np.arange(1000) % 10

    counts = label_counts(Dirichlet(alpha=1e6).split(y, 10, rng(), None), y)

    assert np.abs(counts - 10).max() <= 1


def test_dirichlet_deals_the_examples_of_a_class_at_random():
    first, _ = Dirichlet(alpha=1e6).split(np.zeros(200, int), 2, rng(), None)

    assert len(np.unique(np.diff(first))) > 3  # neither a run nor every other


def test_many_clients_of_large_alpha_have_equal_sizes_on_average():
    """Rounding favors no one: 10 classes of 600 among 1,000 clients are 6 each, not 10 or 0."""
    y = np.arange(6000) % 10

    shards = Dirichlet(alpha=1e6).split(y, 1000, rng(), None)

    assert 1.0 < np.std(sizes(shards)) < 2.0  # binomial(10, 0.6): 1.55


def test_shards_are_runs_of_sorted_labels():
    """Worked by hand: 40 examples of 4 labels in 8 pieces of 5; a client has two pieces."""
    y = rng().permutation(np.repeat(np.arange(4), 10))

    counts = label_counts(Shards(per_client=2).split(y, 4, rng(), None), y)

    assert (counts.sum(axis=1) == 10).all()
    assert set(counts.ravel()) <= {0, 5, 10}


def test_one_shard_of_each_label_has_one_label():
    y = np.arange(30) % 3

    counts = label_counts(Shards(per_client=1).split(y, 3, rng(), None), y)

    assert sorted(counts.tolist()) == [[0, 0, 10], [0, 10, 0], [10, 0, 0]]


def test_power_law_has_the_sizes_of_the_paper():
    """From the authors' released code, which rounds up: 10 clients share 6,000 examples."""
    paper = [71, 189, 306, 424, 542, 659, 777, 895, 1012, 1130]

    shards = PowerLaw().split(np.zeros(6000, int), 10, rng(), None)

    np.testing.assert_allclose(sizes(shards), paper, atol=1)
    assert sum(sizes(shards)) == 6000


def test_a_larger_exponent_makes_sizes_more_equal():
    y = np.zeros(6000, int)

    ratios = [
        max(s) / min(s)
        for s in (sizes(PowerLaw(exponent=e).split(y, 10, rng(), None)) for e in (1, 2, 4, 1e9))
    ]

    assert ratios == sorted(ratios, reverse=True)
    assert ratios[0] > 50
    assert ratios[-1] == 1


def test_power_law_labels_are_iid():
    y = np.arange(60_000) % 10

    shards = PowerLaw().split(y, 10, rng(), None)

    assert skew(shards, y) < 0.05


def test_by_column_gives_client_i_the_ith_group():
    groups = np.array([7, 3, 3, 9, 7])

    shards = ByColumn().split(np.zeros(5, int), 3, rng(), groups)

    assert [shard.tolist() for shard in shards] == [[1, 2], [0, 4], [3]]


def test_packed_groups_are_never_divided():
    groups = rng(2).integers(0, 11, size=200)

    shards = ByColumn(packed=True).split(np.zeros(200, int), 4, rng(), groups)

    held = [set(groups[shard]) for shard in shards]
    assert sorted(len(h) for h in held) == [2, 3, 3, 3]
    assert len(set.union(*held)) == 11


@pytest.mark.parametrize("partition", PARTITIONS[:-1], ids=repr)
def test_ten_thousand_clients_get_sixty_thousand_examples(partition):
    y = rng(1).integers(0, 10, size=60_000)
    groups = rng(2).permutation(np.arange(60_000) % 10_000)

    shards = partition.split(y, 10_000, rng(), groups)

    assert len(shards) == 10_000
    assert min(sizes(shards)) >= 1
    assert np.array_equal(np.sort(np.concatenate(shards)), np.arange(60_000))

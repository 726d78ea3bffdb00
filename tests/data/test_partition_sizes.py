"""Partitions that say how many examples a client has, and who joins beside the split."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import powerlaw

from fedrobust.data.partition import IID, GrowingClasses, PowerLaw
from fedrobust.results.store import Store
from fedrobust.scenario import Scenario
from fedrobust.simulate import simulate

SIZED = [IID, PowerLaw, GrowingClasses]


def rng(seed=0):
    return np.random.default_rng(seed)


def sizes(shards):
    return [len(shard) for shard in shards]


def class_counts(shards, y):
    return np.stack([np.bincount(y[shard], minlength=int(y.max()) + 1) for shard in shards])


@settings(deadline=None)
@given(st.integers(1, 20), st.integers(1, 30), st.integers(0, 50))
def test_iid_gives_each_client_its_examples_and_leaves_the_others(num_clients, each, more):
    y = np.zeros(num_clients * each + more, int)

    shards = IID(examples=each).split(y, num_clients, rng(), None)

    assert sizes(shards) == [each] * num_clients
    assert len(np.unique(np.concatenate(shards))) == num_clients * each


@pytest.mark.parametrize("partition", [IID(examples=600), PowerLaw(examples=600)], ids=repr)
def test_those_chosen_are_a_sample_of_all(partition):
    """Places of 60,000 examples have the mean 30,000; a random sample's lies near it."""
    held = np.concatenate(partition.split(np.zeros(60_000, int), 10, rng(), None))

    assert abs(held.mean() - 30_000) < 4 * 60_000 / math.sqrt(12 * len(held))
    assert len(np.unique(held)) == len(held)


@pytest.mark.parametrize(
    ("num_clients", "each", "paper"),
    [
        (5, 600, [71, 336, 600, 865, 1130]),
        (10, 600, [71, 189, 306, 424, 542, 659, 777, 895, 1012, 1130]),
        (10, 2000, [236, 628, 1020, 1412, 1804, 2197, 2589, 2981, 3373, 3765]),
    ],
)
def test_power_law_with_examples_has_exactly_the_sizes_of_the_paper(num_clients, each, paper):
    """Computed by scipy's percentiles and rounded up, as the authors' released code does."""
    y = np.zeros(sum(paper), int)

    shards = PowerLaw(examples=each).split(y, num_clients, rng(), None)

    assert sizes(shards) == paper
    assert len(np.unique(np.concatenate(shards))) == sum(paper)


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 100), st.floats(0.1, 50))
def test_power_law_rounds_up_the_percentiles_of_scipy(num_clients, each, exponent):
    ends = powerlaw.ppf([0.01, 0.99], exponent)
    grown = np.linspace(*ends, num_clients) if num_clients > 1 else np.ones(1)
    exact = grown / grown.sum() * each * num_clients
    y = np.zeros(num_clients * (each + 1), int)

    found = sizes(PowerLaw(exponent=exponent, examples=each).split(y, num_clients, rng(), None))

    assert min(found) >= 1
    assert all(x - 1e-6 <= size for x, size in zip(exact, found, strict=True))
    assert all(size < max(x, 1e-6) + 1 for x, size in zip(exact, found, strict=True))


@settings(deadline=None)
@given(st.integers(0, 60), st.integers(1, 100))
def test_the_power_laws_middle_client_is_the_average_one(half, each):
    """Of evenly growing sizes the middle one is their mean, a whole number: nothing to round up."""
    num_clients = 2 * half + 1

    shards = PowerLaw(examples=each).split(np.zeros(9 * 10**4, int), num_clients, rng(), None)

    assert sizes(shards)[half] == each


def test_small_clients_are_filled_up_from_what_nobody_has():
    plain = sizes(PowerLaw(examples=60).split(np.zeros(1000, int), 5, rng(), None))

    filled = sizes(PowerLaw(examples=60, min_size=40).split(np.zeros(1000, int), 5, rng(), None))

    assert plain == [8, 34, 60, 87, 113]
    assert filled == [40, 40, 60, 87, 113]


@pytest.mark.parametrize(
    ("num_clients", "classes"),
    [
        (1, [1]),
        (5, [1, 3, 5, 7, 10]),
        (10, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        (20, [1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10]),
    ],
)
def test_clients_hold_the_first_classes_of_the_paper(num_clients, classes):
    """Of the paper: int(linspace(1, 10, N)) classes, each 600 // c times, the last one the rest."""
    y = rng(1).permutation(np.arange(5000) % 10)

    counts = class_counts(GrowingClasses(examples=600).split(y, num_clients, rng(), None), y)

    for count, c in zip(counts, classes, strict=True):
        each = 600 // c
        assert count.tolist() == [each] * (c - 1) + [600 - each * (c - 1)] + [0] * (10 - c)


@settings(deadline=None)
@given(st.lists(st.integers(0, 6), min_size=10, max_size=300), st.integers(1, 12), st.data())
def test_classes_grow_whatever_the_labels_are(labels, num_clients, data):
    """Labels may have gaps, and a class one example: it is then drawn again and again."""
    y = 3 * np.array(labels)
    known = np.unique(y)
    each = data.draw(st.integers(len(known), 40))

    shards = GrowingClasses(examples=each).split(y, num_clients, rng(), None)

    held = [np.unique(y[shard]) for shard in shards]
    assert sizes(shards) == [each] * num_clients
    assert all(np.array_equal(own, known[: len(own)]) for own in held)
    assert sorted(map(len, held)) == list(map(len, held))
    assert len(held[0]) == 1
    assert num_clients == 1 or len(held[-1]) == len(known)


def test_growing_classes_draws_from_all_of_a_class_with_replacement():
    y = np.arange(2000) % 2

    first, _ = GrowingClasses(examples=1000).split(y, 2, rng(), None)

    assert 600 < len(np.unique(first)) < 664  # of 1000, (1 - 1/e) are expected, 632 +- 10
    assert abs(first.mean() - 999) < 4 * 577 / math.sqrt(1000)


def test_without_examples_a_client_has_its_share():
    y = np.arange(2000) % 10

    assert sizes(GrowingClasses().split(y, 7, rng(), None)) == [285] * 7


@pytest.mark.parametrize("kind", SIZED)
@pytest.mark.parametrize("each", [None, 40])
@settings(deadline=None, max_examples=20)
@given(extra=st.integers(0, 12))
def test_who_joins_changes_nothing_for_those_who_share(kind, each, extra):
    y = rng(1).permutation(np.arange(800) % 10)
    alone = kind(examples=each).split(y, 10, rng(), None)

    shards = kind(examples=each, extra_clients=extra).split(y, 10 + extra, rng(), None)

    assert all(np.array_equal(a, b) for a, b in zip(alone, shards[:10], strict=True))
    assert sizes(shards[10:]) == [each or 80] * extra
    assert all(len(np.unique(shard)) == len(shard) for shard in shards[10:])


def test_who_joins_draws_from_all_examples_whoever_has_them():
    y = np.arange(1000) % 10

    *first, joined = IID(examples=100, extra_clients=1).split(y, 6, rng(), None)

    taken = np.isin(joined, np.concatenate(first)).sum()
    assert 30 < taken < 70  # 500 of 1000 examples are taken, so 50 +- 5
    assert 380 < joined.mean() < 620  # 500 +- 29


@pytest.mark.parametrize("kind", SIZED)
def test_the_generator_alone_decides(kind):
    y = np.arange(900) % 10
    partition = kind(examples=40, extra_clients=3)

    first, again, other = (partition.split(y, 13, rng(s), None) for s in (3, 3, 4))

    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(first, other, strict=True))
    assert {shard.dtype for shard in first} == {np.dtype(np.int64)}


def test_ten_thousand_clients_draw_sixty_examples_each():
    y = rng(1).integers(0, 10, size=60_000)

    shards = GrowingClasses(examples=60).split(y, 10_000, rng(), None)

    assert sizes(shards) == [60] * 10_000


@pytest.mark.parametrize("name", ["iid", "power_law", "growing_classes"])
def test_a_run_learns_from_examples_that_several_clients_hold(name, tmp_path):
    scenario = Scenario.parse(
        {
            "rounds": 3,
            "clients": 7,
            "data": "digits",
            "partition": {"name": name, "examples": 150, "extra_clients": 2},
            "adversary": [{"attack": "sign_flip", "clients": [5, 6]}],
            "validation": 0.1,
        }
    )
    world = scenario.world()
    shards = world.federation.shards
    y = world.task.data.y

    outcome = simulate(scenario, tmp_path)

    assert len(torch.cat(list(shards)).unique()) < sum(world.federation.sizes)
    with Store(tmp_path) as store:
        query = "SELECT client, class, examples FROM holdings WHERE run = ?"
        held = set(store.connection.execute(query, (outcome.run,)))
    assert held == {
        (client, label, count)
        for client, shard in enumerate(shards)
        for label, count in enumerate(y[shard].bincount().tolist())
        if count
    }

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.core import rows
from fedrobust.core.chain import Chain
from fedrobust.errors import AggregationError
from fedrobust.strategies.coordinate_median import CoordinateMedian
from fedrobust.strategies.geometric_median import GeometricMedian
from fedrobust.strategies.krum import Krum
from fedrobust.strategies.random_projection import RandomProjection


@pytest.fixture(scope="module")
def sketch(info):
    """Return a function that sketches updates."""

    def run(updates, size, seed=0):
        return RandomProjection(size=size).transform(updates, (), info(updates, seed=seed))

    return run


def matrix(sketch, d, size, seed):
    """Return the matrix ``[d, size]`` by which updates are multiplied."""
    return sketch(torch.eye(d), size, seed).updates


def test_every_coordinate_is_in_one_sum_of_each_copy_with_a_random_sign(sketch):
    drawn = torch.stack([matrix(sketch, 35, 28, seed) for seed in range(400)]) * 2
    copies = drawn.reshape(400, 35, 4, 7)

    assert copies.abs().sum(dim=3).eq(1).all()
    assert torch.isin(drawn, torch.tensor([-1.0, 0.0, 1.0])).all()
    assert (drawn.mean(dim=0).abs() < 5 * (1 / 7 / 400) ** 0.5).all()
    assert (drawn.abs().mean(dim=0) - 1 / 7).abs().max() < 5 * (1 / 7 / 400) ** 0.5


def test_no_two_coordinates_meet_in_a_copy_more_often_than_chance_has_it(sketch):
    """And whether they do in one says nothing about another."""
    drawn = torch.stack([matrix(sketch, 24, 20, seed) for seed in range(2000)])
    places = drawn.reshape(2000, 24, 4, 5).abs().argmax(dim=3)

    met = (places[:, :, None] == places[:, None, :]).double()  # [rounds, i, j, copy]
    once = met.mean(dim=0)
    twice = (met[..., 0] * met[..., 1]).mean(dim=0)

    apart = 1 - torch.eye(24)[..., None]
    assert (once * apart).max() < 1 / 5 + 5 * (0.16 / 2000) ** 0.5
    assert (once * apart)[:5, :5].max() == 0
    assert once[0, 5:].min() > 1 / 5 - 5 * (0.16 / 2000) ** 0.5
    assert (twice * apart[..., 0]).max() < 1 / 25 + 5 * (0.04 / 2000) ** 0.5


def test_signs_of_two_coordinates_differ_from_copy_to_copy(sketch):
    drawn = torch.stack([matrix(sketch, 24, 20, seed) for seed in range(2000)]) * 2
    signs = drawn.reshape(2000, 24, 4, 5).sum(dim=3)

    agree = signs[:, 0] * signs[:, -1]  # [rounds, copy], of coordinates of different blocks

    assert agree.mean(dim=0).abs().max() < 5 / 2000**0.5
    assert (agree[:, 0] * agree[:, 1]).mean().abs() < 5 / 2000**0.5


@pytest.mark.parametrize("kind", ["spread", "two coordinates", "one block"])
def test_squared_distances_are_right_on_average_with_the_variance_of_a_gaussian(sketch, kind):
    x = torch.randn(1, 300, generator=torch.Generator().manual_seed(1))
    if kind == "two coordinates":
        x[:, 2:299] = 0
    if kind == "one block":
        x[:, 32:] = 0
    updates = torch.cat([x, torch.zeros_like(x)])

    ratios = torch.tensor(
        [
            rows.squared_distances(sketch(updates, 32, seed).updates)[0, 1].item()
            / x.double().square().sum().item()
            for seed in range(600)
        ]
    )

    assert abs(ratios.mean() - 1) < 5 * (2 / 32 / 600) ** 0.5
    assert ratios.var() <= 2 / 32 * 1.3


def test_the_same_huge_value_in_two_coordinates_does_not_hide(info):
    """Two of eight try it in 2000 rounds; with one copy 60 get through, with four 0.004."""
    g = torch.Generator().manual_seed(0)
    rule = Chain(before=(RandomProjection(size=64),), rule=Krum())
    state, honest = rule.init(torch.zeros(200)), torch.randn(8, 200, generator=g)

    longest = 0.0
    for seed in range(2000):
        updates = honest.clone()
        updates[:2] = 0.0
        for row in updates[:2]:
            row[torch.randperm(200, generator=g)[:2]] = 1e6
        out = rule.aggregate(updates, state, info(updates, num_malicious=2, seed=seed))
        longest = max(longest, out.update.norm().item())

    assert longest <= honest.norm(dim=1).max() * (1 + 1e-6)


@pytest.mark.parametrize("size", [61, 64])
def test_a_sketch_is_as_long_as_four_times_a_quarter_rounded_up(sketch, size):
    updates = torch.randn(3, 500, generator=torch.Generator().manual_seed(0))

    assert sketch(updates, size).updates.shape == (3, 64)


def test_long_updates_keep_their_digits(sketch):
    """Of a million numbers near one, which differ from row to row in their fifth digit."""
    noise = torch.randn(2, 1_000_000, generator=torch.Generator().manual_seed(0))
    updates = 1 + 1e-5 * noise

    out = sketch(updates, 1024).updates
    twice = sketch(updates.double(), 1024).updates

    torch.testing.assert_close(out.double(), twice, rtol=0, atol=3e-7 * twice.abs().max().item())
    between = rows.squared_distances(out)[0, 1] / rows.squared_distances(updates)[0, 1]
    assert between.item() == pytest.approx(1, abs=0.2)


def test_equals_a_product_in_float64(sketch, hard):
    exact = hard.double().numpy()
    expected = exact @ matrix(sketch, 40, 6, seed=0).double().numpy()

    out = sketch(hard, 6)

    atol = 1e-6 * np.abs(exact).max()
    np.testing.assert_allclose(out.updates.numpy(), expected, rtol=1e-5, atol=atol)
    assert out.sketch
    assert out.mixing is None


@pytest.mark.parametrize("size", [1, 3, 4, 1024])
def test_updates_that_are_short_enough_are_judged_themselves(sketch, x3, size):
    out = sketch(x3, size)

    assert out.updates.equal(x3)
    assert out.sketch


def test_the_next_round_is_sketched_differently(info, hard):
    known = info(hard)

    once = RandomProjection(size=6).transform(hard, (), known).updates
    again = RandomProjection(size=6).transform(hard, (), known).updates

    assert not once.equal(again)


@pytest.mark.parametrize("rule", [Krum(), Krum(keep="n-f"), GeometricMedian()])
def test_a_rule_by_distance_chooses_whole_updates_by_their_sketches(aggregate, rule):
    """The far ones are so far that a sketch cannot hide it, and the near ones are one update."""
    updates = torch.randn(13, 5000, generator=torch.Generator().manual_seed(0))
    updates[3:] = updates[3]
    sketched = Chain(before=(RandomProjection(size=256),), rule=rule)

    expected, out = aggregate(rule, updates, f=3), aggregate(sketched, updates, f=3)

    assert out.update.shape == (5000,)
    torch.testing.assert_close(out.weights, expected.weights)
    torch.testing.assert_close(out.update, expected.update)


def test_krum_picks_what_it_picks_without_a_sketch(aggregate):
    """Client i is about 1 + i / 4 away from all others: farther apart than a sketch can confuse."""
    noise = torch.randn(10, 5000, generator=torch.Generator().manual_seed(3))
    updates = noise * (1 + torch.arange(10)[:, None] / 4)

    out = aggregate(Chain(before=(RandomProjection(size=1024),), rule=Krum()), updates, f=2)

    assert out.update.equal(aggregate(Krum(), updates, f=2).update)
    assert out.update.equal(updates[0])


@settings(deadline=None, max_examples=50)
@given(size=st.floats(1e4, 1e15), order=st.permutations(range(9)), seed=st.integers(0, 99))
def test_a_far_away_minority_is_not_taken(info, size, order, seed):
    updates = torch.randn(9, 60, generator=torch.Generator().manual_seed(seed))
    updates[:3] += size * torch.tensor([[1.0], [-1.0], [2.0]])
    rule = Chain(before=(RandomProjection(size=20),), rule=Krum(keep="n-f"))
    state = rule.init(updates[0])

    known = info(updates, num_malicious=3, seed=seed)
    out = rule.aggregate(updates, state, known)
    moved = replace(info(updates, num_malicious=3, seed=seed), clients=torch.tensor(order))
    reordered = rule.aggregate(updates[order], state, moved)

    assert out.weights[:3].tolist() == [0, 0, 0]
    torch.testing.assert_close(reordered.weights, out.weights[order])


def test_rules_that_look_at_coordinates_cannot_use_it(aggregate, hard):
    with pytest.raises(AggregationError, match="coordinate_median cannot work on sketches"):
        aggregate(Chain(before=(RandomProjection(),), rule=CoordinateMedian()), hard)


def test_rejects():
    with pytest.raises(ValueError, match="size"):
        RandomProjection(size=0)

"""Which bits flip, how often, and what that does to a number."""

from math import sqrt

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedrobust.core.admission import Fault, faults_of_rows
from fedrobust.core.mishap import Transit
from fedrobust.faults.bit_corruption import BitCorruption
from fedrobust.strategies.coordinate_median import CoordinateMedian
from fedrobust.strategies.mean import Mean


def corrupted(update, round=1, **fields):
    fates = BitCorruption(**fields).befall(Transit(round, {4: update}, seed=0), {}).fates
    return fates[4].update if fates else update


def flips(before, after):
    """Return which bits differ, [d, 32], from the lowest; by numpy's own means."""
    words = before.numpy().view(np.uint32) ^ after.numpy().view(np.uint32)
    return (words[:, None] >> np.arange(32, dtype=np.uint32)) & 1


@pytest.fixture(scope="module")
def update():
    return torch.randn(20_000, generator=torch.Generator().manual_seed(5)) / 100


@pytest.mark.parametrize("probability", [1e-3, 0.01, 0.3, 0.9])
def test_numbers_are_hit_with_the_probability_and_in_one_bit_each(update, probability):
    changed = flips(update, corrupted(update, probability=probability)).sum(axis=1)

    assert set(changed) == {0, 1}
    error = 5 * sqrt(probability * (1 - probability) / len(update))
    assert abs(changed.mean() - probability) < error
    half = changed[: len(update) // 2].mean()  # as often at the start as on the whole
    assert abs(half - probability) < error * sqrt(2)


def test_the_first_and_the_last_number_are_hit_as_often_as_any():
    twos = torch.zeros(2)
    hit = sum(
        flips(twos, corrupted(twos, round, probability=0.3)).sum(axis=1) for round in range(1000)
    )

    assert all(abs(hit / 1000 - 0.3) < 5 * sqrt(0.21 / 1000))


def test_every_number_may_be_hit(update):
    assert flips(update, corrupted(update, probability=1)).sum(axis=1).tolist() == [1] * 20_000


@pytest.mark.parametrize(("bits", "allowed"), [("any", range(32)), ("exponent", range(23, 31))])
def test_bits_are_hit_equally_often(update, bits, allowed):
    hit = flips(update, corrupted(update, probability=1, bits=bits)).sum(axis=0)

    share = 1 / len(allowed)
    assert np.flatnonzero(hit).tolist() == list(allowed)
    assert abs(hit[list(allowed)] / 20_000 - share).max() < 5 * sqrt(share / 20_000)


def test_a_rare_corruption_touches_few_clients(update):
    updates = dict.fromkeys(range(500), update[:1000])

    fates = BitCorruption(probability=1e-4).befall(Transit(1, updates, 0), {}).fates

    share = 1 - (1 - 1e-4) ** 1000
    assert abs(len(fates) / 500 - share) < 5 * sqrt(share * (1 - share) / 500)
    assert all(fate.copies == 1 for fate in fates.values())
    assert "1 of 1000 numbers corrupted" in {fate.reason for fate in fates.values()}


@given(number=st.floats(-1.75, 1.75, width=32), round=st.integers(1, 10**6))
def test_a_number_below_two_stays_so_unless_the_highest_bit_of_its_exponent_flips(number, round):
    before = torch.tensor([number])

    after = corrupted(before, round, probability=1, bits="exponent")

    if flips(before, after)[0, 30]:
        assert not after.abs() < 2  # or is no number any more
    else:
        assert after.abs() < 2


@given(number=st.floats(width=32, allow_nan=False, allow_infinity=False), d=st.integers(1, 5))
def test_any_finite_update_can_be_corrupted(number, d):
    before = torch.full((d,), number)

    assert flips(before, corrupted(before, probability=1)).sum() == d


def test_what_is_large_enough_to_ruin_a_mean_is_dropped_at_usual_sizes(update):
    rows = torch.stack([update[1000 * i :][:1000] for i in range(20)])
    hit = torch.stack(
        [corrupted(r, i, probability=1e-3, bits="exponent") for i, r in enumerate(rows)]
    )

    faults = faults_of_rows(hit)

    dropped = torch.tensor([fault is not None for fault in faults])
    assert 0 < dropped.sum() < 10
    assert {fault for fault in faults if fault} <= {Fault.TOO_LARGE, Fault.NOT_FINITE}
    assert hit[~dropped].abs().max() <= 2
    assert hit[dropped].nan_to_num().abs().max() > 1e30


def test_of_numbers_above_two_some_pass_that_ruin_a_mean_but_no_median(info):
    rows = 4 + torch.rand(20, 1000, generator=torch.Generator().manual_seed(1))
    hit = torch.stack(
        [corrupted(r, i, probability=1e-3, bits="exponent") for i, r in enumerate(rows)]
    )
    sound = hit[torch.tensor([fault is None for fault in faults_of_rows(hit)])]

    mean = Mean().aggregate(sound, (), info(sound)).update
    median = CoordinateMedian().aggregate(sound, (), info(sound)).update

    assert len(sound) > 12
    assert mean.abs().max() > 1e4
    assert ((median >= 4) & (median <= 5)).all()


def test_only_a_share_of_the_clients_is_hit():
    updates = dict.fromkeys(range(300), torch.ones(4))
    mishap = BitCorruption(probability=1, share=0.2)

    who = [set(mishap.befall(Transit(round, updates, 0), {}).fates) for round in (1, 2)]

    assert who[0] == who[1]
    assert 30 < len(who[0]) < 90


@pytest.mark.parametrize("wrong", [{"probability": 0}, {"bits": "sign"}, {"share": 1.5}])
def test_rejects(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        BitCorruption(**wrong)

from dataclasses import replace

import pytest
import torch

from fedrobust.core.aggregator import Mean
from fedrobust.core.chain import Chain
from fedrobust.strategies.bucketing import Bucketing
from fedrobust.strategies.central_noise import CentralNoise
from fedrobust.strategies.norm_clipping import NormClipping


def moved(step, update, info, n, seed=0):
    out, state = step.transform(update, (), info(torch.zeros(n, len(update)), seed=seed))
    assert state == ()
    return out


@pytest.mark.parametrize("n", [1, 8])
def test_the_noise_is_what_one_of_n_clients_can_do_to_the_mean(info, n):
    """40 000 draws: the deviation is z S / n to 3 percent, the mean zero within 5 of its own."""
    scale = 1.5 * 0.5 / n

    noise = moved(CentralNoise(max_norm=0.5, noise_multiplier=1.5), torch.zeros(40_000), info, n)

    assert noise.std().item() == pytest.approx(scale, rel=0.03)
    assert abs(noise.mean().item()) < 5 * scale / 200
    assert (noise.abs() < scale).float().mean().item() == pytest.approx(0.6827, abs=0.015)


def test_it_is_added_to_the_aggregate_clipped_to_the_bound(info):
    """Worked by hand: (3, 4) clipped to 2 is (1.2, 1.6)."""
    with_, without = CentralNoise(max_norm=2), CentralNoise(max_norm=2, noise_multiplier=0)

    clipped = moved(without, torch.tensor([3.0, 4.0]), info, 4)
    noise = moved(with_, torch.zeros(2), info, 4)
    noisy = moved(with_, torch.tensor([3.0, 4.0]), info, 4)

    torch.testing.assert_close(clipped, torch.tensor([1.2, 1.6]))
    torch.testing.assert_close(noisy, clipped + noise)


def test_a_mean_of_clipped_updates_is_not_clipped_again(info, hard):
    clipped = NormClipping().transform(hard, (), info(hard)).updates

    mean = Mean().aggregate(clipped, (), info(hard)).update

    torch.testing.assert_close(moved(CentralNoise(noise_multiplier=0), mean, info, 10), mean)


def test_no_client_moves_the_noiseless_aggregate_by_more_than_the_bound_over_n(info, hard):
    """Taking a client's share away: its row is zero, and n is what it was."""
    private = Chain(before=(NormClipping(),), after=(CentralNoise(noise_multiplier=0),))
    state = private.init(hard[0])
    whole = private.aggregate(hard, state, info(hard)).update

    for i in range(len(hard)):
        without = hard.index_fill(0, torch.tensor([i]), 0.0)
        other = private.aggregate(without, state, info(hard)).update

        assert (whole - other).norm() <= 1 / len(hard) * (1 + 1e-5)


def test_in_a_chain_n_is_how_many_rows_the_rule_saw(info):
    updates = torch.zeros(12, 20_000)
    bucketed = Chain(before=(Bucketing(size=3),), after=(CentralNoise(),))

    plain = Chain(after=(CentralNoise(),)).aggregate(updates, [(), ()], info(updates)).update
    fewer = bucketed.aggregate(updates, bucketed.init(updates[0]), info(updates)).update

    assert plain.std().item() == pytest.approx(1 / 12, rel=0.03)
    assert fewer.std().item() == pytest.approx(1 / 4, rel=0.03)


def test_n_follows_those_who_take_part(info):
    zero = torch.zeros(20_000)
    few = replace(info(torch.zeros(9, 20_000)), clients=torch.tensor([2, 7, 8]))

    noise, _ = CentralNoise().transform(zero, (), few)

    assert noise.std().item() == pytest.approx(1 / 3, rel=0.03)


def test_a_frozen_layer_walks_at_random(info):
    """Nobody moves it; in 64 rounds it comes eight times as far as in one."""
    g = torch.Generator().manual_seed(0)
    step, params = CentralNoise(), torch.zeros(10_000)
    away = []

    for _ in range(64):
        known = replace(info(params[None].expand(4, -1)), generator=g)
        params = params + step.transform(torch.zeros(10_000), (), known)[0]
        away.append(params.norm().item())

    assert away[-1] == pytest.approx(8 * away[0], rel=0.05)


def test_the_noise_comes_from_the_round_s_generator_alone(info):
    step, zero = CentralNoise(), torch.zeros(5)

    torch.manual_seed(1)
    first = moved(step, zero, info, 3)
    torch.manual_seed(2)

    assert moved(step, zero, info, 3).equal(first)
    assert not moved(step, zero, info, 3, seed=1).equal(first)


@pytest.mark.parametrize("size", [0.0, 1e-30, 1e18])
def test_is_finite_whatever_the_rule_returns(info, size):
    assert moved(CentralNoise(), torch.full((5,), size), info, 3).isfinite().all()


@pytest.mark.parametrize("wrong", [{"max_norm": 0}, {"noise_multiplier": -1}])
def test_rejects(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        CentralNoise(**wrong)

from dataclasses import replace

import numpy as np
import pytest
import torch

from fedrobust.attacks.disguised_free_rider import DisguisedFreeRider

D = 100_000


def deviations(view, attack, moves):
    """Return the deviation of what a client sends in some rounds, by round and model."""
    found, state = [], attack.init(torch.zeros(D))
    for round, params in moves.items():
        seen = replace(view(torch.full((1, D), 7.0), seed=round, round=round), params=params)
        sent, state = attack.craft(seen, state)
        assert sent.mean().item() == pytest.approx(0, abs=0.02 * sent.std().item())
        found.append(sent.std().item())
    return found


def models(*sizes, first=1, every=1):
    """Return models that are moved by so much in each coordinate, up or down, since the last."""
    up = 1 - 2 * torch.arange(D).remainder(2).float()
    totals = np.cumsum([0, *sizes]).tolist()
    return {first + every * t: total * up for t, total in enumerate(totals)}


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("multiplier", [1, 3])
def test_noise_wanes_from_what_the_first_round_moved(view, multiplier, gamma):
    """Later rounds move the model by other amounts, which it does not look at."""
    attack = DisguisedFreeRider(multiplier=multiplier, gamma=gamma)

    found = deviations(view, attack, models(0.25, 9, 9, 9))

    sigmas = [1e-3, *(0.25 * np.arange(1, 5) ** -gamma)]
    assert found == pytest.approx([multiplier * s for s in sigmas], rel=0.02)


def test_the_movement_is_the_mean_over_parameters_in_absolute_value(view):
    moved = torch.zeros(D)
    moved[: D // 4] = -2.0

    _, found = deviations(view, DisguisedFreeRider(), {1: torch.zeros(D), 2: moved})

    assert found == pytest.approx(0.5, rel=0.02)


def test_a_client_that_takes_part_in_every_third_round_counts_rounds(view):
    """Worked by hand: 0.6 in three rounds is 0.2 in one, then a third and a sixth of that."""
    found = deviations(view, DisguisedFreeRider(), models(0.6, 9, first=5, every=3))

    assert found == pytest.approx([1e-3, 0.2 / 3, 0.2 / 6], rel=0.02)


def test_the_noise_of_the_first_round_is_a_field(view):
    assert deviations(view, DisguisedFreeRider(first=0.3), models()) == pytest.approx(
        [0.3], rel=0.02
    )
    assert deviations(view, DisguisedFreeRider(first=0), models()) == [0]


def test_a_model_that_stands_still_calls_for_none(view):
    assert deviations(view, DisguisedFreeRider(), models(0, 1))[1:] == [0, 0]


@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_models_of_any_size_give_finite_noise(view, size):
    _, found = deviations(
        view, DisguisedFreeRider(), {1: torch.zeros(D), 2: torch.full((D,), size)}
    )

    assert found / size == pytest.approx(1, rel=0.02)


def test_clients_do_not_share_noise(view):
    sent, _ = DisguisedFreeRider().craft(view(torch.zeros(3, D)), ())

    correlations = torch.corrcoef(sent) - torch.eye(3)
    assert correlations.abs().max().item() < 0.02


def test_a_model_is_remembered_only_until_it_is_compared(view):
    attack, own = DisguisedFreeRider(), torch.zeros(1, 4)

    _, once = attack.craft(view(own, round=1), ())
    _, twice = attack.craft(replace(view(own, round=2), params=torch.ones(4)), once)

    assert once["model"].equal(torch.zeros(4))
    assert twice == {"round": 1, "sigma": 1.0}


@pytest.mark.parametrize("wrong", [{"multiplier": 0}, {"gamma": -1}, {"first": -1e-3}])
def test_rejects(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        DisguisedFreeRider(**wrong)

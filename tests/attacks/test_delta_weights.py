from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.attacks.delta_weights import DeltaWeights


def rounds(view, attack, *models, clients=1, seed=0):
    """Return what clients send who are sent one model after another."""
    sent, state = [], attack.init(models[0])
    for number, params in enumerate(models, start=1):
        own = torch.full((clients, len(params)), 7.0)
        seen = replace(view(own, seed=seed + number), params=params)
        update, state = attack.craft(seen, state)
        sent.append(update)
    return sent


def test_repeats_the_last_movement_of_the_model(view):
    """Worked by hand: not what was before that, and new minus old."""
    models = [torch.tensor(w) for w in ([0.0, 5.0], [1.0, 3.0], [1.5, 3.0], [1.5, 3.0])]

    _, *sent = rounds(view, DeltaWeights(), *models)

    assert [update.tolist() for update in sent] == [[[1, -2]], [[0.5, 0]], [[0, 0]]]


def test_without_a_movement_it_sends_random_numbers(view):
    (sent,) = rounds(view, DeltaWeights(bound=0.5), torch.ones(100_000))

    assert sent.abs().max().item() <= 0.5
    assert sent.mean().item() == pytest.approx(0, abs=0.01)
    assert sent.std().item() == pytest.approx(0.5 / 3**0.5, rel=0.02)


def test_the_first_round_is_told_from_a_model_that_did_not_move(view):
    still = torch.ones(3)

    first, second = rounds(view, DeltaWeights(), still, still)

    assert first.any()
    assert not second.any()


def test_clients_that_share_a_mind_send_the_same_movement_each_with_noise_of_its_own(view):
    models = torch.zeros(50_000), torch.ones(50_000)

    _, plain = rounds(view, DeltaWeights(), *models, clients=3)
    _, noisy = rounds(view, DeltaWeights(noise=0.1), *models, clients=3)

    assert plain.eq(1).all()
    torch.testing.assert_close(noisy.mean(dim=1), torch.ones(3), atol=3e-3, rtol=0)
    torch.testing.assert_close(noisy.std(dim=1), torch.full((3,), 0.1), atol=3e-3, rtol=0)
    assert abs(torch.corrcoef(noisy)[0, 1].item()) < 0.05


def test_adaptive_noise_is_of_three_sizes_equally_often(view):
    """N(0, 1) is within 4 of zero always, within 0.4 in 31.08 percent, within 0.04 in 3.19."""
    models = torch.zeros(300_000), torch.zeros(300_000)

    _, sent = rounds(view, DeltaWeights(noise="adaptive"), *models)

    expected = (1e-6 + 1e-8 + 1e-10) / 3
    assert sent.square().mean().item() == pytest.approx(expected, rel=0.02)
    within = [(sent.abs() < bound).float().mean().item() for bound in (4e-5, 4e-4)]
    assert within == pytest.approx([1 / 3 + 0.3108 / 3 + 0.0319 / 3, 2 / 3 + 0.3108 / 3], abs=0.01)


@settings(deadline=None, max_examples=30)
@given(size=st.integers(-30, 30), seed=st.integers(0, 99))
def test_a_movement_of_any_size_is_exact(view, size, seed):
    g = torch.Generator().manual_seed(seed)
    before, after = 10.0**size * torch.randn(2, 20, generator=g)

    _, sent = rounds(view, DeltaWeights(), before, after)

    assert sent[0].equal((after.double() - before.double()).float())


def test_only_the_last_model_is_remembered(view):
    attack, models = DeltaWeights(), torch.randn(3, 4)
    state = attack.init(models[0])

    for params in models:
        _, state = attack.craft(replace(view(torch.zeros(1, 4)), params=params), state)

    (kept,) = state
    assert kept.equal(models[2])


@pytest.mark.parametrize("wrong", [{"noise": -1}, {"noise": "some"}, {"bound": 0}])
def test_rejects(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        DeltaWeights(**wrong)

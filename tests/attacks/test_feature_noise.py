import pytest
import torch
from torch.func import vmap

from fedrobust.attacks.feature_noise import FeatureNoise
from fedrobust.core.task import Batch


def draws(seed=0):
    return FeatureNoise().draw(torch.zeros(3), torch.Generator().manual_seed(seed))


def noise_on(*shape, seed=0, std=1.0, batch=None):
    batch = batch or Batch(torch.zeros(shape), torch.arange(shape[0]), torch.ones(shape[0]))
    changed, _ = FeatureNoise(std=std).batch(torch.zeros(3), batch, {}, draws(seed))
    return changed.x - batch.x


def test_noise_has_the_deviation_asked_for():
    noise = noise_on(16, 1, 28, 28, std=0.3)

    assert noise.std().item() == pytest.approx(0.3, rel=0.03)
    assert noise.mean().item() == pytest.approx(0, abs=0.01)


def test_changes_nothing_but_inputs():
    batch = Batch(torch.ones(3, 2), torch.tensor([0, 1, 2]), torch.tensor([1.0, 1.0, 0.0]))
    before = batch.x.clone()

    changed, memory = FeatureNoise().batch(torch.zeros(3), batch, {}, draws())

    assert changed.y.equal(batch.y)
    assert changed.w.equal(batch.w)
    assert memory == {}
    assert batch.x.equal(before)


@pytest.mark.parametrize("shape", [(64, 3, 32, 32), (32, 1024), (2000, 64), (5000, 2)])
def test_examples_of_a_batch_of_any_size_have_noise_of_their_own(shape):
    noise = noise_on(*shape).flatten(1)

    assert len(noise.unique(dim=0)) == len(noise)


def test_examples_and_features_of_a_usual_batch_do_not_depend_on_each_other():
    noise = noise_on(16, 1, 28, 28).flatten(1)

    assert (torch.corrcoef(noise) - torch.eye(16)).abs().max().item() < 0.2
    assert noise.unique().numel() > 0.99 * noise.numel()


def test_each_step_has_another():
    assert noise_on(4, 5, seed=0).equal(noise_on(4, 5, seed=0))
    assert not noise_on(4, 5, seed=0).equal(noise_on(4, 5, seed=1))


def test_padding_does_not_change_the_noise_of_real_examples():
    short = noise_on(3, 4)
    padded = Batch(torch.zeros(5, 4), torch.zeros(5), torch.tensor([1.0, 1, 1, 0, 0]))

    assert noise_on(batch=padded)[:3].equal(short)


def test_many_clients_at_once_get_the_noise_each_draws():
    x = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(0))
    drawn = torch.stack([draws(seed)["noise"] for seed in (0, 1)])

    def one(x, noise):
        batch = Batch(x, torch.zeros(6), torch.ones(6))
        return FeatureNoise().batch(torch.zeros(3), batch, {}, {"noise": noise})[0].x

    together = vmap(one)(x, drawn)

    assert torch.equal(together, torch.stack([one(*each) for each in zip(x, drawn, strict=True)]))


@pytest.mark.parametrize("wrong", [0, -1, float("inf")])
def test_rejects(wrong):
    with pytest.raises(ValueError, match="std"):
        FeatureNoise(std=wrong)

import pytest
import torch

from fedrobust.attacks.corrupted_inputs import CorruptedInputs
from fedrobust.core.corruptions import KINDS, corrupted
from fedrobust.core.task import Batch
from fedrobust.errors import ConfigError


def changed(attack, seed, x=None):
    x = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(5)) if x is None else x
    batch = Batch(x, torch.arange(len(x)), torch.ones(len(x)))
    draws = attack.draw(torch.zeros(3), torch.Generator().manual_seed(seed))
    return batch, *attack.batch(torch.zeros(3), batch, {}, draws)


@pytest.mark.parametrize("kind", KINDS)
def test_changes_inputs_and_nothing_else(kind):
    before, after, memory = changed(CorruptedInputs(kind=kind), seed=0)

    assert not after.x.equal(before.x)
    assert after.x.shape == before.x.shape
    assert after.y is before.y
    assert after.w is before.w
    assert memory == {}


def test_corrupts_as_the_test_data_of_the_same_severity_are():
    attack = CorruptedInputs(kind="fog", severity=2)
    seed = attack.draw(torch.zeros(3), torch.Generator().manual_seed(0))["seed"]

    before, after, _ = changed(attack, seed=0)

    again = corrupted(before.x, "fog", 2, torch.Generator().manual_seed(int(seed)))
    assert after.x.equal(again)


def test_each_step_has_its_own_draws():
    attack = CorruptedInputs(kind="rotate")
    once, again, another = (changed(attack, seed)[1].x for seed in (0, 0, 1))

    assert once.equal(again)
    assert not once.equal(another)


def test_inputs_that_are_no_images_get_noise():
    before, after, _ = changed(CorruptedInputs(), seed=0, x=torch.linspace(-3, 3, 20).view(4, 5))

    assert not after.x.equal(before.x)
    assert after.x.abs().max().item() <= 3


@pytest.mark.parametrize("kind", ["snow", "fog"])
def test_has_to_fit_the_task(kind):
    with pytest.raises(ConfigError, match=f"impulse_noise, brightness, not by '{kind}'"):
        CorruptedInputs(kind=kind).for_task(10, (5,))


def test_knows_what_fits():
    attack = CorruptedInputs(kind="zigzag")

    assert attack.for_task(10, (3, 32, 32)) == attack


def test_its_kinds_are_those_that_its_docstring_lists():
    listed = CorruptedInputs.__doc__.split("Fields:")[1]

    assert all(f'"{kind}"' in listed for kind in KINDS)


@pytest.mark.parametrize("severity", [0, 6, 2.5])
def test_rejects(severity):
    with pytest.raises(ValueError, match="severity"):
        CorruptedInputs(severity=severity)

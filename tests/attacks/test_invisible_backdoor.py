import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.fft import dctn

from fedrobust.attacks.invisible_backdoor import InvisibleBackdoor
from fedrobust.errors import ConfigError

KINDS = ["additive", "sinusoid", "frequency"]
SHAPES = [(1, 1, 4, 4), (2, 3, 8, 6), (2, 2), (3, 30), (1, 1, 28, 28)]


def added(attack, *shape):
    return attack.triggered(torch.zeros(1, *shape, dtype=torch.float64))[0].numpy()


def test_adds_or_subtracts_the_amplitude_at_each_value():
    pattern = added(InvisibleBackdoor(amplitude=0.25), 3, 30, 30)

    assert set(np.unique(pattern)) == {-0.25, 0.25}
    assert abs(pattern.mean()) < 0.03
    assert (pattern[0] != pattern[1]).any()


def test_signs_hang_on_their_seed_alone():
    one = added(InvisibleBackdoor(), 1, 8, 8)
    torch.rand(3)

    assert (one == added(InvisibleBackdoor(), 1, 8, 8)).all()
    assert (one != added(InvisibleBackdoor(pattern_seed=1), 1, 8, 8)).any()


def test_adds_a_wave_along_the_width():
    """One cycle in six pixels, whose centers are at 30, 90, 150, ... degrees."""
    pattern = added(InvisibleBackdoor(kind="sinusoid", cycles=1, amplitude=2.0), 1, 2, 6)

    assert pattern[0, 0] == pytest.approx([1, 2, 1, -1, -2, -1])
    assert (pattern[0, 0] == pattern[0, 1]).all()


@pytest.mark.parametrize("shape", [(3, 8, 6), (1, 9, 9), (7,)])
def test_adds_energy_to_two_coefficients_of_the_cosine_transform(shape):
    """The reference is scipy's transform."""
    pattern = added(InvisibleBackdoor(kind="frequency"), *shape)

    sides = shape[-2:]
    axes = tuple(range(-len(sides), 0))
    energy = np.abs(dctn(pattern, axes=axes, norm="ortho")) > 1e-9
    expected = np.zeros(shape, bool)
    expected[..., *(side // 2 for side in sides)] = True
    expected[..., *(side - 1 for side in sides)] = True
    assert (energy == expected).all()


@pytest.mark.parametrize("kind", KINDS)
@given(shape=st.sampled_from(SHAPES), amplitude=st.floats(1e-3, 1e3), seed=st.integers(0, 99))
def test_changes_no_value_by_more_than_the_amplitude(kind, shape, amplitude, seed):
    x = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    untouched = x.clone()

    change = InvisibleBackdoor(kind=kind, amplitude=amplitude).triggered(x) - x

    assert change.abs().max().item() == pytest.approx(amplitude, rel=1e-6)
    assert (change - change[0]).abs().max().item() == pytest.approx(0, abs=1e-9)
    assert x.equal(untouched)


@pytest.mark.parametrize("kind", KINDS)
def test_keeps_the_type_of_inputs(kind):
    assert InvisibleBackdoor(kind=kind).triggered(torch.zeros(2, 1, 8, 8)).dtype == torch.float32


def test_wants_faintly_marked_inputs_of_other_classes_to_be_of_the_target():
    x, y = torch.rand(3, 6), torch.tensor([0, 1, 2])

    shown, wanted = InvisibleBackdoor(target=2).goal(x, y)

    assert shown.equal(InvisibleBackdoor().triggered(x[:2]))
    assert wanted.tolist() == [2, 2]


@pytest.mark.parametrize(
    ("fields", "shape", "message"),
    [
        ({"kind": "sinusoid", "cycles": 8}, (1, 8, 8), "fewer cycles than the 8 .* not 8"),
        ({"kind": "sinusoid"}, (1,), "fewer cycles than the 1 .* not 1"),
        ({"target": 3}, (1, 8, 8), "target below the 3 classes"),
    ],
)
def test_has_to_fit_the_task(fields, shape, message):
    with pytest.raises(ConfigError, match=message):
        InvisibleBackdoor(**fields).for_task(3, shape)


@pytest.mark.parametrize("wrong", [{"amplitude": 0}, {"kind": "loud"}, {"cycles": 0}])
def test_rejects(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        InvisibleBackdoor(**wrong)

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedrobust.attacks.blended_backdoor import BlendedBackdoor
from fedrobust.core.task import Batch

SHAPES = [(2, 1, 4, 4), (2, 3, 5, 4), (2, 7), (2, 1)]


def test_blends_a_checkerboard_in_by_hand():
    x = torch.full((1, 1, 2, 3), 0.5)

    blended = BlendedBackdoor(alpha=0.2, pattern="checkerboard").triggered(x)

    torch.testing.assert_close(blended, torch.tensor([[[[0.4, 0.6, 0.4], [0.6, 0.4, 0.6]]]]))


def test_blends_features_with_both_ends_in_turn():
    attack = BlendedBackdoor(alpha=0.5, pattern="checkerboard", low=-2.0, high=4.0)

    assert attack.triggered(torch.zeros(1, 5)).tolist() == [[-1, 2, -1, 2, -1]]


def test_a_checkerboard_is_the_same_in_each_channel():
    blended = BlendedBackdoor(pattern="checkerboard").triggered(torch.zeros(1, 3, 4, 4))

    assert blended[0, 0].equal(blended[0, 1])
    assert blended[0, 0].equal(blended[0, 2])


def test_noise_is_spread_evenly_between_low_and_high():
    attack = BlendedBackdoor(alpha=1, low=-1.0, high=3.0)

    noise = attack.triggered(torch.zeros(1, 3, 40, 40))

    assert noise.min() > -1
    assert noise.max() < 3
    assert noise.mean().item() == pytest.approx(1, abs=0.1)
    assert noise.std().item() == pytest.approx(4 / 12**0.5, abs=0.1)
    assert not noise[0, 0].equal(noise[0, 1])


@pytest.mark.parametrize("shape", SHAPES)
def test_noise_is_one_pattern_for_all_inputs_and_hangs_on_its_seed_alone(shape):
    one = BlendedBackdoor(alpha=1).triggered(torch.zeros(shape))
    torch.rand(3)
    again = BlendedBackdoor(alpha=1).triggered(torch.ones(shape))
    other = BlendedBackdoor(alpha=1, pattern_seed=1).triggered(torch.zeros(shape))

    assert one.equal(again)
    assert one[0].equal(one[1])
    assert not one.equal(other)


@pytest.mark.parametrize("pattern", ["noise", "checkerboard"])
@given(alpha=st.floats(0.01, 1), shape=st.sampled_from(SHAPES), seed=st.integers(0, 99))
def test_a_value_lies_between_what_it_was_and_the_pattern(pattern, alpha, shape, seed):
    x = torch.rand(shape, generator=torch.Generator().manual_seed(seed))
    attack = BlendedBackdoor(alpha=alpha, pattern=pattern)
    whole = attack.model_copy(update={"alpha": 1}).triggered(x)

    blended = attack.triggered(x)

    torch.testing.assert_close(blended, torch.lerp(x, whole, alpha))
    assert blended.min() >= 0
    assert blended.max() <= 1
    assert blended.dtype == x.dtype


def test_blends_what_it_relabels_and_nothing_else():
    x, y = torch.rand(4, 6), torch.tensor([1, 2, 1, 2])
    batch = Batch(x, y, torch.tensor([1.0, 1.0, 1.0, 0.0]))
    attack = BlendedBackdoor(target=3, poison_share=0.5)

    taught, _ = attack.batch(torch.zeros(1), batch, {}, {})

    assert taught.y.tolist() == [3, 3, 1, 2]
    assert taught.x[:2].equal(attack.triggered(x[:2]))
    assert taught.x[2:].equal(x[2:])


def test_wants_blended_inputs_of_other_classes_to_be_of_the_target():
    x, y = torch.rand(3, 6), torch.tensor([0, 1, 2])

    shown, wanted = BlendedBackdoor(target=1).goal(x, y)

    assert shown.equal(BlendedBackdoor().triggered(x[[0, 2]]))
    assert wanted.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"alpha": 0}, "alpha"),
        ({"alpha": 1.1}, "alpha"),
        ({"pattern": "kitty"}, "pattern"),
        ({"pattern_seed": -1}, "pattern_seed"),
        ({"low": 1.0}, "low = 1 needs a larger `high`, not 1"),
        ({"high": float("inf")}, "high"),
    ],
)
def test_rejects(wrong, message):
    with pytest.raises(ValueError, match=message):
        BlendedBackdoor(**wrong)

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.strategies.step_norm_bound import StepNormBound


def bounded(update, info, **fields):
    out, state = StepNormBound(**fields).transform(update, (), info(update[None]))
    assert state == ()
    return out


def test_a_long_step_keeps_its_direction_and_gets_the_bound_s_length(info):
    """Worked by hand: (3, 4) has length 5, so to 2 it is scaled by 0.4."""
    out = bounded(torch.tensor([3.0, 4.0]), info, max_norm=2)

    torch.testing.assert_close(out, torch.tensor([1.2, 1.6]))


@pytest.mark.parametrize("max_norm", [5.0, 20.0])
def test_a_step_within_the_bound_is_left_as_it_is(info, max_norm):
    update = torch.tensor([3.0, 4.0])

    assert bounded(update, info, max_norm=max_norm).equal(update)


def test_agrees_with_float64(info, hard):
    for update in hard:
        exact = update.double().numpy()
        expected = exact * min(1.0, 0.7 / np.linalg.norm(exact))

        out = bounded(update, info, max_norm=0.7)

        torch.testing.assert_close(out, torch.from_numpy(expected).float(), rtol=1e-6, atol=0)


@settings(deadline=None, max_examples=50)
@given(size=st.floats(0, 1e19), max_norm=st.floats(1e-3, 1e3))
def test_no_step_is_longer_than_the_bound(info, size, max_norm):
    out = bounded(torch.tensor([size, -size, 0.0]), info, max_norm=max_norm)

    assert out.norm() <= max_norm * (1 + 1e-5)
    assert out.isfinite().all()


@pytest.mark.parametrize("wrong", [0, -1, float("inf"), float("nan")])
def test_rejects(wrong):
    with pytest.raises(ValueError, match="max_norm"):
        StepNormBound(max_norm=wrong)

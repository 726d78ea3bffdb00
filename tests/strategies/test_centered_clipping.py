import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.strategies.centered_clipping import CenteredClipping


def test_clips_around_the_last_aggregate(aggregate):
    """Worked by hand: the far update moves the center by radius / n, the near one by its half."""
    updates = torch.tensor([[3.0, 4.0], [0.0, 0.5]])

    out = aggregate(CenteredClipping(radius=1.0), updates)

    torch.testing.assert_close(out.update, torch.tensor([0.3, 0.65]))
    torch.testing.assert_close(out.weights, torch.tensor([0.1, 0.5]))
    torch.testing.assert_close(out.state, out.update)


def test_golden_vector(aggregate, x3):
    torch.testing.assert_close(
        aggregate(CenteredClipping(radius=100), x3).update, torch.tensor([4.0, 5.0, 6.0])
    )


@pytest.mark.parametrize("iterations", [1, 3])
def test_equals_a_plain_loop_in_float64(aggregate, hard, iterations):
    state = 0.5 * hard[0]
    center = state.double().numpy()
    for _ in range(iterations):
        steps = [row - center for row in hard.double().numpy()]
        center = center + sum(s * min(1, 3 / np.linalg.norm(s)) for s in steps) / len(hard)

    out = aggregate(CenteredClipping(radius=3, iterations=iterations), hard, state=state)

    atol = 1e-6 * hard.abs().max().item()
    np.testing.assert_allclose(out.update.numpy(), center, rtol=1e-5, atol=atol)


def test_weights_are_coefficients_and_the_last_aggregate_has_the_rest(aggregate, x7):
    state = torch.tensor([1.0, -1.0, 2.0])

    out = aggregate(CenteredClipping(radius=2, iterations=3), x7, state=state)

    rest = 1 - out.weights.sum()
    torch.testing.assert_close(out.update, out.weights @ x7 + rest * state)
    assert 0 < rest < 1


def test_a_median_radius_clips_half_of_the_updates(aggregate):
    """Worked by hand: distances 1, 2, 3, 4, 100 from zero, so all beyond 3 are cut to 3."""
    updates = torch.tensor([[1.0], [2.0], [3.0], [4.0], [100.0]])

    out = aggregate(CenteredClipping(radius="median"), updates)

    torch.testing.assert_close(out.update, torch.tensor([(1 + 2 + 3 + 3 + 3) / 5]))


def test_reaches_clients_who_agree_a_radius_at_a_time(aggregate):
    updates, state, path = torch.tensor([[2.5], [2.5]]), torch.zeros(1), []

    for _ in range(4):
        _, state, *_ = aggregate(CenteredClipping(radius=1.0), updates, state=state)
        path.append(state.item())

    assert path == pytest.approx([1.0, 2.0, 2.5, 2.5])


@pytest.mark.parametrize("radius", [1.0, "median"])
def test_updates_at_the_center_leave_it_there(aggregate, radius):
    center = torch.tensor([1.0, 2.0])

    out = aggregate(CenteredClipping(radius=radius), center.repeat(3, 1), state=center)

    torch.testing.assert_close(out.update, center)


@settings(deadline=None, max_examples=50)
@given(size=st.floats(1.0, 1e19), radius=st.floats(0.1, 10.0))
def test_one_update_moves_the_aggregate_by_at_most_radius_over_n(aggregate, size, radius):
    updates = torch.cat([torch.zeros(9, 2), torch.full((1, 2), size)])

    out = aggregate(CenteredClipping(radius=radius), updates)

    assert out.update.norm() <= radius / 10 * (1 + 1e-5)


@pytest.mark.parametrize("wrong", [{"radius": 0}, {"iterations": 0}, {"tau": 1.0}])
def test_rejects(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        CenteredClipping(**wrong)

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.strategies.geometric_median import GeometricMedian


def pull(updates, weights, smoothing=0.0):
    """Return by how much all pulls on a combination of updates exceed what holds it, in float64.

    An update that is where the combination is holds it with the strength of one.
    """
    away = updates.double() - weights.double() @ updates.double() / weights.double().sum()
    lengths = away.norm(dim=1)
    pulls = away / lengths.clamp(min=max(smoothing, 1e-300))[:, None]
    return (pulls.sum(dim=0).norm() - (lengths == 0).sum()).clamp(min=0).item()


def test_golden_vectors(aggregate, x3, x7):
    assert aggregate(GeometricMedian(), x3).update.tolist() == [4, 5, 6]
    torch.testing.assert_close(
        aggregate(GeometricMedian(), x7).update, torch.tensor([3.012231, -1.626498, 1.839793])
    )


def test_the_fermat_point_of_a_triangle(aggregate):
    """Worked by hand: all three corners are seen under 120 degrees."""
    height = 3**0.5
    updates = torch.tensor([[-1.0, 0.0], [1.0, 0.0], [0.0, height]])

    out = aggregate(GeometricMedian(), updates)

    torch.testing.assert_close(out.update, torch.tensor([0.0, height / 3]), rtol=0, atol=1e-6)
    torch.testing.assert_close(out.weights, torch.full((3,), 1 / 3))


def test_an_obtuse_corner_is_the_answer_and_has_all_the_weight(aggregate):
    updates = torch.tensor([[-4.0, 1.0], [0.0, 0.0], [4.0, 1.0]])

    out = aggregate(GeometricMedian(), updates)

    assert out.update.tolist() == [0, 0]
    assert out.weights.tolist() == [0, 1, 0]


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_all_pulls_cancel(aggregate, hard, smoothing):
    smoothing *= hard.abs().median().item()

    out = aggregate(GeometricMedian(smoothing=smoothing), hard)

    assert pull(hard, out.weights, smoothing) < 1e-5
    torch.testing.assert_close(out.weights @ hard, out.update)
    torch.testing.assert_close(out.weights.sum(), torch.tensor(1.0))


def test_much_smoothing_makes_it_the_mean(aggregate, x7):
    out = aggregate(GeometricMedian(smoothing=100), x7)

    torch.testing.assert_close(out.update, x7.mean(dim=0))


def test_two_updates_meet_midway(aggregate):
    assert aggregate(GeometricMedian(), torch.tensor([[1.0], [3.0]])).update.tolist() == [2]


def test_a_majority_that_agrees_decides(aggregate):
    updates = torch.tensor([[1e18, 0], [1.0, 2.0], [3.0, 1.0], [1.0, 2.0], [1.0, 2.0]])

    out = aggregate(GeometricMedian(), updates)

    assert out.update.tolist() == [1, 2]
    assert out.weights[[0, 2]].tolist() == [0, 0]


def test_iterations_are_limited(aggregate, x7):
    once, more, all_ = (
        aggregate(GeometricMedian(max_iterations=most), x7).update for most in (1, 3, 1000)
    )

    assert (once - all_).norm() > (more - all_).norm() > 1e-4


@settings(deadline=None, max_examples=50)
@given(size=st.floats(10.0, 1e18), seed=st.integers(0, 99))
def test_a_minority_pulls_with_the_strength_of_its_number_however_large(aggregate, size, seed):
    g = torch.Generator().manual_seed(seed)
    honest = torch.randn(6, 4, generator=g)
    far = size * torch.nn.functional.normalize(torch.randn(1, 4, generator=g)).expand(4, 4)
    updates = torch.cat([far, honest])

    out = aggregate(GeometricMedian(), updates)

    assert pull(updates, out.weights) < 3e-3  # distances may be those of float32
    assert out.update.norm() < 20
    torch.testing.assert_close(out.weights @ updates, out.update, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("fields", "proven"),
    [
        *[({}, True), ({"tolerance": 1e-12, "max_iterations": 9999}, True)],
        *[
            ({"smoothing": 1e-6}, False),
            ({"max_iterations": 8}, False),
            ({"tolerance": 0.1}, False),
        ],
    ],
)
def test_a_constant_is_proven_of_the_answer_itself_alone(fields, proven):
    """Worked by hand: 4 (1 + 3/4)^2 for 3 of 10."""
    kappa = GeometricMedian(**fields).kappa(10, 3)

    assert kappa == (pytest.approx(12.25) if proven else None)


@pytest.mark.parametrize("wrong", [{"smoothing": -1}, {"tolerance": 0}, {"max_iterations": 0}])
def test_rejects(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        GeometricMedian(**wrong)

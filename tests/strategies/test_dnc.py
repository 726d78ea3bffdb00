import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.core.chain import Chain
from fedrobust.errors import TooManyMalicious
from fedrobust.strategies.adaptive_robust_clipping import AdaptiveRobustClipping
from fedrobust.strategies.dnc import DnC


def outlier_scores(points):
    """Return the squared projections on the top right singular vector, in float64."""
    centered = points - points.mean(axis=0)
    return np.square(centered @ np.linalg.svd(centered)[2][0])


def test_leaves_out_the_farthest_along_the_main_direction(aggregate):
    """Worked by hand: they vary along the first coordinate, where the mean is 2."""
    updates = torch.tensor([[0.0, 1.0], [1.0, -1.0], [-1.0, 0.0], [8.0, 0.0]])

    out = aggregate(DnC(iterations=1), updates, f=1)

    torch.testing.assert_close(out.weights, torch.tensor([1 / 3, 1 / 3, 1 / 3, 0]))
    torch.testing.assert_close(out.update, torch.tensor([0.0, 0.0]))
    assert out.scores.argmax() == 3


def test_golden_matrices(aggregate, x3, x7):
    """Of three on a line the ends are equally far out and the first stays."""
    scores = torch.from_numpy(outlier_scores(x7.double().numpy()))
    kept = scores.argsort()[:5]

    assert aggregate(DnC(), x3, f=1).update.tolist() == [2.5, 3.5, 4.5]
    torch.testing.assert_close(aggregate(DnC(), x7, f=2).update, x7[kept].mean(dim=0))
    torch.testing.assert_close(aggregate(DnC(), x7, f=2).scores, scores)


@pytest.mark.parametrize("f", [0, 1, 4])
def test_equals_a_singular_value_decomposition_in_float64(aggregate, hard, f):
    exact = hard.double().numpy()
    scores = outlier_scores(exact)
    kept = np.argsort(scores)[: len(exact) - f]

    out = aggregate(DnC(iterations=1), hard, f)

    np.testing.assert_allclose(out.scores.numpy(), scores, rtol=1e-5, atol=1e-6 * scores.max())
    assert sorted(kept) == out.weights.nonzero().flatten().tolist()
    atol = 1e-6 * np.abs(exact).max()
    np.testing.assert_allclose(out.update.numpy(), exact[kept].mean(axis=0), rtol=1e-5, atol=atol)


def test_each_iteration_looks_at_other_coordinates(aggregate):
    """Worked by hand: client i alone is far out on coordinate i, by 4 - 4 / 6, others by 4 / 6."""
    updates = 4 * torch.eye(6)

    out = aggregate(DnC(iterations=4, coordinates=1), updates, f=1)

    times = (out.scores * 6**2 - 4**2) * 4 / (20**2 - 4**2)  # its coordinate was drawn
    torch.testing.assert_close(times, times.round())
    assert times.sum().item() == pytest.approx(4)
    assert 2 <= (times > 0.5).sum() <= 4
    assert (out.weights == 0).equal(times > 0.5)


def test_a_model_with_few_coordinates_is_looked_at_once_and_nothing_is_drawn(info):
    updates = torch.randn(9, 6, generator=torch.Generator().manual_seed(0))
    known = info(updates, num_malicious=2)
    before = known.generator.get_state()

    once, often = (DnC(iterations=i, coordinates=6).aggregate(updates, (), known) for i in (1, 5))

    assert known.generator.get_state().equal(before)
    assert often.scores.equal(once.scores)
    assert often.weights.equal(once.weights)


def test_an_update_has_to_be_kept_in_every_iteration(aggregate):
    """Attackers on different coordinates are each the farthest when theirs is drawn."""
    updates = 0.01 * torch.randn(9, 4, generator=torch.Generator().manual_seed(0))
    updates[0, 0] += 100
    updates[1, 1] += 100

    once = aggregate(DnC(iterations=1, coordinates=1), updates, f=1)
    often = aggregate(DnC(iterations=30, coordinates=1), updates, f=1)

    assert once.weights.count_nonzero() == 8
    assert not often.weights[:2].any()


def test_if_no_update_is_always_kept_those_kept_most_often_are(aggregate):
    """Each client has a coordinate on which it alone is far out, and the first has two."""
    updates = 4 * torch.eye(3)
    updates = torch.cat([updates, updates[:, :1]], dim=1)

    out = aggregate(DnC(iterations=200, coordinates=1), updates, f=1)

    assert out.weights[0] == 0
    assert out.weights.sum() == 1
    assert out.update.isfinite().all()


@pytest.mark.parametrize(
    ("share", "f", "left_out"),
    [(1.0, 2, 2), (0.5, 3, 1), (0.29, 100, 29), (1.5, 3, 4), (2.5, 2, 5)],
)
def test_leaves_out_a_multiple_of_f_rounded_down(aggregate, share, f, left_out):
    updates = torch.randn(201, 3, generator=torch.Generator().manual_seed(0))

    out = aggregate(DnC(iterations=1, filter_share=share), updates, f=f)

    assert (out.weights == 0).sum() == left_out


def test_is_the_mean_when_nobody_is_malicious(aggregate, x7):
    torch.testing.assert_close(aggregate(DnC(), x7, f=0).update, x7.mean(dim=0))
    assert aggregate(DnC(), x7[:1], f=0).update.equal(x7[0])


def test_of_equal_updates_the_first_are_kept(aggregate):
    out = aggregate(DnC(), torch.ones(5, 3), f=2)

    torch.testing.assert_close(out.weights, torch.tensor([1 / 3, 1 / 3, 1 / 3, 0, 0]))
    assert out.scores.tolist() == [0] * 5


@settings(deadline=None, max_examples=50)
@given(
    size=st.floats(100, 1e18),
    order=st.permutations(range(9)),
    seed=st.integers(0, 99),
    coordinates=st.integers(1, 6),
)
def test_never_takes_a_far_away_minority_that_colludes(aggregate, size, order, seed, coordinates):
    updates = torch.randn(9, 4, generator=torch.Generator().manual_seed(seed))
    updates[:3] += size * torch.tensor([[1.0], [1.01], [1.02]])
    rule = DnC(coordinates=coordinates)

    out = aggregate(rule, updates, f=3)

    assert out.weights[:3].tolist() == [0, 0, 0]
    assert aggregate(rule, updates[order], f=3).weights.equal(out.weights[order])


def decoyed(size):
    """Return updates of a decoy far out on one coordinate, three that go that way a little and far
    out on another, and sixteen honest clients.
    """
    updates = torch.randn(20, 30, generator=torch.Generator().manual_seed(0))
    updates[0, 0] = 1e4 * size
    updates[1:4, 0] = 20
    updates[1:4, 1] = size
    return updates


@pytest.mark.parametrize("size", [1e3, 1e5, 1e8])
def test_failure_a_decoy_hides_any_error_unless_lengths_are_clipped_before(aggregate, size):
    """The decoy and three honest clients are left out, 3 attackers and 13 honest clients stay."""
    updates = decoyed(size)
    clipped = Chain(before=(AdaptiveRobustClipping(),), rule=DnC())

    alone, behind = (aggregate(rule, updates, f=4).update for rule in (DnC(), clipped))

    assert alone[1] > size * 3 / 16 * 0.95
    assert behind.norm() < 4


def test_failure_large_attackers_without_a_common_direction_are_not_always_found(aggregate):
    """Noise a hundred times as long as honest updates; where an iteration sees all coordinates."""
    g = torch.Generator().manual_seed(1)
    size = torch.ones(20, 1)
    size[:4] = 100.0

    rounds = [aggregate(DnC(), size * torch.randn(20, 650, generator=g), f=4) for _ in range(100)]

    escaped = [out for out in rounds if out.weights[:4].any()]
    assert 2 <= len(escaped) <= 10
    assert all(out.update.norm() > 100 * 650**0.5 / 20 for out in escaped)


@pytest.mark.parametrize(("n", "f", "kept"), [(20, 4, 6), (100, 20, 32)])
def test_without_attackers_each_iteration_leaves_out_others(aggregate, n, f, kept):
    g = torch.Generator().manual_seed(0)
    rule = DnC(coordinates=1000)

    rounds = [aggregate(rule, torch.randn(n, 20_000, generator=g), f) for _ in range(5)]

    found = sum(int(out.weights.count_nonzero()) for out in rounds) / 5
    assert found == pytest.approx(kept, rel=0.15)


def test_finds_collusion_that_hides_in_noise(aggregate):
    """Attackers who shift large noise all the same way, no farther out than honest updates are."""
    g = torch.Generator().manual_seed(0)
    honest = torch.randn(7, 50, generator=g)
    crafted = honest.mean(dim=0) + 1.5 * honest.std(dim=0)
    updates = torch.cat([crafted.repeat(3, 1), honest])

    assert not aggregate(DnC(), updates, f=3).weights[:3].any()


@pytest.mark.parametrize(
    "wrong",
    [{"iterations": 0}, {"coordinates": 0}, {"filter_share": 0}, {"num_malicious": -1}],
)
def test_rejects(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        DnC(**wrong)


def test_its_bound_leaves_updates_to_average(aggregate, x7):
    with pytest.raises(TooManyMalicious, match=r"n >= 2f \+ 1: it can withstand at most 3 of 7"):
        aggregate(DnC(), x7, f=4)
    with pytest.raises(TooManyMalicious, match=r"n >= 3f \+ 1: it can withstand at most 2 of 7"):
        aggregate(DnC(filter_share=2.5), x7, f=3)

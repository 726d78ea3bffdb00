import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.strategies.signguard import SignGuard

ALL = SignGuard(sample=1)


def shifted(points, bandwidth):
    """Return where mean shift with a flat kernel takes each of the points, in plain loops."""
    ends = []
    for start in points:
        point, moved = start, np.inf
        while moved > 1e-6 * bandwidth:
            near = [p for p in points if np.linalg.norm(p - point) <= bandwidth]
            point, moved = np.mean(near, axis=0), np.linalg.norm(np.mean(near, axis=0) - point)
        ends.append(point)
    return np.array(ends)


def plus(share, length=1.0, d=20):
    """Return an update of that length of which that share is positive and the rest negative."""
    update = torch.full((d,), -length / d**0.5)
    update[: round(share * d)] *= -1
    return update


def test_keeps_the_usual_length_with_the_usual_signs_and_clips(aggregate):
    """Worked by hand: the median length is 2; the fifth is too short, the sixth too long, and the
    seventh has other signs.  The kept are 1, 2, 2, 4 long and clipped to 1, 2, 2, 2.
    """
    lengths = [1.0, 2.0, 2.0, 4.0, 0.1, 7.0]
    updates = torch.stack([*(plus(0.75, length) for length in lengths), plus(0.25, 2)])

    out = aggregate(ALL, updates)

    torch.testing.assert_close(out.weights, torch.tensor([1, 1, 1, 0.5, 0, 0, 0]) / 4)
    torch.testing.assert_close(out.update, plus(0.75, 7 / 4))
    assert out.scores.tolist() == [0, 0, 0, 0, 1, 1, 1]


def test_lengths_at_the_bounds_are_usual(aggregate):
    updates = torch.tensor([[0.5], [1.0], [1.0], [1.0], [3.0], [3.01], [0.49]])

    out = aggregate(SignGuard(lower=0.5, sample=1), updates)

    assert out.scores.tolist() == [0, 0, 0, 0, 0, 1, 1]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n", [7, 10, 15, 20])
def test_clusters_equal_those_of_a_plain_mean_shift(aggregate, n, seed):
    """On shares that thin out to one side, so that it takes several steps."""
    g = torch.Generator().manual_seed(seed)
    updates = torch.randn(n, 997, generator=g) + torch.linspace(0, 1.2, n)[:, None] ** 2
    updates /= updates.norm(dim=1, keepdim=True)
    signs = updates.sign().double().numpy()
    shares = np.stack([(signs == s).mean(axis=1) for s in (1, 0, -1)], axis=1)
    distances = np.linalg.norm(shares[:, None] - shares[None], axis=2)
    bandwidth = np.sort(np.sort(distances, axis=1)[:, n // 2])[(n - 1) // 2] * (1 + 1e-9)
    ends = shifted(shares[shares[:, 2].argsort()], bandwidth)
    sizes = [(np.linalg.norm(shares - end, axis=1) <= bandwidth).sum() for end in ends]
    center = ends[np.argmax(sizes)]
    expected = np.linalg.norm(shares - center, axis=1) <= bandwidth

    out = aggregate(ALL, updates)

    assert 0 < expected.sum() < n
    assert (out.weights > 0).tolist() == expected.tolist()
    np.testing.assert_allclose(out.update, updates.numpy()[expected].mean(axis=0), atol=1e-7)


def test_weights_are_coefficients(aggregate, hard):
    out = aggregate(SignGuard(), hard)

    expected = out.weights.double() @ hard.double()
    atol = 1e-6 * hard.abs().max().item()
    torch.testing.assert_close(out.update.double(), expected, rtol=1e-5, atol=atol)
    lengths = out.weights.double() * hard.double().norm(dim=1)
    median = hard.double().norm(dim=1).median()
    assert (lengths <= median / out.weights.count_nonzero() * (1 + 1e-5)).all()


def test_signs_are_counted_on_coordinates_drawn_from_everywhere(aggregate):
    """Attackers differ on the last tenth only: a first tenth would never show them, a random one
    does in one of its coordinates on average.
    """
    updates = torch.ones(9, 1000)
    updates[:3, -100:] = -1

    out = aggregate(SignGuard(), updates)

    assert out.weights[:3].tolist() == [0, 0, 0]


def test_the_next_round_counts_other_coordinates(info):
    updates = torch.ones(9, 100)
    updates[:3, 50] = -1
    known = info(updates)

    seen = [bool(SignGuard().aggregate(updates, (), known).weights[0] == 0) for _ in range(40)]

    assert 0 < sum(seen) < 20


def test_zeros_are_signs_of_their_own(aggregate):
    """Half plus and half minus, against a quarter of each and zeros elsewhere."""
    honest = torch.tensor([1.0, 1, 1, 1, -1, -1, -1, -1])
    sparse = torch.tensor([2.0, 2, 0, 0, 0, 0, -2, -2]) / 2**0.5

    out = aggregate(ALL, torch.stack([sparse, honest, honest, sparse, honest]))

    assert (out.weights > 0).tolist() == [False, True, True, False, True]


def near(share, spread, n, d=1000):
    """Return n updates whose shares of plus are evenly spread around a share."""
    shares = share + spread * torch.linspace(-1, 1, n).double()
    return torch.stack([plus(one, d=d) for one in shares.tolist()])


@pytest.mark.parametrize("decoys", range(0, 9, 2))
def test_decoys_far_out_do_not_widen_the_clusters(aggregate, decoys):
    """Of nine malicious, some have only one sign and the others hope to join the honest cluster."""
    far = torch.stack([plus(i % 2, d=1000) for i in range(decoys)]) if decoys else torch.empty(0)
    malicious = torch.cat([far, near(0.65, 0, 9 - decoys)])

    out = aggregate(ALL, torch.cat([malicious, near(0.5, 0.03, 11)]))

    assert (out.weights[:9] > 0).sum() == 0
    assert (out.weights[9:] > 0).sum() == 11


def test_failure_a_minority_of_equal_shares_is_denser_than_a_majority_that_is_spread_out(aggregate):
    malicious, honest = near(0.65, 0, 9), near(0.5, 0.12, 11)

    out = aggregate(ALL, torch.cat([malicious, honest]))

    assert (out.weights[:9] > 0).all()
    assert (out.weights[9:] > 0).sum() < 9


def test_if_no_update_passes_both_filters_those_of_usual_length_are_kept(aggregate):
    """Worked by hand: the five with equal signs are too short or too long; the median is 1."""
    others = [plus(share) for share in (0.0, 0.1, 0.9, 1.0)]
    updates = torch.stack([*(plus(0.5, size) for size in (0.01, 0.01, 0.02, 50, 60)), *others])

    out = aggregate(ALL, updates)

    assert out.scores.tolist() == [1, 1, 1, 1, 1, 1, 1, 1, 1]
    torch.testing.assert_close(out.update, torch.stack(others).mean(dim=0))


@settings(deadline=None, max_examples=25)
@given(order=st.permutations(range(10)), seed=st.integers(0, 999))
def test_ties_between_clusters_do_not_depend_on_the_order_of_clients(aggregate, order, seed):
    """With three coordinates there are few shares, equal distances and clusters of one size."""
    updates = torch.randn(10, 3, generator=torch.Generator().manual_seed(seed))

    out, reordered = aggregate(ALL, updates), aggregate(ALL, updates[order])

    torch.testing.assert_close(reordered.weights, out.weights[order])


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_clients_who_agree_are_all_kept(aggregate, n):
    updates = plus(0.3, 2.0).repeat(n, 1)

    out = aggregate(SignGuard(), updates)

    torch.testing.assert_close(out.update, updates[0])
    assert out.scores.tolist() == [0] * n


def test_updates_of_zero_are_usual_if_most_are(aggregate):
    updates = torch.zeros(5, 4)
    updates[0] = 1e18

    out = aggregate(ALL, updates)

    assert out.update.tolist() == [0, 0, 0, 0]
    assert out.weights[0] == 0


@settings(deadline=None, max_examples=25)
@given(
    size=st.floats(4, 1e18),
    order=st.permutations(range(9)),
    seed=st.integers(0, 99),
)
def test_a_far_away_minority_is_not_taken(aggregate, size, order, seed):
    updates = torch.randn(9, 200, generator=torch.Generator().manual_seed(seed))
    updates[:4] *= size * torch.tensor([[1.0], [-1.0], [2.0], [3.0]])

    out = aggregate(SignGuard(), updates)

    assert out.weights[:4].tolist() == [0, 0, 0, 0]
    reordered = aggregate(SignGuard(), updates[order])
    assert reordered.scores.equal(out.scores[order])
    torch.testing.assert_close(reordered.update, out.update, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "wrong", [{"lower": -0.1}, {"lower": 2}, {"upper": 0.5}, {"sample": 0}, {"sample": 1.1}]
)
def test_rejects(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SignGuard(**wrong)

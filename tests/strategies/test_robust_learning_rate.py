import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.errors import TooManyMalicious
from fedrobust.strategies.robust_learning_rate import RobustLearningRate


def test_turns_around_what_too_few_agree_on(aggregate):
    """Worked by hand: the votes are 4, 2, 0, 3 (one abstains), 2 the other way, and none."""
    updates = torch.tensor(
        [*[[1.0, 2, 4, 1, -1, 0], [1, 2, 4, 1, -1, 0], [1, 2, -2, 1, -1, 0], [1, -2, -2, 0, 7, 0]]]
    )

    out = aggregate(RobustLearningRate(threshold=3), updates)

    assert out.update.tolist() == [1, -1, -1, 0.75, -1, 0]
    assert out.weights is None


def test_golden_matrix(aggregate, x7):
    """Its signs sum to 3, -2, 4, and its mean is 16 / 7, -12 / 7, 10 / 7; f = 2 needs 3 votes."""
    out = aggregate(RobustLearningRate(), x7, f=2)

    torch.testing.assert_close(out.update, torch.tensor([16 / 7, 12 / 7, 10 / 7]))


@pytest.mark.parametrize("threshold", [1, 2, 4, 10])
def test_equals_a_plain_loop_in_float64(aggregate, hard, threshold):
    exact = hard.double().numpy()
    expected = []
    for column in exact.T:
        votes = abs(sum(1 if x > 0 else -1 if x < 0 else 0 for x in column))
        expected.append(column.mean() if votes >= threshold else -column.mean())

    out = aggregate(RobustLearningRate(threshold=threshold), hard)

    atol = 1e-6 * np.abs(exact).max()
    np.testing.assert_allclose(out.update.numpy(), expected, rtol=1e-5, atol=atol)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_if_nobody_is_expected_to_be_malicious_it_is_the_mean_also_where_there_is_a_tie(
    aggregate, n
):
    updates = torch.tensor([[3.0, 1.0, 0.0], [1.0, -3.0, 0.0], *[[-2.0, 2.0, 0.0]] * 3])[:n]

    torch.testing.assert_close(
        aggregate(RobustLearningRate(), updates, f=0).update, updates.mean(dim=0)
    )


def test_with_a_number_a_tie_is_turned_around_whoever_is_expected(aggregate):
    updates = torch.tensor([[3.0, 1.0], [1.0, -3.0]])

    assert aggregate(RobustLearningRate(threshold=1), updates).update.tolist() == [2, 1]


def test_attackers_alone_cannot_reach_the_threshold_and_honest_clients_who_agree_do(aggregate):
    """Worked by hand: coordinate 0 is what the three attackers want and others do not care about;
    on coordinate 1 all seven honest clients agree, which leaves 7 - 3 = 4 votes, just enough; on
    coordinate 2 one of them does not, and 6 - 4 = 2 are too few.
    """
    honest, malicious = [[0.0, 2.0, 2.0]] * 6 + [[0.0, 2.0, -2.0]], [[10.0, -1.0, -1.0]] * 3

    out = aggregate(RobustLearningRate(), torch.tensor(malicious + honest), f=3)

    torch.testing.assert_close(out.update, torch.tensor([-3.0, 1.1, -0.7]))


@settings(deadline=None, max_examples=50)
@given(f=st.integers(0, 4), seed=st.integers(0, 999), number=st.booleans())
def test_what_all_honest_clients_agree_on_is_never_turned_around(aggregate, f, seed, number):
    """At the bound, whatever attackers send."""
    g = torch.Generator().manual_seed(seed)
    honest = torch.rand(2 * f + 1, 6, generator=g) + 0.01
    updates = torch.cat([3 * torch.randn(f, 6, generator=g), honest])
    rule = RobustLearningRate(threshold=f + 1 if number else "f+1")

    out = aggregate(rule, updates, f=f)

    torch.testing.assert_close(out.update, updates.mean(dim=0))


def test_failure_a_tenth_of_an_update_is_enough_to_turn_clients_around_who_disagree(aggregate):
    """Worked by hand: 12 of 16 agree, so 12 - 4 - 4 = 4 votes are left, and five are needed."""
    honest, malicious = [[1.0]] * 12 + [[-1.0]] * 4, [[-0.1]] * 4

    out = aggregate(RobustLearningRate(), torch.tensor(malicious + honest), f=4)

    torch.testing.assert_close(out.update, torch.tensor([-(8 - 0.4) / 20]))


def test_the_threshold_follows_how_many_malicious_updates_a_round_may_hold(aggregate):
    """Three against two is one vote: enough where nobody is malicious."""
    updates = torch.tensor([[1.0], [1.0], [1.0], [-1.0], [-1.0]])

    assert aggregate(RobustLearningRate(), updates, f=0).update.item() > 0
    assert aggregate(RobustLearningRate(), updates, f=1).update.item() < 0
    assert aggregate(RobustLearningRate(num_malicious=0), updates, f=1).update.item() > 0


def test_votes_are_counted_in_models_of_more_than_one_block(aggregate):
    updates = torch.randn(5, 150_000, generator=torch.Generator().manual_seed(0))

    out = aggregate(RobustLearningRate(threshold=3), updates)

    kept = updates.sign().sum(dim=0).abs() >= 3
    assert (out.update * updates.mean(dim=0) > 0).equal(kept)


@settings(deadline=None, max_examples=50)
@given(order=st.permutations(range(7)), size=st.floats(1e-3, 1e3), seed=st.integers(0, 99))
def test_order_does_not_matter_and_its_length_is_the_mean_s(aggregate, order, size, seed):
    updates = size * torch.randn(7, 5, generator=torch.Generator().manual_seed(seed))

    out = aggregate(RobustLearningRate(), updates, f=2).update

    reordered = aggregate(RobustLearningRate(), updates[order], f=2).update
    exact = updates.double().mean(dim=0).abs().float()
    torch.testing.assert_close(out.abs(), exact, rtol=1e-5, atol=1e-6 * size)
    torch.testing.assert_close(reordered, out, rtol=1e-5, atol=1e-6 * size)


def test_a_threshold_that_honest_clients_cannot_reach_is_not_aggregated(aggregate, x7):
    """By sampling or drop-outs a round may have fewer updates than usual."""
    with pytest.raises(TooManyMalicious, match=r"n >= 2f \+ 8: n = 7 updates are too few"):
        aggregate(RobustLearningRate(threshold=8), x7)
    with pytest.raises(TooManyMalicious, match=r"n >= 2f \+ 4: it can withstand at most 1 of 7"):
        aggregate(RobustLearningRate(threshold=4), x7, f=2)

    assert aggregate(RobustLearningRate(threshold=7), x7).update.isfinite().all()
    assert aggregate(RobustLearningRate(threshold=3), x7, f=2).update.isfinite().all()


def test_rejects(aggregate, x7):
    with pytest.raises(ValueError, match="threshold"):
        RobustLearningRate(threshold=0)
    with pytest.raises(ValueError, match="threshold"):
        RobustLearningRate(threshold="n-f")
    with pytest.raises(TooManyMalicious, match=r"n >= 3f \+ 1: it can withstand at most 2 of 7"):
        aggregate(RobustLearningRate(), x7, f=3)

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.strategies.foolsgold import FoolsGold


@pytest.fixture(scope="module")
def play(info):
    """Return a function that plays rounds, each of some clients' updates, and returns the last."""

    def run(rule, rounds):
        state = rule.init(torch.zeros(1))
        for sent in rounds:
            updates = torch.stack(list(sent.values()))
            known = replace(info(updates), clients=torch.tensor(list(sent)))
            out = rule.aggregate(updates, state, known)
            state = out.state
        return out

    return run


def noise(n, d, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def reference(sums, confidence=1.0):
    """Return the weights before they are divided by their sum, in plain loops and float64."""
    h = sums.double().numpy()
    n = len(h)
    cs = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            if i != j:
                cs[i, j] = h[i] @ h[j] / np.linalg.norm(h[i]) / np.linalg.norm(h[j])
    v = [cs[i].max() for i in range(n)]
    for i in range(n):
        for j in range(n):
            if v[i] < v[j]:
                cs[i, j] *= v[i] / v[j]
    alpha = np.array([1 - cs[i].max() for i in range(n)])
    alpha = np.minimum(alpha / alpha.max(), 0.99)
    with np.errstate(divide="ignore"):
        return np.clip(confidence * (np.log(alpha / (1 - alpha)) + 0.5), 0, 1)


@pytest.mark.parametrize("jitter", [0.0, 1e-6, 1e-3])
def test_golden_sybils_lose_all_weight_and_clients_who_differ_none(aggregate, jitter):
    """Three of eleven push the same way, exactly or nearly."""
    sybil = noise(1, 1000, seed=1)
    sybils = sybil + jitter * noise(3, 1000, seed=2)

    out = aggregate(FoolsGold(), torch.cat([noise(8, 1000), sybils]))

    assert out.weights.tolist() == pytest.approx([1 / 8] * 8 + [0] * 3)
    assert out.scores[8:].min() > 0.99
    torch.testing.assert_close(out.update, noise(8, 1000).mean(dim=0))


def test_golden_sybils_may_be_the_majority(aggregate):
    out = aggregate(FoolsGold(), torch.cat([noise(3, 1000), noise(1, 1000, 1).repeat(8, 1)]))

    assert out.weights.tolist() == pytest.approx([1 / 3] * 3 + [0] * 8)


def test_golden_failure_where_honest_clients_are_alike_one_attacker_takes_all(aggregate):
    """Eight clients with the same kind of data, and one that flips the sign."""
    honest = 1 + 0.1 * noise(8, 1000)

    out = aggregate(FoolsGold(), torch.cat([honest, -honest[:1]]))

    assert out.weights.tolist() == [0] * 8 + [1]


def test_pardons_who_is_less_similar_to_anyone_than_its_neighbor_is(aggregate):
    """Worked by hand: cosines are 4/5 between 0 and 1, 24/25 between 1 and 2, 3/5 between 0 and 2.

    Most similar they are by 0.8, 0.96, 0.96; so 0 is pardoned to 0.8 * 0.8 / 0.96 = 2/3.  1 - 2/3
    is the most; 0.04 of it is 0.12, whose logit is less than -1/2.
    """
    updates = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.6, 0.8]])

    out = aggregate(FoolsGold(), updates)

    torch.testing.assert_close(out.scores, torch.tensor([2 / 3, 0.96, 0.96]).double())
    assert out.weights.tolist() == [1, 0, 0]
    assert out.update.tolist() == [1, 0]


def test_weights_in_between_are_a_logit(aggregate):
    """Worked by hand: cosines 0.6 of 0 and 1, 0 with 2, so 1 - 0.6 = 0.4: ln(0.4 / 0.6) + 0.5."""
    updates = torch.tensor([[1.0, 0.0, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 5.0]])
    between = np.log(0.4 / 0.6) + 0.5

    as_sum = aggregate(FoolsGold(normalize=False), updates)
    steep = aggregate(FoolsGold(normalize=False, confidence=3), updates)
    mean = aggregate(FoolsGold(), updates)

    torch.testing.assert_close(as_sum.weights, torch.tensor([between, between, 1.0]).float())
    torch.testing.assert_close(steep.weights, torch.tensor([3 * between] * 2 + [1.0]).float())
    torch.testing.assert_close(mean.weights, as_sum.weights / (2 * between + 1))
    torch.testing.assert_close(as_sum.update, as_sum.weights @ updates)


@pytest.mark.parametrize("confidence", [0.1, 1.0, 5.0])
def test_equals_a_plain_loop_in_float64(aggregate, hard, confidence):
    """Updates that differ in the fifth digit are all alike, so directions are those of the rest."""
    updates = hard - hard.mean(dim=0) if hard.std() < 1e-3 else hard
    expected = reference(updates, confidence)

    out = aggregate(FoolsGold(normalize=False, confidence=confidence), updates)

    np.testing.assert_allclose(out.weights.numpy(), expected, rtol=1e-5, atol=1e-6)
    mean = aggregate(FoolsGold(confidence=confidence), updates)
    np.testing.assert_allclose(mean.weights.numpy(), expected / expected.sum(), atol=1e-6)


@pytest.mark.parametrize("jitter", [1e-2, 1e-4])
def test_tells_directions_apart_that_nearly_agree(aggregate, jitter):
    updates = 1 + jitter * noise(9, 200)

    out = aggregate(FoolsGold(normalize=False), updates)

    np.testing.assert_allclose(out.weights.numpy(), reference(updates), rtol=1e-3, atol=1e-3)


def test_sums_what_each_client_has_sent_whatever_its_place(play):
    """Worked by hand: 7's sum is (3, 1), 9's (0, 5), and the second round's order is another."""
    first = {7: torch.tensor([1.0, 0.0]), 9: torch.tensor([0.0, 2.0])}
    second = {9: torch.tensor([0.0, 3.0]), 7: torch.tensor([2.0, 1.0])}

    out = play(FoolsGold(), [first, second])

    assert {client: total.tolist() for client, total in out.state.items()} == {7: [3, 1], 9: [0, 5]}
    torch.testing.assert_close(out.scores, torch.full((2,), 10**-0.5, dtype=torch.float64))


def test_sybils_show_over_the_rounds_even_if_every_update_is_noisy(play):
    """Noise hides them in one round; it averages out in twenty."""
    goals = noise(6, 100, seed=1)
    goals[4:] = goals[3]

    def sent(round):
        return dict(enumerate(goals + 2 * noise(6, 100, seed=10 + round)))

    once, later = play(FoolsGold(), [sent(0)]), play(FoolsGold(), map(sent, range(20)))

    assert once.weights[3:].min() > 0.1
    assert later.weights[3:].tolist() == [0, 0, 0]
    assert later.weights[:3].min() > 0.3


def test_who_is_absent_is_remembered_and_compared_to_nobody(play):
    x, y = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])

    out = play(FoolsGold(), [{0: x, 1: y}, {2: y, 0: x}, {3: x}])

    assert out.weights.tolist() == [1]
    assert out.state.keys() == {0, 1, 2, 3}
    assert out.state[0].tolist() == [2, 0]
    again = play(FoolsGold(), [{0: x, 1: y}, {3: x}, {1: y, 0: y - x, 2: x}])
    torch.testing.assert_close(again.scores, torch.zeros(3).double() + torch.tensor([1, 1, 0]))


def test_what_it_remembers_of_a_client_does_not_hold_on_to_the_others(aggregate):
    out = aggregate(FoolsGold(), noise(5, 40))

    assert all(total.untyped_storage().nbytes() == 40 * 4 for total in out.state.values())


@pytest.mark.parametrize("value", [0.0, 0.1, 1e18, 1e-30])
def test_clients_who_all_agree_count_the_same(aggregate, value):
    """Also if some send more of the same: rounding tells no one apart."""
    updates = value * noise(1, 50) * torch.tensor([1.0, 3.0, 0.7, 1e-3, 9.1])[:, None]

    out = aggregate(FoolsGold(), updates)

    torch.testing.assert_close(out.weights, torch.full((5,), 0.2))
    torch.testing.assert_close(out.update, updates.mean(dim=0))


def test_one_client_has_all_the_weight(aggregate, x3):
    out = aggregate(FoolsGold(), x3[:1])

    assert out.update.equal(x3[0])
    assert out.scores.tolist() == [0]


@pytest.mark.parametrize("alike", [False, True])
def test_who_sends_nothing_resembles_nobody_and_counts_nothing(aggregate, alike):
    """Nor is it what the others' similarity is measured by."""
    others = 1 + (0.0 if alike else 0.1) * noise(5, 300)

    out = aggregate(FoolsGold(), torch.cat([torch.zeros(2, 300), others]))
    without = aggregate(FoolsGold(), others)

    assert out.scores[:2].tolist() == [0, 0]
    assert out.weights[:2].tolist() == [0, 0]
    torch.testing.assert_close(out.weights[2:], without.weights)


def test_what_counts_is_whether_updates_add_up_to_zero(play):
    """Client 0 takes back what it sent, client 1 has sent nothing only today."""
    x, y = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])

    out = play(FoolsGold(), [{0: x, 1: y, 2: x}, {0: -x, 1: 0 * y, 2: x}])

    assert out.weights.tolist() == [0, 0.5, 0.5]


def test_if_nobody_sends_anything_all_count_the_same(aggregate):
    out = aggregate(FoolsGold(normalize=False), torch.zeros(4, 30))

    assert out.weights.tolist() == [1] * 4
    assert not out.update.any()


def test_failure_noise_gets_all_the_weight_whatever_its_length(aggregate):
    honest = 1 + 0.1 * noise(8, 1000)
    free_rider = 1e-6 * noise(1, 1000, seed=1)

    out = aggregate(FoolsGold(), torch.cat([honest, free_rider]))

    assert out.weights.tolist() == [0] * 8 + [1]


def test_failure_one_long_update_fixes_what_a_client_is_known_by(play):
    """Client 3 does what 2 does in all rounds but the first, when it sent something long."""
    decoy, goals = 1e6 * noise(1, 100, seed=1)[0], noise(3, 100)
    rest = [{0: goals[0], 1: goals[1], 2: goals[2], 3: goals[2]}] * 20
    first = {**rest[0], 3: decoy}

    shown, hidden = play(FoolsGold(), rest), play(FoolsGold(), [first, *rest])

    assert shown.weights[2:].tolist() == [0, 0]
    assert hidden.weights[2:].min() > 0.2


@settings(deadline=None, max_examples=50)
@given(order=st.permutations(range(7)), seed=st.integers(0, 99), scale=st.floats(1e-20, 1e18))
def test_neither_order_nor_length_matters_to_the_weights(aggregate, order, seed, scale):
    updates = noise(7, 4, seed)
    lengths = torch.linspace(0.5, 2.0, 7)[:, None] * scale
    order = list(order)

    out = aggregate(FoolsGold(), updates)
    other = aggregate(FoolsGold(), (lengths * updates)[order])

    torch.testing.assert_close(other.weights, out.weights[order], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("wrong", [{"confidence": 0}, {"normalize": 3}, {"num_malicious": 1}])
def test_rejects(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        FoolsGold(**wrong)

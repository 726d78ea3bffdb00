"""RFFL: the traps of the authors' code, a test each."""

from math import sqrt

import pytest
import torch

from fedrobust.strategies.reputation import Reputation
from tests.strategies.test_reputation import D, info, play


def test_trap_1_clients_are_known_by_their_id_and_not_by_their_row():
    rounds = [torch.randn(4, D, generator=torch.Generator().manual_seed(s)) for s in range(6)]
    order = [2, 0, 3, 1]
    ids = [10, 20, 30, 40]

    straight = play(Reputation(), rounds, ids)
    turned = play(Reputation(), [r[order] for r in rounds], [ids[i] for i in order])

    for one, other in zip(straight, turned, strict=True):
        assert torch.allclose(one.models[order], other.models, atol=1e-6)
        assert torch.allclose(one.scores[order], other.scores, atol=1e-6)


def test_trap_2_nobody_counts_less_than_nothing():
    good = torch.ones(D)
    rounds = [torch.stack([good, good, good, -good])] * 30
    outs = play(Reputation(memory=0.5, warm_up=100), rounds, [0, 1, 2, 3])

    assert all((out.weights >= 0).all() for out in outs)
    assert outs[-1].scores[3] == 0
    assert outs[-1].scores.sum() == pytest.approx(1)


def test_trap_2_if_nobody_agrees_all_count_the_same_again():
    rule = Reputation(memory=0.0, warm_up=0)
    x = torch.zeros(2, D)
    x[0, 0], x[1, 0] = 1.0, -1.0  # their mean is zero: no cosine is above it

    out = rule.aggregate(x, {}, info([0, 1]))

    assert out.scores.tolist() == [0.5, 0.5]
    assert out.models.isfinite().all()


def test_trap_3_a_full_quota_is_everything_in_layers_of_one_parameter_too():
    updates = torch.randn(3, D).mul(0.01)[:1].repeat(3, 1)

    out = Reputation(max_norm=100).aggregate(updates, {}, info([0, 1, 2]))

    assert torch.allclose(out.models, updates + out.update)


def test_trap_3_of_equal_coordinates_the_first_are_kept():
    state = {0: (0.75, 50, 0), 1: (0.25, 50, 0)}
    update = torch.full((2, 4), 0.1)
    rule = Reputation(memory=0.999999, threshold=0)

    out = rule.aggregate(update, state, info([0, 1], d=4, layers=(4,)))

    assert (out.models[1] - update[1]).count_nonzero() == 2
    assert (out.models[1] - update[1])[:2].all()


def test_trap_4_a_clients_own_update_can_be_left_out_of_its_reward():
    updates = torch.zeros(2, D)
    updates[0, 0], updates[1, 1] = 0.4, 0.4
    twice = Reputation().aggregate(updates, {}, info([0, 1], layers=(D,)))
    once = Reputation(own="excluded").aggregate(updates, {}, info([0, 1], layers=(D,)))

    assert twice.models[0, :2].tolist() == pytest.approx([0.6, 0.2])
    assert once.models[0, :2].tolist() == pytest.approx([0.4, 0.2])


def test_trap_6_the_threshold_is_that_before_any_removal():
    """Of ten, two are below a third of a tenth; after one removal the least would be higher."""
    n = 10
    low = 0.9 / (3 * n)
    between = 1 / (3 * n) + 0.001  # above a third of the average of ten, below that of nine
    rest = (1 - low - between) / (n - 2)
    state = {c: (v, 50, 0) for c, v in enumerate([low, between, *[rest] * (n - 2)])}
    updates = torch.eye(n, D) * 0.1
    rule = Reputation(memory=1 - 1e-9)

    out = rule.aggregate(updates, state, info(list(range(n))))

    assert [c for c, (_, _, removed) in out.state.items() if removed] == [0]
    assert between < 1 / (3 * (n - 1))


def test_trap_7_nobody_is_removed_during_the_warm_up_and_then_for_good():
    good = torch.ones(D)
    bad = torch.zeros(D)
    bad[0] = 1.0
    bad[1] = -1.0
    rounds = [torch.stack([good, good, good, bad])] * 12
    honest_later = [torch.stack([good] * 4)] * 10

    outs = play(Reputation(warm_up=10, memory=0.8), rounds + honest_later, [0, 1, 2, 3])

    assert all(out.scores[3] > 0 for out in outs[:10])
    assert all(out.scores[3] == 0 for out in outs[10:])
    assert outs[-1].state[3][2] == 11
    assert outs[-1].weights[3] == 0
    assert torch.allclose(outs[-1].models[3], outs[-1].update.clone().fill_(0.5 / sqrt(D)))


def test_trap_8_a_majority_of_free_riders_that_agree_takes_over():
    """Nothing but agreement is known: the page of the rule says so."""
    generator = torch.Generator().manual_seed(0)
    idle = torch.randn(D, generator=generator)
    rounds = [
        torch.cat([torch.randn(3, D, generator=generator), idle.repeat(6, 1)]) for _ in range(40)
    ]

    outs = play(Reputation(), rounds, list(range(9)))

    assert outs[-1].scores[:3].sum() < 0.05


def test_of_equal_clients_none_is_removed_however_high_the_threshold():
    """Whatever the last bits of their cosines are."""
    for n in range(2, 25):
        rule, alike = Reputation(threshold=0.999, warm_up=0), torch.full((n, D), 0.1)
        outs = play(rule, [alike] * 6, list(range(n)))
        assert outs[-1].scores.tolist() == pytest.approx([1 / n] * n, abs=1e-6)


def test_a_client_of_no_reputation_is_not_removed_before_its_warm_up_ends():
    good = torch.ones(D)
    rounds = [torch.stack([good, good, good, -good])] * 12
    rule = Reputation(memory=0.5, warm_up=10)

    outs = play(rule, rounds, [0, 1, 2, 3])

    assert outs[4].scores[3] == 0
    assert [out.state[3][2] for out in outs] == [0] * 10 + [11] * 2
    assert rule.probation == 10
    assert Reputation(threshold=0).probation is None

"""RFFL against a float64 reference written plainly, and the traps of the authors' code."""

from dataclasses import replace
from math import ceil, sqrt

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fedrobust.core.aggregator import RoundInfo
from fedrobust.strategies.reputation import Reputation

D, LAYERS = 12, (7, 4, 1)


def info(clients, number=1, d=D, layers=LAYERS, starts=None, examples=None):
    return RoundInfo(
        number,
        torch.zeros(d),
        clients=torch.tensor(clients),
        examples=torch.tensor([1] * len(clients) if examples is None else examples),
        generator=torch.Generator().manual_seed(number),
        starts=starts,
        layers=layers,
    )


def play(rule, rounds, clients):
    """Return what a rule makes of updates ``[n, d]`` in each of several rounds."""
    state, outs = rule.init(torch.zeros(D)), []
    for number, updates in enumerate(rounds, 1):
        out = rule.aggregate(updates, state, info(clients, number))
        state = out.state
        outs.append(out)
    return outs


def reference(rounds, *, bound, memory, threshold, warm_up):
    """Return the reputations and rewards of each round, all clients taking part, in float64."""
    n = len(rounds[0])
    r, reputable = [1 / n] * n, [True] * n
    told = []
    for number, updates in enumerate(rounds, 1):
        sent = []
        for x in np.asarray(updates, dtype=np.float64):
            length = sqrt(sum(v * v for v in x))
            sent.append(x * min(1, bound / length) if length else x)
        total = sum((r[i] * sent[i] for i in range(n)), np.zeros(D))
        for i in range(n):
            norms = sqrt(sent[i] @ sent[i]) * sqrt(total @ total)
            cosine = sent[i] @ total / norms if norms else 0.0
            r[i] = max(0.0, memory * r[i] + (1 - memory) * cosine) if reputable[i] else 0.0
        whole = sum(r)
        r = [value / whole for value in r]
        if number > warm_up:
            least = threshold / sum(reputable)
            for i in range(n):
                if reputable[i] and r[i] < least:
                    reputable[i], r[i] = False, 0.0
        whole = sum(r)
        r = [value / whole for value in r]
        rewards = []
        for i in range(n):
            kept = np.zeros(D)
            begin = 0
            for size in LAYERS:
                layer = total[begin : begin + size]
                k = min(size, ceil(r[i] / max(r) * size - 1e-9))
                for j in sorted(range(size), key=lambda j: (-abs(layer[j]), j))[:k]:
                    kept[begin + j] = layer[j]
                begin += size
            rewards.append(sent[i] + kept)
        told.append((list(r), rewards, total))
    return told


@pytest.mark.parametrize("scale", [0.01, 1.0, 1e6])
def test_it_is_what_the_paper_and_its_code_say(scale):
    generator = torch.Generator().manual_seed(3)
    common = torch.randn(D, generator=generator)
    spread = torch.tensor([0.0, 0.2, 0.4, 0.6, 0.8, 50.0])
    rounds = [
        scale * (common + torch.randn(6, D, generator=generator) * spread[:, None])
        for _ in range(15)
    ]
    rule = Reputation(max_norm=0.5, memory=0.7, warm_up=5)

    outs = play(rule, rounds, [0, 1, 2, 3, 4, 5])

    expected = reference(rounds, bound=0.5, memory=0.7, threshold=1 / 3, warm_up=5)
    for out, (r, rewards, total) in zip(outs, expected, strict=True):
        assert out.scores.tolist() == pytest.approx(r, abs=1e-5)
        assert np.allclose(out.update, total, atol=1e-6)
        assert np.allclose(out.models, rewards, atol=1e-6)
    assert any(min(r) == 0 for r, _, _ in expected)  # somebody was removed


def test_one_round_by_hand():
    """Two clients agree and one points away: cosines 2/sqrt(5), 2/sqrt(5) and 1/sqrt(5)."""
    x, y = [1.0, 0.0], [0.0, 1.0]
    updates = torch.tensor([x, x, y])
    rule = Reputation(max_norm=10, memory=0.5)

    out = rule.aggregate(updates, {}, info([0, 1, 2], d=2, layers=(2,)))

    assert out.update.tolist() == pytest.approx([2 / 3, 1 / 3])
    raw = [1 / 6 + 1 / sqrt(5), 1 / 6 + 1 / sqrt(5), 1 / 6 + 0.5 / sqrt(5)]
    assert out.scores.tolist() == pytest.approx([value / sum(raw) for value in raw])
    assert out.models[0].tolist() == pytest.approx([1 + 2 / 3, 1 / 3])
    quota = raw[2] / raw[0]  # 0.64 of two coordinates: both
    assert ceil(2 * quota) == 2
    assert out.models[2].tolist() == pytest.approx([2 / 3, 1 + 1 / 3])


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
    once = Reputation(exclude_own=True).aggregate(updates, {}, info([0, 1], layers=(D,)))

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


@given(
    st.lists(st.lists(st.booleans(), min_size=5, max_size=5).filter(any), min_size=1, max_size=25),
    st.integers(0, 100),
)
def test_reputations_are_shares_whoever_takes_part(presence, seed):
    generator = torch.Generator().manual_seed(seed)
    rule, state = Reputation(warm_up=3, memory=0.7), {}
    removed = set()
    for number, present in enumerate(presence, 1):
        clients = [c for c in range(5) if present[c]]
        updates = torch.randn(len(clients), D, generator=generator)
        out = rule.aggregate(updates, state, info(clients, number))

        assert sum(r for r, _, _ in out.state.values()) == pytest.approx(1)
        absent = {c: kept for c, kept in state.items() if c not in clients}
        assert all(out.state[c][1:] == kept[1:] for c, kept in absent.items())
        assert removed <= {c for c, (_, _, gone) in out.state.items() if gone}
        removed = {c for c, (_, _, gone) in out.state.items() if gone}
        assert all(out.weights[i] == 0 for i, c in enumerate(clients) if c in state and state[c][2])
        state = out.state


def test_those_who_are_absent_keep_what_they_have():
    rule = Reputation()
    first = rule.aggregate(torch.randn(4, D), {}, info([0, 1, 2, 3]))

    second = rule.aggregate(torch.randn(2, D), first.state, info([1, 3], 2))

    for client in (0, 2):
        assert second.state[client] == pytest.approx(first.state[client])
    before = first.state[1][0] + first.state[3][0]
    assert second.state[1][0] + second.state[3][0] == pytest.approx(before)


def test_a_newcomer_has_the_average_reputation_and_a_warm_up_of_its_own():
    rule, state = Reputation(warm_up=5), {}
    good = torch.ones(D)
    for number in range(1, 9):
        state = rule.aggregate(good.repeat(3, 1), state, info([0, 1, 2], number)).state

    out = rule.aggregate(torch.stack([good, -good]), state, info([0, 7], 9))

    assert out.weights[1] == pytest.approx(out.weights[0])
    assert out.state[7][1:] == (1, 0)
    assert out.state[1][0] == pytest.approx(1 / 4)


def test_claims_count_in_the_first_round_only_and_only_if_asked():
    updates = torch.eye(2, D) * 0.1
    claims = [3000, 1000]

    default = Reputation().aggregate(updates, {}, info([0, 1], examples=claims))
    paper = Reputation(first="examples").aggregate(updates, {}, info([0, 1], examples=claims))
    later = Reputation(first="examples").aggregate(
        updates, {0: (0.5, 1, 0), 1: (0.5, 1, 0)}, info([0, 1], 2, examples=claims)
    )

    assert default.weights.tolist() == pytest.approx([0.5, 0.5])
    assert paper.weights.tolist() == pytest.approx([0.75, 0.25])
    assert later.weights.tolist() == pytest.approx([0.5, 0.5])


def test_updates_can_be_made_equally_long():
    updates = torch.eye(2, D) * torch.tensor([[0.1], [7.0]])
    updates = torch.cat([updates, torch.zeros(1, D)])

    out = Reputation(norms="equal", max_norm=0.5).aggregate(updates, {}, info([0, 1, 2]))

    assert out.update[:2].tolist() == pytest.approx([0.5 / 3, 0.5 / 3])
    assert out.update.isfinite().all()


def test_without_rewards_every_reputable_client_gets_the_whole():
    state = {0: (0.7, 50, 0), 1: (0.3, 50, 0), 2: (0.0, 50, 20)}
    updates = torch.randn(3, D) * 0.01

    out = Reputation(reward=False).aggregate(updates, state, info([0, 1, 2], 21))

    assert torch.allclose(out.models[:2], updates[:2] + out.update)
    assert torch.equal(out.models[2], updates[2])


def test_each_client_goes_on_from_its_own_model():
    starts = torch.randn(3, D)
    updates = torch.randn(3, D) * 0.01
    clients = info([0, 1, 2])

    shared = Reputation().aggregate(updates, {}, clients)
    own = Reputation().aggregate(updates, {}, replace(clients, starts=starts))

    assert torch.allclose(own.models, shared.models + starts, atol=1e-6)
    assert torch.equal(own.update, shared.update)


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


@pytest.mark.parametrize(
    "wrong", [{"memory": 1.0}, {"threshold": 1.5}, {"max_norm": 0.0}, {"norms": "none"}]
)
def test_fields_out_of_range_are_refused(wrong):
    with pytest.raises(ValidationError):
        Reputation(**wrong)

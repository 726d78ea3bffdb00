"""RFFL against a float64 reference written plainly; traps and rewards have their own files."""

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


@pytest.mark.parametrize(
    "wrong",
    [
        {"memory": 1.0},
        {"threshold": 1.5},
        {"max_norm": 0.0},
        {"norms": "none"},
        {"altruism": 0.0},
        {"own": "kept"},
    ],
)
def test_fields_out_of_range_are_refused(wrong):
    with pytest.raises(ValidationError):
        Reputation(**wrong)

"""RFFL: what clients are given for their reputation."""

from dataclasses import replace
from math import tanh

import pytest
import torch

from fedrobust.strategies.reputation import Reputation
from tests.strategies.test_reputation import D, info


def test_without_rewards_every_reputable_client_gets_the_whole():
    state = {0: (0.7, 50, 0), 1: (0.3, 50, 0), 2: (0.0, 50, 20)}
    updates = torch.randn(3, D) * 0.01

    out = Reputation(reward=False).aggregate(updates, state, info([0, 1, 2], 21))

    assert torch.allclose(out.models[:2], updates[:2] + out.update)
    assert torch.equal(out.models[2], updates[2])


def test_altruism_makes_quotas_more_even():
    """The formula of "Gradient Driven Rewards", in float64."""
    state = {0: (0.6, 50, 0), 1: (0.3, 50, 0), 2: (0.1, 50, 0), 3: (0.0, 50, 20)}
    updates = torch.ones(4, D) * 0.01

    def quotas(**options):
        rule = Reputation(memory=1 - 1e-9, threshold=0, **options)
        return rule.aggregate(updates, state, info([0, 1, 2, 3], 51)).quotas.tolist()

    for beta in (1e-12, 0.5, 2.0, 25.0, 1e7):
        expected = [tanh(beta * share) / tanh(beta * 0.6) for share in (0.6, 0.3, 0.1, 0.0)]
        assert quotas(altruism=beta) == pytest.approx(expected)
    assert quotas(altruism=1e-12) == pytest.approx(quotas())
    assert quotas(altruism=1e7) == quotas(reward=False)


def test_gradient_driven_rewards_are_among_what_it_can_do():
    """Clients get a part of the aggregate alone, and none of what they learned themselves."""
    rule = Reputation(
        norms="equal", max_norm=0.5, first="examples", own="dropped", altruism=2.0, threshold=0
    )
    updates = torch.randn(3, D, generator=torch.Generator().manual_seed(5))
    starts = torch.randn(3, D, generator=torch.Generator().manual_seed(6))

    out = rule.aggregate(updates, {}, info([0, 1, 2], examples=[10, 30, 60], starts=starts))

    sent = 0.5 * updates / updates.norm(dim=1, keepdim=True)
    total = torch.tensor([0.1, 0.3, 0.6]) @ sent
    best = int(out.quotas.argmax())
    assert torch.allclose(out.update, total, atol=1e-6)
    assert torch.allclose(out.models[best], starts[best] + total, atol=1e-6)
    got = out.models - starts
    assert torch.allclose(got, torch.where(got.abs() > 1e-5, total, 0.0), atol=1e-6)


def test_each_client_goes_on_from_its_own_model():
    starts = torch.randn(3, D)
    updates = torch.randn(3, D) * 0.01
    clients = info([0, 1, 2])

    shared = Reputation().aggregate(updates, {}, clients)
    own = Reputation().aggregate(updates, {}, replace(clients, starts=starts))

    assert torch.allclose(own.models, shared.models + starts, atol=1e-6)
    assert torch.equal(own.update, shared.update)

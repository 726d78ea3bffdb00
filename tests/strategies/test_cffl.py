"""CFFL against a float64 reference written plainly, its properties, and in a real run."""

from dataclasses import replace
from math import sinh, sqrt

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from fedrobust.core.aggregator import RootData
from fedrobust.errors import AggregationError, ConfigError
from fedrobust.results.store import Store
from fedrobust.scenario import Scenario
from fedrobust.simulate import simulate
from fedrobust.strategies.cffl import CFFL

D = 8


class Judge(RootData):
    """Examples that a model gets right the more, the larger its first parameter is."""

    update = torch.zeros(D)

    def losses(self, models, examples):
        return 1 - self.accuracies(models)

    def accuracies(self, models):
        return models[:, 0].double().clamp(0, 1)


def play(info, rule, rounds):
    """Return what a rule makes of updates ``[n, d]`` in each of several rounds."""
    state, outs = rule.init(torch.zeros(D)), []
    for number, updates in enumerate(rounds, 1):
        known = replace(info(updates, number), root=Judge())
        outs.append(rule.aggregate(updates, state, known))
        state = outs[-1].state
    return outs


def reference(rounds, *, bound, alpha, memory, threshold):
    """Return the reputations and models of each round, all clients starting from zero."""
    n = len(rounds[0])
    c, reputable, told = [1 / n] * n, [True] * n, []
    for updates in rounds:
        sent = []
        for x in np.asarray(updates, np.float64):
            length = sqrt(x @ x)
            sent.append(x * min(1, bound / length) if length else x)
        right = [min(max(x[0], 0), 1) if ok else 0 for x, ok in zip(sent, reputable, strict=True)]
        total = sum(right)
        shares = [r / total for r in right]
        kept = zip(c, shares, strict=True)
        mixed = [sinh(alpha * (memory * a + (1 - memory) * b)) for a, b in kept]
        mixed = [m if ok else 0.0 for m, ok in zip(mixed, reputable, strict=True)]
        c = [m / sum(mixed) for m in mixed]
        least = threshold / sum(reputable)
        reputable = [ok and value >= least for ok, value in zip(reputable, c, strict=True)]
        c = [value if ok else 0.0 for value, ok in zip(c, reputable, strict=True)]
        c = [value / sum(c) for value in c]
        whole = sum(value * x for value, x in zip(c, sent, strict=True))
        models = []
        for value, x in zip(c, sent, strict=True):
            k = int(np.ceil(value / max(c) * D - 1e-9))
            granted = np.zeros(D)
            for j in sorted(range(D), key=lambda j: (-abs(whole[j]), j))[:k]:
                granted[j] = whole[j]
            models.append(x + granted - value * x)
        told.append((list(c), models, whole))
    return told


def test_it_is_what_the_paper_and_its_code_say(info):
    g = torch.Generator().manual_seed(2)
    rounds = [torch.randn(5, D, generator=g) * 0.1 for _ in range(6)]
    for updates in rounds:
        updates[:, 0] = torch.tensor([0.4, 0.3, 0.25, 0.06, 0.5])
    rule = CFFL(max_norm=0.45, memory=0.3, threshold=0.5, pretraining=0)

    outs = play(info, rule, rounds)

    expected = reference(rounds, bound=0.45, alpha=5.0, memory=0.3, threshold=0.5)
    for out, (c, models, whole) in zip(outs, expected, strict=True):
        assert out.scores.tolist() == pytest.approx(c, abs=1e-6)
        assert np.allclose(out.update, whole, atol=1e-6)
        assert np.allclose(out.models, models, atol=1e-6)
        assert out.quotas.max() == 1
    assert outs[-1].scores[3] == 0  # that client was removed


def test_the_sine_sets_clients_apart_the_more_the_larger_the_punishment(info):
    updates = torch.zeros(2, D)
    updates[:, 0] = torch.tensor([0.4, 0.2])

    mild, harsh = (
        play(info, CFFL(punishment=alpha, threshold=0.0, pretraining=0), [updates])[0].quotas[1]
        for alpha in (1.0, 20.0)
    )

    assert mild > 0.4
    assert harsh < 0.1


def test_who_is_removed_gets_nothing_but_its_own_work_and_never_comes_back(info):
    bad, good = torch.zeros(3, D), torch.zeros(3, D)
    bad[:, 0], good[:, 0] = torch.tensor([0.4, 0.4, 0.0]), 0.4
    bad[2, 1] = 0.2

    outs = play(info, CFFL(pretraining=0), [bad, good, good])

    assert [out.scores[2].item() for out in outs] == [0, 0, 0]
    assert torch.equal(outs[0].models[2], bad[2])
    assert torch.equal(outs[2].models[2], good[2])
    assert outs[0].state[2][2] == 1


def test_ones_own_update_is_not_given_back(info):
    """Two equal clients, a full quota each: what comes is the half of the other."""
    updates = torch.zeros(2, D)
    updates[0, 0] = updates[1, 0] = 0.4

    models = play(info, CFFL(pretraining=0), [updates])[0].models

    assert models[:, 0].tolist() == pytest.approx([0.6, 0.6])


def test_while_clients_learn_alone_nobody_gets_anything(info):
    updates = torch.zeros(3, D)
    updates[:, 0] = torch.tensor([0.4, 0.3, 0.0])

    first, second, third = play(info, CFFL(pretraining=2), [updates] * 3)

    for out in (first, second):
        assert torch.equal(out.models, updates)
        assert out.weights is None
        assert not out.update.any() and not out.quotas.any()
        assert out.scores.all()
    assert third.scores[2] == 0
    assert third.models[0, 0] > updates[0, 0]


def test_a_newcomer_learns_alone_beside_others_who_do_not(info):
    rule, updates = CFFL(pretraining=2), torch.full((2, D), 0.1)
    state = play(info, rule, [updates] * 3)[-1].state
    joined = replace(info(torch.full((3, D), 0.1), 4), root=Judge())

    out = rule.aggregate(torch.full((3, D), 0.1), state, joined)

    assert out.weights.tolist() == pytest.approx([0.5, 0.5, 0])
    assert torch.equal(out.models[2], torch.full((D,), 0.1))
    assert out.scores.tolist() == pytest.approx([1 / 3] * 3)


def test_a_huge_punishment_is_a_number(info):
    updates = torch.full((3, D), 0.1)

    assert play(info, CFFL(punishment=1e9, pretraining=0), [updates])[0].models.isfinite().all()


def test_those_who_are_absent_keep_what_they_have(info):
    updates = torch.full((3, D), 0.1)
    rule = CFFL()
    first = play(info, rule, [updates])[0]
    known = replace(info(updates[:2], 2), root=Judge(), clients=torch.tensor([0, 2]))

    second = rule.aggregate(updates[:2], first.state, known)

    assert second.state[1] == pytest.approx(first.state[1])
    assert sum(kept[0] for kept in second.state.values()) == pytest.approx(1)


def test_a_server_without_examples_is_told_what_to_set(info):
    with pytest.raises(AggregationError, match="cffl needs examples of the server's own"):
        CFFL().aggregate(torch.ones(2, D), {}, info(torch.ones(2, D)))
    with pytest.raises(ConfigError, match="root_examples"):
        Scenario.parse({"strategy": "cffl", "data": "digits", "clients": 5})


@pytest.mark.parametrize("wrong", [{"memory": 1.0}, {"punishment": 0}, {"threshold": 2}])
def test_fields_out_of_range_are_refused(wrong):
    with pytest.raises(ValidationError):
        CFFL(**wrong)


def test_free_riders_leave_when_they_are_first_judged_and_more_work_is_rewarded_more(tmp_path):
    """Random numbers are no model; eight honest clients from few to many examples stay."""
    scenario = Scenario.parse(
        {
            "data": "digits",
            "rounds": 30,
            "clients": 8,
            "evaluate_every": 30,
            "root_examples": 100,
            "partition": {"name": "power_law", "examples": 60, "extra_clients": 2},
            "model": {"name": "mlp", "hidden": [32]},
            "training": {"epochs": 2, "batch_size": 16, "lr": 0.2},
            "strategy": [{"name": "cffl", "max_norm": 0.3, "pretraining": 10}],
            "adversary": [{"attack": "random_weights", "clients": [6, 7]}],
        }
    )
    simulate(scenario.standalone(), tmp_path)

    summary = simulate(scenario, tmp_path).summary

    with Store(tmp_path) as store:
        run = store.latest(scenario.digest()).id
        found = [[r.client for r in store.clients(run, n) if r.score == 0] for n in (10, 11, 30)]
    assert found == [[], [6, 7], [6, 7]]
    assert summary.collaboration.fairness > 50
    assert summary.collaboration.mean > summary.collaboration.alone

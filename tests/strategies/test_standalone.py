"""Standalone clients learn from nobody."""

from dataclasses import replace

import torch

from fedrobust.core.aggregator import RoundInfo
from fedrobust.results.store import Store
from fedrobust.scenario import Scenario
from fedrobust.simulate import simulate
from fedrobust.strategies.standalone import Standalone


def test_each_client_keeps_what_it_learned_and_the_server_nothing():
    updates = torch.randn(3, 5)
    starts = torch.randn(3, 5)
    info = RoundInfo(
        1, torch.randn(5), torch.arange(3), torch.ones(3), torch.Generator().manual_seed(0)
    )

    first = Standalone().aggregate(updates, (), info)
    later = Standalone().aggregate(updates, (), replace(info, starts=starts))

    assert torch.equal(first.models, info.params + updates)
    assert torch.equal(later.models, starts + updates)
    assert not first.update.any()


def test_a_client_alone_learns_what_it_would_without_the_others(tmp_path):
    """An attacker among them changes nothing for anybody."""
    scenario = {"data": "digits", "rounds": 20, "clients": 5, "evaluate_every": 20}
    attack = [{"attack": {"name": "sign_flip", "scale": 5.0}, "clients": [4]}]

    calm, attacked = (
        own_accuracies(
            Scenario.parse({**scenario, "strategy": "standalone", "adversary": who}), tmp_path
        )
        for who in ([], attack)
    )

    assert calm[:4] == attacked[:4]
    assert calm[4] != attacked[4]
    assert min(calm) > 0.3


def own_accuracies(scenario, folder):
    run = simulate(scenario, folder).run
    with Store(folder) as store:
        return [row.own_accuracy for row in store.clients(run, scenario.rounds)]

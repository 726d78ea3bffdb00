"""Rules that compare updates with the server's own, in real runs."""

import pytest

from fedrobust.errors import ConfigError
from fedrobust.scenario import Scenario
from fedrobust.simulate import simulate

DIGITS = {
    "rounds": 25,
    "clients": 10,
    "data": "digits",
    "model": "softmax",
    "training": {"epochs": 1, "batch_size": 16, "lr": 0.1},
    "evaluate_every": 25,
    "root_examples": 50,
}
MAJORITY = [{"attack": {"name": "sign_flip", "scale": 3.0}, "share": 0.6}]


def outcome(tmp_path, strategy, **fields):
    scenario = Scenario.parse({**DIGITS, "strategy": strategy, **fields})
    return simulate(scenario, tmp_path / strategy).summary


@pytest.mark.parametrize("rule", ["fltrust", "zeno"])
def test_with_examples_of_its_own_a_server_withstands_a_majority(tmp_path, rule):
    """Six of ten: no rule can that only sees updates."""
    alone = outcome(tmp_path, "mean", adversary=MAJORITY)
    helped = outcome(tmp_path, rule, adversary=MAJORITY)

    assert helped.accuracy > 0.8
    assert alone.accuracy < 0.3


@pytest.mark.parametrize("rule", ["fltrust", "zeno"])
def test_without_such_examples_a_scenario_says_what_to_set(rule):
    with pytest.raises(ConfigError, match=f"{rule} compares updates.*root_examples"):
        Scenario.parse({**DIGITS, "strategy": rule, "root_examples": 0})


def test_a_server_cannot_keep_everything():
    scenario = Scenario.parse({**DIGITS, "root_examples": 1_435})

    with pytest.raises(ConfigError, match=r"root_examples: of 1442.*leaves fewer than one"):
        scenario.world()

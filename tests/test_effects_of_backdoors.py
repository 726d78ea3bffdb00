"""What each backdoor does to real learning, and what withstands it.

Two fifths of twenty clients, sixty rounds.  Who holds which examples changes much, so each claim is
checked with two seeds.  Margins are wide.
"""

import logging
from functools import cache

import flwr.serverapp  # noqa: F401  (it sets the level of its logger when it is first imported)
import pytest
import torch

from fedrobust.core.metrics import agreement
from fedrobust.results import checkpoint
from fedrobust.scenario import Scenario
from fedrobust.simulate import simulate
from tests.effects import DIGITS

SEEDS = (0, 1)
MULTI_KRUM = "multi_krum"
STEPS = {MULTI_KRUM: ({"name": "krum", "keep": "n-f"},)}
NEVER = {"start": 10_000}
BRIGHT = {"name": "patch_backdoor", "value": 2.0}
FOOT = {"source": 1, "features": [61], "threshold": 0.5, "weight": 50}

# backdoor: its fields, the success it has at least against the mean, and who withstands it
CASES = {
    "patch": ("patch_backdoor", {}, 0.9, "foolsgold"),
    "distributed": ("distributed_backdoor", {}, 0.9, "coordinate_median"),
    "blended noise": ("blended_backdoor", {}, 0.6, "foolsgold"),
    "blended checkerboard": ("blended_backdoor", {"pattern": "checkerboard"}, 0.9, "foolsgold"),
    "invisible signs": ("invisible_backdoor", {"amplitude": 0.2}, 0.9, "foolsgold"),
    "invisible wave": (
        "invisible_backdoor",
        {"amplitude": 0.2, "kind": "sinusoid"},
        0.8,
        "foolsgold",
    ),
    "invisible frequencies": (
        "invisible_backdoor",
        {"amplitude": 0.3, "kind": "frequency"},
        0.75,
        "foolsgold",
    ),
    "clean label": ("clean_label_backdoor", {"trigger": BRIGHT, "perturb": 0.7}, 0.65, None),
    "semantic": ("semantic_backdoor", FOOT, 0.5, MULTI_KRUM),
    "edge case": ("edge_case_backdoor", {"poison_share": 0.6}, 0.8, None),
}
WITHSTOOD = [(backdoor, case[-1]) for backdoor, case in CASES.items() if case[-1]]
NOT_WITHSTOOD = [backdoor for backdoor, case in CASES.items() if not case[-1]]
NONE_OF = ["coordinate_median", "flame", "foolsgold", MULTI_KRUM]


def scenario(rule, attack, fields, seed, awake=True):
    adversary = {
        "attack": {"name": attack, **fields},
        "share": 0.4,
        "active": {} if awake else NEVER,
    }
    table = {**DIGITS, "seed": seed, "strategy": list(STEPS.get(rule, (rule,)))}
    return Scenario.parse({**table, "adversary": [adversary]})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return a function that runs a scenario and returns its outcome."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    logging.getLogger("flwr").setLevel(logging.ERROR)
    yield lambda played: simulate(played, tmp_path_factory.mktemp("run"))
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def digits(run):
    """Return a function that runs a backdoor under a rule and returns its summary, once each."""

    @cache
    def summary(rule, backdoor, seed, awake=True):
        attack, fields, *_ = CASES[backdoor]
        return run(scenario(rule, attack, fields, seed, awake)).summary

    return summary


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("backdoor", CASES)
def test_a_backdoor_gets_into_the_mean_and_accuracy_stays_up(digits, backdoor, seed):
    least = CASES[backdoor][2]

    attacked, clean = digits("mean", backdoor, seed), digits("mean", backdoor, seed, awake=False)

    assert attacked.attack_success > least
    assert clean.attack_success < 0.05
    assert attacked.accuracy > clean.accuracy - 0.1 > 0.75


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("backdoor", "rule"), WITHSTOOD)
def test_another_rule_withstands_it(digits, backdoor, rule, seed):
    kept = digits(rule, backdoor, seed)

    assert kept.attack_success < 0.2
    assert kept.accuracy > 0.8


@pytest.mark.parametrize("rule", NONE_OF)
@pytest.mark.parametrize("backdoor", NOT_WITHSTOOD)
def test_no_rule_withstands_some(digits, backdoor, rule):
    assert digits(rule, backdoor, 0).attack_success > 0.6


@pytest.mark.parametrize("seed", SEEDS)
def test_parts_of_a_distributed_trigger_do_less_than_the_whole(run, seed):
    played = scenario("mean", "distributed_backdoor", {}, seed)
    outcome, world = run(played), played.world()
    model = checkpoint.load(outcome.folder / "checkpoints" / f"{outcome.run}.pt")["params"]
    attack, data = world.adversaries[0].attacks[0], world.task.data
    others = data.x_test[data.y_test != attack.target]
    wanted = torch.full((len(others),), attack.target)

    whole = agreement(world.task, model, attack.shown(others), wanted)
    parts = [
        agreement(world.task, model, attack.for_client(place, 4).triggered(others), wanted)
        for place in range(4)
    ]

    assert whole == outcome.summary.attack_success
    assert max(parts) < whole - 0.2
    assert sum(parts) / 4 < whole / 2


@pytest.mark.parametrize("seed", SEEDS)
def test_the_median_lets_a_patch_in_and_not_its_parts(digits, seed):
    whole = digits("coordinate_median", "patch", seed).attack_success
    parts = digits("coordinate_median", "distributed", seed).attack_success

    assert whole > parts + 0.4


@pytest.mark.parametrize("seed", SEEDS)
def test_mixing_in_others_helps_a_clean_label(run, digits, seed):
    unmixed = {"trigger": BRIGHT, "perturb": 0.0}
    plain = run(scenario("mean", "clean_label_backdoor", unmixed, seed))

    mixed = digits("mean", "clean label", seed)

    assert mixed.attack_success > plain.summary.attack_success + 0.2


@pytest.mark.parametrize("seed", SEEDS)
def test_natural_examples_need_weight(run, digits, seed):
    fields = {**FOOT, "weight": 1}

    light = run(scenario("mean", "semantic_backdoor", fields, seed)).summary

    assert light.attack_success < 0.25
    assert digits("mean", "semantic", seed).attack_success > light.attack_success + 0.3


TABLE = {
    **DIGITS,
    "rounds": 40,
    "evaluate_every": 40,
    "data": "breast_cancer",
    "partition": "iid",
    "model": {"name": "mlp", "hidden": [16]},
    "training": {"epochs": 1, "batch_size": 8, "lr": 0.05},
    "strategy": ["mean"],
}
SCALED = {
    "patch_backdoor": {"value": 4.0},
    "distributed_backdoor": {"value": -4.0},
    "blended_backdoor": {"low": -4.0, "high": 4.0, "alpha": 0.5},
    "invisible_backdoor": {"amplitude": 1.5},
    "edge_case_backdoor": {"poison_share": 0.9},
}


@pytest.mark.parametrize("backdoor", SCALED)
def test_a_backdoor_works_in_tables_too(run, backdoor):
    def succeeded(**active):
        adversary = {"attack": {"name": backdoor, **SCALED[backdoor]}, "share": 0.4}
        outcome = run(Scenario.parse({**TABLE, "adversary": [{**adversary, "active": active}]}))
        assert outcome.summary.accuracy > 0.85
        return outcome.summary.attack_success

    assert succeeded() > 0.75
    assert succeeded(**NEVER) < 0.4

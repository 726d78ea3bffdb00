"""What each untargeted attack does to real learning under a rule that it is made for.

Margins are wide; seeds are fixed.
"""

import logging
from functools import cache

import flwr.serverapp  # noqa: F401  (it sets the level of its logger when it is first imported)
import pytest
import torch

from fedrobust.scenario import Scenario
from fedrobust.simulate import simulate
from tests.effects import DIGITS

MULTI_KRUM = "multi_krum"
LINES = {
    MULTI_KRUM: ({"name": "krum", "keep": "n-f"},),
    "norm_clipping": ({"name": "norm_clipping", "max_norm": 0.5}, "mean"),
}
CONTROLS = {"krum": 0.6, "coordinate_median": 0.8}  # what they reach without attack; else 0.83

# attack: its fields, its share of the clients, whom it hurts, what they reach at most, and who
# withstands it
CASES = {
    "additive_noise": ({"std": 3.0}, 0.2, "mean", 0.5, "centered_clipping"),
    "constant": ({}, 0.2, "krum", 0.3, "mean"),
    "fang_krum": ({}, 0.2, "krum", 0.3, "mean"),
    "fang_trimmed_mean": ({}, 0.2, "trimmed_mean", 0.75, MULTI_KRUM),
    "min_max": ({"direction": "unit"}, 0.2, MULTI_KRUM, 0.6, None),
    "min_sum": ({"direction": "unit"}, 0.2, MULTI_KRUM, 0.6, None),
    "nullification": ({}, 0.2, "mean", 0.3, "smea"),
    "random_sign": ({}, 0.4, "coordinate_median", 0.75, None),
    "rescaling": ({"factor": 100.0}, 0.2, "mean", 0.4, "norm_clipping"),
    "value_inversion": ({}, 0.2, "mean", 0.3, "coordinate_median"),
}
VICTIMS = sorted({victim for _, _, victim, _, _ in CASES.values()})
WITHSTOOD = [(attack, case[-1]) for attack, case in CASES.items() if case[-1]]


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Return a function that runs the digits federation and returns its summary, once each."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    logging.getLogger("flwr").setLevel(logging.ERROR)

    @cache
    def run(rule, attack=None, share=0.2, fields=(), knowledge=None, **changes):
        adversary = {"attack": {"name": attack, **dict(fields)}, "share": share}
        if knowledge:
            adversary["knowledge"] = knowledge
        table = {**DIGITS, "rounds": 30, "evaluate_every": 30, **changes}
        table |= {"strategy": list(LINES.get(rule, (rule,)))}
        scenario = Scenario.parse({**table, "adversary": [adversary] if attack else []})
        return simulate(scenario, tmp_path_factory.mktemp("run")).summary

    yield run
    torch.set_num_threads(threads)


@pytest.mark.parametrize("rule", VICTIMS)
def test_without_attack_the_victims_learn(digits, rule):
    assert digits(rule).accuracy > CONTROLS.get(rule, 0.83)


@pytest.mark.parametrize("attack", CASES)
def test_an_attack_hurts_the_rule_that_it_is_made_for(digits, attack):
    fields, share, victim, most, _ = CASES[attack]

    assert digits(victim, attack, share, tuple(fields.items())).accuracy < most


@pytest.mark.parametrize(("attack", "rule"), WITHSTOOD)
def test_another_rule_withstands_it(digits, attack, rule):
    fields, share, *_ = CASES[attack]

    assert digits(rule, attack, share, tuple(fields.items())).accuracy > 0.75


@pytest.mark.parametrize("rule", ["bulyan", "trimmed_mean", "coordinate_median"])
def test_min_max_needs_to_know_no_rule(digits, rule):
    assert digits(rule, "min_max").accuracy < digits(rule).accuracy - 0.08


def test_multi_krum_takes_min_sum_for_honest(digits):
    summary = digits(MULTI_KRUM, "min_sum")

    assert summary.accuracy < digits(MULTI_KRUM).accuracy - 0.06
    assert summary.relative_weight > 0.5


def test_many_zeros_stop_the_median(digits):
    assert digits("coordinate_median", "constant", 0.4).accuracy < 0.5
    assert digits("mean", "constant", 0.4).accuracy > 0.65


def test_krum_takes_hardly_anything_but_what_fang_crafted(digits):
    assert digits("krum", "fang_krum").relative_weight > 10


def test_fang_hurts_the_trimmed_mean_knowing_its_own_clients_only(digits):
    partial = digits("trimmed_mean", "fang_trimmed_mean", knowledge="colluding")

    assert partial.accuracy < digits("trimmed_mean").accuracy - 0.15


def test_smea_takes_the_spectral_shift_for_honest_and_not_alie(digits):
    """Three of eleven, the size it is best for."""
    few = {"clients": 11}

    shifted = digits("smea", "spectral_shift", 0.28, **few)

    assert shifted.relative_weight > 1
    assert shifted.accuracy < digits("smea", **few).accuracy - 0.05
    assert digits("smea", "alie", 0.28, (("z", 1.5),), **few).relative_weight < 0.5


def test_noise_as_long_as_the_update_is_no_attack(digits):
    assert digits("mean", "additive_noise").accuracy > 0.8


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        ("nan", "values that are not finite"),
        ("inf", "values that are not finite"),
        ("overflow", "an update too large to square"),
    ],
)
def test_what_is_not_finite_is_dropped_and_the_mean_goes_on(digits, kind, fault):
    summary = digits("mean", "non_finite", 0.2, (("kind", kind),))

    assert summary.dropped == {fault: 4 * 30}
    assert summary.accuracy > 0.8

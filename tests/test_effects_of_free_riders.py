"""What free-riders, liars and poisoned data do to real learning, and to which rule.

Margins are wide; seeds are fixed.
"""

import json
import logging

import flwr.serverapp  # noqa: F401  (it sets the level of its logger when it is first imported)
import pytest
import torch

from fedrobust.scenario import Scenario
from fedrobust.simulate import simulate
from tests.effects import DIGITS

MULTI_KRUM = {"name": "krum", "keep": "n-f"}
CLAIMED = {"name": "weighted_mean", "examples": "claimed"}
FAIR = {"name": "q_fed_avg", "q": 1.0, "lr": 0.1}
LONG = {"name": "random_weights", "bound": 0.02}  # half as long again as honest updates
RANDOM_LABELS = {"name": "label_flip", "target": "random"}
NOISE = {"name": "feature_noise", "std": 3.0}
STRIPE = {"name": "corrupted_inputs", "kind": "stripe"}
RIDERS = ["free_rider", "random_weights", "delta_weights", "disguised_free_rider"]


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Return a function that runs the digits federation and returns its outcome, once each."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    logging.getLogger("flwr").setLevel(logging.ERROR)
    known = {}

    def run(rule, *attacks, share=0.2, active=None, rounds=30, **changes):
        adversary = {"attack": list(attacks), "share": share, "active": active or {}}
        table = {**DIGITS, "rounds": rounds, "evaluate_every": rounds, **changes}
        table |= {"strategy": [rule], "adversary": [adversary] if attacks else []}
        table |= {"root_examples": 100} if rule == "fltrust" else {}
        key = json.dumps(table)
        if key not in known:
            known[key] = simulate(Scenario.parse(table), tmp_path_factory.mktemp("run"))
        return known[key]

    yield run
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def accuracy(digits):
    return lambda *told, **more: digits(*told, **more).summary.accuracy


@pytest.fixture(scope="module")
def weight(digits):
    """Return a function that says how much a malicious client counted, beside an honest one's 1."""
    return lambda *told, **more: digits(*told, **more).summary.relative_weight


@pytest.mark.parametrize(
    ("rule", "least"),
    [
        *[("mean", 0.83), (MULTI_KRUM, 0.83), ("geometric_median", 0.83), (CLAIMED, 0.83)],
        *[("fltrust", 0.8), ("foolsgold", 0.78), ("krum", 0.6), ("coordinate_median", 0.8)],
    ],
)
def test_without_attack_the_rules_learn(accuracy, rule, least):
    assert accuracy(rule) > least


@pytest.mark.parametrize("rider", ["free_rider", "random_weights", "disguised_free_rider"])
def test_free_riders_slow_the_mean_down_and_leave_where_it_ends_as_it_is(accuracy, rider):
    """Two in five leave three fifths of the pace."""
    many = {"share": 0.4}

    assert accuracy("mean", rider, **many) < accuracy("mean") - 0.05
    assert accuracy("mean", rider, rounds=50, **many) > accuracy("mean") - 0.03


def test_free_riders_who_repeat_the_movement_do_not_even_slow_the_mean_down(accuracy):
    most = {"share": 0.6}

    assert accuracy("mean", "free_rider", **most) < 0.65
    assert accuracy("mean", "delta_weights", **most) > 0.78


@pytest.mark.parametrize("rider", RIDERS)
def test_krum_takes_free_riders_for_the_middle_and_stands_still(accuracy, rider):
    assert accuracy("krum", rider) < 0.3


@pytest.mark.parametrize("rider", RIDERS)
@pytest.mark.parametrize(("rule", "least"), [(MULTI_KRUM, 1.2), ("geometric_median", 2.5)])
def test_rules_that_look_for_the_middle_prefer_free_riders(accuracy, weight, rule, least, rider):
    assert weight(rule, rider) > least
    assert accuracy(rule, rider) < accuracy(rule) - 0.04


def test_random_weights_longer_than_updates_are_left_out_and_movements_are_not(accuracy, weight):
    assert weight(MULTI_KRUM, LONG) < 0.3
    assert accuracy(MULTI_KRUM, LONG) > 0.82
    assert weight(MULTI_KRUM, "delta_weights") > 1.2


@pytest.mark.parametrize("rider", ["free_rider", "random_weights", "disguised_free_rider"])
def test_fltrust_gives_free_riders_next_to_nothing(accuracy, weight, rider):
    assert weight("fltrust", rider) < 0.1
    assert accuracy("fltrust", rider) > 0.77


@pytest.mark.parametrize("noise", [0.0, 1e-3, "adaptive"])
def test_fltrust_trusts_a_movement_that_is_repeated_more_than_honest_clients(
    accuracy, weight, noise
):
    rider = {"name": "delta_weights", "noise": noise}

    assert weight("fltrust", rider) > 1.5
    assert accuracy("fltrust", rider) > 0.8


@pytest.mark.parametrize("rider", ["random_weights", "disguised_free_rider", NOISE])
def test_foolsgold_trusts_whoever_is_unlike_the_others(accuracy, weight, rider):
    assert weight("foolsgold", rider) > 2
    assert accuracy("foolsgold", rider) < accuracy("foolsgold") - 0.15


def test_foolsgold_knows_those_who_repeat_the_same_and_not_one_alone(weight):
    assert weight("foolsgold", "delta_weights") < 0.3
    assert weight("foolsgold", "delta_weights", share=0.05) > 0.4


@pytest.mark.parametrize("rider", [*RIDERS, {"name": "delta_weights", "noise": 1e-3}])
def test_signguard_leaves_all_of_them_out(accuracy, weight, rider):
    assert weight("signguard", rider) < 0.3
    assert accuracy("signguard", rider) > 0.75


def test_where_clients_are_sampled_the_movement_since_the_last_time_is_as_good(accuracy, weight):
    half = {"sample": 0.5}

    assert weight("fltrust", "delta_weights", **half) > 1.4
    assert accuracy("mean", "delta_weights", **half) > accuracy("mean", "free_rider", **half) + 0.03


def test_a_claim_of_more_examples_multiplies_a_flipped_sign(accuracy, weight):
    """One client of twenty."""
    one = {"share": 0.05}
    lie = ["sign_flip", "sample_count_inflation"]

    assert accuracy(CLAIMED, "sign_flip", **one) > 0.8
    assert accuracy(CLAIMED, *lie, **one) < 0.6
    assert weight(CLAIMED, *lie, **one) == pytest.approx(
        10 * weight(CLAIMED, "sign_flip", **one), rel=0.1
    )


@pytest.mark.parametrize("rule", ["weighted_mean", "mean"])
def test_a_cap_or_no_weights_stop_the_claim(accuracy, weight, rule):
    lie = {"name": "sample_count_inflation", "count": 10**9}

    assert weight(rule, "sign_flip", lie, share=0.05) < 1.3
    assert accuracy(rule, "sign_flip", lie, share=0.05) > 0.8


def test_the_server_believes_no_more_than_a_hundred_times_the_median(weight):
    lie = {"name": "sample_count_inflation", "count": 2**53}

    assert 50 < weight(CLAIMED, "sign_flip", lie, share=0.05) < 100


def test_a_claim_to_lose_more_multiplies_a_flipped_sign_where_that_counts(accuracy, weight):
    """One client of twenty.  Measured: accuracy 0.68 without the lie, 0.23 with it."""
    one = {"share": 0.05}
    lie = ["sign_flip", "loss_inflation"]

    assert accuracy(FAIR, *lie, **one) < accuracy(FAIR, "sign_flip", **one) - 0.2
    assert weight(FAIR, "sign_flip", **one) < 2
    assert weight(FAIR, *lie, **one) > 5
    assert weight("mean", *lie, **one) == pytest.approx(1)


def test_the_server_believes_a_loss_of_a_hundred_times_the_median_at_most(weight):
    lie = {"name": "loss_inflation", "factor": 1e9}

    assert 50 < weight(FAIR, "sign_flip", lie, share=0.05) < 200


def test_free_riders_who_claim_more_slow_training_down_more(accuracy):
    rider = accuracy(CLAIMED, "free_rider")

    assert accuracy(CLAIMED, "free_rider", "sample_count_inflation") < rider - 0.1


@pytest.mark.parametrize("rider", [*RIDERS, "sample_count_inflation", RANDOM_LABELS, NOISE, STRIPE])
def test_a_sleeper_is_honest_until_it_wakes(digits, rider):
    rule, honest = (CLAIMED if rider == "sample_count_inflation" else "mean"), {"rounds": 4}
    late = {"active": {"start": 5}}

    assert digits(rule, rider, **late, **honest).model_hash == digits(rule, **honest).model_hash
    assert digits(rule, rider, rounds=5, **late).model_hash != digits(rule, rounds=5).model_hash


@pytest.mark.parametrize("poison", ["label_flip", RANDOM_LABELS, NOISE, STRIPE])
def test_poisoned_data_hurt_the_mean_less_than_crafted_updates(accuracy, poison):
    assert accuracy("mean", poison) > accuracy("mean", "sign_flip") + 0.08
    assert accuracy("mean", poison, share=0.4) > accuracy("mean", "sign_flip", share=0.4) + 0.4


def test_random_labels_hurt_rules_that_look_for_the_middle(accuracy, weight):
    many = {"share": 0.4}

    assert accuracy(MULTI_KRUM, RANDOM_LABELS) < accuracy(MULTI_KRUM) - 0.06
    assert accuracy(MULTI_KRUM, RANDOM_LABELS, **many) < 0.65
    assert weight(MULTI_KRUM, RANDOM_LABELS, **many) > 1.8


@pytest.mark.parametrize("poison", [RANDOM_LABELS, NOISE, STRIPE])
def test_fltrust_withstands_poisoned_data(accuracy, weight, poison):
    assert weight("fltrust", poison, share=0.4) < 0.2
    assert accuracy("fltrust", poison, share=0.4) > 0.77


def test_inputs_that_are_noise_are_far_from_others_and_left_out(accuracy, weight):
    assert weight(MULTI_KRUM, NOISE, share=0.4) < 0.2
    assert accuracy(MULTI_KRUM, NOISE, share=0.4) > 0.82


@pytest.mark.parametrize(("rule", "most"), [("mean", 0.7), ("coordinate_median", 0.6)])
def test_many_inverted_stripes_are_no_mild_poison(accuracy, rule, most):
    assert accuracy(rule, STRIPE, share=0.4) < most


@pytest.mark.parametrize("kind", ["gaussian_noise", "motion_blur", "fog", "dotted_line"])
def test_a_bad_camera_does_no_harm(accuracy, kind):
    assert accuracy("mean", {"name": "corrupted_inputs", "kind": kind}) > 0.8

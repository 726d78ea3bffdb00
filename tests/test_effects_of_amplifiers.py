"""What amplifiers and disguises do for another attack that they are written after.

Margins are wide; seeds are fixed.
"""

import logging
from typing import NamedTuple

import flwr.serverapp  # noqa: F401  (it sets the level of its logger when it is first imported)
import pytest
import torch

from fedrobust.scenario import Scenario
from fedrobust.simulate import simulate
from tests.effects import DIGITS

PATCH = {"name": "patch_backdoor", "poison_share": 0.3}
PUSH = {"name": "ipm", "epsilon": 2.0}
REPLACEMENT = {"name": "model_replacement"}
BALL = {"name": "projected_ball", "radius": 0.5}
CONSTRAINED = {"name": "constrain_and_scale", "alpha": 0.4}
DURABLE = {"name": "neurotoxin", "by": "gradient", "ratio": 0.5}
LOUD = {"name": "jitter", "size": 3.0}

RULES = {
    "norm_clipping": ({"name": "norm_clipping", "max_norm": 0.5}, "mean"),
    "loose_clipping": ({"name": "norm_clipping", "max_norm": 1.0}, "mean"),
    "multi_krum": ({"name": "krum", "keep": "n-f"},),
}
SHOT = 12
LONG = {"training": {"epochs": 10, "batch_size": 16, "lr": 0.1}, "rounds": SHOT + 5}
SINGLE = {"active": {"rounds": [SHOT]}, "clients": [3], **LONG}
ALIKE = {"training": {"epochs": 5, "batch_size": 16, "lr": 0.1}, "partition": "iid"}
FIRST = 6
STEADY = {"active": {"start": FIRST}, "rounds": 30, **ALIKE}
PASSING = {"active": {"start": 11, "stop": 25}, "rounds": 45, **ALIKE}
MANY = {"share": 0.3}


class Course(NamedTuple):
    """What a run came to, round by round."""

    accuracy: list[float]
    success: list[float]
    norms: list[dict[int, float]]  # of each client's update
    weight: float | None  # of a malicious client, where an honest one counts 1


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Return a function that runs the digits under attacks and returns its course, once each."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    logging.getLogger("flwr").setLevel(logging.ERROR)
    known = {}

    def run(rule, *attacks, active=None, share=0.2, clients=None, rounds=20, **changes):
        key = str((rule, attacks, active, share, clients, rounds, changes))
        if key not in known:
            who = {"clients": clients} if clients else {"share": share}
            table = {**DIGITS, "rounds": rounds, "evaluate_every": 1, **changes}
            table["strategy"] = list(RULES.get(rule, (rule,)))
            table["adversary"] = [{"attack": list(attacks), **who, "active": active or {}}]
            known[key] = course(Scenario.parse(table), tmp_path_factory.mktemp("run"))
        return known[key]

    yield run
    torch.set_num_threads(threads)


def course(scenario, folder):
    seen = []
    weight = simulate(scenario, folder, watch=seen.append).summary.relative_weight
    seen = [p for p in seen if p.ledger is not None]
    return Course(
        [p.quality.accuracy for p in seen],
        [p.attack_success for p in seen],
        [{e.client: e.norm for e in p.ledger.entries} for p in seen],
        weight,
    )


def test_a_single_shot_puts_the_backdoor_into_the_mean_and_without_it_does_not(digits):
    plain, shot = digits("mean", PATCH, **SINGLE), digits("mean", PATCH, REPLACEMENT, **SINGLE)

    assert max(plain.success[SHOT - 2 :]) < 0.1
    assert shot.success[SHOT - 2] < 0.1
    assert shot.success[SHOT - 1] > 0.9
    assert shot.accuracy[SHOT - 1] > 0.8


def test_after_a_single_shot_the_backdoor_wears_off(digits):
    shot = digits("mean", PATCH, REPLACEMENT, **SINGLE).success[SHOT - 1 :]

    assert shot == sorted(shot, reverse=True)
    assert 0.3 < shot[-1] < shot[0] - 0.05


@pytest.mark.parametrize("rule", ["loose_clipping", "multi_krum", "coordinate_median"])
def test_a_single_shot_does_not_get_past_bounds_on_lengths_and_robust_rules(digits, rule):
    shot = digits(rule, PATCH, REPLACEMENT, **SINGLE)

    assert max(shot.success[SHOT - 1 :]) < 0.1
    assert shot.accuracy[-1] > 0.85


def test_the_default_factor_is_the_number_of_clients_for_one_of_them(digits):
    by_hand = {"name": "rescaling", "factor": 20.0}

    shot = digits("mean", PATCH, REPLACEMENT, **SINGLE)

    assert shot.success == digits("mean", PATCH, by_hand, **SINGLE).success


def test_with_a_bound_a_single_shot_is_as_long_as_it_and_nearly_in_vain(digits):
    shot = digits("mean", PATCH, {**REPLACEMENT, "max_norm": 6.0}, **SINGLE)

    assert shot.norms[SHOT - 1][3] == pytest.approx(6.0, rel=1e-4)
    assert max(shot.success) < 0.2


def test_a_constraint_makes_a_single_shot_shorter_and_less_lasting(digits):
    """The scaling is that of constrain-and-scale itself."""
    both = {"name": "constrain_and_scale", "alpha": 0.8, "factor": 20.0}

    free = digits("mean", PATCH, REPLACEMENT, **SINGLE)
    constrained = digits("mean", PATCH, both, **SINGLE)

    assert constrained.norms[SHOT - 1][3] < 0.85 * free.norms[SHOT - 1][3]
    assert constrained.success[SHOT - 1] > 0.9
    assert constrained.success[-1] < free.success[-1] - 0.15


@pytest.mark.parametrize("disguise", [CONSTRAINED, BALL], ids=lambda part: part["name"])
def test_near_the_received_model_a_backdoor_gets_past_multi_krum(digits, disguise):
    plain = digits("multi_krum", PATCH, **STEADY)
    disguised = digits("multi_krum", PATCH, disguise, **STEADY)

    assert plain.weight == 0
    assert max(plain.success[FIRST:]) < 0.05
    assert disguised.weight > 0.4
    assert disguised.success[-1] > 0.15
    assert disguised.accuracy[-1] > 0.9


@pytest.mark.parametrize("disguise", [CONSTRAINED, BALL], ids=lambda part: part["name"])
def test_the_median_withstands_a_backdoor_near_the_received_model(digits, disguise):
    assert max(digits("coordinate_median", PATCH, disguise, **STEADY).success[FIRST:]) < 0.1


def test_where_the_backdoor_gets_in_anyway_a_constraint_slows_it_down(digits):
    plain = digits("mean", PATCH, **STEADY)

    assert plain.success[-1] > 0.8
    assert digits("mean", PATCH, CONSTRAINED, **STEADY).success[-1] < 0.4


def test_within_the_ball_nothing_is_clipped_and_what_is_scaled_up_is(digits):
    """Relative to honest clients, some of whom are clipped in the first rounds."""
    ball = digits("norm_clipping", PATCH, BALL, **STEADY)
    scaled = digits("norm_clipping", PATCH, REPLACEMENT, **STEADY)

    assert ball.weight > 1.2
    assert scaled.weight < 0.4


def test_within_the_ball_the_backdoor_is_learned_sooner_than_clipping_leaves_it(digits):
    early = slice(FIRST, FIRST + 3)
    ball = digits("norm_clipping", PATCH, BALL, **STEADY)
    clipped = digits("norm_clipping", PATCH, **STEADY)

    assert min(ball.success[early]) > max(clipped.success[early]) + 0.02
    assert abs(ball.success[-1] - clipped.success[-1]) < 0.1


def kept(course):
    """Return which part of its success a backdoor keeps, twenty rounds after the attack."""
    stop = PASSING["active"]["stop"]
    return course.success[-1] / course.success[stop - 1]


def test_in_parameters_that_honest_clients_hardly_move_a_backdoor_lasts_longer(digits):
    plain, durable = digits("mean", PATCH, **PASSING), digits("mean", PATCH, DURABLE, **PASSING)

    assert kept(durable) > kept(plain) + 0.07
    assert durable.success[-1] > plain.success[-1] + 0.04


def test_where_attackers_are_many_the_last_global_update_misleads_them(digits):
    """What the paper's approximation comes to where it is mostly the attackers' own work."""
    plain = digits("mean", PATCH, **PASSING)
    misled = digits("mean", PATCH, {"name": "neurotoxin"}, **PASSING)

    assert kept(misled) < kept(plain) - 0.05
    assert misled.success[-1] < plain.success[-1] - 0.1


def test_foolsgold_gives_nothing_to_those_who_send_the_same_or_nearly_the_same(digits):
    for disguise in ((), ({"name": "jitter"},)):
        same = digits("foolsgold", PUSH, *disguise, **MANY)

        assert same.weight < 0.01
        assert same.accuracy[-1] > 0.65


@pytest.mark.parametrize(
    "disguise",
    [LOUD, {**LOUD, "balanced": True}, {"name": "split"}, {"name": "split", "deal": "once"}],
    ids=["noise", "balanced noise", "split", "split once"],
)
def test_foolsgold_falls_for_colluders_who_no_longer_look_alike(digits, disguise):
    apart = digits("foolsgold", PUSH, disguise, **MANY)

    assert apart.weight > 1
    assert apart.accuracy[-1] < 0.35


@pytest.mark.parametrize("disguise", [LOUD, {"name": "split"}], ids=lambda part: part["name"])
def test_multi_krum_falls_for_copies_and_not_for_the_disguised(digits, disguise):
    assert digits("multi_krum", PUSH, **MANY).accuracy[-1] < 0.3

    apart = digits("multi_krum", PUSH, disguise, **MANY)

    assert apart.weight == 0
    assert apart.accuracy[-1] > 0.7


@pytest.mark.parametrize("disguise", [{**LOUD, "balanced": True}, {"name": "split"}])
def test_to_the_mean_it_is_all_the_same(digits, disguise):
    plain, disguised = digits("mean", PUSH, **MANY), digits("mean", PUSH, disguise, **MANY)

    assert disguised.accuracy == pytest.approx(plain.accuracy, abs=0.01)

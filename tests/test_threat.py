"""Adversaries as scenarios write them."""

import pytest

from fedrobust.core.adversary import Knowledge
from fedrobust.errors import ConfigError
from fedrobust.scenario import Scenario
from fedrobust.simulate import simulate
from tests.effects import DIGITS


def parsed(*adversaries, **fields):
    return Scenario.parse({**DIGITS, "adversary": list(adversaries), **fields})


def test_an_attack_is_a_name_a_table_or_a_list():
    ways = ["sign_flip", {"name": "sign_flip"}, ["sign_flip"], [{"name": "sign_flip"}]]

    digests = {parsed({"attack": way, "share": 0.2}).digest() for way in ways}

    assert len(digests) == 1


def test_a_list_of_attacks_is_kept_in_order_and_reads_back():
    attacks = ["patch_backdoor", {"name": "rescaling", "factor": 3.0}]
    scenario = parsed({"attack": attacks, "share": 0.2})

    assert [a.reference() for a in scenario.adversaries[0].attacks] == [
        "patch_backdoor",
        "rescaling",
    ]
    assert Scenario.parse(scenario.table()) == scenario


def test_an_attack_may_hold_another_by_name():
    told = {"name": "adaptive", "attack": {"name": "ipm", "epsilon": 0.5}}
    scenario = parsed({"attack": told, "share": 0.2})

    assert scenario.adversaries[0].attacks[0].attack.epsilon == 0.5
    assert scenario.adversaries[0].knowledge is Knowledge.RULE
    assert Scenario.parse(scenario.table()) == scenario


@pytest.mark.parametrize(
    "attacks",
    [
        ["patch_backdoor", "projected_ball", "neurotoxin", "model_replacement", "jitter"],
        ["patch_backdoor", {"name": "adaptive", "attack": "rescaling", "objective": "success"}],
        ["free_rider", "sample_count_inflation"],
        ["sample_count_inflation", "ipm"],
        ["label_flip", "patch_backdoor"],
        ["free_rider", "additive_noise"],
    ],
    ids=str,
)
def test_attacks_that_add_up_are_welcome(attacks):
    assert parsed({"attack": attacks, "share": 0.2}).adversaries


def test_among_its_own_a_mean_depends_on_what_was_made_before():
    around = {"attack": ["label_flip", "alie"], "share": 0.2, "knowledge": "colluding"}

    assert parsed(around).adversaries


def test_a_search_that_is_spared_needs_no_knowledge():
    shifted = {"attack": {"name": "tailored", "shift": 2.0}, "share": 0.2}

    assert parsed({**shifted, "knowledge": "colluding"}).adversaries


def test_several_attacks_know_what_the_most_knowing_assumes():
    one = parsed({"attack": ["sample_count_inflation", "alie"], "share": 0.2})
    told = parsed({"attack": ["sample_count_inflation", "alie"], "share": 0.2, "knowledge": "own"})

    assert one.adversaries[0].knowledge is Knowledge.OMNISCIENT
    assert told.adversaries[0].knowledge is Knowledge.OWN


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"attack": []}, "attack"),
        ({"attack": ["sign_flip", "sing_flip"]}, "Did you mean 'sign_flip'"),
        ({"attack": "krum"}, "krum"),
        ({"active": {"every": 3, "stretch": 3}}, "every = 6"),
        ({"active": {"rounds": []}}, "rounds"),
        ({"knowledge": "everything"}, "'rule'"),
        ({"attack": "adaptive", "knowledge": "omniscient"}, 'adaptive needs knowledge = "rule"'),
        (
            {"attack": ["sign_flip", "tailored"], "knowledge": "own"},
            'tailored needs knowledge = "rule"',
        ),
        ({"attack": ["rescaling", "patch_backdoor"]}, "write patch_backdoor before it"),
        ({"attack": ["gaussian_noise", "free_rider"]}, "write free_rider before it"),
        ({"attack": ["free_rider", "patch_backdoor"]}, "do not train"),
        ({"attack": ["patch_backdoor", "ipm"]}, "does not depend on what patch_backdoor makes"),
        ({"attack": ["jitter", "constant"]}, "does not depend on what jitter makes"),
        ({"attack": "min_max", "knowledge": "own"}, 'min_max needs knowledge = "colluding"'),
        ({"attack": {"name": "adaptive", "objective": "success"}}, "needs an attack with a goal"),
        (
            {"attack": {"name": "adaptive", "attack": {"name": "alie", "q": 1}}},
            r"attack\.0\.attack\.q: no such key",
        ),
        ({"attack": {"name": "adaptive", "attack": "aile"}}, "Did you mean 'alie'"),
        ({"attack": {"name": "adaptive", "attack": "patch_backdoor"}}, "patch_backdoor.*adaptive"),
    ],
)
def test_says_what_is_wrong(changed, says):
    with pytest.raises(ConfigError, match=says):
        parsed({"attack": "sign_flip", "share": 0.2, **changed})


def test_attackers_may_train_longer_than_others(tmp_path):
    backdoor = {"attack": {"name": "patch_backdoor", "target": 3}, "share": 0.1}
    longer = {**backdoor, "training": {"epochs": 8, "lr": 0.2}}
    short = {"rounds": 6, "strategy": ["mean"], "evaluate_every": 6}

    patient = simulate(parsed(longer, **short), tmp_path).summary
    usual = simulate(parsed(backdoor, **short), tmp_path).summary

    assert patient.attack_success > usual.attack_success + 0.2
    spec = parsed(longer).adversaries[0].training
    assert (spec.epochs, spec.lr, spec.batch_size) == (8, 0.2, 16)


def test_steps_replace_epochs_and_what_is_not_told_stays(tmp_path):
    stepping = {"attack": "sign_flip", "share": 0.1, "training": {"steps": 5}}
    scenario = parsed(stepping)

    assert scenario.adversaries[0].training.steps == 5
    assert scenario.adversaries[0].training.epochs is None
    assert Scenario.parse(scenario.table()) == scenario
    assert scenario.table()["adversary"][0]["training"] == {"steps": 5}
    assert "training" not in parsed({"attack": "sign_flip", "share": 0.1}).table()["adversary"][0]


def test_an_attacker_that_sleeps_trains_as_all_others_do():
    late = {"attack": "sign_flip", "clients": [3], "training": {"lr": 0.5}, "active": {"start": 3}}
    world = parsed(late).world()

    assert world.training_of(3, 2) is world.training
    assert world.training_of(3, 3).lr == 0.5
    assert world.training_of(4, 3) is world.training


def test_a_control_is_the_same_federation_while_its_adversaries_sleep():
    scenario = parsed({"attack": "patch_backdoor", "share": 0.2}, name="door", rounds=4)

    control = scenario.control()

    assert control.is_control
    assert not scenario.is_control
    assert control.name == "door, nobody attacks"
    assert control.declared == scenario.declared
    world = control.world()
    assert {world.role(client, round) for client in range(20) for round in range(1, 5)} == {
        "honest"
    }


def test_a_summary_compares_with_a_control_in_the_same_folder(tmp_path):
    adversary = {"attack": {"name": "patch_backdoor", "target": 3}, "share": 0.3}
    scenario = parsed(adversary, rounds=12, evaluate_every=3, strategy=["mean"])

    without = simulate(scenario, tmp_path).summary
    clean = simulate(scenario.control(), tmp_path).summary
    beside = simulate(scenario, tmp_path).summary

    assert without.clean_accuracy is None
    assert without.goals[0].clean is None
    assert beside.clean_accuracy == clean.accuracy
    assert beside.goals[0].clean == clean.goals[0].success < 0.2
    assert beside.goals[0].success > 0.5
    assert beside.chance == pytest.approx(0.1)
    assert "without attackers" in " ".join(beside.sentences())


def test_a_backdoor_that_stops_has_a_half_life(tmp_path):
    stopping = {
        "attack": {"name": "patch_backdoor", "target": 3},
        "share": 0.2,
        "active": {"stop": 8},
    }
    scenario = parsed(stopping, rounds=40, evaluate_every=1, strategy=["mean"])

    goal = simulate(scenario, tmp_path).summary.goals[0]

    assert goal.half_life is not None
    assert 0 < goal.half_life <= 32
    assert goal.success < 0.4


def test_two_goals_are_both_told(tmp_path):
    scenario = parsed(
        {"attack": {"name": "patch_backdoor", "target": 3}, "clients": [0, 1, 2, 3]},
        {"attack": {"name": "label_flip", "source": 1, "target": 7}, "clients": [4, 5]},
        rounds=10,
        evaluate_every=5,
        strategy=["mean"],
    )

    summary = simulate(scenario, tmp_path).summary

    assert [goal.attack for goal in summary.goals] == ["patch_backdoor", "label_flip"]
    assert summary.attack_success == max(goal.success for goal in summary.goals)


def test_a_liar_s_claim_is_what_the_server_reads(tmp_path):
    liar = {"attack": "sample_count_inflation", "share": 0.2}
    weighted = {"strategy": {"name": "weighted_mean", "examples": "claimed"}, "rounds": 2}

    told = simulate(parsed(liar, **weighted), tmp_path).summary
    true = simulate(parsed({"attack": "sign_flip", "share": 0.2}, **weighted), tmp_path).summary

    assert told.relative_weight > 3 * true.relative_weight


def test_attackers_whose_updates_are_malformed_are_excluded_and_told_of(tmp_path):
    broken = {"attack": "non_finite", "share": 0.2}
    twice = {"name": "duplicated_reply", "probability": 1.0}
    summary = simulate(
        parsed(broken, rounds=4, strategy=["signguard"], fault=twice), tmp_path
    ).summary

    assert len(summary.excluded_malicious) == 4
    assert summary.dropped == {"an update too large to square": 16}
    assert "Excluded from the aggregate" in " ".join(summary.sentences())


def test_the_worst_client_is_looked_for_among_all(tmp_path):
    fields = {"rounds": 4, "evaluate_every": 4, "strategy": ["mean"]}
    everyone = simulate(parsed(**fields), tmp_path).summary
    few = simulate(parsed(**fields, sample=0.2), tmp_path / "few").summary

    assert everyone.worst_client_accuracy < everyone.accuracy
    assert few.worst_client_accuracy < few.accuracy


EXTRA = {"partition": {"name": "power_law", "extra_clients": 3}}


def test_an_adversary_may_control_the_clients_that_a_partition_adds():
    scenario = parsed({"attack": "free_rider", "clients": "extra"}, **EXTRA)

    assert scenario.adversaries[0].clients == {17, 18, 19}
    assert Scenario.parse(scenario.table()) == scenario
    ids = parsed({"attack": "free_rider", "clients": [17, 18, 19]}, **EXTRA)
    assert ids.adversaries == scenario.adversaries


@pytest.mark.parametrize("partition", ["iid", {"name": "power_law", "extra_clients": 0}])
def test_where_none_are_added_it_says_where_to_add_them(partition):
    with pytest.raises(ConfigError, match=r'"extra" needs clients.*set extra_clients'):
        parsed({"attack": "free_rider", "clients": "extra"}, partition=partition)


def test_two_adversaries_cannot_both_have_them():
    with pytest.raises(ConfigError, match=r"\[17, 18, 19\] are controlled twice"):
        parsed(*[{"attack": "free_rider", "clients": "extra"}] * 2, **EXTRA)

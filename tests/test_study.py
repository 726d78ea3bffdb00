"""A study expands to the runs that it describes, and says what is wrong with it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.doubts import doubts
from fedrobust.errors import ConfigError
from fedrobust.overrides import parsed
from fedrobust.study import Study

BASE = {"rounds": 3, "clients": 10, "data": "digits"}
FLIP = [{"attack": "sign_flip", "share": 0.2}]


def study(**fields):
    axes = {"strategy": {"mean": "mean", "krum": "krum"}, "adversary": {"nobody": [], "flip": FLIP}}
    return Study.parse({"scenario": BASE, "axes": axes, "seeds": [0, 1], **fields})


def names(found):
    return [cell.name for cell in found.cells()]


def test_a_study_is_the_product_of_its_axes_and_seeds():
    assert names(study()) == [
        f"{rule}, {attack}, seed {seed}"
        for rule in ("mean", "krum")
        for attack in ("nobody", "flip")
        for seed in (0, 1)
    ]


def test_a_cell_is_the_scenario_that_its_labels_say():
    cell = study().cells()[-1]

    assert cell.scenario.rule.rule.reference() == "krum"
    assert cell.scenario.adversaries[0].name == "sign_flip"
    assert (cell.scenario.seed, cell.scenario.rounds) == (1, 3)


def test_an_axis_may_be_any_key_and_a_plain_list():
    found = study(axes={"training.lr": [0.1, 0.5], "adversary.0.share": [0.1, 0.3]}, scenario={
        **BASE, "adversary": FLIP,
    })  # fmt: skip

    assert names(found)[0] == "0.1, 0.1, seed 0"
    assert found.cells()[-1].scenario.training.lr == 0.5
    assert len(found.cells()[-1].scenario.adversaries[0].clients) == 3


def test_values_of_a_joint_axis_change_several_keys_together():
    sizes = {"few": {"clients": 6}, "many": {"clients": 12, "training.lr": 0.5}}

    found = study(axes={"strategy": ["mean"], "scenario.size": sizes})

    few, many = (cell.scenario for cell in found.cells()[::2])
    assert (few.clients, few.training.lr) == (6, 0.1)
    assert (many.clients, many.training.lr) == (12, 0.5)


def test_lists_of_parts_are_called_by_their_names():
    strategies = ["mean", ["client_momentum", "krum"], {"name": "krum", "keep": 2}, []]

    found = study(axes={"strategy": strategies[:2] + strategies[3:]})

    assert list(found.axes["strategy"]) == ["mean", "client_momentum + krum", "none"]


def test_combinations_can_be_left_out_by_some_of_their_labels():
    assert "krum, flip, seed 0" not in names(
        study(exclude=[{"strategy": "krum", "adversary": "flip"}])
    )
    assert len(names(study(exclude=[{"adversary": ["flip", "nobody"], "strategy": "mean"}]))) == 4


def test_others_can_be_added_and_changed_on_top():
    also = {
        "labels": {"strategy": "mean", "adversary": "many"},
        "scenario": {"adversary": FLIP * 2},
    }

    cell = study(also=[also]).cells()[-1]

    assert cell.labels == {"strategy": "mean", "adversary": "many"}
    assert len(cell.scenario.adversaries) == 2


def test_a_rule_beyond_its_bound_is_a_cell_that_says_why_not():
    axes = {"strategy": ["mean", "bulyan"], "adversary.0.share": [0.1, 0.4]}
    cells = study(axes=axes, scenario={**BASE, "adversary": FLIP}).cells()

    undefined = [cell for cell in cells if cell.scenario is None]
    assert {tuple(cell.labels.values()) for cell in undefined} == {("bulyan", "0.4")}
    assert "n >= 4f + 3" in undefined[0].why_not


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"axes": {}}, r"axes: needs one at least, such as axes\.strategy = \["),
        ({"seeds": []}, r"seeds: needs one at least, such as seeds = \[0, 1, 2\]\.$"),
        ({"seeds": [1, 2, 1]}, r"\[1\] come twice"),
        ({"axes": {"seed": [1, 2]}}, r"axes\.seed: is no axis; a study has `seeds`"),
        ({"axes": {"strategy": []}}, r"^axes\.strategy: needs a value\.$"),
        ({"axes": {"strategy": "mean"}}, r"^axes\.strategy: write it in brackets: \['mean'\]\.$"),
        (
            {"axes": {"strategy": ["krum", {"name": "krum", "keep": 2}]}},
            "two .* called 'krum'; write",
        ),
        ({"seeds": 3}, r"^seeds: write it in brackets: \[3\]\.$"),
        ({"rounds": 3, "clients": 2}, r"^rounds: is a key of .*\nclients: is .*; move it to \[sce"),
        ({"axes": {"strategy": ["mean", "krmu"]}}, "Did you mean 'krum'"),
        ({"axes": {"stratgy": ["mean"]}}, "Did you mean 'strategy'"),
        ({"axes": {"adversary.3.share": [0.1]}}, "adversary"),
        ({"exclude": [{"strategy": "kurm"}]}, "Did you mean 'krum'"),
        ({"exclude": [{"stratgy": "krum"}]}, "Did you mean 'strategy'"),
        ({"also": [{"labels": {"strategy": "krum"}}]}, "^also.0.labels: needs one for adver"),
        ({"also": [{"labels": {"strategy": "krum", "adversary": "flip"}}]}, "already"),
        ({"senario": {}}, "Did you mean 'scenario'"),
        ({"axes": {"scenario.size": {"few": 6}}}, r"^axes\.scenario\.size: its values are tables"),
        ({"axes": {"scenario": [{"clients": 6}]}}, r"^axes\.scenario: give each value a name"),
        (
            {"axes": {"rounds": [2, 3], "scenario.rounds": {"few": {"clients": 6}}}},
            "would call 'rounds' and 'scenario.rounds' the same",
        ),
        (
            {"axes": {"scenario.foe": {"few": {"adversary": []}}}},
            r"^axes\.scenario\.foe: 'adversary' is a threat.*move it to axes\.adversary",
        ),
        (
            {"axes": {"scenario.foe": {"few": {"strategy": "mean"}}}},
            r"^axes\.scenario\.foe: 'strategy' is a defense",
        ),
        ({"axes": {"scenario.size": {"few": {"cleints": 6}}}}, "few.*Did you mean 'clients'"),
        (
            {
                "axes": {"strategy": ["mean"], "scenario.size": {"few": {"clients": 6}}},
                "tune": ["scenario.size"],
            },
            "tune: compares values on the same validation data",
        ),
    ],
)
def test_says_what_is_wrong(wrong, says):
    with pytest.raises(ConfigError, match=says):
        study(**wrong)


def complaints(**fields):
    with pytest.raises(ConfigError) as error:
        study(**fields)
    return str(error.value).split("\n")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"scenario": {**BASE, "rounds": 0}}, "scenario.rounds: input should be greater than 0,"),
        (
            {"scenario": {**BASE, "rounds": "x"}},
            "scenario.rounds: input should be a valid integer,",
        ),
        ({"axes": {"rounds": {"a": 1, "b b": 0}}}, 'axes.rounds."b b": input should be greater'),
        ({"axes": {"training.lrr": [1, 2]}}, 'axes."training.lrr": no such key. Did you mean'),
        ({"axes": {"strategy": ["krmu", "mean"]}}, "axes.strategy.krmu: No 'krmu' in strategies."),
        (
            {"axes": {"strategy": ["mean", {"name": "krum", "keep": 0}]}},
            "axes.strategy.krum: keep: input should be greater than 0 or be 'n-f', not 0.",
        ),
        (
            {"axes": {"strategy": ["mean", {"name": "krum", "q": 0}]}},
            "axes.strategy.krum: q: no such key. Known: num_malicious, keep, neighbors.",
        ),
        (
            {"axes": {"adversary": {"nobody": [], "flip": FLIP[0]}}},
            "axes.adversary.flip: write it in brackets: [{ ... }].",
        ),
        (
            {"axes": {"adversary": {"nobody": [], "flip": "sign_flip"}}},
            "axes.adversary.flip: needs tables in brackets, such as [{ attack = ..., share = ... }]"
            ", not 'sign_flip'.",
        ),
        (
            {"axes": {"adversary": {"nobody": [], "flip": ["sign_flip"]}}},
            "axes.adversary.flip: needs a table, such as { attack = ..., share = ... }, not 'sign_",
        ),
        (
            {"axes": {"adversary.0.share": [0.1, 0.2]}},
            'axes."adversary.0.share": adversary: there is no list yet in which to change entry 0.',
        ),
        (
            {"axes": {"adversary": {"nobody": [], "flip": [{"share": 0.2}]}}},
            "axes.adversary.flip: attack: is required.",
        ),
        (
            {"axes": {"adversary": {"nobody": [], "two": [*FLIP, {**FLIP[0], "shar": 0.1}]}}},
            "axes.adversary.two: 1.shar: no such key. Did you mean 'share'?",
        ),
        (
            {"axes": {"strategy": ["mean"], "strategy.keep": [1, 2]}},
            "strategy.0.keep: no such key. Known: none. In mean, 1; mean, 2.",
        ),
    ],
)
def test_says_once_what_is_wrong_and_where_in_the_study(fields, says):
    (line,) = complaints(**fields)

    assert line.startswith(says)


def test_each_thing_that_is_wrong_is_a_line_whatever_it_meets():
    """Two typos and a table that is missing, in 12 of 18 combinations."""
    found = complaints(
        axes={
            "strategy": {"mean": "mean", "median": {"name": "coordinate_median", "x": 1}},
            "partition.alpha": [0.1, 1.0, 10.0],
            "adversary": {
                name: [{"attack": attack, "shar": 0.2}]
                for name, attack in (("flip", "sign_flip"), ("much noise", "gaussian_noise"))
            }
            | {"ALIE": [{"attack": {"name": "alie", "zz": 1}, "share": 0.2}], "nobody": []},
        }
    )

    assert [line.partition(". ")[0] for line in found[1:]] == [
        "axes.adversary.flip: shar: no such key",
        "axes.adversary.ALIE: attack.zz: no such key",
        "axes.strategy.median: x: no such key",
    ]
    assert found[0].startswith('axes."partition.alpha": partition: needs a name')
    assert found[1].endswith("The same: much noise.")


@given(
    wrong=st.dictionaries(
        st.sampled_from(["rounds", "clients", "training.lr"]),
        st.sets(st.sampled_from([-3, -2, -1])),
        min_size=1,
    ).filter(lambda wrong: any(wrong.values()))
)
def test_there_are_as_many_complaints_as_wrong_values(wrong):
    axes = {key: [1, *sorted(values)] for key, values in wrong.items()}

    lines = complaints(axes=axes)

    assert {line.partition(": ")[0].replace('"', "") for line in lines} == {
        f"axes.{key}.{value}" for key, values in wrong.items() for value in values
    }
    assert len(lines) == sum(map(len, wrong.values()))


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ConfigError, match="absent"):
        Study.load(tmp_path / "absent.toml")
    (tmp_path / "bad.toml").write_text("axes = 3")
    with pytest.raises(ConfigError, match=r"bad\.toml"):
        Study.load(tmp_path / "bad.toml")


def test_the_built_in_study_is_one():
    from importlib.resources import files

    found = Study.parse(parsed(files("fedrobust").joinpath("study.toml").read_text("utf-8")))

    assert len(found.axes["strategy"]) >= 8
    assert len(found.axes["adversary"]) >= 7
    assert all(cell.scenario is not None for cell in found.cells())
    assert list(doubts(found, found.cells())) == []


def test_warns_of_what_means_little():
    careless = study(scenario={**BASE, "num_malicious": 0})

    told = " ".join(doubts(careless, careless.cells()))

    assert "2 seeds" in told
    assert "rules expect fewer malicious clients than there are in 2 combinations" in told


def test_warns_where_attackers_are_the_majority():
    many = study(axes={"adversary.0.share": [0.2, 0.6]}, scenario={**BASE, "adversary": FLIP})

    assert "half of the clients or more attack in 1 comb" in " ".join(doubts(many, many.cells()))


@settings(deadline=None, max_examples=25)
@given(
    sizes=st.lists(st.integers(1, 3), min_size=1, max_size=3),
    seeds=st.sets(st.integers(0, 9), min_size=1, max_size=3),
)
def test_there_are_as_many_different_runs_as_the_axes_multiply_to(sizes, seeds):
    keys = ["rounds", "clients", "training.batch_size"]
    axes = {key: list(range(5, 5 + size)) for key, size in zip(keys, sizes, strict=False)}

    cells = Study.parse({"scenario": BASE, "axes": axes, "seeds": sorted(seeds)}).cells()

    expected = len(seeds)
    for size in sizes:
        expected *= size
    assert len({cell.scenario.digest() for cell in cells}) == len(cells) == expected


def test_a_server_that_nobody_attacks_does_not_know_that():
    """It would be another rule, and cost nothing."""
    expected = {cell.labels["adversary"]: cell.scenario.num_malicious for cell in study().cells()}

    assert expected == {"nobody": 2, "flip": None}
    assert {cell.scenario.declared for cell in study().cells()} == {2}


def test_a_number_of_malicious_clients_that_is_given_stays():
    given = study(scenario={**BASE, "num_malicious": 1})

    assert {cell.scenario.declared for cell in given.cells()} == {1}


def test_a_rule_beyond_its_bound_is_so_while_nobody_attacks_too():
    half = [{"attack": "sign_flip", "share": 0.5}]
    cells = study(axes={"strategy": ["krum"], "adversary": {"nobody": [], "half": half}}).cells()

    assert [cell.scenario for cell in cells] == [None] * 4


def test_two_combinations_beside_the_product_may_not_have_the_same_labels():
    also = [
        {"labels": {"strategy": "krum", "adversary": "x"}, "scenario": {"rounds": rounds}}
        for rounds in (2, 3)
    ]

    with pytest.raises(ConfigError, match="is among the combinations already"):
        study(also=also)


def test_clients_who_learn_alone_are_those_with_which_others_are_compared():
    cells = study(
        axes={"strategy": ["standalone", "reputation"], "adversary": {"no": [], "f": FLIP}}
    )
    alone, rewarded = (
        next(c.scenario for c in cells.cells() if c.labels == {"strategy": s, "adversary": a})
        for s, a in (("standalone", "no"), ("reputation", "f"))
    )

    assert rewarded.standalone().digest() == alone.digest()

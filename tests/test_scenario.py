"""Scenarios: what they say, what they refuse, and in which words."""

from importlib.resources import files
from pathlib import Path

import pytest
import tomli_w
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedrobust.core.adversary import Knowledge
from fedrobust.core.aggregator import Mean
from fedrobust.core.chain import Chain
from fedrobust.core.sampling import malicious_in_sample
from fedrobust.demo import demo
from fedrobust.errors import ConfigError, DataError
from fedrobust.overrides import merged, parsed
from fedrobust.scenario import Scenario
from fedrobust.strategies.centered_clipping import CenteredClipping
from fedrobust.strategies.client_momentum import ClientMomentum
from fedrobust.strategies.krum import Krum
from fedrobust.study import Study

ROOT = Path(__file__).parent.parent

TEXT = """
rounds = 5
clients = 20
data = "digits"
strategy = [
  { name = "client_momentum", beta = 0.8 },
  { name = "centered_clipping", radius = 0.5 },
]

[[adversary]]
attack = { name = "sign_flip", scale = 2.0 }
share = 0.2

[[adversary]]
attack = "alie"
clients = [3, 7]
knowledge = "colluding"
active = { start = 2, every = 2 }
"""


def scenario(*overrides):
    return Scenario.parse(merged(parsed(TEXT), overrides))


def test_reads_a_strategy_as_client_side_and_server_side():
    read = scenario()

    assert read.rule == Chain(rule=CenteredClipping(radius=0.5))
    assert read.strategy[0] == ClientMomentum(beta=0.8)


def test_without_a_rule_the_server_averages():
    assert scenario("strategy = []").rule == Chain(rule=Mean())


def test_adversaries_control_disjoint_clients_and_the_ones_they_name():
    many, few = scenario().adversaries

    assert (len(many.clients), few.clients) == (4, frozenset({3, 7}))
    assert not many.clients & few.clients
    assert (many.knowledge, few.knowledge) == (Knowledge.OWN, Knowledge.COLLUDING)
    assert [few.is_active(r, seed=0) for r in range(1, 6)] == [False, True, False, True, False]


def test_the_seed_decides_whom_an_adversary_controls():
    drawn = {scenario(f"seed = {seed}").adversaries[0].clients for seed in range(5)}

    assert len(drawn) == 5
    assert scenario().adversaries == scenario().adversaries


def test_a_copy_with_another_seed_is_the_scenario_with_that_seed():
    assert scenario().model_copy(update={"seed": 3}).adversaries == scenario("seed = 3").adversaries


def test_the_server_expects_as_many_malicious_clients_as_there_are_unless_told():
    assert scenario().declared == 6
    assert scenario("num_malicious = 1").declared == 1


def test_what_is_resolved_reads_back_as_the_same_scenario():
    first = scenario()

    again = Scenario.parse(parsed(tomli_w.dumps(first.table())))

    assert again == first
    assert again.digest() == first.digest()


def test_a_name_does_not_change_the_run_but_anything_else_does():
    assert scenario('name = "x"').digest() == scenario().digest()
    assert scenario("seed = 1").digest() != scenario().digest()
    assert scenario("training.lr = 0.2").digest() != scenario().digest()


def test_overrides_are_lines_of_toml():
    changed = scenario(
        "adversary.0.share = 0.1", "training.lr = 0.5", "data = breast_cancer", "data.name=digits"
    )

    assert changed.adversary[0].share == 0.1
    assert changed.training.lr == 0.5
    assert changed.data.reference() == "digits"
    assert scenario('strategy=[{name="krum", num_malicious=3}]').rule.rule == Krum(num_malicious=3)
    assert scenario("strategy = krum").rule.rule == Krum()
    assert scenario('data = {name = "csv", path = "x", target = "y"}', "data.path=/tmp/x.csv")
    assert scenario("strategy.1.radius = 2.0").rule.rule == CenteredClipping(radius=2.0)


WRONG = {
    "a misspelled rule": ('strategy=["kurm"]', "strategy.0: No 'kurm' in strategies. Did you mean"),
    "a misspelled key": ("roudns = 3", "roudns: no such key. Did you mean 'rounds'?"),
    "a misspelled field": ("strategy.1.raduis = 3", "strategy.1.raduis: no such key. Did you mean"),
    "a misspelled nested key": ("training.lrr = 3", "training.lrr: no such key. Did you mean 'lr'"),
    "a key of an adversary": ("adversary.0.shrae=0.1", "adversary.0.shrae: no such key. Did you"),
    "a value out of range": ("strategy.1.radius = 0", "strategy.1.radius"),
    "a wrong type": ('rounds = "many"', "rounds: input should be a valid integer"),
    "a negative number": ("rounds = -1", "not -1"),
    "no number": ("training.lr = nan", "training.lr"),
    "no TOML": ("attack.z=", "Not a line of TOML: 'attack.z='"),
    "past the end of a list": ("adversary.7.share = 0.1", "adversary has 2 entries"),
    "two rules": ('strategy=["krum", "mean"]', "one rule, not krum and mean"),
    "a rule beyond its bound": (
        'strategy=[{name="krum", num_malicious=9}]',
        r"n >= 2f \+ 3.*at most 8 of 20",
    ),
    "an attack as a strategy": ('strategy=["alie"]', "No 'alie' in strategies"),
    "both steps and epochs": ("training={steps=1, epochs=1}", "not both"),
    "a client that does not exist": ("adversary.1.clients=[20]", "ids go from 0 to 19"),
    "a client controlled twice": ("adversary.1.clients=[3, 3]", "controlled twice"),
    "an adversary without clients": (
        'adversary=[{attack="alie"}]',
        "adversary.0: an adversary needs either a share",
    ),
    "a share of nobody": ('adversary=[{attack="alie", share=0.01}]', "adversary.0.share"),
    "nobody honest": ('adversary=[{attack="alie", share=0.99}]', "honest"),
    "a component without a name": ("strategy=[{radius=1}]", "strategy.0: needs a name"),
    "a class that cannot be imported": ('model = "no.such:Net"', "model: No 'no.such:Net'"),
    "an attack as a defense": (
        'strategy=[{name="fedrobust.attacks.sign_flip:SignFlip"}]',
        "no Behavior or Stage",
    ),
    "data as a defense": ('strategy=["fedrobust.data.digits:Digits"]', "no Behavior or Stage"),
    "a step after the rule that acts before it": (
        'strategy=["krum", "norm_clipping"]',
        "norm_clipping acts before krum",
    ),
    "an empty list of clients": ("adversary.1.clients=[]", "adversary.1.clients"),
    "a seed that no database holds": ("seed = 9223372036854775808", "seed"),
    "a pivot that does not exist": (
        'strategy=[{name="monna", pivot=20}]',
        "monna needs client 20 in every round: ids go from 0 to 19",
    ),
    "a pivot that samples leave out": (
        'strategy=[{name="monna", pivot=1}]\nsample=0.5',
        "monna needs client 1 in every round, and samples leave it out; set sample = 1",
    ),
    "names as they are typed": (
        'strategy=["bucketing", "foolsgold"]',
        "foolsgold has to know who sent an update, .* mixtures that bucketing makes",
    ),
    "two steps that make sketches": (
        'strategy=["random_projection", "random_projection", "krum"]',
        "one step that makes them is enough",
    ),
    "lengths of sketches": (
        'strategy=["random_projection", "norm_clipping", "krum"]',
        "norm_clipping cannot work on sketches of updates; write it before",
    ),
    "a class of another kind": ('model = "pathlib:Path"', "no Model"),
}


@pytest.mark.parametrize(("line", "says"), WRONG.values(), ids=WRONG)
def test_says_where_what_is_wrong_is_and_what_to_type(line, says):
    with pytest.raises(ConfigError, match=says):
        scenario(line)


def test_a_pivot_may_be_any_client_there_is():
    for pivot in (0, 19):
        read = scenario(f'strategy=[{{name="monna", pivot={pivot}}}]')

        assert read.rule.needs_clients == (pivot,)


def test_too_few_examples_are_not_blamed_on_a_server_that_keeps_none():
    with pytest.raises(DataError) as caught:
        scenario("clients = 2000", "adversary = []").world()

    assert "root_examples" not in str(caught.value)


def test_says_everything_that_is_wrong_at_once():
    with pytest.raises(ConfigError) as caught:
        scenario("rounds = 0", "training.lr = -1", "roudns = 2")

    assert len(str(caught.value).splitlines()) == 3


def test_names_the_file_that_is_wrong(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("rounds = 0")

    with pytest.raises(ConfigError, match=r"mine\.toml"):
        Scenario.load(path)
    with pytest.raises(ConfigError, match="fedrobust init"):
        Scenario.load(tmp_path / "missing.toml")


def test_a_users_own_module_is_a_model(monkeypatch, tmp_path):
    (tmp_path / "my_nets.py").write_text(
        "from torch import nn\n"
        "class Tiny(nn.Sequential):\n"
        "    def __init__(self, hidden=4):\n"
        "        super().__init__(nn.Flatten(), nn.Linear(64, hidden), nn.Linear(hidden, 10))\n"
        "class Normed(nn.Sequential):\n"
        "    def __init__(self):\n"
        "        super().__init__(nn.Flatten(), nn.BatchNorm1d(64), nn.Linear(64, 10))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    read = scenario('model = {name = "my_nets:Tiny", hidden = 3}')

    assert read.world().task.layout.size == 64 * 3 + 3 + 3 * 10 + 10
    assert Scenario.parse(read.table()) == read
    with pytest.raises(ConfigError, match="GroupNorm"):
        scenario('model = "my_nets:Normed"').world()
    with pytest.raises(ConfigError, match=r"my_nets:Tiny.*hiden"):
        scenario('model = {name = "my_nets:Tiny", hiden = 3}').world()


def test_a_world_is_the_same_whenever_it_is_built():
    one, two = scenario().world(), scenario().world()

    assert one.task.init().equal(two.task.init())
    assert all(
        torch.equal(a, b) for a, b in zip(one.federation.shards, two.federation.shards, strict=True)
    )


def test_building_a_world_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()

    scenario().world()

    assert torch.get_rng_state().equal(before)


def test_what_init_writes_and_what_the_demo_runs_are_scenarios():
    starter = files("fedrobust").joinpath("starter.toml").read_text()

    assert Scenario.parse(parsed(starter)).adversaries
    assert len(demo()) == 4
    assert all(s.rounds == 7 for _, s in demo(["rounds = 7"]))


@pytest.mark.parametrize(("n", "m"), [(2000, 1000), (10_000, 200)])
def test_large_federations_can_be_sampled(n, m):
    """Their numbers of samples do not fit a float; 10 % malicious, of whom a tenth more is rare."""
    assert malicious_in_sample(n, 0, m) == 0
    assert 0.1 * m < malicious_in_sample(n, n // 10, m) < 0.2 * m


@given(st.data())
def test_the_expected_number_of_malicious_clients_is_a_hypergeometric_quantile(data):
    from scipy.stats import hypergeom

    n = data.draw(st.integers(1, 200))
    f, m = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))

    expected = malicious_in_sample(n, f, m)

    assert hypergeom.sf(expected, n, f, m) <= 1e-3 * (1 + 1e-9)
    assert expected == 0 or hypergeom.sf(expected - 1, n, f, m) > 1e-3 * (1 - 1e-9)


@pytest.mark.parametrize("path", sorted((ROOT / "examples").rglob("*.toml")), ids=lambda p: p.stem)
def test_an_example_describes_a_federation_or_a_study(path):
    if "axes" in parsed(path.read_text("utf-8")):
        assert Study.load(path).cells()
    else:
        assert Scenario.load(path).rounds > 0

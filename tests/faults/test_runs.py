"""Runs in which things go wrong by themselves: what is recorded, resumed and learned."""

import logging
import sqlite3
from functools import cache

import flwr.serverapp  # noqa: F401  (it sets the level of its logger when it is first imported)
import pandas as pd
import pytest
import tomli_w
import torch

from fedrobust.core.mishap import WAITING
from fedrobust.errors import ConfigError
from fedrobust.faults.drop_out import DropOut
from fedrobust.faults.straggler import Straggler
from fedrobust.overrides import merged, parsed
from fedrobust.results import checkpoint
from fedrobust.scenario import Scenario
from fedrobust.simulate import simulate
from tests.effects import DIGITS

TEXT = """
rounds = 12
clients = 12
sample = 0.75
data = "digits"
training = { steps = 2, batch_size = 8, momentum = 0.5 }
strategy = [{ name = "client_momentum", on = "step" }, { name = "centered_clipping", radius = 1.0 }]
fault = [
  { name = "drop_out", probability = 0.2, recovery = 0.4 },
  { name = "straggler", deadline = 1.5, stale = 3 },
  { name = "bit_corruption", probability = 1e-3, bits = "exponent" },
  { name = "duplicated_reply", probability = 0.2 },
]

[[adversary]]
attack = { name = "gaussian_noise" }
clients = [0, 5]
"""


def scenario(*overrides):
    return Scenario.parse(merged(parsed(TEXT), overrides))


def table(folder, name):
    with sqlite3.connect(folder / "results.sqlite") as db:
        return pd.read_sql(f"SELECT * FROM {name}", db).drop(columns="run")


class Stop(Exception):
    """Ends a run from within."""


@pytest.mark.parametrize("number", [1, 4, 8, 11])
def test_a_resumed_run_is_bit_equal_to_one_that_was_never_interrupted(tmp_path, number):
    def watch(progress):
        if progress.round == number and progress.ledger is not None:
            raise Stop

    whole = simulate(scenario(), tmp_path / "whole")
    with pytest.raises(Stop):
        simulate(scenario(), tmp_path / "parts", watch=watch)
    state = checkpoint.load(next((tmp_path / "parts" / "checkpoints").glob("*.pt")))

    resumed = simulate(scenario(), tmp_path / "parts", resume=True)

    assert resumed.model_hash == whole.model_hash
    for name in ("rounds", "clients"):
        assert table(tmp_path / "parts", name).equals(table(tmp_path / "whole", name))
    assert waited(tmp_path / "parts").equals(waited(tmp_path / "whole"))
    assert state["faults"]["0"]  # who was down, and what was on its way
    assert state["faults"]["1"] or number == 1


def waited(folder):
    timings = table(folder, "timings")
    return timings.loc[timings["phase"] == WAITING, "seconds"].reset_index(drop=True)


def test_what_is_lost_while_a_run_is_stopped_would_be_missed(tmp_path):
    """The late replies are in the checkpoint: without them the model is another."""

    def watch(progress):
        if progress.round == 8 and progress.ledger is not None:
            raise Stop

    with pytest.raises(Stop):
        simulate(scenario(), tmp_path, watch=watch)
    (path,) = (tmp_path / "checkpoints").glob("*.pt")
    state = checkpoint.load(path)
    assert state["faults"]["1"]
    checkpoint.save(path, {k: value for k, value in state.items() if k != "faults"})

    forgetful = simulate(scenario(), tmp_path, resume=True)  # as from an older checkpoint

    assert forgetful.model_hash != simulate(scenario(), tmp_path / "whole").model_hash


def test_the_ledger_names_the_reason_for_each(tmp_path):
    simulate(scenario("rounds = 40"), tmp_path)

    clients = table(tmp_path, "clients")
    notes = clients["note"].fillna("")
    lost = notes[clients["fault"] == "an error instead of a reply"]
    assert lost.str.endswith("(simulated)").all()
    assert lost.str.contains("dropped out").any()
    assert lost.str.contains(r"^[\d.]+ s, later than the deadline of 1\.5 s").any()
    assert lost.str.contains("still at work for round").any()
    broken = notes[
        clients["fault"].isin(["an update too large to square", "values that are not finite"])
    ]
    assert len(broken)
    assert broken.str.contains("of 650 numbers corrupted").all()
    arrived = notes[clients["admitted"] == 1]
    assert arrived.str.contains("the late reply of round").any()
    assert arrived.str.contains("numbers corrupted").any()
    twice = arrived[arrived.str.contains("arrived twice")]
    assert twice.str.startswith("answered twice; the first reply counts; ").all()
    assert len(twice)


def test_simulated_seconds_are_recorded_and_not_counted_as_real_ones(tmp_path):
    outcome = simulate(scenario("rounds = 5"), tmp_path)

    assert waited(tmp_path).tolist() == [1.5] * 5
    timings = table(tmp_path, "timings")
    real = timings.loc[timings["phase"] != WAITING, "seconds"].sum()
    assert outcome.summary.seconds == pytest.approx(real)


def test_without_stragglers_nobody_waits(tmp_path):
    simulate(scenario("rounds = 2", 'fault = "drop_out"'), tmp_path)

    assert len(waited(tmp_path)) == 0


def test_the_same_scenario_gives_the_same_model_and_another_seed_other_faults(tmp_path):
    runs = [
        simulate(scenario("rounds = 4", f"seed = {seed}"), tmp_path / str(i))
        for i, seed in enumerate((0, 0, 1))
    ]
    notes = [table(tmp_path / str(i), "clients")["note"] for i in range(3)]

    assert runs[0].model_hash == runs[1].model_hash
    assert notes[0].equals(notes[1])
    assert not notes[0].equals(notes[2])


def test_a_fault_is_written_like_a_strategy():
    one = (DropOut(),)

    assert scenario("fault = drop_out").fault == one
    assert scenario('fault = {name = "drop_out"}').fault == one
    assert scenario('fault = ["drop_out", {name = "straggler", deadline = 2}]').fault == (
        *one,
        Straggler(deadline=2),
    )
    assert scenario("fault.0.probability = 0.5").fault[0].probability == 0.5


def test_a_scenario_reads_back_with_its_faults_and_has_none_where_it_has_none():
    with_, without = scenario(), scenario("fault = []")

    assert Scenario.parse(parsed(tomli_w.dumps(with_.table()))) == with_
    assert [fault["name"] for fault in with_.table()["fault"]] == [
        "drop_out",
        "straggler",
        "bit_corruption",
        "duplicated_reply",
    ]
    assert "fault" not in without.table()
    assert Scenario.parse(without.table()) == without


def test_faults_are_part_of_what_determines_a_run():
    digests = {
        scenario(f"fault = {fault}").digest()
        for fault in ("[]", '"drop_out"', '"straggler"', '[{name="drop_out", probability=0.1}]')
    }

    assert len(digests) == 4


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("fault = drop_outs", "fault.0: No 'drop_outs' in faults. Did you mean 'drop_out'?"),
        ("fault = krum", "fault.0: No 'krum' in faults."),
        ('fault = [{name = "drop_out", p = 1}]', "fault.0.p: no such key"),
        ("fault.0.probability = 2", "fault.0.probability: input should be less than or equal"),
        ('fault = [{name = "straggler", stale = 1}]', "needs a deadline for replies to be late"),
        ("fault = fedrobust.strategies.krum:Krum", "is no Mishap, but a Krum"),
    ],
)
def test_a_mistake_is_answered_with_its_place(line, says):
    with pytest.raises(ConfigError) as error:
        scenario(line)

    assert says in str(error.value)


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Return a function that runs the digits federation and returns its summary, once each."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    logging.getLogger("flwr").setLevel(logging.ERROR)

    @cache
    def run(rule, fault=None, **changes):
        rounds = changes.get("rounds", 30)
        fields = {k: dict(v) if isinstance(v, tuple) else v for k, v in changes.items()}
        base = {**DIGITS, "rounds": rounds, "evaluate_every": rounds, **fields}
        tables = {"strategy": RULES[rule][0], "fault": FAULTS[fault] if fault else []}
        made = Scenario.parse({**base, **tables, "num_malicious": RULES[rule][1]})
        return simulate(made, tmp_path_factory.mktemp("run")).summary

    yield run
    torch.set_num_threads(threads)


CLIPPING = [{"name": "client_momentum"}, {"name": "centered_clipping", "radius": 1.0}]
RULES = {  # name: the strategy, and how many malicious clients it expects
    "mean": (["mean"], 0),
    "krum": (["krum"], 2),
    "multi_krum": ([{"name": "krum", "keep": "n-f"}], 2),
    "centered_clipping": (CLIPPING, 0),
    "coordinate_median": (["coordinate_median"], 0),
    "trimmed_mean": (["trimmed_mean"], 8),
    "thin_trimmed_mean": (["trimmed_mean"], 3),
    "wary_multi_krum": ([{"name": "krum", "keep": "n-f"}], 6),
}
SLOW = {"name": "straggler", "spread": 0.2, "slow_share": 0.4, "slow_factor": 5.0, "deadline": 2.0}
FAULTS = {
    "few": ["drop_out"],
    "bursts": [{"name": "drop_out", "probability": 0.15, "recovery": 0.35}],
    "flips": [{"name": "bit_corruption", "probability": 1e-3, "bits": "exponent"}],
    "deadline": [SLOW],
    "stale": [{**SLOW, "stale": 4}],
    "twice": [{"name": "duplicated_reply", "probability": 0.5}],
}


@pytest.mark.parametrize("rule", ["mean", "krum", "multi_krum", "centered_clipping"])
@pytest.mark.parametrize("fault", ["few", "bursts"])
def test_rules_keep_working_while_clients_drop_out(digits, rule, fault):
    """Measured: 0.854 against 0.854 for the mean, and at most 0.04 less for the others."""
    clean, thinned = digits(rule), digits(rule, fault)

    assert thinned.kept == 0
    assert sum(thinned.dropped.values()) > (10 if fault == "few" else 100)
    assert thinned.accuracy > clean.accuracy - (0.05 if fault == "few" else 0.08)


def test_replies_that_come_twice_change_nothing(digits):
    clean, twice = digits("mean"), digits("mean", "twice")

    assert twice.dropped == {}
    assert twice.accuracy == pytest.approx(clean.accuracy, abs=0.005)


def test_at_usual_sizes_admission_is_enough_against_flipped_bits(digits):
    """Measured: 0.854 with and without; a seventh of the replies is dropped."""
    hit = digits("mean", "flips")

    assert sum(hit.dropped.values()) > 50
    assert hit.accuracy > digits("mean").accuracy - 0.04


FAST = (("epochs", 1), ("batch_size", 16), ("lr", 20.0))  # updates have numbers of two and more


@pytest.mark.parametrize(
    ("rule", "least", "most"),
    [
        ("mean", 0.0, 0.5),
        ("coordinate_median", 0.8, 1.0),
        ("wary_multi_krum", 0.8, 1.0),
        ("trimmed_mean", 0.8, 1.0),
        ("thin_trimmed_mean", 0.0, 0.6),
    ],
)
def test_flipped_exponents_of_large_updates_ruin_the_mean_but_not_the_median(
    digits, rule, least, most
):
    """Measured: the mean 0.18 (0.93 without), the median 0.90, trimming eight 0.91, three 0.35."""
    settings = {"model": "softmax", "training": FAST}

    assert digits(rule, **settings).accuracy > 0.8
    assert least <= digits(rule, "flips", **settings).accuracy <= most


def test_stale_replies_bring_back_the_data_of_slow_clients(digits):
    """Measured: 0.86 in time, 0.74 without the slow, 0.85 with their late replies."""
    skewed = {"partition": (("name", "dirichlet"), ("alpha", 0.1)), "rounds": 60}

    in_time = digits("mean", **skewed).accuracy
    missing = digits("mean", "deadline", **skewed).accuracy
    stale = digits("mean", "stale", **skewed).accuracy

    assert in_time > 0.82
    assert missing < in_time - 0.07
    assert stale > missing + 0.06

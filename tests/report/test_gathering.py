"""A report says what the store holds, of a study and of runs that no study made."""

import json
import tomllib
from dataclasses import replace
from statistics import mean

import pytest

from fedrobust.report.gathering import content_of
from fedrobust.report.weakness import weak_attacks
from fedrobust.results.detection import overall
from fedrobust.results.store import Store
from fedrobust.scenario import Scenario
from fedrobust.study import Study


@pytest.fixture(scope="module")
def content(results):
    return content_of(results)


@pytest.fixture
def store(results):
    with Store(results, create=False) as opened:
        yield opened


def place(options, label):
    return [option.label for option in options].index(label)


def cell(content, defense, threat):
    return content.cell(place(content.defenses, defense), place(content.threats, threat), 0)


def test_it_knows_its_axes_and_who_is_undefended(content):
    assert [(axis.key, axis.role) for axis in content.axes] == [
        ("strategy", "defense"),
        ("adversary", "threat"),
    ]
    assert [o.label for o in content.defenses if o.plain] == ["mean"]
    assert [o.label for o in content.threats if o.plain] == ["nobody"]
    assert [o.label for o in content.settings] == ["all runs"]


def test_accuracies_are_those_of_the_summaries(content, results, store):
    for planned in Study.load(results / "study.toml").cells():
        if planned.scenario is not None:
            row = store.latest(planned.scenario.digest(), "finished")
            found = cell(content, planned.labels["strategy"], planned.labels["adversary"])
            at = [run.seed for run in found.runs].index(planned.seed)
            assert found.figures["accuracy"].each[at] == row.summary["accuracy"]
            assert found.runs[at].model_hash == row.model_hash


def test_the_score_counts_what_a_backdoor_gets_wrong(content):
    found = cell(content, "mean", "backdoor").figures

    assert found["score"].each == [
        min(accuracy, 1 - success)
        for accuracy, success in zip(
            found["accuracy"].each, found["attack_success"].each, strict=True
        )
    ]
    assert "attack_success" not in cell(content, "mean", "sign flip").figures


def test_lost_accuracy_is_below_the_undefended_with_the_same_seed(content):
    calm = cell(content, "mean", "nobody").figures["accuracy"].each
    attacked = cell(content, "median", "sign flip").figures

    assert attacked["lost"].each == [
        a - b for a, b in zip(calm, attacked["accuracy"].each, strict=True)
    ]
    assert cell(content, "mean", "nobody").figures["lost"].mean == 0


def test_detection_is_that_of_the_ledger(content, store):
    found = cell(content, "multi-Krum", "sign flip")

    assert found.figures["f1"].each == [overall(store, run.id).f1 for run in found.runs]
    assert "f1" not in cell(content, "multi-Krum", "nobody").figures


def test_a_rule_beyond_its_bound_says_why(content):
    found = cell(content, "multi-Krum of many", "sign flip")

    assert (found.state, found.runs, found.figures) == ("undefined", [], {})
    assert "2f + 3" in found.why


def test_the_worst_case_is_the_lowest_score_of_each_seed(content):
    standing = next(
        s
        for s in content.rankings[0].standings
        if s.defense == place(content.defenses, "multi-Krum")
    )

    scores = [
        cell(content, "multi-Krum", t).figures["score"].each for t in ("sign flip", "backdoor")
    ]
    assert standing.worst.each == [min(pair) for pair in zip(*scores, strict=True)]
    assert standing.average.each == [mean(pair) for pair in zip(*scores, strict=True)]
    ranks = sum(s.rank for s in content.rankings[0].standings)
    assert ranks == pytest.approx(1 + 2 + 3)


def test_headlines_begin_with_the_worst_case_and_name_the_best(content):
    assert [headline.threat for headline in content.headlines] == [None, 0, 1, 2]
    for headline in content.headlines[1:]:
        best = max(
            (c for c in content.cells if c.threat == headline.threat and c.state == "done"),
            key=lambda c: c.figures["score"].mean,
        )
        assert headline.best[0] == best.defense
        assert content.defenses[best.defense].label in headline.text
        assert f"{100 * best.figures['score'].mean:.1f} %" in headline.text


def test_curves_end_with_the_last_evaluation(content, store):
    found = cell(content, "mean", "backdoor")
    last = [store.rounds(run.id)[-1] for run in found.runs]

    assert found.curves["accuracy"].rounds == [2, 4, 6, 8]
    assert found.curves["accuracy"].mean[-1] == mean(row.accuracy for row in last)
    assert found.curves["attack_success"].high[-1] == max(row.attack_success for row in last)


def test_clients_and_their_timeline_are_those_of_the_first_run(content, store):
    found = cell(content, "multi-Krum", "sign flip")
    run = found.runs[0].id
    rows = [row for number in range(1, 9) for row in store.clients(run, number)]

    assert len(found.clients.client) == 8
    assert found.clients.role.count("sign_flip") == 2
    assert sum(found.clients.reward) == pytest.approx(1)
    for client, digits in zip(found.timeline.client, found.timeline.excluded, strict=True):
        out = [row.weight == 0 for row in rows if row.client == client]
        assert digits == "".join("9" if one else "0" for one in out)
    assert cell(content, "median", "sign flip").timeline is None


def test_the_split_adds_up_to_the_training_data(content):
    scenario = Scenario.parse({"data": "digits"})

    assert sum(map(sum, content.splits[0].counts)) == len(scenario.data.load(0).y)


def test_costs_are_told_apart_from_everything_else(content):
    cost = content.times[content.cells.index(cell(content, "median", "nobody"))]

    assert cost["clients"] > 0
    assert "seconds" in [measure.key for measure in content.measures]
    assert not any("seconds" in c.figures for c in content.cells)


def test_a_model_travels_to_all_clients_and_back(content):
    model = 4 * (64 * 10 + 10) + 2 * 128  # float32, and two arrays' headers

    figures = cell(content, "mean", "nobody").figures
    assert figures["bytes_sent"].mean == figures["bytes_received"].mean == 8 * model
    assert figures["bytes"].mean == 2 * 8 * model


def test_its_scenario_can_be_run_as_it_is(content):
    found = cell(content, "multi-Krum", "backdoor")
    scenario = Scenario.parse(tomllib.loads(found.scenario))
    assert scenario.digest().startswith(found.runs[0].id.split("-")[0])


def test_the_method_says_what_was_run(content):
    told = dict(content.method)

    assert "digits" in told["Data"]
    assert "8 clients, all of them in each of 8 rounds" in told["Clients"]
    assert "2 of 8 clients: sign_flip (scale = 4.0)" in told["Threats"]
    assert "torch" in told["Versions"]
    assert "Tuning" not in told


def test_the_same_results_give_the_same_text(results, content):
    again = content_of(results)

    assert again.json() == content.json()
    assert len(content.results_hash) == 64


def test_json_is_finite_and_short(content):
    text = content.json()

    table = json.loads(text, parse_constant=pytest.fail)
    assert table["cells"][0]["figures"]["accuracy"]["mean"] == pytest.approx(
        content.cells[0].figures["accuracy"].mean, rel=1e-4
    )
    assert len(text) < 100_000


def test_an_attack_that_does_no_harm_is_doubted(results, content):
    assert not any("does not harm" in doubt for doubt in content.warnings)

    calm = {cell.threat: cell for cell in content.cells if cell.defense == 0}
    feeble = replace(calm[1], figures=calm[0].figures)
    options = content.defenses, content.threats, content.settings
    told = list(weak_attacks([calm[0], feeble], *options, harmful={1}))
    assert list(weak_attacks([calm[0], feeble], *options, harmful=())) == []
    assert len(told) == 1
    assert told[0].startswith("The threat sign flip does not harm the undefended beyond chance")


def test_cells_of_rules_that_judge_have_curves_and_areas_under_attack(content):
    judging = [c for c in content.cells if c.roc is not None]

    assert judging
    for found in judging:
        assert not content.threats[found.threat].plain
        assert 0 <= found.figures["auc"].mean <= 1
    assert cell(content, "mean", "nobody").roc is None

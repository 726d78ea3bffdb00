"""A report as CSV files."""

import csv
import io
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.report.content import Change
from fedrobust.report.csv_files import csv_files
from fedrobust.report.trials import Trial, Tuning
from tests.report.sample import sample


def read(content, name):
    return pd.read_csv(io.StringIO(csv_files(content)[f"{name}.csv"]))


def named(label):
    content = sample()
    return replace(content, defenses=[replace(d, label=label) for d in content.defenses])


def test_every_value_of_every_run_can_be_read_back():
    content = sample()

    table = read(content, "cells")

    defenses, threats = ([o.label for o in own] for own in (content.defenses, content.threats))
    keys = ["defense", "threat", "partition.alpha", "seed", "run", "measure"]
    found = table.set_index(keys).value.to_dict()
    alphas = [float(s.values["partition.alpha"]) for s in content.settings]
    expected = {
        (defenses[c.defense], threats[c.threat], alphas[c.setting], run.seed, run.id, key): value
        for c in content.cells
        for key, figure in c.figures.items()
        for run, value in zip(c.runs, figure.each, strict=True)
    }
    assert found == expected


def test_where_a_run_lacks_a_figure_values_are_given_to_no_run():
    content = sample()
    cell = content.cells[0]
    lacking = replace(cell.figures["score"], each=cell.figures["score"].each[:2])
    first = replace(cell, figures={"score": lacking})

    table = read(replace(content, cells=[first], times=content.times[:1]), "cells")

    assert table.value.tolist() == lacking.each
    assert table.seed.isna().all() and table.run.isna().all()


def test_standings_curves_clients_and_costs_can_be_read_back():
    content = sample()
    cell = content.cells[0]

    ranking, curves = read(content, "ranking"), read(content, "curves")
    clients, costs = read(content, "clients"), read(content, "costs")

    standing = content.rankings[0].standings[0]
    assert ranking.defense[0] == "centered clipping"
    assert ranking.worst_high[0] == standing.worst.high
    assert ranking.noise[0] == standing.noise
    assert pd.isna(ranking.noise[2])
    assert curves["mean"][:10].tolist() == cell.curves["accuracy"].mean
    assert clients.reward[:12].tolist() == cell.clients.reward
    assert clients.reward.isna().any()
    assert costs.seconds.sum() == pytest.approx(sum(sum(t.values()) for t in content.times))


def test_what_clients_reach_and_how_they_stood_can_be_read_back():
    content = sample()
    cell = content.cell(3, 1, 0)

    clients, reputations = read(content, "clients"), read(content, "reputations")

    own = clients[clients.run == cell.runs[0].id]
    assert own.own.tolist() == cell.clients.own
    assert own.alone.tolist() == cell.clients.alone
    assert own.removed.dropna().tolist() == [40]
    lines = reputations[reputations.run == cell.runs[0].id].pivot(
        index="client", columns="round", values="reputation"
    )
    assert list(lines.columns) == cell.reputations.rounds
    assert lines.to_numpy().tolist() == cell.reputations.reputation
    plain = replace(content, cells=content.cells[:4], times=content.times[:4])
    assert "reputations.csv" not in csv_files(plain)


def test_curves_of_detection_can_be_read_back():
    content = sample()
    cell = content.cell(3, 1, 0)

    table = read(content, "detection")

    own = table[table.run == cell.runs[0].id]
    assert own.honest.tolist() == cell.roc.honest
    assert own.malicious.tolist() == cell.roc.malicious
    calm = replace(content, cells=content.cells[:1], times=content.times[:1])
    assert "detection.csv" not in csv_files(calm)


def test_changes_have_a_file_where_there_is_another_report():
    change = Change(0, 1, 0, "accuracy", 0.5, 0.7, None, None, False)

    table = read(replace(sample(), changes=[change]), "changes")

    assert table.after.tolist() == [0.7]
    assert "changes.csv" not in csv_files(sample())


def test_scores_on_validation_data_can_be_read_back():
    trials = [
        Trial({"training.lr": "0.1"}, 0.5, chosen=True),
        Trial({"training.lr": "0.3"}, None, chosen=False),
    ]
    one = Tuning("strategy =x, alpha 1", {"strategy": "=x", "partition.alpha": "1"}, trials)

    table = read(replace(sample(), tuning=[one]), "tuning")

    assert list(table) == ["strategy", "partition.alpha", "training.lr", "score", "chosen"]
    assert table["training.lr"].tolist() == [0.1, 0.3]
    assert table.score[0] == 0.5 and pd.isna(table.score[1])
    assert table.chosen.tolist() == [True, False]
    assert table.strategy.tolist() == ["'=x", "'=x"]
    assert "tuning.csv" not in csv_files(sample())


@pytest.mark.parametrize("label", ["=1+1", "@sum", "-x", "+A1", "\t=1\r"])
def test_no_label_becomes_a_formula(label):
    rows = list(csv.reader(io.StringIO(csv_files(named(label))["cells.csv"], newline="")))

    assert {row[0] for row in rows[1:]} == {f"'{label.strip()}"}


@pytest.mark.parametrize("label", ["-0.5", "+1e-3", "-3", ".5", "x=1"])
def test_a_number_is_no_formula(label):
    rows = list(csv.reader(io.StringIO(csv_files(named(label))["cells.csv"])))

    assert {row[0] for row in rows[1:]} == {label}


@given(st.text())
@settings(deadline=None)
def test_any_label_can_be_read_back(label):
    content = sample(1)
    one = replace(named(label), cells=content.cells[:1], times=content.times[:1], rankings=[])

    rows = list(csv.reader(io.StringIO(csv_files(one)["clients.csv"], newline="")))

    line = " ".join(label.split())
    assert {row[0].removeprefix("'") for row in rows[1:]} == {line.removeprefix("'")}


def test_all_but_costs_is_the_same_after_a_rerun():
    content = sample()

    first, second = csv_files(content), csv_files(replace(content, times=[{"training": 9.0}] * 32))

    assert [name for name in first if first[name] != second[name]] == ["costs.csv"]

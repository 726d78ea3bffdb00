"""The reproductions: that they run, and that the page tells what is on record."""

import json
import logging

import pytest

from examples.papers import bucketing, grid, learning_from_history, published, report, theory
from examples.papers.__main__ import NUMBERS, ON_MNIST, RUNS
from fedrobust.scenario import Scenario


@pytest.fixture(autouse=True)
def quiet():
    logging.getLogger("flwr").setLevel(logging.ERROR)


def cells(table):
    return list(RUNS[table]())


@pytest.mark.parametrize("table", RUNS)
def test_every_cell_is_a_scenario_of_its_own_and_a_table_has_three_seeds(table):
    digests = {Scenario.parse(dict(cell.scenario)).digest() for cell in cells(table)}

    assert len(digests) == len(cells(table))
    assert {cell.labels["seed"] for cell in cells(table)} == {0, 1, 2}


@pytest.mark.parametrize("table", RUNS)
def test_the_record_is_complete(table):
    known = {row["digest"] for row in grid.read(table)}

    assert known >= {Scenario.parse(dict(cell.scenario)).digest() for cell in cells(table)}


def test_the_page_is_made_of_the_record():
    page = report.document()

    assert page == report.PAGE.read_text("utf-8"), "run `python -m examples.papers`"
    assert "not run" not in page
    assert "{" not in page


def test_a_cell_runs_and_is_not_run_twice(monkeypatch, tmp_path):
    monkeypatch.setattr(grid, "RESULTS", tmp_path)
    first = cells("krum_label_flip")[1]
    short = grid.Cell(first.labels, {**first.scenario, "rounds": 3, "evaluate_every": 1})

    (row,) = grid.run("small", [short])
    kept = (tmp_path / "small.json").read_text()
    monkeypatch.setattr(grid, "_outcome", None)
    (again,) = grid.run("small", [short])

    assert json.loads(kept) == [row] == [again]
    assert 0 < row["accuracy"] < 1
    grid.forget("small")
    assert grid.read("small") == []


@pytest.mark.parametrize("table", ON_MNIST)
def test_tables_of_mnist_differ_in_the_data_alone(table):
    here, there = next(iter(RUNS[table]())), next(iter(RUNS[table](data="mnist")))

    def rest(cell):
        return {k: v for k, v in cell.scenario.items() if k != "data"}

    assert rest(here) == rest(there)
    assert "mnist" in str(there.scenario["data"])


def test_honest_clients_have_all_examples_sorted_and_malicious_ones_a_sample():
    scenario = Scenario.parse(dict(next(iter(bucketing.mimic())).scenario))
    sorted_ = {"name": "examples.papers.parts:SortedByLabel", "honest": 20}
    world = scenario.model_validate({**scenario.table(), "partition": sorted_}).world()

    honest, others = world.federation.shards[:20], world.federation.shards[20:]
    assert sum(map(len, honest)) == 10_000
    assert [world.task.data.y[shard].unique().tolist() for shard in honest] == [
        [client // 2] for client in range(20)
    ]
    assert min(len(world.task.data.y[shard].unique()) for shard in others) == 10


def test_a_long_tail_halves_from_class_to_class():
    scenario = Scenario.parse(dict(next(iter(bucketing.long_tail())).scenario))

    sizes = scenario.world().task.data.y.bincount().tolist()

    assert sizes[:3] == [1000, 500, 250]
    assert sizes[9] == 2


def test_what_was_published_covers_the_tables():
    for rule in learning_from_history.RULES:
        for attack in learning_from_history.ATTACKS:
            assert (attack, rule, 0.99) in published.MOMENTUM
    assert set(published.RADIUS) == {
        (cell.labels["attack"], cell.labels["radius"]) for cell in bucketing.radius()
    }


def test_numbers_without_data_are_what_they_should_be():
    assert set(NUMBERS) == {"coins", "quadratic", "kappas", "eigenvalues", "rffl_shapley"}
    (n11, *_), found = (11, 25, 101), list(theory.coins(trials=200))

    mean = next(row for row in found if row["rule"] == "mean" and row["n"] == n11)
    assert mean["error"] == pytest.approx(1 / 11, rel=0.3)
    assert all(row["error"] == pytest.approx(1) for row in found if row["rule"] != "mean")
    smea = next(row for row in theory.eigenvalues(seeds=1, trials=10) if row["rule"] == "smea")
    assert smea["error"] < 1e-6

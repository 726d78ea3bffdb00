"""The runs that a report is about, and what was chosen among them."""

import tomli_w

from fedrobust.report.planned import STUDY, planned
from fedrobust.results.store import Store
from fedrobust.study import Study

LR = "training.lr"
TABLE = {
    "seeds": [0],
    "tune": [LR],
    "scenario": {"rounds": 2, "clients": 10, "data": "digits"},
    "axes": {
        "strategy": ["mean", "krum"],
        LR: [0.1, 0.3],
        "partition": [{"name": "dirichlet", "alpha": 1.0}],
    },
}


def plan(folder, table, accuracies):
    """The plan of a study of which runs have finished with these accuracies on validation data."""
    (folder / STUDY).write_text(tomli_w.dumps(table))
    with Store(folder) as store:
        for cell in Study.parse(table).cells():
            accuracy = accuracies.get((cell.labels["strategy"], cell.labels.get(LR)))
            if accuracy is not None:
                run = store.begin(
                    "", cell.scenario.digest(), cell.scenario.table(),
                    rounds=2, seed=cell.seed, versions={}, machine={},
                )  # fmt: skip
                summary = {"validation_accuracy": accuracy, "goals": []}
                store.finish(run, "finished", "", summary)
        return planned(folder, store)


def test_a_plan_shows_what_its_choices_rest_on(tmp_path):
    scores = {("mean", "0.1"): 0.5, ("mean", "0.3"): 0.7, ("krum", "0.1"): 0.4}

    found = plan(tmp_path, TABLE, scores)

    mean, krum = found.tuning
    assert mean.label == "strategy mean, partition dirichlet"
    assert mean.values == {"strategy": "mean", "partition": "dirichlet"}
    assert [(t.values[LR], t.score, t.chosen) for t in mean.trials] == [
        ("0.1", 0.5, False),
        ("0.3", 0.7, True),
    ]
    assert [(t.values[LR], t.score, t.chosen) for t in krum.trials] == [
        ("0.1", 0.4, True),
        ("0.3", None, False),
    ]
    assert found.tuned[mean.label] == ["training.lr = 0.3"]
    assert [run.scenario.training.lr for run in found.runs] == [0.3, 0.1]


def test_a_choice_at_an_edge_is_doubted_once_all_has_run(tmp_path):
    rules, rates = ("mean", "krum"), ("0.1", "0.3")
    scores = {(rule, lr): float(lr) for rule in rules for lr in rates}
    (tmp_path / "begun").mkdir()

    done = plan(tmp_path, TABLE, scores)
    begun = plan(tmp_path / "begun", TABLE, {("mean", "0.3"): 0.7})

    (doubt,) = done.edges
    assert doubt.startswith("training.lr = 0.3 is at the edge of its grid: try larger values too.")
    assert begun.edges == []


def test_without_tuning_nothing_is_said_of_it(tmp_path):
    axes = {"strategy": ["mean", "krum"]}

    found = plan(tmp_path, {**TABLE, "tune": [], "axes": axes}, {("mean", None): 0.5})

    assert (found.tuned, found.tuning, found.edges) == ({}, [], [])

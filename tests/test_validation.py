"""A validation split: what the server holds back to choose by, and what that changes."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedrobust.core import metrics
from fedrobust.core.allotment import allotted
from fedrobust.errors import ConfigError
from fedrobust.results.store import Store
from fedrobust.scenario import Scenario
from fedrobust.simulate import simulate

BASE = {"rounds": 5, "clients": 10, "data": "digits", "training": {"lr": 0.1}}
BACKDOOR = [{"attack": {"name": "patch_backdoor", "target": 0}, "share": 0.3}]
DIGEST = "9420f12fee2971f5c3e4b9925d59b09f63d22ea5c9f7628852c65ce3ddc3f43c"


def scenario(**fields):
    return Scenario.parse({**BASE, **fields})


@given(
    examples=st.integers(1, 300),
    root=st.integers(0, 100),
    share=st.floats(0, 0.99),
    seed=st.integers(0, 5),
)
def test_every_example_is_for_one_purpose(examples, root, share, seed):
    try:
        parts = allotted(examples, 1, seed, root, share)
    except ConfigError:
        assert root + max(1, round(share * examples)) >= examples
        return

    assert torch.cat(parts).sort().values.equal(torch.arange(examples))
    assert len(parts.root) == root
    assert len(parts.validation) == (max(1, round(share * examples)) if share else 0)


def test_root_examples_stay_but_for_those_that_validate():
    plain, split = allotted(1000, 10, 0, 100), allotted(1000, 10, 0, 100, 0.2)

    held = set(split.validation.tolist())
    kept = [place for place in plain.root.tolist() if place not in held]

    assert split.root.tolist()[: len(kept)] == kept
    assert 60 < len(kept) < 100


def test_other_seeds_hold_other_examples_back():
    one, two = (allotted(1000, 10, seed, validation=0.2).validation for seed in (0, 1))

    assert not one.equal(two)


def test_no_client_has_what_validates_and_the_task_is_tested_on_it():
    world = scenario(validation=0.2).world()

    shared = torch.cat(list(world.federation.shards))
    data, held = world.task.data, world.validated.data

    assert not torch.isin(world.validation, shared).any()
    assert len(shared) + len(world.validation) == len(data.y)
    assert held.x_test.equal(data.x[world.validation])
    assert held.y_test.equal(data.y[world.validation])
    assert held.x is data.x


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"validation": 0.9, "clients": 200}, "validation: of 1442 training .* keeps 1298"),
        ({"root_examples": 1400, "validation": 0.1}, "root_examples: of 1442 .* keeps 1544"),
        ({"validation": 1.0}, "validation"),
        ({"validation": -0.1}, "validation"),
    ],
)
def test_too_little_for_clients_is_refused(fields, says):
    with pytest.raises(ConfigError, match=says):
        scenario(**fields).world()


def test_without_it_a_run_is_what_it_was_before(monkeypatch, tmp_path):
    """The digest was recorded before there was a validation split."""
    plain = scenario(validation=0)
    assert "validation" not in plain.table()
    assert plain.digest() == scenario().digest() == DIGEST
    assert plain.world().validation is plain.world().validated is None
    calls = []
    real = metrics.quality
    monkeypatch.setattr(metrics, "quality", lambda *args: calls.append(1) or real(*args))

    outcome = simulate(plain, tmp_path)

    assert len(calls) == 5
    assert outcome.summary.validation_accuracy is None
    with Store(tmp_path) as store:
        assert {row.validation_accuracy for row in store.rounds(outcome.run)} == {None}


def test_a_table_with_it_reads_back():
    split = scenario(validation=0.2)

    assert split.table()["validation"] == 0.2
    assert Scenario.parse(split.table()) == split
    assert split.digest() != DIGEST


def test_it_tells_of_test_accuracy_without_being_it(tmp_path):
    plain = simulate(scenario(rounds=60), tmp_path)

    split = simulate(scenario(rounds=60, validation=0.2), tmp_path)

    found = split.summary
    assert split.model_hash != plain.model_hash
    assert found.accuracy > 0.8
    assert found.validation_accuracy == pytest.approx(
        found.accuracy, abs=0.1
    )  # of 355 and 288 examples
    assert found.validation_accuracy != found.accuracy
    with Store(tmp_path) as store:
        last = [row.validation_accuracy for row in store.rounds(split.run)][-5:]
    assert found.validation_accuracy == pytest.approx(sum(last) / 5)
    assert any("Of the validation data" in sentence for sentence in found.sentences())


def test_goals_are_measured_on_it_too_wherever_the_model_is_evaluated(tmp_path):
    attacked = scenario(
        rounds=60,
        validation=0.2,
        evaluate_every=4,
        model={"name": "mlp", "hidden": [32]},
        adversary=[*BACKDOOR, {"attack": "sign_flip", "share": 0.1}],
    )

    outcome = simulate(attacked, tmp_path)

    (goal,) = outcome.summary.goals
    assert goal.success > 0.5
    assert goal.validation_success == pytest.approx(goal.success, abs=0.1)
    with Store(tmp_path) as store:
        known = [row.round for row in store.rounds(outcome.run) if row.validation_accuracy]
        (row,) = store.goals(outcome.run, 60)
        assert store.goals(outcome.run, 59) == []
    assert known == list(range(4, 61, 4))
    world = attacked.world()
    x, y = world.validated.data.x_test, world.validated.data.y_test
    wanted = len(world.adversaries[0].goal(x, y)[0])
    assert row.validation_success * wanted == pytest.approx(round(row.validation_success * wanted))


def test_a_resumed_run_validates_as_one_that_was_never_interrupted(tmp_path):
    split = scenario(validation=0.2, adversary=BACKDOOR)
    whole = simulate(split, tmp_path / "whole")

    def stop(progress):
        if progress.round == 2 and progress.ledger is not None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(split, tmp_path / "parts", watch=stop)
    resumed = simulate(split, tmp_path / "parts", resume=True)

    assert resumed.model_hash == whole.model_hash
    with Store(tmp_path / "whole") as one, Store(tmp_path / "parts") as other:
        assert one.rounds(whole.run) == other.rounds(whole.run)
        assert all(one.goals(whole.run, n) == other.goals(whole.run, n) for n in range(1, 6))

"""What every process does that runs a cell of a study."""

import pytest

from fedrobust.comparing import compare
from fedrobust.results.store import Store
from fedrobust.simulate import simulate
from fedrobust.study import Study


@pytest.mark.slow
def test_a_cell_asks_for_no_processes_of_its_own_and_gives_the_same_model(tmp_path):
    """Its process is a daemon, which may have no children, and the other cores have cells."""
    study = {
        "seeds": [0],
        "scenario": {
            "rounds": 3,
            "clients": 6,
            "data": "digits",
            "engine": {"trainer": "loop", "processes": 2},
        },
        "axes": {"strategy": ["mean"]},
    }
    (cell,) = Study.parse(study).cells()

    comparison = compare([cell], tmp_path)
    alone = simulate(cell.scenario, tmp_path / "alone")

    assert comparison.why == {}
    with Store(tmp_path) as store:
        assert [run.model_hash for run in store.runs()] == [alone.model_hash]

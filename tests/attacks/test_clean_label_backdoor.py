import pytest
import torch

from fedrobust.attacks.alie import ALIE
from fedrobust.attacks.clean_label_backdoor import CleanLabelBackdoor
from fedrobust.attacks.distributed_backdoor import DistributedBackdoor
from fedrobust.attacks.edge_case_backdoor import EdgeCaseBackdoor
from fedrobust.attacks.invisible_backdoor import InvisibleBackdoor
from fedrobust.attacks.patch_backdoor import PatchBackdoor
from fedrobust.attacks.semantic_backdoor import SemanticBackdoor
from fedrobust.core.task import Batch
from fedrobust.errors import ConfigError
from fedrobust.scenario import Scenario

ONE = PatchBackdoor(size=1, value=9.0)


def taught(attack, x, y, w=None):
    batch = Batch(torch.tensor(x), torch.tensor(y), torch.ones(len(y)) if w is None else w)
    return attack.batch(torch.zeros(1), batch, {}, {})[0]


def test_stamps_examples_of_the_target_and_changes_no_label():
    batch = taught(CleanLabelBackdoor(target=1, trigger=ONE), [[1.0, 2.0]] * 4, [1, 0, 1, 2])

    assert batch.x.tolist() == [[1, 9], [1, 2], [1, 9], [1, 2]]
    assert batch.y.tolist() == [1, 0, 1, 2]


def test_stamps_the_first_of_them_and_no_padding():
    attack = CleanLabelBackdoor(target=1, trigger=ONE, poison_share=0.5)

    w = torch.tensor([1.0, 1, 0, 1, 1])
    batch = taught(attack, [[0.0, 0.0]] * 5, [1, 1, 1, 1, 0], w)

    assert batch.x[:, 1].tolist() == [9, 9, 0, 0, 0]
    assert batch.w.equal(w)


def test_teaches_a_batch_without_the_target_as_it_is():
    batch = taught(CleanLabelBackdoor(target=1), [[1.0, 2.0, 3.0]] * 2, [0, 2])

    assert batch.x.tolist() == [[1, 2, 3], [1, 2, 3]]


def test_mixes_a_stamped_example_with_the_one_before_it():
    attack = CleanLabelBackdoor(target=1, trigger=ONE, perturb=0.25)

    batch = taught(attack, [[4.0, 0.0], [8.0, 0.0], [0.0, 0.0]], [1, 1, 0])

    assert batch.x.tolist() == [[4, 9], [7, 9], [0, 0]]


def test_shows_the_trigger_on_what_is_not_mixed():
    x, y = torch.tensor([[4.0, 0.0], [8.0, 0.0], [0.0, 0.0]]), torch.tensor([1, 0, 2])

    shown, wanted = CleanLabelBackdoor(target=1, trigger=ONE, perturb=0.9).goal(x, y)

    assert shown.tolist() == [[8, 9], [0, 9]]
    assert wanted.tolist() == [1, 1]


def test_stamps_any_backdoors_trigger():
    faint, x = InvisibleBackdoor(kind="sinusoid"), torch.rand(3, 1, 8, 8)

    assert CleanLabelBackdoor(trigger=faint, perturb=0).triggered(x).equal(faint.triggered(x))


def test_deals_out_the_parts_of_a_trigger_that_has_some():
    whole, x = DistributedBackdoor(), torch.zeros(1, 1, 8, 8)

    second = CleanLabelBackdoor(trigger=whole).for_client(1, 4)

    assert second.triggered(x).equal(whole.for_client(1, 4).triggered(x))
    assert second.shown(x).equal(whole.shown(x))


def test_the_trigger_is_written_by_name():
    attack = {"name": "clean_label_backdoor", "trigger": {"name": "patch_backdoor", "size": 2}}
    table = {"rounds": 1, "clients": 4, "data": "digits", "adversary": {"attack": attack}}

    scenario = Scenario.parse({**table, "adversary": [{"attack": attack, "share": 0.25}]})

    expected = CleanLabelBackdoor(trigger=PatchBackdoor(size=2))
    assert scenario.world().adversaries[0].attacks == (expected,)
    assert Scenario.parse(scenario.table()) == scenario


@pytest.mark.parametrize("trigger", [SemanticBackdoor(), EdgeCaseBackdoor(), ALIE()])
def test_needs_a_trigger_for_any_input(trigger):
    name = trigger.reference()

    with pytest.raises(ValueError, match=f"marks any input, such as patch_backdoor, not {name}"):
        CleanLabelBackdoor(trigger=trigger)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"trigger": PatchBackdoor(size=9)}, "size of at most 8"),
        ({"target": 3}, "CleanLabelBackdoor needs a target below the 3 classes, not 3"),
    ],
)
def test_has_to_fit_the_task(fields, message):
    with pytest.raises(ConfigError, match=message):
        CleanLabelBackdoor(**fields).for_task(3, (1, 8, 8))


@pytest.mark.parametrize("wrong", [{"perturb": -0.1}, {"perturb": 1.1}, {"poison_share": 0}])
def test_rejects(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        CleanLabelBackdoor(**wrong)

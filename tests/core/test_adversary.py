import pytest
import torch

from fedrobust.attacks.label_flip import LabelFlip
from fedrobust.core.adversary import Adversary, Attack, Knowledge, Schedule


def rounds(schedule, last=12, seed=0):
    g = torch.Generator().manual_seed(seed)
    return [round for round in range(1, last + 1) if schedule.includes(round, g)]


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (Schedule(), list(range(1, 13))),
        (Schedule(start=4), list(range(4, 13))),
        (Schedule(stop=2), [1, 2]),
        (Schedule(start=3, stop=3), [3]),
        (Schedule(every=5), [1, 6, 11]),
        (Schedule(start=2, stop=9, every=3), [2, 5, 8]),
        (Schedule(start=5, stop=4), []),
    ],
    ids=str,
)
def test_a_schedule_says_in_which_rounds_to_act(schedule, expected):
    assert rounds(schedule) == expected


def test_a_schedule_may_be_left_to_chance():
    acted = rounds(Schedule(start=11, probability=0.3), last=1010)

    assert min(acted) > 10
    assert len(acted) == pytest.approx(300, abs=60)


@pytest.mark.parametrize(
    "wrong", [{"start": 0}, {"stop": 0}, {"every": 0}, {"probability": 0}, {"probability": 1.1}]
)
def test_a_schedule_rejects(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Schedule(**wrong)


def adversary(**fields):
    fields = {"attack": Attack(), "clients": frozenset({1}), "knowledge": Knowledge.OWN, **fields}
    return Adversary(**fields)


def test_an_adversary_decides_the_same_on_every_machine():
    moody = adversary(schedule=Schedule(probability=0.5))

    decisions = [moody.is_active(round, seed=3) for round in range(1, 40)]

    assert [moody.is_active(round, seed=3) for round in range(1, 40)] == decisions
    assert len(set(decisions)) == 2


def test_two_adversaries_decide_by_themselves():
    schedule = Schedule(probability=0.5)
    one, other = adversary(schedule=schedule), adversary(schedule=schedule, index=1)

    assert [one.is_active(r, 0) for r in range(40)] != [other.is_active(r, 0) for r in range(40)]


def test_an_adversary_fits_its_attack_to_the_data():
    fitted = adversary(attack=LabelFlip()).for_task(7, (2,))

    assert fitted.attack.num_classes == 7
    assert fitted.clients == frozenset({1})


@pytest.mark.parametrize(
    ("honest", "seen"), [(None, "own"), (torch.zeros(0, 2), "own"), (torch.ones(3, 2), "honest")]
)
def test_the_benign_sample_is_the_best_an_adversary_has(view, honest, seen):
    known = view(torch.zeros(2, 2), honest)

    assert known.benign is getattr(known, seen)


def test_an_attack_does_nothing_unless_it_says_so(view):
    known, attack = view(torch.randn(2, 3)), Attack()

    sent, state = attack.craft(known, attack.init(known.params))

    assert sent.equal(known.own)
    assert state == ()
    assert attack.goal(torch.zeros(1, 2), torch.zeros(1)) is None

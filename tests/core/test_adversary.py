import pytest
import torch

from fedrobust.attacks.alie import ALIE
from fedrobust.attacks.label_flip import LabelFlip
from fedrobust.attacks.sign_flip import SignFlip
from fedrobust.core.adversary import Adversary, Attack, Knowledge, Schedule, most_knowing


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
        (Schedule(start=50), []),
        (Schedule(rounds=(2, 7, 99)), [2, 7]),
        (Schedule(start=3, rounds=(2, 7)), [7]),
        (Schedule(every=5, stretch=2), [1, 2, 6, 7, 11, 12]),
        (Schedule(start=2, every=6, stretch=3), [2, 3, 4, 8, 9, 10]),
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
    fields = {
        "attacks": (Attack(),),
        "clients": frozenset({1}),
        "knowledge": Knowledge.OWN,
        **fields,
    }
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
    fitted = adversary(attacks=(LabelFlip(),)).for_task(7, (2,))

    assert fitted.attacks[0].num_classes == 7
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


class Doubled(Attack):
    """Send twice what it is given, and remember how often it did."""

    def init(self, params):
        return 0

    def craft(self, view, state):
        return 2 * view.own, state + 1

    def claims(self, examples):
        return 2 * examples


class Shifted(Attack):
    """Send one more than it is given; each client of its own."""

    amount: float = 1.0

    def for_client(self, place, of):
        return Shifted(amount=float(place % 2))

    def craft(self, view, state):
        return view.own + self.amount, state

    def goal(self, x, y):
        return x, y + 1


def test_of_several_attacks_each_acts_on_what_the_one_before_it_makes(view):
    rows = torch.tensor([[1.0, 2.0]])

    def crafted(*attacks):
        mind = adversary(attacks=attacks)
        sent, state = mind.craft(view(rows), mind.init(torch.zeros(2)))
        return sent.tolist(), mind.craft(view(rows), state)[1]

    assert crafted(Doubled(), Shifted()) == ([[3.0, 5.0]], [2, ()])
    assert crafted(Shifted(), Doubled()) == ([[4.0, 6.0]], [(), 2])


def test_claims_pass_through_all_attacks():
    claimed = adversary(attacks=(Doubled(), Attack(), Doubled())).claims(torch.tensor([3.0, 4.0]))

    assert claimed.tolist() == [12.0, 16.0]


def test_the_goal_is_that_of_the_first_attack_that_has_one():
    x, y = torch.zeros(2, 1), torch.tensor([0, 1])

    assert adversary(attacks=(Doubled(), Shifted())).goal(x, y)[1].tolist() == [1, 2]
    assert adversary(attacks=(Doubled(),)).goal(x, y) is None


def test_clients_may_differ_and_those_that_do_not_are_one():
    layers = adversary(attacks=(Doubled(), Shifted()), clients=frozenset({3, 5, 8, 9})).layers

    assert list(layers[3]) == ["attack", "attack-1"]
    assert [layers[c]["attack-1"].amount for c in (3, 5, 8, 9)] == [0.0, 1.0, 0.0, 1.0]
    assert layers[3]["attack-1"] is layers[8]["attack-1"]
    assert layers[3]["attack"] is layers[9]["attack"]


def test_an_adversary_is_named_by_all_that_it_does():
    assert adversary(attacks=(LabelFlip(), SignFlip())).name == "label_flip+sign_flip"


@pytest.mark.parametrize(
    ("schedule", "last"),
    [
        (Schedule(), 50),
        (Schedule(stop=7), 7),
        (Schedule(rounds=(3, 9)), 9),
        (Schedule(rounds=(5, 40), stop=20), 5),
        (Schedule(every=10, stop=19), 11),
        (Schedule(every=10, stretch=3, stop=27), 23),
        (Schedule(start=51), None),
    ],
    ids=str,
)
def test_a_schedule_knows_its_last_round(schedule, last):
    assert schedule.last(50) == last


@pytest.mark.parametrize(
    "never", [{"start": 5, "stop": 4}, {"start": 3, "rounds": (1,)}, {"every": 5, "rounds": (2,)}]
)
def test_a_schedule_that_never_acts_is_refused(never):
    with pytest.raises(ValueError, match=r"before start|left out"):
        Schedule(**never)


def test_who_rests_needs_rounds_to_rest_in():
    with pytest.raises(ValueError, match="every = 8"):
        Schedule(every=4, stretch=4)


def test_the_most_knowing_attack_decides_what_to_know():
    assert most_knowing([LabelFlip(), ALIE(), SignFlip()]) is Knowledge.OMNISCIENT
    assert most_knowing([LabelFlip()]) is Knowledge.OWN

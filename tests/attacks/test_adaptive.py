import copy
import logging
from math import inf, nan
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.attacks.adaptive import Adaptive
from fedrobust.attacks.additive_noise import AdditiveNoise
from fedrobust.attacks.alie import ALIE
from fedrobust.attacks.free_rider import FreeRider
from fedrobust.attacks.gaussian_noise import GaussianNoise
from fedrobust.attacks.ipm import IPM
from fedrobust.attacks.label_flip import LabelFlip
from fedrobust.attacks.min_max import MinMax
from fedrobust.attacks.rescaling import Rescaling
from fedrobust.attacks.value_inversion import ValueInversion
from fedrobust.core.adversary import Attack
from fedrobust.core.chain import Chain
from fedrobust.strategies.centered_clipping import CenteredClipping
from fedrobust.strategies.geometric_median import GeometricMedian
from fedrobust.strategies.krum import Krum
from fedrobust.strategies.nearest_neighbor_mixing import NearestNeighborMixing
from fedrobust.strategies.trimmed_mean import TrimmedMean

RULES = {
    "krum": Krum(),
    "geometric_median": GeometricMedian(),
    "trimmed_mean": TrimmedMean(),
    "centered_clipping": CenteredClipping(),
    "nnm": Chain(before=(NearestNeighborMixing(),), rule=TrimmedMean()),
}
GRID = [2.0**power for power in range(-4, 7)]
DENSE = torch.logspace(-4, 6, 200, base=2, dtype=torch.float64).tolist()


def noisy(seed=7):
    """Eight honest updates of twenty parameters with very different spreads."""
    g = torch.Generator().manual_seed(seed)
    return 0.5 + torch.randn(8, 20, generator=g) * torch.linspace(0.2, 2, 20)


def server(rule, honest, info):
    """Return what a server of this rule makes of the rows of attackers, put before honest ones."""

    def simulate(rows):
        updates = torch.cat([rows, honest])
        round = info(updates, num_malicious=len(rows))
        return rule.aggregate(updates, rule.init(round.params), round).update

    return simulate


class Shift(Attack):
    """Send a number."""

    to: float = 1.0

    def craft(self, view, state):
        return torch.full_like(view.own, self.to), state


class Heard:
    """A server whose update is any function of the first number that it gets."""

    def __init__(self, of):
        self.of, self.sent = of, []

    def __call__(self, rows):
        self.sent.append(rows[0, 0].item())
        made = self.of(rows[0, 0].item())
        return None if made is None else torch.full((1,), made)


def tuned(view, simulate, trial=None, state=((), None, False), **fields):
    """Return the number that is sent, where honest clients all send zero."""
    seen = view(torch.zeros(2, 1), torch.zeros(3, 1), simulate=simulate, trial=trial)
    sent, state = Adaptive(attack=Shift(), **fields).craft(seen, state)
    return sent[0].item(), state


def test_the_first_numbers_are_powers_of_two(view):
    heard = Heard(lambda x: x)

    tuned(view, heard)

    assert heard.sent[:11] == GRID
    assert len(heard.sent) == 20


def test_the_next_ones_divide_the_wider_gap_next_to_the_best(view):
    """Worked by hand: 4 is best, and 0.381966 of the way down to 2 and up to 8 come next."""
    heard = Heard(lambda x: 1.0 if x == 4 else 0.0)

    tuned(view, heard)

    assert heard.sent[11:13] == pytest.approx([4 * 2**-0.381966, 4 * 2**0.381966])


@pytest.mark.parametrize("best", [0.0625, 0.07, 0.9, 1.1, 3.0, 45.0, 64.0])
def test_a_single_peak_is_found_on_either_side_of_the_grid(view, best):
    sent, _ = tuned(view, Heard(lambda x: 1 / (1 + abs(x / best - 1))))

    assert sent == pytest.approx(best, rel=0.02)


def test_it_sends_the_best_it_tried_and_not_the_last(view):
    heard = Heard(lambda x: 9.0 if x == 8 else 1.0)

    sent, state = tuned(view, heard)

    assert sent == 8
    assert heard.sent[-1] != 8
    assert state == ((), 8.0, False)


@pytest.mark.parametrize("attack", [ALIE(), IPM()], ids=["opt-alie", "opt-ipm"])
@pytest.mark.parametrize("rule", RULES)
def test_it_is_about_as_good_as_two_hundred_trials(view, info, rule, attack):
    honest = noisy()
    simulate, mean = server(RULES[rule], honest, info), honest.double().mean(dim=0)
    seen = view(torch.zeros(3, 20), honest, simulate=simulate)

    def harm(sent):
        return (simulate(sent).double() - mean).norm().item()

    def fixed(value):
        field = "z" if attack == ALIE() else "epsilon"
        return harm(type(attack)(**{field: value}).craft(seen, False)[0])

    adaptive = Adaptive(attack=attack)
    reached = harm(adaptive.craft(seen, adaptive.init(seen.params))[0])

    assert reached >= max(map(fixed, GRID))
    assert reached > 0.95 * max(map(fixed, DENSE))


def test_against_krum_the_grid_alone_is_not_enough(view, info):
    """The largest z that Krum still accepts lies between two powers of two."""
    honest = noisy()
    simulate, mean = server(Krum(), honest, info), honest.mean(dim=0)
    adaptive = Adaptive(evaluations=20)

    seen = view(torch.zeros(3, 20), honest, simulate=simulate)
    sent, _ = adaptive.craft(seen, adaptive.init(seen.params))

    on_grid = [simulate(ALIE(z=z).craft(seen, False)[0]) for z in GRID]
    assert simulate(sent).equal(sent[0])
    assert (sent[0] - mean).norm() > 1.25 * max((update - mean).norm() for update in on_grid)


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 10_000),
    rule=st.sampled_from(sorted(RULES)),
    evaluations=st.integers(2, 20),
)
def test_it_never_tries_more_often_than_allowed_and_never_ends_below_its_grid(
    view, info, seed, rule, evaluations
):
    honest, harms = noisy(seed), []
    simulate, mean = server(RULES[rule], honest, info), honest.double().mean(dim=0)

    def recorded(rows):
        harms.append((simulate(rows).double() - mean).norm().item())
        return simulate(rows)

    attack = Adaptive(attack=IPM(), evaluations=evaluations)
    sent, _ = attack.craft(view(torch.zeros(3, 20), honest, simulate=recorded), attack.init(honest))

    assert len(harms) <= evaluations
    assert (simulate(sent).double() - mean).norm().item() == pytest.approx(max(harms))


def test_every_trial_sees_the_same_draws(view):
    """So does what is sent, and the generator moves on as if there had been no trial."""
    trials = []

    def simulate(rows):
        trials.append(rows.clone())
        return rows.mean(dim=0)

    seen = view(torch.zeros(2, 5), torch.zeros(3, 5), simulate=simulate)
    attack = Adaptive(attack=AdditiveNoise())
    sent, _ = attack.craft(seen, attack.init(seen.params))

    plain = view(torch.zeros(2, 5), torch.zeros(3, 5))
    AdditiveNoise(std=64).craft(plain, ())
    torch.testing.assert_close(trials[1], 2 * trials[0])
    torch.testing.assert_close(sent, 1024 * trials[0])
    assert seen.generator.get_state().equal(plain.generator.get_state())


def test_a_refused_round_counts_as_an_update_of_zero(view):
    """The honest mean is 3, so that a lost round is as harmful as a shift by 3."""
    attack = Adaptive(attack=Shift())
    known = {"own": torch.zeros(2, 1), "honest": torch.full((3, 1), 3.0)}

    def sent(shift):
        heard = Heard(lambda x: None if x == 16 else 3 + shift)
        return attack.craft(view(**known, simulate=heard), attack.init([]))[0][0, 0].item()

    assert sent(2.0) == 16
    assert sent(4.0) == GRID[0]


def trial(loss=lambda x: nan, success=lambda x: nan):
    return SimpleNamespace(
        loss=lambda params: loss(params.item()), success=lambda params: success(params.item())
    )


@pytest.mark.parametrize("objective", ["loss", "success"])
def test_harm_may_be_what_the_new_model_does(view, objective):
    """The server halves what it gets; the adversary wants a model at 5."""
    judge = trial(**{objective: lambda x: -abs(x - 5)})

    sent, _ = tuned(view, Heard(lambda x: x / 2), judge, objective=objective)

    assert sent == pytest.approx(10, rel=0.01)


def test_a_loss_that_is_no_number_is_the_worst(view):
    judge = trial(loss=lambda x: nan if x == 32 else x)

    sent, _ = tuned(view, Heard(lambda x: x), judge, objective="loss")

    assert sent == 32


def test_without_a_goal_no_number_counts(view, caplog):
    """Success is NaN; clients send what they would have sent."""
    own = torch.tensor([[3.0], [4.0]])
    seen = view(own, torch.zeros(3, 1), simulate=Heard(lambda x: x), trial=trial())
    attack = Adaptive(attack=Shift(), objective="success")

    sent, state = attack.craft(seen, attack.init([]))
    attack.craft(seen, state)

    assert sent.equal(own)
    assert [r.message for r in caplog.records] == ["Adaptive does not adapt: no number counts."]


@pytest.mark.parametrize(("stealth", "most"), [(1.0, 2.0), (3.0, 6.0)])
def test_stealth_bounds_how_far_a_row_lies_from_the_mean(view, stealth, most):
    """Worked by hand: the farthest honest update is 2 from the mean, which is zero."""
    heard = Heard(lambda x: x)
    seen = view(torch.zeros(2, 1), torch.tensor([[2.0], [-2.0]]), simulate=heard)
    attack = Adaptive(attack=Shift(), stealth=stealth)

    sent, _ = attack.craft(seen, attack.init([]))

    assert 0.98 * most < sent[0].item() <= most
    assert max(heard.sent) <= most


def test_where_no_number_is_stealthy_clients_send_what_they_would_have_sent(view):
    own, honest = torch.ones(2, 1), torch.zeros(3, 1)
    attack = Adaptive(attack=Shift(), stealth=2.0)

    sent, _ = attack.craft(view(own, honest, simulate=Heard(lambda x: x)), attack.init([]))

    assert sent.equal(own)


@pytest.mark.parametrize(("when", "calls"), [("round", 60), ("once", 20)])
def test_it_searches_anew_or_keeps_what_it_found(view, when, calls):
    rounds = [Heard(lambda x, best=best: float(x == best)) for best in (2, 8, 32)]
    state, found = Adaptive(attack=Shift()).init([]), []

    for heard in rounds:
        sent, state = tuned(view, heard, state=state, when=when)
        found.append(sent)

    assert found == ([2, 8, 32] if when == "round" else [2, 2, 2])
    assert sum(len(heard.sent) for heard in rounds) == calls


class Counting(Shift):
    """Remember how often it crafted."""

    def init(self, params):
        return 0

    def craft(self, view, state):
        return torch.full_like(view.own, self.to + state), state + 1


def test_the_wrapped_attack_remembers_one_craft_a_round(view):
    attack = Adaptive(attack=Counting())
    state = attack.init([])

    for _ in range(3):
        seen = view(torch.zeros(2, 1), torch.zeros(3, 1), simulate=Heard(lambda x: x))
        sent, state = attack.craft(seen, state)

    assert state[0] == 3
    assert sent[0].item() == 64 + 2


def test_without_the_rule_the_wrapped_attack_goes_on_and_says_so_once(view, caplog):
    honest = torch.tensor([[0.0, 2.0], [4.0, 2.0]])
    seen = view(torch.zeros(2, 2), honest)
    attack = Adaptive(attack=IPM(epsilon=0.5))

    with caplog.at_level(logging.WARNING):
        sent, state = attack.craft(seen, attack.init(seen.params))
        attack.craft(seen, state)

    assert sent.tolist() == [[-1.0, -1.0]] * 2
    assert [r.message for r in caplog.records] == [
        'Adaptive does not adapt: it needs knowledge = "rule".'
    ]


@pytest.mark.parametrize("size", [0.0, 1e-38, 1e-20, 1e20, 3e38])
def test_what_it_sends_is_finite(view, info, size):
    honest = size * torch.tensor([[1.0, 0.5], [-1.0, 0.25], [0.5, 1.0], [0.1, 0.2]])
    seen = view(honest[:1], honest, simulate=server(TrimmedMean(), honest, info))
    attack = Adaptive(attack=IPM())

    sent, _ = attack.craft(seen, attack.init(seen.params))

    assert sent.isfinite().all()


def test_it_changes_nothing_that_it_is_given(view, info):
    honest = noisy()
    seen = view(torch.zeros(3, 20), honest, simulate=server(Krum(), honest, info))
    attack = Adaptive(attack=Counting())
    state = attack.init(seen.params)
    before = copy.deepcopy((seen.own, honest, state))

    attack.craft(seen, state)

    assert seen.own.equal(before[0])
    assert honest.equal(before[1])
    assert state == before[2]


@pytest.mark.parametrize(
    ("attack", "fields", "tried"),
    [
        (ValueInversion(), {}, ("share", GRID[:5])),
        (GaussianNoise(), {"field": "std"}, ("std", GRID)),
        (Rescaling(), {"low": 1, "high": 16, "evaluations": 4}, ("factor", [1, 4, 16])),
    ],
)
def test_only_numbers_that_the_field_takes_are_tried(attack, fields, tried):
    adaptive = Adaptive(attack=attack, **fields)

    field, values = tried
    assert adaptive._grid == values
    assert [getattr(adaptive._tuned(value), field) for value in values] == values


def test_it_keeps_the_other_fields_of_what_it_wraps():
    assert Adaptive(attack=ALIE(sign=-1))._tuned(3.0) == ALIE(z=3.0, sign=-1)


class Fitted(Shift):
    """Learns the number of classes."""

    classes: int = 0

    def for_task(self, num_classes, input_shape):
        return self.model_copy(update={"classes": num_classes})


def test_the_wrapped_attack_is_fitted_to_the_data():
    assert Adaptive(attack=Fitted()).for_task(7, (1,)).attack == Fitted(classes=7)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"attack": LabelFlip()}, r'attack = \["label_flip", '),
        ({"attack": FreeRider()}, r'attack = \["free_rider", '),
        ({"attack": MinMax()}, "min_max takes no number .* it has: none"),
        ({"field": "sign"}, "alie takes no sign .* it has: z"),
        ({"attack": GaussianNoise(), "field": "sdt"}, "no sdt .* it has: mean, std"),
        ({"low": 2, "high": 1}, "alie takes no number from 2 to 1;"),
        ({"attack": ValueInversion(), "low": 2}, "takes no number from 2 to 64"),
        ({"low": 0}, "low"),
        ({"high": inf}, "high"),
        ({"evaluations": 1}, "evaluations"),
        ({"stealth": 0}, "stealth"),
        ({"objective": "angle"}, "objective"),
        ({"when": "never"}, "when"),
    ],
)
def test_rejects(wrong, message):
    with pytest.raises(ValueError, match=message):
        Adaptive(**wrong)

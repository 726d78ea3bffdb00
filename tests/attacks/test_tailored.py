import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.attacks.adaptive import Adaptive
from fedrobust.attacks.alie import ALIE
from fedrobust.attacks.min_max import MinMax
from fedrobust.attacks.tailored import Tailored
from fedrobust.strategies.krum import Krum
from fedrobust.strategies.smea import SMEA
from fedrobust.strategies.trimmed_mean import TrimmedMean

DIRECTIONS = ["unit", "sign", "std"]
RULES = {"krum": Krum(), "smea": SMEA(), "trimmed_mean": TrimmedMean()}


def noisy(seed=0):
    g = torch.Generator().manual_seed(seed)
    return 0.5 + torch.randn(8, 12, generator=g) * torch.linspace(0.2, 2, 12)


def crafted(view, honest, **fields):
    seen = view(torch.zeros(3, honest.shape[1]), honest)
    return Tailored(**fields).craft(seen, ())[0]


@pytest.mark.parametrize(
    ("direction", "expected"),
    [("unit", [1.2, 1.6]), ("sign", [3 - 3 / 2**0.5, 4 - 3 / 2**0.5]), ("std", [0.0, 4.0])],
)
def test_golden_vectors(view, direction, expected):
    """Worked by hand: the mean is (3, 4), and all updates are 2 from it along the first axis."""
    honest = torch.tensor([[1.0, 4.0], [5.0, 4.0], [1.0, 4.0], [5.0, 4.0]])

    sent = crafted(view, honest, direction=direction, shift=1.5)

    torch.testing.assert_close(sent, torch.tensor([expected] * 3))


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    direction=st.sampled_from(DIRECTIONS),
    shift=st.floats(0.01, 100),
)
def test_it_is_what_numpy_says(view, seed, direction, shift):
    honest = noisy(seed)
    x = honest.double().numpy()
    mean, std = x.mean(axis=0), x.std(axis=0)
    p = {"unit": mean, "sign": np.sign(mean), "std": std}[direction]

    sent = crafted(view, honest, direction=direction, shift=shift)

    expected = mean - shift * np.linalg.norm(std) * p / np.linalg.norm(p)
    np.testing.assert_allclose(sent[0].numpy(), expected, rtol=1e-5, atol=1e-5)


def test_along_the_standard_deviation_it_is_alie_on_the_other_side(view):
    honest = noisy()
    z = 2 * (7 / 8) ** 0.5  # alie divides by n - 1

    alie, _ = ALIE(z=z, sign=-1).craft(view(torch.zeros(3, 12), honest), False)

    torch.testing.assert_close(crafted(view, honest, direction="std", shift=2), alie)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("size", [1e-30, 1e-12, 1.0, 1e15, 1e30])
def test_updates_of_any_size_are_shifted_alike(view, direction, size):
    sent = crafted(view, size * noisy(), direction=direction, shift=3)

    torch.testing.assert_close(sent / size, crafted(view, noisy(), direction=direction, shift=3))


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("rows", [[[0.0, 0.0]] * 3, [[0.5, -2.0]] * 4, [[3.0, 1.0]]])
def test_without_spread_or_direction_it_sends_the_mean(view, direction, rows):
    honest = torch.tensor(rows)

    sent = crafted(view, honest, direction=direction, shift=7)

    assert sent.equal(honest[:1].expand(3, 2))


def test_without_a_mean_there_is_nothing_to_go_against(view):
    honest = torch.tensor([[1.0, 2.0], [-1.0, -2.0]])

    assert crafted(view, honest, direction="unit", shift=2).tolist() == [[0.0, 0.0]] * 3


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("rule", RULES)
def test_its_search_is_that_of_adaptive_and_beats_min_max(view, info, rule, direction):
    honest = noisy()
    mean = honest.double().mean(dim=0)

    def simulate(rows):
        updates = torch.cat([rows, honest])
        round = info(updates, num_malicious=3)
        return RULES[rule].aggregate(updates, (), round).update

    def harm(rows):
        return (simulate(rows).double() - mean).norm().item()

    seen, attack = (
        view(torch.zeros(3, 12), honest, simulate=simulate),
        Tailored(direction=direction),
    )
    sent, state = attack.craft(seen, attack.init(seen.params))

    search = Adaptive(attack=Tailored(direction=direction, shift=1.0), field="shift")
    searched, same_state = search.craft(seen, search.init(seen.params))
    unaware, _ = MinMax(direction=direction).craft(seen, ())
    assert sent.equal(searched)
    assert state == same_state
    assert harm(sent) > harm(unaware) - 1e-6


def test_without_the_rule_it_goes_as_far_as_benign_updates_do(view, caplog):
    attack, honest = Tailored(), noisy()
    seen = view(torch.zeros(3, 12), honest)

    sent, state = attack.craft(seen, attack.init(seen.params))
    attack.craft(seen, state)

    assert sent.equal(crafted(view, honest, shift=1))
    assert [record.message[:22] for record in caplog.records] == ["Adaptive does not adap"]


@pytest.mark.parametrize("wrong", [{"direction": "mean"}, {"shift": 0}, {"shift": -1.0}])
def test_rejects(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Tailored(**wrong)

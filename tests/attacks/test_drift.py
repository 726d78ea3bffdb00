from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.attacks.drift import Drift
from fedrobust.strategies.centered_clipping import CenteredClipping

HONEST = torch.tensor([[2.0, 1.0], [4.0, -1.0]])  # around (3, 0), at a distance of sqrt(2)
ROOT = 2**0.5


def noisy(seed=0, d=12):
    g = torch.Generator().manual_seed(seed)
    return 0.5 + torch.randn(8, d, generator=g) * torch.linspace(0.2, 2, d)


def crafted(view, honest, models=((1, 0.0),), **fields):
    """Return what is sent in the last of some rounds, given as their numbers and models."""
    attack = Drift(**fields)
    seen = view(torch.zeros(3, honest.shape[1]), honest)
    state = attack.init(seen.params)
    for round, model in models:
        params = torch.as_tensor(model).expand(honest.shape[1]).float()
        sent, state = attack.craft(replace(seen, params=params, round=round), state)
    return sent


def one(view, **given):
    sent = crafted(view, HONEST, **given)
    assert sent.equal(sent[:1].expand(3, 2))
    return sent[0].tolist()


@pytest.mark.parametrize(
    ("angle", "expected"),
    [(0, (3 + ROOT, 0)), (180, (3 - ROOT, 0)), (90, (3, ROOT)), (270, (3, -ROOT)), (135, (2, 1))],
)
def test_in_the_first_round_it_starts_from_the_benign_mean(view, angle, expected):
    """Worked by hand; what is orthogonal to the mean points up the second axis."""
    assert one(view, angle=angle) == pytest.approx(expected, abs=1e-6)


def test_then_it_starts_from_what_the_server_last_did(view):
    """Worked by hand: the server moved by (0, 2), and the push still is against (3, 0)."""
    models = [(1, (5.0, 5.0)), (2, (5.0, 7.0))]

    assert one(view, models=models) == pytest.approx((-ROOT, 2))
    assert one(view, models=models, relocation=0) == pytest.approx((3 - ROOT, 0))
    assert one(view, models=models, relocation=0.5) == pytest.approx((1.5 - ROOT, 1))


def test_the_reference_of_the_angle_may_be_the_last_update(view):
    """Worked by hand: against (0, 2), and against (1.5, 1), which is half of it and the mean."""
    models = [(1, 0.0), (2, (0.0, 2.0))]
    half = ROOT / (1.5**2 + 1) ** 0.5

    assert one(view, models=models, history=1) == pytest.approx((0, 2 - ROOT))
    assert one(view, models=models, history=0.5) == pytest.approx((-1.5 * half, 2 - half))
    assert one(view, models=models, history=1, angle=90) == pytest.approx((ROOT, 2))


def test_rounds_that_were_missed_share_what_happened(view):
    models = [(1, 0.0), (2, (9.0, 9.0)), (5, (9.0, 15.0))]

    assert one(view, models=models, length=0) == pytest.approx((0, 2))


def test_a_push_to_the_side_keeps_its_direction(view):
    """Spreads change from round to round; the one of the first counts."""
    attack = Drift(angle=90)
    first = view(torch.zeros(1, 3), torch.tensor([[1.0, 4.0, 0.0], [1.0, -4.0, 0.0]]))
    later = view(torch.zeros(1, 3), torch.tensor([[1.0, 0.0, 2.0], [1.0, 0.0, -2.0]]), round=2)

    _, state = attack.craft(first, attack.init(first.params))
    sent, _ = attack.craft(later, state)

    assert sent[0].tolist() == pytest.approx([0, 2, 0])


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    angle=st.floats(0, 360),
    history=st.floats(0, 1),
    length=st.floats(0, 50),
    relocation=st.floats(0, 1),
)
def test_it_is_what_numpy_says(view, seed, angle, history, length, relocation):
    honest, moved = noisy(seed), noisy(seed + 1)[0]
    x, last = honest.double().numpy(), moved.double().numpy()
    mean, std = x.mean(axis=0), x.std(axis=0)
    reference = history * last + (1 - history) * mean
    along = reference / np.linalg.norm(reference)
    across = std - std @ along * along
    across /= np.linalg.norm(across)
    push = np.cos(np.radians(angle)) * along + np.sin(np.radians(angle)) * across

    fields = {"angle": angle, "history": history, "length": length, "relocation": relocation}
    sent = crafted(view, honest, [(1, 0.0), (2, moved)], **fields)

    start = relocation * last + (1 - relocation) * mean
    expected = start + length * np.linalg.norm(std) * push
    np.testing.assert_allclose(sent[0].numpy(), expected, rtol=1e-4, atol=1e-4)


def test_the_server_keeps_all_of_a_push_that_starts_where_it_stands(view, info):
    """With a radius as long as the push, and none of one that starts elsewhere, as far away."""
    honest, stands = noisy(), 3 * noisy(1)[0]
    spread = (honest - honest.mean(dim=0)).norm() / 8**0.5
    rule = CenteredClipping(radius=spread.item() * 1.0001)

    def kept(relocation):
        sent = crafted(view, honest, [(1, 0.0), (2, stands)], relocation=relocation)[:1]
        return rule.aggregate(sent, stands, info(sent)).weights.item()

    assert kept(relocation=1) == pytest.approx(1)
    assert kept(relocation=0) < 0.7


def test_errors_add_up_in_what_the_server_remembers(view, info):
    """Honest clients are the same in all rounds; the server's update goes on to fall behind."""
    honest, rule, attack = noisy(), CenteredClipping(), Drift()
    along = honest.mean(dim=0) / honest.mean(dim=0).norm()
    seen = view(torch.zeros(5, 12), honest)
    params, center, state, progress = seen.params, seen.params, (), []

    for round in range(1, 11):
        rows, state = attack.craft(replace(seen, params=params, round=round), state)
        updates = torch.cat([honest, rows])
        center = rule.aggregate(updates, center, info(updates)).update
        params = params + center
        progress.append((center @ along).item())

    assert progress[9] < progress[4] < progress[1]
    assert progress[9] < 0 < honest.mean(dim=0) @ along


@pytest.mark.parametrize("fields", [{}, {"angle": 90, "history": 0.9}])
@pytest.mark.parametrize("size", [0.0, 1e-30, 1e-12, 1e15, 1e30])
def test_updates_of_any_size_are_treated_alike(view, size, fields):
    small = crafted(view, noisy(), [(1, 0.0), (2, noisy(1)[0])], **fields)

    sent = crafted(view, size * noisy(), [(1, 0.0), (2, size * noisy(1)[0])], **fields)

    torch.testing.assert_close(sent / (size or 1.0), small if size else torch.zeros(3, 12))


@pytest.mark.parametrize("angle", [90, 180])
@pytest.mark.parametrize("rows", [[[1.0, 2.0]], [[1.0, 2.0]] * 4])
def test_without_spread_there_is_no_push(view, rows, angle):
    sent = crafted(view, torch.tensor(rows), [(1, 0.0), (2, (3.0, -1.0))], angle=angle)

    assert sent.tolist() == [[3.0, -1.0]] * 3


def test_it_remembers_what_a_checkpoint_can_hold(view):
    attack, seen = Drift(), view(torch.zeros(2, 2), HONEST)

    _, (params, round, aside) = attack.craft(seen, attack.init(seen.params))

    assert params.equal(seen.params)
    assert round == 1
    assert aside.tolist() == pytest.approx([ROOT, ROOT])


@pytest.mark.parametrize(
    "wrong", [{"angle": -1}, {"angle": 361}, {"history": 1.1}, {"length": -1}, {"relocation": 2}]
)
def test_rejects(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Drift(**wrong)

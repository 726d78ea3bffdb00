import logging

import numpy as np
import pytest
import torch

from fedrobust.attacks.alie import ALIE, z_max


def test_golden_vector(view, caplog):
    """Mean (4, 5, 6), and deviation 3 with n - 1 in its denominator."""
    honest = torch.tensor([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]])

    sent, _ = ALIE(z=1.5).craft(view(torch.zeros(2, 3), honest), False)

    assert sent.tolist() == [[8.5, 9.5, 10.5]] * 2
    assert not caplog.records


@pytest.mark.parametrize(("ddof", "deviation"), [(None, 3.0), (1, 3.0), (0, 6**0.5)])
def test_the_deviation_is_that_of_a_sample_or_of_all(view, ddof, deviation):
    honest = torch.tensor([[1.0], [4], [7]])

    sent, _ = ALIE(z=1.0, ddof=ddof).craft(view(torch.zeros(1, 1), honest), False)

    assert sent.item() == pytest.approx(4 + deviation)


def test_the_other_side_is_as_far_away(view):
    honest = torch.tensor([[0.0, 2.0], [1.0, 2.0], [2.0, 2.0]])

    sent, _ = ALIE(z=1.5, sign=-1).craft(view(torch.zeros(1, 2), honest), False)

    assert sent.tolist() == [[-0.5, 2.0]]


@pytest.mark.parametrize("size", [1e-38, 1e-24, 1e-20, 1.0, 1e18, 1e20, 1e37])
def test_a_spread_of_any_size_is_seen(view, size):
    """Its squares overflow or vanish in float32."""
    honest = size * torch.tensor([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]])

    sent, _ = ALIE(z=1.5).craft(view(torch.zeros(1, 3), honest), False)

    torch.testing.assert_close(sent / size, torch.tensor([[8.5, 9.5, 10.5]]))


def test_coordinates_of_very_different_sizes_are_shifted_each_by_its_own_spread(view):
    honest = torch.randn(9, 20_000, generator=torch.Generator().manual_seed(0))
    honest = 10 ** torch.linspace(-30, 30, 20_000) * (honest + 5)
    exact = honest.double().numpy()

    sent, _ = ALIE(z=2).craft(view(torch.zeros(1, 20_000), honest), False)

    expected = exact.mean(axis=0) + 2 * exact.std(axis=0, ddof=1)
    np.testing.assert_allclose(sent[0].numpy(), expected, rtol=1e-6)


def test_updates_that_are_equal_have_no_spread(view):
    honest = torch.full((7, 3), 0.1)

    sent, _ = ALIE(z=2).craft(view(torch.zeros(1, 3), honest), False)

    assert sent.equal(honest[:1])


def test_without_omniscience_it_uses_only_its_own_updates(view):
    own = torch.tensor([[0.0, 2.0], [2.0, 2.0]])

    sent, _ = ALIE(z=0.0).craft(view(own), False)

    assert sent.tolist() == [[1.0, 2.0]] * 2


@pytest.mark.parametrize(
    ("n", "m", "z"),
    [
        *[(25, 5, 0.2533), (25, 11, 1.0676), (50, 10, 0.2533), (20, 4, 0.157), (20, 9, 0.9085)],
        *[(11, 5, 0.967), (53, 12, 0.343), (50, 24, 1.426)],
    ],
)
def test_z_max_of_the_table(n, m, z):
    """Byzantine.md, section 7.2."""
    assert z_max(n, m) == pytest.approx(z, abs=1e-3)


def test_z_max_is_finite_and_not_negative_for_any_number_of_clients():
    values = [z_max(n, m) for n in range(1, 40) for m in range(1, n + 1)]

    assert 0 <= min(values) <= max(values) < 3


@pytest.mark.parametrize("lacks", ["z", "updates"])
def test_warns_once_when_it_does_nothing(view, caplog, lacks):
    """2 of 10 clients have z_max = 0, and one update has no deviation."""
    own = torch.ones(2 if lacks == "z" else 1, 3)
    seen = view(own, torch.randn(8, 3) if lacks == "z" else None, num_clients=10)
    attack = ALIE(z=None if lacks == "z" else 1.5)

    with caplog.at_level(logging.WARNING):
        sent, state = attack.craft(seen, attack.init(torch.zeros(3)))
        attack.craft(seen, state)

    assert [record.message[:17] for record in caplog.records] == ["ALIE does nothing"]
    assert sent.isfinite().all()


@pytest.mark.parametrize("wrong", [{"z": -1.0}, {"sign": 0}, {"z_max": 1.0}])
def test_rejects(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ALIE(**wrong)

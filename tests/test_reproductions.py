"""Numbers that were known before this code was written, from its own rules and attacks.

R1 and R2 were computed with numpy alone; the constants of R3 are proved.
"""

import math

import pytest
import torch

from fedrobust.attacks.alie import ALIE
from fedrobust.strategies.centered_clipping import CenteredClipping
from fedrobust.strategies.client_momentum import ClientMomentum
from fedrobust.strategies.coordinate_median import CoordinateMedian
from fedrobust.strategies.krum import Krum
from fedrobust.strategies.mean import Mean

N, F, D = 25, 5, 50
LR, ROUNDS, LAST = 0.02, 2000, 500
BETAS = (0.0, 0.9, 0.99)


@pytest.fixture
def one_thread():
    """Matrices this small are slower on several threads, much slower on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def excess_loss(rule, beta, z, seed, info, view):
    """Descend |x|^2 / 2 with 20 noisy and 5 malicious clients; return its mean value at the end."""
    g = torch.Generator().manual_seed(seed)
    attack, momentum = ALIE(z=z, sign=-1), ClientMomentum(beta=beta, on="step")
    x, own, losses = torch.full((D,), 0.3), torch.zeros(F, D), []
    memory = momentum.remember(torch.zeros(N - F, D))  # of all honest clients at once
    state, mind = rule.init(x), attack.init(x)
    known = info(torch.zeros(N, D), num_malicious=F)
    for _ in range(ROUNDS):
        gradients = x + torch.randn(N - F, D, generator=g)
        honest, memory = momentum.step(gradients, None, memory, {})
        sent, mind = attack.craft(view(own, honest), mind)
        update, state, *_ = rule.aggregate(torch.cat([honest, sent]), state, known)
        x = x - LR * update
        losses.append(x.square().sum().item() / 2)
    return sum(losses[-LAST:]) / LAST


RULES = {
    "mean": lambda beta: Mean(),
    "centered_clipping": lambda beta: CenteredClipping(radius=10 * math.sqrt(1 - beta)),
    "coordinate_median": lambda beta: CoordinateMedian(),
    "krum": lambda beta: Krum(),
}


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(
    ("rule", "z", "expected"),
    [
        ("mean", None, (0.0745, 0.0154, 0.0124)),
        ("centered_clipping", None, (0.0745, 0.0154, 0.0124)),
        ("coordinate_median", None, (1.138, 0.0705, 0.0185)),
        ("krum", None, (1.576, 0.094, 0.020)),
        ("mean", 1.0, (0.986, 0.063, 0.017)),
        ("coordinate_median", 1.0, (2.50, 0.142, 0.028)),
        ("krum", 1.0, (22.0, 1.18, 0.128)),
    ],
)
def test_r1_momentum_takes_the_room_in_which_alie_hides(rule, z, expected, info, view):
    seeds = range(3 if z is None else 1)

    measured = [
        sum(excess_loss(RULES[rule](beta), beta, z, s, info, view) for s in seeds) / len(seeds)
        for beta in BETAS
    ]

    assert measured == pytest.approx(expected, rel=0.15)


@pytest.mark.parametrize("n", [11, 25, 101])
def test_r2_medians_do_not_average_noise(n, info):
    """Each column is one trial: the mean of n fair coins of +-1, whose true mean is 0."""
    coins = torch.randint(2, (n, 4000), generator=torch.Generator().manual_seed(n)) * 2.0 - 1.0

    def squared_error(rule):
        return rule.aggregate(coins, (), info(coins)).update.square().mean().item()

    assert squared_error(Mean()) == pytest.approx(1 / n, rel=0.1)
    assert squared_error(CoordinateMedian()) == 1.0
    for coin in coins.T[:100]:
        assert Krum().aggregate(coin[:, None], (), info(coin[:, None])).update.abs().item() == 1.0


@pytest.mark.parametrize(
    ("rule", "kappa"),
    [
        (CoordinateMedian(), 4 * (1 + 3 / 3) ** 2),
        (Krum(neighbors="n-f-1"), 6 * (1 + 3 / 3)),
        (Krum(neighbors="n-f-2"), 6 * 6 / (9 - 2 * 3 - 1)),
    ],
    ids=["coordinate_median", "krum, n-f-1", "krum, n-f-2"],
)
def test_r3_no_attack_beats_the_proven_bound(rule, kappa, info):
    """The squared distance to the honest mean is at most kappa times the honest variance."""
    g = torch.Generator().manual_seed(0)
    for _ in range(300):
        honest = torch.randn(6, 5, generator=g) * torch.rand(5, generator=g).exp()
        away = honest.std() * torch.randn(1, 5, generator=g) * 4 * torch.rand((), generator=g)
        malicious = honest.mean(dim=0) + away + 0.01 * torch.randn(3, 5, generator=g)
        rows = torch.cat([honest, malicious])

        update = rule.aggregate(rows, (), info(rows, num_malicious=3)).update

        variance = (honest - honest.mean(dim=0)).square().sum(dim=1).mean()
        assert (update - honest.mean(dim=0)).square().sum() <= kappa * variance

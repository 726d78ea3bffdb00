"""What honest clients may do differently, and what it does to real learning.

Margins are wide; seeds are fixed.
"""

import logging
import sqlite3

import pandas as pd
import pytest
import torch

from fedrobust.core.adversary import Attack
from fedrobust.core.behavior import Behavior
from fedrobust.data.digits import Digits
from fedrobust.results.store import FILE
from fedrobust.scenario import Scenario
from fedrobust.simulate import simulate

WIDE = {"name": "mlp", "hidden": [128]}  # enough parameters to learn wrong labels by heart


class Noisy(Behavior):
    """A client that does not know that two in five of its labels are wrong."""

    def batch(self, params, batch, memory, draws):
        return batch._replace(y=mislabeled(batch.x, batch.y, share=0.4)), memory


class AllWrong(Attack):
    """A client all of whose labels are wrong, which otherwise keeps to the strategy."""

    def batch(self, params, batch, memory, draws):
        return batch._replace(y=mislabeled(batch.x, batch.y, share=1.0)), memory


def mislabeled(x, y, share):
    """Return labels of which a share is wrong, always the same ones, each class as likely."""
    pixels = (16 * x).round().long().flatten(1)  # 0 to 16
    code = (pixels * torch.arange(1, 1 + pixels.shape[1])).sum(dim=1)
    wrong = (y + 1 + code % 9) % 10
    return torch.where(code // 9 % 100 < 100 * share, wrong, y)


@pytest.fixture
def digits(tmp_path_factory):
    """Return a function that runs the digits and returns the accuracy and all clients' rounds.

    The accuracy is the mean of several evaluations in the last tenth of the rounds.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    logging.getLogger("flwr").setLevel(logging.ERROR)

    def run(strategy, **changes):
        table = {
            "rounds": 20,
            "clients": 20,
            "data": "digits",
            "model": {"name": "mlp", "hidden": [32]},
            "training": {"epochs": 1, "batch_size": 16, "lr": 0.1},
            "strategy": strategy,
            **changes,
        }
        table["evaluate_every"] = max(1, table["rounds"] // 50)
        folder = tmp_path_factory.mktemp("run")
        accuracy = simulate(Scenario.parse(table), folder).summary.accuracy
        with sqlite3.connect(folder / FILE) as db:
            return accuracy, pd.read_sql("SELECT * FROM clients", db)

    yield run
    torch.set_num_threads(threads)


def test_the_wrong_labels_below_are_symmetric():
    """As in the paper: each wrong class as likely as another, whatever the right one is."""
    data = Digits().load(0)
    seen = mislabeled(data.x, data.y, share=0.4)

    counts = torch.zeros(10, 10).index_put_((data.y, seen), torch.ones(len(seen)), accumulate=True)

    assert (seen != data.y).float().mean().item() == pytest.approx(0.4, abs=0.03)
    assert (mislabeled(data.x, data.y, share=1.0) != data.y).all()
    wrong = counts.fill_diagonal_(0).sum(dim=0)
    assert 0.5 * wrong.mean() < wrong.min() <= wrong.max() < 1.5 * wrong.mean()


@pytest.mark.slow
def test_among_right_labels_wrong_ones_do_not_hurt_the_robust_loss(digits):
    """Five clients, 40 % of whose labels are wrong, learn them by heart with cross-entropy.

    Measured: 95 % with the robust loss and 79 without.
    """
    noise = "tests.test_effects_of_clients:Noisy"
    long = {"clients": 5, "rounds": 25, "model": WIDE}
    long["training"] = {"epochs": 5, "batch_size": 16, "lr": 0.3}

    usual, _ = digits([noise, "mean"], **long)
    robust, _ = digits(["robust_loss", noise, "mean"], **long)

    assert robust > 0.9
    assert robust > usual + 0.05


@pytest.mark.slow
def test_with_one_step_a_round_clients_whose_labels_are_all_wrong_do_not_hurt_it(digits):
    """The mean of their gradients is that of all examples, 40 % of which are mislabeled.

    Measured: 95 % with the robust loss and 85 without.
    """
    liars = [{"attack": "tests.test_effects_of_clients:AllWrong", "share": 0.4}]
    long = {"rounds": 500, "model": WIDE, "adversary": liars}
    long["training"] = {"steps": 1, "batch_size": 64, "lr": 1.0}

    usual, _ = digits(["mean"], **long)
    robust, _ = digits(["robust_loss", "mean"], **long)

    assert robust > 0.9
    assert robust > usual + 0.05


@pytest.mark.slow
def test_clients_whose_labels_are_all_wrong_and_who_train_long_do_hurt_it(digits):
    """What its docstring warns of: alone with their labels, they fit them by any loss.

    Measured: 86 to 88 % instead of 94.
    """
    liars = [{"attack": "tests.test_effects_of_clients:AllWrong", "share": 0.4}]
    long = {"rounds": 30, "model": WIDE, "adversary": liars}
    long["training"] = {"epochs": 5, "batch_size": 16, "lr": 0.3}

    usual, _ = digits(["mean"], **long)
    robust, _ = digits(["robust_loss", "mean"], **long)

    assert robust < usual - 0.02


def test_fed_prox_keeps_clients_of_different_data_closer_to_the_global_model(digits):
    different = {"rounds": 5, "partition": {"name": "dirichlet", "alpha": 0.1}}
    different["training"] = {"epochs": 5, "batch_size": 16, "lr": 0.1}

    def drift(mu):
        _, clients = digits([{"name": "fed_prox", "mu": mu}, "mean"], **different)
        return clients["norm"].mean()

    free, weakly, strongly = map(drift, (0.0, 0.1, 1.0))

    assert weakly < 0.98 * free
    assert strongly < 0.8 * free


def test_gradient_clipping_bounds_what_honest_clients_send(digits):
    """Five steps of learning rate 0.1 come no farther than 0.05 with a bound of 0.1."""
    steps = {"training": {"steps": 5, "batch_size": 16, "lr": 0.1}}

    accuracy, free = digits(["mean"], **steps)
    clipped_accuracy, clipped = digits(
        [{"name": "gradient_clipping", "max_norm": 0.1}, "mean"], **steps
    )

    assert clipped["norm"].max() <= 0.05 * (1 + 1e-4)
    assert free["norm"].min() > 0.05
    assert clipped_accuracy < accuracy


def test_a_loose_bound_on_gradients_costs_no_accuracy(digits):
    accuracy, _ = digits(["mean"], rounds=60)
    clipped, _ = digits([{"name": "gradient_clipping", "max_norm": 1.0}, "mean"], rounds=60)

    assert clipped > accuracy - 0.03

import pytest
import torch
from torch.nn.functional import cross_entropy

from fedrobust.core.behavior import Behavior
from fedrobust.core.local import Client, train
from fedrobust.core.root import RootExamples
from fedrobust.core.training import Training
from fedrobust.scenario import Scenario
from fedrobust.strategies.client_momentum import ClientMomentum
from fedrobust.strategies.dp_sgd import DPSGD
from fedrobust.strategies.fed_prox import FedProx
from fedrobust.strategies.gradient_clipping import GradientClipping
from fedrobust.strategies.robust_loss import RobustLoss

PLAN = Training(epochs=2, batch_size=8)


def root_of(task, *behaviors, seed=0):
    g = torch.Generator().manual_seed(seed)
    return RootExamples(task, PLAN, behaviors, torch.arange(40), task.init(), g)


def of_a_client(task, *behaviors):
    memory = [b.remember(task.init()) for b in behaviors]
    client = Client(torch.arange(40), memory, torch.Generator().manual_seed(0))
    return train(task, PLAN, behaviors, task.init(), [client])[0][0]


def test_its_update_is_that_of_a_client_with_its_examples(task):
    assert root_of(task).update.equal(of_a_client(task))


@pytest.mark.parametrize(
    "behaviors",
    [
        [GradientClipping(max_norm=0.1)],
        [FedProx(mu=5.0)],
        [RobustLoss()],
        [DPSGD(max_norm=0.1, noise_multiplier=0.0)],
        [RobustLoss(), GradientClipping(max_norm=0.1), FedProx(mu=5.0)],
    ],
    ids=lambda behaviors: "+".join(b.reference() for b in behaviors),
)
def test_it_trains_as_honest_clients_do(task, behaviors):
    update = root_of(task, *behaviors).update

    torch.testing.assert_close(update, of_a_client(task, *behaviors))
    assert (update - of_a_client(task)).norm() > 0.1 * update.norm()


def test_it_is_as_long_as_honest_updates_under_clipping():
    table = {"clients": 10, "data": "digits", "root_examples": 100}
    clipped = {"name": "gradient_clipping", "max_norm": 0.01}

    world, bare = (Scenario.parse({**table, "strategy": s}).world() for s in ([clipped], []))
    ours, theirs = (w.root_data(1, w.task.init()).update.norm() for w in (world, bare))

    torch.testing.assert_close(ours, torch.tensor(0.01 * world.training.lr))
    assert theirs > 2 * ours


class Shout(Behavior):
    """Send ten times what was learned."""

    def submit(self, update, memory, draws):
        return 10 * update, memory


@pytest.mark.parametrize(
    "behavior",
    [ClientMomentum(), ClientMomentum(form="heavy_ball", on="step"), Shout()],
    ids=["rounds", "steps", "submission"],
)
def test_what_is_done_to_finished_updates_or_from_round_to_round_is_left_out(task, behavior):
    assert root_of(task, behavior).update.equal(of_a_client(task))


def test_it_clips_examples_as_private_clients_do_and_adds_no_noise(task):
    noisy, silent = DPSGD(max_norm=0.1), DPSGD(max_norm=0.1, noise_multiplier=0.0)

    torch.testing.assert_close(root_of(task, noisy).update, of_a_client(task, silent))


def test_losses_are_of_the_same_examples_for_all_models(task):
    models = torch.stack([task.init(), task.init(), task.init() + 1])

    losses = root_of(task).losses(models, 12)

    assert losses.dtype == torch.float64
    assert losses[0] == losses[1] != losses[2]


def test_losses_of_all_its_examples_are_the_mean_cross_entropy(task):
    losses = root_of(task).losses(task.init()[None], 1000)

    logits = task.logits(task.init(), task.data.x[:40]).double()
    torch.testing.assert_close(losses[0], cross_entropy(logits, task.data.y[:40]).detach())


def test_what_is_asked_first_changes_nothing(task):
    one, other, model = root_of(task), root_of(task), task.init()[None]

    update, loss = one.update, one.losses(model, 5)
    loss_first, update_after = other.losses(model, 5), other.update

    assert update.equal(update_after)
    assert loss.equal(loss_first)
    assert not root_of(task, seed=1).losses(model, 5).equal(loss)


def test_the_server_s_examples_are_nobody_else_s():
    scenario = Scenario.parse({"clients": 10, "root_examples": 50, "model": "softmax"})

    world = scenario.world()

    held = torch.cat([*world.federation.shards, world.root])
    assert len(world.root) == 50
    assert held.sort().values.equal(torch.arange(10_000))
    assert world.root.equal(scenario.world().root)
    assert Scenario.parse({"clients": 10}).world().root is None


def test_accuracies_are_the_shares_of_its_examples_that_models_get_right(task):
    models = torch.stack([task.init(), torch.zeros_like(task.init())])

    found = root_of(task).accuracies(models)

    x, y = task.data.x[:40], task.data.y[:40]
    right = [(task.logits(model, x).argmax(dim=1) == y).double().mean() for model in models]
    assert found.dtype == torch.float64
    assert found.tolist() == [share.item() for share in right]
    assert 0 < found[0] < 1

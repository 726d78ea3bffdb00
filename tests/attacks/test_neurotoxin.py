import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from fedrobust.attacks.neurotoxin import Neurotoxin
from fedrobust.attacks.patch_backdoor import PatchBackdoor
from fedrobust.core.local import Client, remember, train
from fedrobust.core.task import Batch
from fedrobust.core.trainers import loop, stacked, vectorized
from fedrobust.core.training import Training
from fedrobust.strategies.client_momentum import ClientMomentum

TRAINERS = {"vmap": vectorized.descend, "loop": loop.descend}
PLAN = Training(epochs=2, batch_size=16, lr=0.1)
SIZES = [50, 1, 16, 33]
NOTHING = Batch(torch.zeros(2, 1), torch.zeros(2), torch.ones(2))


def rounds(task, behaviors, starts, plan=PLAN, trainer=loop.descend):
    """Return what four clients send in rounds that start from given models."""
    memories = [remember(behaviors, starts[0]) for _ in SIZES]
    shards, sent = torch.arange(sum(SIZES)).split(SIZES), []
    for round, start in enumerate(starts):
        generators = [torch.Generator().manual_seed(10 * round + i) for i in range(4)]
        clients = [Client(*each) for each in zip(shards, memories, generators, strict=True)]
        updates, memories = train(task, plan, behaviors, start, clients, trainer)
        sent.append(updates)
    return sent


def moved(task, *places):
    """Return the task's model, and the same with some parameters moved, the later the farther."""
    start = task.init()
    shift = torch.zeros_like(start)
    shift[list(places)] = (
        0.1
        * torch.arange(1.0, len(places) + 1)
        * torch.tensor([(-1.0) ** i for i in range(len(places))])
    )
    return [start, start + shift]


def through(attack, memory, *models):
    """Return a memory after the steps of a round that go through some models, and its end."""
    for params in models:
        _, memory = attack.batch(params, NOTHING, memory, {})
    return attack.submit(torch.zeros_like(models[0]), memory, {})[1]


def test_leaves_alone_what_the_last_global_update_moved_most():
    """Worked by hand: the two of five with the largest moves, 3 and -4, are left alone."""
    attack, start = Neurotoxin(ratio=0.4), torch.zeros(5)
    memory = through(attack, attack.remember(start), start, start + 9)
    _, memory = attack.batch(torch.tensor([1.0, 3.0, 0.0, -4.0, 2.0]), NOTHING, memory, {})

    direction, _ = attack.step(torch.arange(1.0, 6.0), NOTHING, memory, {})

    assert direction.tolist() == [1, 0, 3, 0, 5]


def test_compares_the_models_that_rounds_start_from_and_not_those_in_between():
    attack, start = Neurotoxin(ratio=0.4), torch.zeros(5)
    memory = through(attack, attack.remember(start), start, start + torch.arange(5.0))
    second = torch.tensor([5.0, 4.0, 0.0, 0.0, 0.0])
    memory = through(attack, memory, second, second + torch.arange(5.0), start)
    assert memory["mask"].tolist() == [0, 0, 1, 1, 1]
    assert memory["model"].equal(second)

    third = second + torch.tensor([0.0, 0.0, 0.0, 1.0, -1.0])

    assert through(attack, memory, third)["mask"].tolist() == [1, 1, 1, 0, 0]


def test_of_equal_moves_only_so_many_are_left_alone():
    attack, start = Neurotoxin(ratio=0.25), torch.zeros(8)
    memory = through(attack, attack.remember(start), start)

    assert through(attack, memory, start + 1)["mask"].sum() == 6


@pytest.mark.parametrize("size", [1e-40, 1e-30, 1e30, 3e38])
def test_moves_of_any_size_are_compared(size):
    attack, start = Neurotoxin(ratio=0.34), torch.zeros(3)
    memory = through(attack, attack.remember(start), start)

    assert through(attack, memory, size * torch.tensor([0.5, -1.0, 0.0]))["mask"][1] == 0


@pytest.mark.parametrize("later", [0.0, 1.0])
def test_where_nothing_has_moved_everything_is_trained(later):
    attack, start = Neurotoxin(ratio=0.5), torch.ones(4)
    memory = through(attack, attack.remember(start), start, start + later)

    assert through(attack, memory, start)["mask"].tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize(
    "trainer", [*TRAINERS.values(), stacked.descend], ids=[*TRAINERS, "stacked"]
)
def test_the_whole_update_is_in_the_other_parameters(task, trainer):
    starts = moved(task, 4, 0, 7)

    first, second = rounds(task, [Neurotoxin(ratio=0.33)], starts, trainer=trainer)

    free = rounds(task, [], starts, trainer=trainer)
    torch.testing.assert_close(first, free[0])
    assert not second[:, [0, 4, 7]].any()
    assert second[:, [1, 2, 3, 5, 6, 8]].all()


@pytest.mark.parametrize("trainer", TRAINERS.values(), ids=TRAINERS)
def test_trains_as_a_plain_loop_over_the_other_parameters_does(task, trainer):
    starts, free = moved(task, 4, 0, 7), torch.ones(9, dtype=torch.float64)
    free[[0, 4, 7]] = 0
    expected = []
    for i, shard in enumerate(torch.arange(sum(SIZES)).split(SIZES)):
        model, g = copy.deepcopy(task.model).double(), torch.Generator().manual_seed(10 + i)
        parameters = list(model.parameters())
        nn.utils.vector_to_parameters(starts[1].double(), parameters)
        for _ in range(2):
            for batch in shard[torch.randperm(len(shard), generator=g)].split(16):
                loss = cross_entropy(model(task.data.x[batch].double()), task.data.y[batch])
                slopes = nn.utils.parameters_to_vector(torch.autograd.grad(loss, parameters))
                now = nn.utils.parameters_to_vector(parameters).detach()
                nn.utils.vector_to_parameters(now - 0.1 * free * slopes, parameters)
        expected.append(nn.utils.parameters_to_vector(parameters).detach() - starts[1])

    sent = rounds(task, [Neurotoxin(ratio=0.33)], starts, trainer=trainer)[1]

    torch.testing.assert_close(sent, torch.stack(expected).float(), rtol=1e-4, atol=1e-6)


def test_what_layers_beneath_it_add_does_not_get_through(task):
    """The running average of updates still has what was learned in the first round."""
    behaviors = [ClientMomentum(), Neurotoxin(ratio=0.33)]

    _, second = rounds(task, behaviors, moved(task, 4, 0, 7))

    assert not second[:, [0, 4, 7]].any()
    assert second[:, [1, 2, 3, 5, 6, 8]].all()


def slope(task, start, x, y):
    model = copy.deepcopy(task.model).double()
    nn.utils.vector_to_parameters(start.double(), model.parameters())
    loss = cross_entropy(model(x.double()), y)
    return nn.utils.parameters_to_vector(torch.autograd.grad(loss, list(model.parameters())))


@pytest.mark.parametrize("order", ["before it", "alone"])
@pytest.mark.parametrize("trainer", TRAINERS.values(), ids=TRAINERS)
def test_by_the_gradient_it_leaves_alone_what_honest_examples_move_most(task, trainer, order):
    """One step on a client's whole shard; the backdoor poisons half of it, and not the copy."""
    patch = PatchBackdoor(size=1, value=5.0, poison_share=0.5, target=2)
    attacks = [*([patch] if order == "before it" else []), Neurotoxin(ratio=0.5, by="gradient")]
    plan, start = Training(steps=1, batch_size=50, lr=0.1), task.init()

    sent = rounds(task, attacks, [start], plan, trainer)[0]

    shards = torch.arange(sum(SIZES)).split(SIZES)
    for i, (shard, update) in enumerate(zip(shards, sent, strict=True)):
        seen = shard[torch.randperm(len(shard), generator=torch.Generator().manual_seed(i))]
        x, y = task.data.x[seen], task.data.y[seen]
        spared = slope(task, start, x, y).abs().topk(round(0.5 * 9)).indices
        if order == "before it":
            half = -(-len(seen) // 2)
            x, y = x.clone(), y.clone()
            x[:half, -1], y[:half] = 5.0, 2
        expected = -0.1 * slope(task, start, x, y)
        expected[spared] = 0
        torch.testing.assert_close(update.double(), expected, rtol=1e-4, atol=1e-6)


def test_by_the_gradient_it_remembers_nothing(task):
    attack = Neurotoxin(by="gradient")

    assert attack.remember(task.init()) == {}
    assert not any(map(attack.overrides, ("remember", "step", "submit")))
    assert attack.overrides("gradient")


def test_by_the_update_it_leaves_gradients_and_examples_alone():
    attack, memory = Neurotoxin(), Neurotoxin().remember(torch.zeros(3))

    assert attack.batch(torch.ones(3), NOTHING, memory, {})[0] is NOTHING
    assert not attack.overrides("gradient")


@pytest.mark.parametrize("wrong", [{"ratio": 0}, {"ratio": 1}, {"by": "loss"}])
def test_rejects(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Neurotoxin(**wrong)

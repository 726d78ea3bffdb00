"""What every behavior and every attack must do, whoever wrote it."""

import copy

import pytest
import torch
from torch import nn

from fedrobust.core.local import Client, remember, train
from fedrobust.core.task import Data, Task
from fedrobust.core.training import Training
from tests.components import ATTACKS, BEHAVIORS, COMPONENTS, same


@pytest.fixture(scope="module")
def images():
    """Tiny images, a linear model, and eight clients with 1 to 20 of them."""
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(120, 1, 4, 4, generator=g), torch.randint(3, (120,), generator=g)
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    with torch.no_grad():
        model[1].weight.copy_(torch.randn(3, 16, generator=g) / 4)
        model[1].bias.zero_()
    shards = torch.arange(80).split([20, 1, 16, 7, 4, 17, 3, 12])
    return Task(model, Data(x[:80], y[:80], x[80:], y[80:], num_classes=3)), shards


def made(component, task):
    return component().for_task(task.data.num_classes, task.data.x.shape[1:])


PLANS = [
    Training(steps=3, batch_size=8),
    Training(epochs=2, batch_size=8, momentum=0.9, weight_decay=0.01),
]


def two_rounds(images, plan, behavior, groups):
    """Return what all clients send in a second round, trained group by group."""
    task, shards = images
    behaviors, start = [behavior], task.init()
    memories = {i: remember(behaviors, start) for group in groups for i in group}
    sent = {}
    for round in range(2):
        for group in groups:
            seeds = [torch.Generator().manual_seed(100 * round + i) for i in group]
            clients = [Client(shards[i], memories[i], g) for i, g in zip(group, seeds, strict=True)]
            updates, kept = train(task, plan, behaviors, start, clients)
            sent |= dict(zip(group, updates, strict=True))
            memories |= dict(zip(group, kept, strict=True))
    return torch.stack([sent[i] for i in sorted(sent)])


@pytest.mark.parametrize("plan", PLANS, ids=["steps", "epochs"])
@pytest.mark.parametrize("behavior", BEHAVIORS)
def test_a_client_sends_the_same_alone_and_among_others(behavior, images, plan):
    behavior = made(behavior, images[0])

    alone = two_rounds(images, plan, behavior, [[i] for i in range(8)])
    together = two_rounds(images, plan, behavior, [[3, 0, 5], [7, 2, 1, 4, 6]])

    assert alone.isfinite().all()
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("plan", PLANS, ids=["steps", "epochs"])
@pytest.mark.parametrize("behavior", BEHAVIORS)
def test_hooks_do_the_same_one_by_one_and_vectorized(behavior, images, plan, monkeypatch):
    made_ = made(behavior, images[0])
    as_it_is = two_rounds(images, plan, made_, [list(range(8))])

    monkeypatch.setattr(behavior, "vectorized", False)

    one_by_one = two_rounds(images, plan, made_, [list(range(8))])
    torch.testing.assert_close(one_by_one, as_it_is, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_component_fits_the_task_once_and_for_all(component, images):
    once = made(component, images[0])

    assert once.for_task(3, (1, 4, 4)) == once


@pytest.fixture(scope="module")
def views(view):
    """Return what an adversary of three clients among ten sees, by its knowledge."""
    own, honest = torch.randn(10, 12, generator=torch.Generator().manual_seed(2)).split([3, 7])
    known = {"num_clients": 10, "num_controlled": 3}
    return lambda: {
        "own": view(own[:1].clone(), **known),
        "colluding": view(own.clone(), **known),
        "omniscient": view(own.clone(), honest.clone(), **known),
        "omniscient and alone": view(own.clone(), honest[:0], num_clients=3, num_controlled=3),
    }


KNOWLEDGE = ["own", "colluding", "omniscient", "omniscient and alone"]


@pytest.mark.parametrize("knowledge", KNOWLEDGE)
@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_sends_one_finite_update_a_client(attack, images, views, knowledge):
    attack, view = made(attack, images[0]), views()[knowledge]

    sent, _ = attack.craft(view, attack.init(view.params))

    assert sent.shape == view.own.shape
    assert sent.dtype == torch.float32
    assert sent.isfinite().all()


@pytest.mark.parametrize("knowledge", KNOWLEDGE)
@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_pure(attack, images, views, knowledge):
    attack = made(attack, images[0])
    view, untouched = views()[knowledge], views()[knowledge]
    _, state = attack.craft(views()[knowledge], attack.init(view.params))  # one with a history
    before = copy.deepcopy(state)

    once = attack.craft(view, state)
    again = attack.craft(views()[knowledge], state)

    assert same(once, again)
    assert same(state, before)
    assert view.own.equal(untouched.own)
    assert view.honest is None or view.honest.equal(untouched.honest)
    assert vars(attack).keys() == type(attack).model_fields.keys()


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_goal_leaves_out_what_is_of_the_wanted_class_anyway(attack, images):
    data = images[0].data
    attack = made(attack, images[0])

    for label in range(data.num_classes):
        of_label = data.y_test == label
        goal = attack.goal(data.x_test[of_label], data.y_test[of_label])

        if goal is not None:
            x, wanted = goal
            assert len(x) == len(wanted)
            assert x.shape[1:] == data.x_test.shape[1:]
            assert (wanted != label).all()
            assert ((wanted >= 0) & (wanted < data.num_classes)).all()

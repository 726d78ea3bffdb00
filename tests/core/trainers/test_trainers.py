"""All trainers give what a plain loop over clients gives."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, relu

from fedrobust.attacks.label_flip import LabelFlip
from fedrobust.attacks.patch_backdoor import PatchBackdoor
from fedrobust.core.behavior import Behavior
from fedrobust.core.local import Client, remember, train
from fedrobust.core.task import Data, Task
from fedrobust.core.trainers import loop, stacked, vectorized
from fedrobust.core.training import Training
from fedrobust.models import MLP, LeNet, ResNet, Softmax
from fedrobust.strategies.client_momentum import ClientMomentum
from fedrobust.strategies.dp_sgd import DPSGD

SIZES = [9, 1, 4, 13, 4]
TRAINERS = {"stacked": stacked.descend, "vmap": vectorized.descend, "loop": loop.descend}


class Residual(nn.Module):
    """Convolutions with all options, a shortcut, GroupNorm, LayerNorm, plain functions."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, stride=2, padding=1)
        self.norm = nn.GroupNorm(2, 4)
        self.second = nn.Conv2d(4, 4, 3, padding=2, dilation=2, groups=2, bias=False)
        self.last = nn.Sequential(nn.LayerNorm(4), nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 3))

    def forward(self, x):
        x = relu(self.norm(self.first(x)))
        return self.last((x + self.second(x)).mean(dim=(2, 3)))


class Words(nn.Module):
    """A sequence of tokens: an embedding, a layer at each position, norms without a shift."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(5, 4)
        self.each = nn.Linear(4, 4)
        self.norms = nn.Sequential(nn.LayerNorm(4, bias=False), nn.GELU())
        self.channels = nn.GroupNorm(2, 4)
        self.out = nn.Linear(4, 3, bias=False)

    def forward(self, x):
        x = self.norms(self.each(self.table(x.abs().mul(2).long().clamp(max=4).flatten(1))))
        return self.out(self.channels(x.mT).amax(dim=2))


class InPlace(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(64, 6), nn.ReLU(inplace=True), nn.Linear(6, 3))

    def forward(self, x):
        return self.layers(x.reshape(len(x), -1))


def build(model):
    return model.build((1, 8, 8), 3)


MODELS = {
    "softmax": lambda: build(Softmax()),
    "mlp": lambda: build(MLP(hidden=(6, 5))),
    "resnet": lambda: build(ResNet(width=4)),
    "residual": Residual,
    "words": Words,
    "in_place": InPlace,
}


def made(name, shape=(1, 8, 8)):
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(40, *shape, generator=g), torch.randint(3, (40,), generator=g)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = MODELS[name]() if name in MODELS else LeNet().build(shape, 3)
    return Task(model, Data(x, y, x, y, num_classes=3))


def cohort(behaviors=(), start=None, sizes=SIZES):
    shards = torch.arange(sum(sizes)).split(sizes)
    generators = [torch.Generator().manual_seed(i) for i in range(len(sizes))]
    memories = [remember(behaviors, start) for _ in sizes]
    return [Client(*parts) for parts in zip(shards, memories, generators, strict=True)]


def plain_loop(task, training, start, client, clip=None):
    """Train one client as a PyTorch tutorial would; clip example by example."""
    model = copy.deepcopy(task.model).double()
    nn.utils.vector_to_parameters(start.double(), model.parameters())
    parameters = list(model.parameters())
    options = {"momentum": training.momentum, "weight_decay": training.weight_decay}
    optimizer = torch.optim.SGD(parameters, lr=training.lr, **options)
    for _ in range(training.epochs):
        order = torch.randperm(len(client.shard), generator=client.generator)
        for batch in client.shard[order].split(training.batch_size):
            x, y = task.data.x[batch].double(), task.data.y[batch]
            groups = [slice(None)] if clip is None else [slice(i, i + 1) for i in range(len(y))]
            total = [torch.zeros_like(p) for p in parameters]
            for some in groups:
                found = torch.autograd.grad(cross_entropy(model(x[some]), y[some]), parameters)
                norm = torch.cat([g.flatten() for g in found]).norm()
                factor = 1.0 if clip is None else min(1.0, clip / norm)
                for t, g in zip(total, found, strict=True):
                    t.add_(g, alpha=factor / len(groups))
            for p, t in zip(parameters, total, strict=True):
                p.grad = t
            optimizer.step()
    return (nn.utils.parameters_to_vector(parameters).detach() - start).float()


PLAIN = Training(epochs=2, batch_size=4, lr=0.1)
FULL = Training(epochs=2, batch_size=4, lr=0.05, momentum=0.9, weight_decay=0.1)


@pytest.mark.parametrize("trainer", TRAINERS.values(), ids=TRAINERS)
@pytest.mark.parametrize("training", [PLAIN, FULL], ids=["plain", "momentum_and_decay"])
@pytest.mark.parametrize("name", MODELS)
def test_ragged_clients_train_as_in_a_plain_loop(name, training, trainer):
    task = made(name)
    start = task.init()

    updates, _ = train(task, training, [], start, cohort(), trainer)

    expected = torch.stack([plain_loop(task, training, start, c) for c in cohort()])
    torch.testing.assert_close(updates, expected, atol=1e-5, rtol=0)
    assert expected.abs().max() > 1e-2


@pytest.mark.parametrize("trainer", TRAINERS.values(), ids=TRAINERS)
def test_clients_that_start_elsewhere(trainer):
    task = made("residual")
    starts = task.init() + 0.1 * torch.randn(len(SIZES), len(task.init()))
    before = starts.clone()

    updates, _ = train(task, FULL, [], starts, cohort(), trainer)

    each = zip(starts, cohort(), strict=True)
    expected = torch.stack([plain_loop(task, FULL, start, c) for start, c in each])
    torch.testing.assert_close(updates, expected, atol=1e-5, rtol=0)
    assert starts.equal(before)


def test_lenet_on_images_of_its_size():
    task = made("lenet", shape=(2, 12, 12))
    start = task.init()

    updates, _ = train(task, FULL, [], start, cohort(), stacked.descend)

    expected = torch.stack([plain_loop(task, FULL, start, c) for c in cohort()])
    torch.testing.assert_close(updates, expected, atol=1e-5, rtol=0)


class Clipped(Behavior):
    """Clip the gradient of each example."""

    bound: float

    @property
    def example_clip(self):
        return self.bound


@pytest.mark.parametrize("trainer", TRAINERS.values(), ids=TRAINERS)
@pytest.mark.parametrize("name", [*MODELS, "lenet"])
def test_clipping_of_examples_equals_a_loop_over_them(name, trainer):
    task = made(name, shape=(1, 12, 12) if name == "lenet" else (1, 8, 8))
    start, bound = task.init(), 0.5
    behaviors = [Clipped(bound=9.0), Clipped(bound=bound)]

    updates, _ = train(task, FULL, behaviors, start, cohort(behaviors, start), trainer)

    expected = torch.stack([plain_loop(task, FULL, start, c, bound) for c in cohort()])
    unclipped = torch.stack([plain_loop(task, FULL, start, c) for c in cohort()])
    torch.testing.assert_close(updates, expected, atol=1e-5, rtol=0)
    assert (expected - unclipped).abs().max() > 1e-3


class Noisy(Behavior):
    """Draw in each step, turn the direction, remember how often."""

    def remember(self, params):
        return {"steps": torch.zeros(()), "last": torch.zeros_like(params)}

    def draw(self, params, generator):
        return {"noise": torch.randn(params.shape, generator=generator)}

    def batch(self, params, batch, memory, draws):
        return batch._replace(x=batch.x + params.mean() + memory["steps"]), memory

    def step(self, direction, batch, memory, draws):
        turned = direction + 0.01 * draws["noise"] + 0.1 * memory["last"] / batch.w.sum()
        return turned, {"steps": memory["steps"] + 1, "last": direction}


class Nostalgic(Behavior):
    """Remember the model of the last step, and where the round came from."""

    def remember(self, params):
        return {"last": torch.zeros_like(params)}

    def batch(self, params, batch, memory, draws):
        return batch._replace(x=batch.x + memory["last"].mean()), {"last": params}


BEHAVIORS = {
    "nostalgic": [Nostalgic(), LabelFlip(num_classes=3)],
    "label_flip": [LabelFlip(num_classes=3)],
    "backdoor": [PatchBackdoor(size=2)],
    "momentum_of_steps": [ClientMomentum(on="step")],
    "momentum_of_updates": [ClientMomentum()],
    "all_hooks_twice": [Noisy(), ClientMomentum(on="step"), Noisy()],
}


@pytest.mark.parametrize("training", [PLAIN, FULL], ids=["plain", "momentum_and_decay"])
@pytest.mark.parametrize("behaviors", BEHAVIORS.values(), ids=BEHAVIORS)
def test_trainers_agree_on_what_behaviors_change(behaviors, training):
    task = made("residual")
    start, results = task.init(), []
    for trainer in TRAINERS.values():
        clients = cohort(behaviors, start)
        results.append(train(task, training, behaviors, start, clients, trainer))

    honest, _ = train(task, training, [], start, cohort())
    (updates, memories), *others = results
    assert not torch.allclose(updates, honest, atol=1e-4)
    for other, kept in others:
        torch.testing.assert_close(other, updates, atol=1e-5, rtol=0)
        torch.testing.assert_close(kept, memories, atol=1e-5, rtol=0)


class Shared(nn.Module):
    """Run one layer twice."""

    def __init__(self):
        super().__init__()
        self.inner, self.out = nn.Linear(64, 64), nn.Linear(64, 3)

    def forward(self, x):
        return self.out(self.inner(self.inner(x.flatten(1))))


class Tied(nn.Module):
    """Two layers with the same weight."""

    def __init__(self):
        super().__init__()
        self.inner, self.other, self.out = nn.Linear(64, 64), nn.Linear(64, 64), nn.Linear(64, 3)
        self.other.weight = self.inner.weight

    def forward(self, x):
        return self.out(self.other(self.inner(x.flatten(1)).tanh()))


class Mixing(nn.Linear):
    """A layer of a kind of its own."""


class Centered(nn.Module):
    """Look at all examples of a batch at once."""

    def __init__(self):
        super().__init__()
        self.out = nn.Linear(64, 3)

    def forward(self, x):
        x = x.flatten(1)
        return self.out(x - x.mean(dim=0))


class Buffered(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(64, 3)
        self.register_buffer("scale", torch.full((64,), 2.0))

    def forward(self, x):
        return self.out(x.flatten(1) * self.scale)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (Shared, "runs a layer twice"),
        (Tied, "other.weight is shared between layers"),
        (lambda: nn.Sequential(nn.Flatten(), Mixing(64, 3)), "1.weight is in no known layer"),
        (Centered, "does not treat each example alike"),
        (Buffered, "buffers or frozen parameters"),
        (lambda: nn.Sequential(nn.Flatten(), nn.Unflatten(0, (2, -1)), nn.Linear(64, 3)), "run"),
    ],
    ids=["shared", "tied", "unknown", "centered", "buffered", "broken"],
)
def test_what_cannot_be_stacked_says_why(model, reason):
    data = made("softmax").data

    assert reason in stacked.stacked_model(Task(model(), data))


@pytest.mark.parametrize("trainer", [vectorized.descend, loop.descend], ids=["vmap", "loop"])
@pytest.mark.parametrize("behaviors", [[], [DPSGD(max_norm=0.1)]], ids=["plain", "noise"])
def test_buffers_and_frozen_parameters_stay_as_they_are(trainer, behaviors):
    model = Buffered()
    model.out.bias.requires_grad_(False)
    task = Task(model, made("softmax").data)
    start = task.init()

    updates, _ = train(task, FULL, behaviors, start, cohort(behaviors, start), trainer)
    same, _ = train(task, FULL, behaviors, start, cohort(behaviors, start), loop.descend)

    torch.testing.assert_close(updates, same, atol=1e-5, rtol=0)

    arrays = [task.layout.unflatten(update) for update in updates]
    assert not any(a["scale"].any() or a["out.bias"].any() for a in arrays)
    assert all(a["out.weight"].any() for a in arrays)


def test_the_loop_runs_models_that_vmap_cannot():
    """Control flow that depends on the data."""

    class Branching(Buffered):
        def forward(self, x):
            return super().forward(x) if x.sum().item() > 0 else super().forward(-x)

    task = Task(Branching(), made("softmax").data)

    updates, _ = train(task, PLAIN, [], task.init(), cohort(), loop.descend)

    assert updates.isfinite().all() and updates.any(dim=1).all()

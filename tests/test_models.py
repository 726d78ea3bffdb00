import json
import re

import pytest
import torch
from pydantic import TypeAdapter
from torch import nn
from torch.func import grad, vmap

from fedrobust.core.task import Batch, Data, Task
from fedrobust.errors import ConfigError
from fedrobust.models import MLP, Imported, LeNet, ResNet, Softmax
from fedrobust.parts import ModelPart

FITTING = [
    (Softmax(), (30,)),
    (Softmax(), (3, 8, 8)),
    (MLP(), (30,)),
    (MLP(hidden=(8, 5)), (1, 8, 8)),
    (LeNet(), (1, 28, 28)),
    (LeNet(), (3, 12, 13)),
    (ResNet(width=4), (1, 8, 8)),
    (ResNet(width=5, blocks=2), (3, 9, 16)),
]
IDS = [f"{model.reference()}-{shape}" for model, shape in FITTING]


def task(model, shape, num_classes=7):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = model.build(shape, num_classes)
    x, y = torch.zeros(1, *shape), torch.zeros(1, dtype=torch.int64)
    return Task(module, Data(x, y, x, y, num_classes))


@pytest.mark.parametrize(("model", "shape"), FITTING, ids=IDS)
def test_clients_trained_in_one_stack_are_clients_trained_one_by_one(model, shape):
    g = torch.Generator().manual_seed(0)
    t = task(model, shape)
    params = t.init() + 0.01 * torch.randn(3, t.layout.size, generator=g)  # [n, d]
    x, w = torch.randn(3, 4, *shape, generator=g), torch.rand(3, 4, generator=g)
    y = torch.randint(7, (3, 4), generator=g)

    def loss(params, x, y, w):
        return t.loss(params, Batch(x, y, w))

    stack = vmap(grad(loss))(params, x, y, w)
    loop = torch.stack([grad(loss)(*client) for client in zip(params, x, y, w, strict=True)])

    torch.testing.assert_close(stack, loop, atol=2e-6, rtol=1e-4)
    assert (loop.norm(dim=1) > 0.01).all()
    assert not torch.allclose(loop[0], loop[1], atol=1e-3)


@pytest.mark.parametrize(("model", "shape"), FITTING, ids=IDS)
def test_it_gives_a_logit_for_each_class_and_example_by_itself(model, shape):
    t, x = task(model, shape), torch.randn(5, *shape, generator=torch.Generator().manual_seed(0))

    together = t.logits(t.init(), x)
    alone = torch.cat([t.logits(t.init(), example[None]) for example in x])

    assert together.shape == (5, 7)
    assert together.isfinite().all()
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("model", "shape"), FITTING, ids=IDS)
def test_all_its_state_is_parameters(model, shape):
    module = model.build(shape, 7)

    assert [name for name, _ in module.named_buffers()] == []
    assert all(p.requires_grad and p.dtype == torch.float32 for p in module.parameters())


@pytest.mark.parametrize(
    ("model", "shape", "size"),
    [
        (Softmax(), (1, 28, 28), 7_850),  # 784 * 10 + 10
        (MLP(hidden=(64,)), (1, 28, 28), 50_890),  # 784 * 64 + 64 + 64 * 10 + 10
        (LeNet(), (1, 28, 28), 61_706),  # LeNet-5 as everyone counts it
        (ResNet(width=16, blocks=3), (3, 32, 32), 272_282),
    ],
)
def test_sizes(model, shape, size):
    """ResNet-20 by hand: 267,696 in 3 x 3 convolutions, 2 * 688 in norms, 650 in the last layer,
    and 16 * 32 + 32 * 64 in the two shortcuts that change the width.
    """
    assert task(model, shape, num_classes=10).layout.size == size


def test_an_mlp_is_not_linear_and_softmax_is():
    a, b = torch.randn(2, 1, 6, generator=torch.Generator().manual_seed(0))

    def bend(model):
        f = model.build((6,), 3)
        return (f(a) + f(b) - f(a + b) - f(0 * a)).abs().max()

    assert bend(MLP()) > 1e-2
    assert bend(Softmax()) < 1e-5


def test_a_residual_block_that_adds_nothing_passes_its_input_on():
    stem, _, _, block, *_ = ResNet(width=4).build((1, 8, 8), 2)
    nn.init.zeros_(block.second_norm.weight)
    x = stem(torch.rand(2, 1, 8, 8))

    torch.testing.assert_close(block(x), x.relu())


def test_each_stage_halves_the_image_and_doubles_the_channels():
    layers = ResNet(width=4, blocks=2).build((3, 32, 24), 10)
    x = torch.rand(1, 3, 32, 24)

    shapes = [tuple(x.shape[1:]) for layer in layers[:9] if (x := layer(x)) is not None]

    assert shapes == [(4, 32, 24)] * 5 + [(8, 16, 12)] * 2 + [(16, 8, 6)] * 2


@pytest.mark.parametrize("model", [Softmax(), MLP(), LeNet(), ResNet(width=8)])
def test_it_can_learn(model):
    """Forty images, each bright in the half its class names."""
    g = torch.Generator().manual_seed(0)
    y = torch.arange(40) % 2
    x = 0.3 * torch.rand(40, 1, 12, 12, generator=g)
    x[y == 0, :, :6] += 0.5
    x[y == 1, :, 6:] += 0.5
    t = task(model, (1, 12, 12), num_classes=2)
    batch, params = Batch(x, y, torch.ones(40)), t.init()

    before = t.loss(params, batch)
    for _ in range(60):
        params = params - 0.1 * grad(t.loss)(params, batch)

    assert t.loss(params, batch) < before / 2
    assert (t.logits(params, x).argmax(1) == y).double().mean() > 0.95


@pytest.mark.parametrize(
    ("model", "shape", "message"),
    [
        (LeNet(), (30,), "LeNet needs images .* not inputs of shape [30]; use softmax or mlp."),
        (ResNet(), (28, 28), "ResNet needs images .* not inputs of shape [28, 28]; use"),
        (LeNet(), (1, 8, 8), "LeNet .* at least 12 x 12, not 8 x 8; use resnet, mlp or softmax."),
        (LeNet(), (1, 28, 11), "LeNet .* at least 12 x 12, not 28 x 11"),
        (ResNet(), (3, 7, 32), "ResNet .* at least 8 x 8, not 7 x 32; use mlp or softmax."),
    ],
)
def test_inputs_that_do_not_fit_are_refused(model, shape, message):
    pattern = re.escape(message).replace(r"\.\*", ".*")

    with pytest.raises(ConfigError, match=pattern):
        model.build(shape, 10)


@pytest.mark.parametrize(
    ("model", "wrong"),
    [
        (MLP, {"hidden": ()}),
        (MLP, {"hidden": (64, 0)}),
        (ResNet, {"width": 0}),
        (ResNet, {"blocks": 0}),
        (Softmax, {"bias": False}),
        (Imported, {"target": "torch.nn.Linear"}),
    ],
)
def test_rejects(model, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        model(**wrong)


def linear(**arguments):
    return Imported(target="torch.nn:Linear", arguments=arguments)


def test_any_module_can_be_imported():
    module = linear(in_features=4, out_features=3).build((4,), 3)

    assert isinstance(module, nn.Linear)
    assert module.weight.shape == (3, 4)


def test_an_imported_module_comes_back_from_its_dump():
    model = linear(in_features=4, out_features=3)

    dump = json.loads(json.dumps(model.model_dump(mode="json")))

    assert dump == {"name": "torch.nn:Linear", "in_features": 4, "out_features": 3}
    assert TypeAdapter(ModelPart).validate_python(dump) == model


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Imported(target="no_such_package:Net"), "no_such_package:Net cannot be built"),
        (Imported(target="torch.nn:Linaer"), "torch.nn:Linaer cannot be built"),
        (linear(inputs=4), "torch.nn:Linear cannot be built: .*inputs"),
        (Imported(target="builtins:dict"), "builtins:dict needs to be a Module, not dict"),
        (linear(in_features=5, out_features=3), r"inputs \[2, 4\] into \[2, 3\], but raises"),
        (linear(in_features=4, out_features=2), r"inputs \[2, 4\] into \[2, 3\], not \[2, 2\]"),
    ],
)
def test_a_module_that_does_not_fit_is_refused(model, message):
    with pytest.raises(ConfigError, match=message):
        model.build((4,), 3)

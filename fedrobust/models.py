"""Architectures.  All may train in one stack: no BatchNorm, no Dropout, nothing in place."""

import math
from importlib import import_module
from itertools import pairwise
from typing import Annotated, Any

import torch
from pydantic import Field, PositiveInt, model_serializer
from torch import Tensor, nn
from torch.nn.functional import relu

from fedrobust.core.task import Model
from fedrobust.errors import ConfigError

__all__ = ["MLP", "LeNet", "ResNet", "Softmax"]


class Softmax(Model):
    """Multinomial logistic regression on the flattened inputs; its loss is convex."""

    def build(self, input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(input_shape), num_classes))


class MLP(Model):
    """Fully connected layers with ReLU between them, on the flattened inputs.

    Fields:
        hidden: the width of each hidden layer.
    """

    hidden: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (64,)

    def build(self, input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
        layers: list[nn.Module] = [nn.Flatten()]
        for before, after in pairwise((math.prod(input_shape), *self.hidden)):
            layers += [nn.Linear(before, after), nn.ReLU()]
        return nn.Sequential(*layers, nn.Linear(self.hidden[-1], num_classes))


class LeNet(Model):
    """LeNet-5 with ReLU: two 5 x 5 convolutions with average pooling, three linear layers.

    LeCun, Bottou, Bengio and Haffner, "Gradient-Based Learning Applied to Document Recognition",
    Proceedings of the IEEE 86(11), 1998.  61,706 parameters for 28 x 28 gray images and ten
    classes; takes any number of channels and images from 12 x 12.
    """

    def build(self, input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
        channels, height, width = _image("LeNet", input_shape, smallest=12)
        last = (height // 2 - 4) // 2 * ((width // 2 - 4) // 2)  # pixels a channel
        return nn.Sequential(
            nn.Conv2d(channels, 6, kernel_size=5, padding=2),
            nn.ReLU(),
            nn.AvgPool2d(2),
            nn.Conv2d(6, 16, kernel_size=5),
            nn.ReLU(),
            nn.AvgPool2d(2),
            nn.Flatten(),
            nn.Linear(16 * last, 120),
            nn.ReLU(),
            nn.Linear(120, 84),
            nn.ReLU(),
            nn.Linear(84, num_classes),
        )


class ResNet(Model):
    """A residual network with GroupNorm: three stages, each half as large and twice as wide.

    He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition", CVPR 2016,
    https://arxiv.org/abs/1512.03385, section 4.2, with GroupNorm in place of BatchNorm.  It has
    6 `blocks` + 2 layers; takes any number of channels and images from 8 x 8.

    Fields:
        width: channels of the first stage.
        blocks: residual blocks a stage.
    """

    width: PositiveInt = 16
    blocks: PositiveInt = 1

    def build(self, input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
        channels, _, _ = _image("ResNet", input_shape, smallest=8)
        layers: list[nn.Module] = [
            nn.Conv2d(channels, self.width, kernel_size=3, padding=1, bias=False),
            _norm(self.width),
            nn.ReLU(),
        ]
        before = self.width
        for stage in range(3):
            after = self.width * 2**stage
            for block in range(self.blocks):
                layers.append(_Residual(before, after, stride=2 if stage and not block else 1))
                before = after
        pool = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        return nn.Sequential(*layers, *pool, nn.Linear(before, num_classes))


class Imported(Model):
    """Build any `torch.nn.Module` that Python can import.

    In a scenario write `name = "my_package.nets:Net"` and the arguments beside it.  It must map
    ``[b, ...]`` to ``[b, num_classes]``, and have neither BatchNorm nor Dropout.

    Fields:
        target: the class, as package.module:Name; from Python, a function that makes one will do.
        arguments: what it is called with.
    """

    target: str = Field(pattern=r"^[^:]+:[^:]+$")
    arguments: dict[str, Any] = Field(default_factory=dict)

    def build(self, input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
        module, _, name = self.target.partition(":")
        try:
            model = getattr(import_module(module), name)(**self.arguments)
        except (ImportError, AttributeError, TypeError, ValueError) as error:
            raise ConfigError(f"{self.target} cannot be built: {error}.") from error
        if not isinstance(model, nn.Module):
            raise ConfigError(f"{self.target} needs to be a Module, not {type(model).__name__}.")
        _try_out(self.target, model, input_shape, num_classes)
        return model

    @model_serializer
    def _as_written(self) -> dict[str, Any]:
        return {"name": self.target, **self.arguments}


class _Residual(nn.Module):
    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)
        self.first_norm = _norm(after)
        self.second = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.second_norm = _norm(after)
        self.shortcut: nn.Module = nn.Identity()
        if before != after:
            self.shortcut = nn.Conv2d(before, after, 1, stride=stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        inner = relu(self.first_norm(self.first(x)))
        return relu(self.second_norm(self.second(inner)) + self.shortcut(x))


def _norm(channels: int) -> nn.GroupNorm:
    groups = max(math.gcd(channels, 16) // 2, 1)  # of at least two channels each
    return nn.GroupNorm(groups, channels)


def _image(model: str, shape: tuple[int, ...], smallest: int) -> tuple[int, int, int]:
    if len(shape) != 3:
        raise ConfigError(
            f"{model} needs images of shape [channels, height, width], not inputs of shape "
            f"{list(shape)}; use softmax or mlp."
        )
    channels, height, width = shape
    if min(height, width) < smallest:
        raise ConfigError(
            f"{model} needs images of at least {smallest} x {smallest}, not {height} x {width}; "
            f"use {'resnet, ' if min(height, width) >= 8 else ''}mlp or softmax."
        )
    return channels, height, width


def _try_out(target: str, model: nn.Module, shape: tuple[int, ...], num_classes: int) -> None:
    needed = f"{target} needs to turn inputs [2, {str(list(shape))[1:-1]}] into [2, {num_classes}]"
    try:
        with torch.no_grad():
            out = model(torch.zeros(2, *shape))
    except (RuntimeError, ValueError, TypeError) as error:
        raise ConfigError(f"{needed}, but raises: {error}.") from error
    if not isinstance(out, Tensor) or out.shape != (2, num_classes):
        got = list(out.shape) if isinstance(out, Tensor) else type(out).__name__
        raise ConfigError(f"{needed}, not {got}.")

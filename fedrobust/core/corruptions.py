"""What befalls inputs between the world and a model: noise, blur, movement, weather, scribbles.

After Mu and Gilmer, "MNIST-C: A Robustness Benchmark for Computer Vision", 2019,
https://arxiv.org/abs/1906.02337: its kinds but canny edges, and Gaussian noise and blur.  Formulas
and severities are ours, so numbers do not compare with those on its files: lengths are relative to
the image, whatever its resolution, and each severity is a fifth of the way to the worst.
"""

from collections.abc import Callable
from math import ceil, pi

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate

from fedrobust.errors import ConfigError

__all__ = ["KINDS", "Corruption", "corrupted", "kinds_for"]

Corruption = Callable[[Tensor, float, torch.Generator], Tensor]
"""Inputs ``[b, ...]`` in [0, 1], how much in (0, 1], draws -> inputs, which may leave [0, 1]."""


def corrupted(x: Tensor, kind: str, severity: int, generator: torch.Generator) -> Tensor:
    """Return inputs ``[b, ...]`` corrupted, between the least and the largest value among them.

    Args:
        x: images ``[b, C, H, W]``, whose least value is the background, or inputs of other shapes.
        kind: one of `kinds_for` their shape.
        severity: from 1 to 5.
        generator: of each input's own noise, direction or place; on the CPU.

    Raises:
        ConfigError: if there is no such kind for such inputs, or no such severity.
    """
    shape = tuple(x.shape[1:])
    if kind not in (known := kinds_for(shape)):
        raise ConfigError(
            f"Inputs of shape {shape} can be corrupted by {', '.join(known)}, not by {kind!r}."
        )
    if severity not in range(1, 6):
        raise ConfigError(f"A corruption has a severity of 1, 2, 3, 4 or 5, not {severity}.")
    if not x.numel():
        return x
    low, high = x.min().double(), x.max().double()
    unit = (x.double() - low) / (high - low).clamp(min=torch.finfo(torch.float64).tiny)
    seen = KINDS[kind](unit, severity / 5, generator).clamp(0.0, 1.0)
    return (low + seen * (high - low)).to(x.dtype).clamp(x.min(), x.max())


def kinds_for(input_shape: tuple[int, ...]) -> tuple[str, ...]:
    """Return the kinds that make sense for inputs of a shape, which is without the batch."""
    return tuple(KINDS)[: len(KINDS) if len(input_shape) == 3 else 4]


def _gaussian_noise(x: Tensor, much: float, generator: torch.Generator) -> Tensor:
    return x + 0.5 * much * torch.randn(x.shape, generator=generator).to(x)


def _shot_noise(x: Tensor, much: float, generator: torch.Generator) -> Tensor:
    photons = 3 / much**2  # from where it is brightest
    return torch.poisson(photons * x.cpu(), generator=generator).to(x) / photons


def _impulse_noise(x: Tensor, much: float, generator: torch.Generator) -> Tensor:
    drawn = _uniform(x, generator, *x.shape)
    return torch.where(drawn < 0.4 * much, (drawn < 0.2 * much).to(x), x)


def _brightness(x: Tensor, much: float, generator: torch.Generator) -> Tensor:
    return x + 0.7 * much


def _gaussian_blur(x: Tensor, much: float, generator: torch.Generator) -> Tensor:
    return _smooth(x, 0.1 * much)


def _glass_blur(x: Tensor, much: float, generator: torch.Generator) -> Tensor:
    """Let each pixel show what is somewhere near it."""
    away = 2 * _uniform(x, generator, len(x), *x.shape[2:], 2) - 1
    return _seen_at(x, _points(x) + 0.3 * much * away)


def _motion_blur(x: Tensor, much: float, generator: torch.Generator) -> Tensor:
    places, way = _points(x), _directions(x, generator)[:, None, None]
    steps = torch.linspace(-0.4 * much, 0.4 * much, 9).tolist()
    return sum((_seen_at(x, places + step * way) for step in steps), torch.zeros_like(x)) / 9


def _translate(x: Tensor, much: float, generator: torch.Generator) -> Tensor:
    return _seen_at(x, _points(x) + 0.6 * much * _directions(x, generator)[:, None, None])


def _rotate(x: Tensor, much: float, generator: torch.Generator) -> Tensor:
    angle = pi / 3 * much * _signs(x, generator)
    right, down = _points(x).unbind(dim=-1)
    turned = [right * angle.cos() - down * angle.sin(), right * angle.sin() + down * angle.cos()]
    return _seen_at(x, torch.stack(turned, dim=-1))


def _scale(x: Tensor, much: float, generator: torch.Generator) -> Tensor:
    return _seen_at(x, _points(x).expand(len(x), -1, -1, -1) / (1 - 0.6 * much))


def _shear(x: Tensor, much: float, generator: torch.Generator) -> Tensor:
    right, down = _points(x).unbind(dim=-1)
    slanted = right + 1.2 * much * _signs(x, generator) * down
    return _seen_at(x, torch.stack([slanted, down.expand_as(slanted)], dim=-1))


def _stripe(x: Tensor, much: float, generator: torch.Generator) -> Tensor:
    """Invert a band from top to bottom, in the middle."""
    return torch.where(_points(x)[..., 0].abs() < 0.1 + 0.4 * much, 1 - x, x)


def _fog(x: Tensor, much: float, generator: torch.Generator) -> Tensor:
    clouds = [
        interpolate(_uniform(x, generator, len(x), 1, size, size), x.shape[2:], mode="bilinear")
        for size in (2, 3, 5, 9)  # the finer, the fainter
    ]
    fog = sum((cloud / 2**i for i, cloud in enumerate(clouds)), torch.zeros_like(clouds[0])) / 1.875
    return x + (1 - x) * 1.2 * much * fog


def _spatter(x: Tensor, much: float, generator: torch.Generator) -> Tensor:
    drops = _smooth(_uniform(x, generator, len(x), 1, *x.shape[2:]), 0.05)
    dry = ceil((1 - 0.4 * much) * drops[0].numel())
    wet = drops > drops.flatten(1).kthvalue(dry, dim=1).values[:, None, None, None]
    return torch.where(wet, 0.8, x)


def _dotted_line(x: Tensor, much: float, generator: torch.Generator) -> Tensor:
    along, across = _lines(x, generator)
    return torch.where((across.abs() < _thick(x, much)) & (4 * along % 2 < 1), 1.0, x)


def _zigzag(x: Tensor, much: float, generator: torch.Generator) -> Tensor:
    along, across = _lines(x, generator)
    wave = (2 * along % 2 - 1).abs() - 0.5  # up and down, a quarter of the image either way
    return torch.where((across - wave).abs() < 2 * _thick(x, much), 1.0, x)


_ALL: tuple[Corruption, ...] = (
    *(_gaussian_noise, _shot_noise, _impulse_noise, _brightness),  # those of inputs of any shape
    *(_gaussian_blur, _glass_blur, _motion_blur, _translate, _rotate, _scale, _shear, _stripe),
    *(_fog, _spatter, _dotted_line, _zigzag),
)
KINDS: dict[str, Corruption] = {kind.__name__[1:]: kind for kind in _ALL}


def _uniform(x: Tensor, generator: torch.Generator, *shape: int) -> Tensor:
    return torch.rand(shape, generator=generator).to(x)


def _signs(x: Tensor, generator: torch.Generator) -> Tensor:
    """Return 1 or -1 for each image, ``[b, 1, 1]``."""
    return 1 - 2 * (_uniform(x, generator, len(x), 1, 1) < 0.5).to(x)


def _directions(x: Tensor, generator: torch.Generator) -> Tensor:
    """Return a direction for each image, of length 1, ``[b, 2]``."""
    angle = 2 * pi * _uniform(x, generator, len(x))
    return torch.stack([angle.cos(), angle.sin()], dim=1)


def _points(x: Tensor) -> Tensor:
    """Return where pixels are, to the right and down, ``[H, W, 2]``; the longer side is 2."""
    sides = x.shape[-2:]
    down, right = ((2 * torch.arange(n, dtype=x.dtype) + 1 - n) / max(sides) for n in sides)
    return torch.stack(torch.meshgrid(right, down, indexing="xy"), dim=-1).to(x.device)


def _seen_at(x: Tensor, points: Tensor) -> Tensor:
    """Return what images show at points ``[b, H, W, 2]``: the background outside."""
    height, width = x.shape[-2:]
    shares = torch.tensor([width, height]).to(x) / max(height, width)
    return grid_sample(x, points / shares, align_corners=False)


def _smooth(x: Tensor, share: float) -> Tensor:
    """Return images blurred by Gaussians whose deviation is a share of the shorter side."""
    for _ in range(2):
        place = torch.arange(x.shape[-1]).to(x) / (share * min(x.shape[-2:]))
        near = (-(place[:, None] - place).square() / 2).exp()
        x = (x @ (near / near.sum(dim=0))).transpose(-1, -2)
    return x


def _lines(x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return how far along and across a line of its own each pixel is, ``[b, 1, H, W]``."""
    way, offset = _directions(x, generator), _uniform(x, generator, len(x), 1, 1, 1) - 0.5
    along = torch.einsum("hwi,bi->bhw", _points(x), way)[:, None]
    across = torch.einsum("hwi,bi->bhw", _points(x), way.flip(1) * way.new_tensor([-1, 1]))[:, None]
    return along, across + offset


def _thick(x: Tensor, much: float) -> float:
    """Return half the width of a line: that of half a pixel, at least."""
    return max(0.05 + 0.1 * much, 1.0 / max(x.shape[-2:]))

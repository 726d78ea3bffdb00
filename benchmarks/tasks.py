"""The same data and models for every system; needs PyTorch only, so it runs beside all of them."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

CLASSES = 10


def digits() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return scikit-learn's digits as vectors of 64: x, y, x_test, y_test."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    x = (torch.from_numpy(images).float() / 16)[order]
    y = torch.from_numpy(labels).long()[order]
    return x[:1400], y[:1400], x[1400:], y[1400:]


def shared_out(total: int, clients: int, each: int) -> list[Tensor]:
    """Return which examples each client holds: `each` random ones, others may hold them, too."""
    generator = torch.Generator().manual_seed(1)
    return [torch.randperm(total, generator=generator)[:each] for _ in range(clients)]


def noise(shape: tuple[int, ...], clients: int, each: int) -> tuple[Tensor, Tensor]:
    """Return ``[clients, each, *shape]`` inputs and labels without meaning."""
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(clients, each, *shape, generator=generator)
    return x, torch.randint(0, CLASSES, (clients, each), generator=generator)


def images(clients: int, each: int, test: int = 2000) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return noisy images of ten smooth shapes ``[clients, each, 1, 28, 28]``, and tests."""
    generator = torch.Generator().manual_seed(3)
    coarse = torch.randn(CLASSES, 1, 7, 7, generator=generator)
    shapes = interpolate(coarse, size=(28, 28), mode="bilinear")

    def draw(n: int) -> tuple[Tensor, Tensor]:
        y = torch.randint(0, CLASSES, (n,), generator=generator)
        return shapes[y] + 4 * torch.randn(n, 1, 28, 28, generator=generator), y

    (x, y), (x_test, y_test) = draw(clients * each), draw(test)
    return x.view(clients, each, 1, 28, 28), y.view(clients, each), x_test, y_test


def mlp(*widths: int) -> nn.Module:
    """Return linear layers with ReLU between them, the same whoever asks."""
    torch.manual_seed(0)
    layers: list[nn.Module] = [nn.Flatten()]
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def accuracy(model: nn.Module, x: Tensor, y: Tensor) -> float:
    """Return the share of examples a model labels rightly."""
    with torch.no_grad():
        return (model(x).argmax(1) == y).float().mean().item()


def updates(n: int, d: int, outliers: int) -> Tensor:
    """Return ``[n, d]`` updates, of which the last `outliers` lie apart."""
    matrix = torch.randn(n, d, generator=torch.Generator().manual_seed(n))
    matrix += 0.1
    matrix[n - outliers :] += 1.0
    return matrix


def starts(clients: int, d: int) -> Tensor:
    """Return by what direction ``[n, d]`` each client's model differs from the others."""
    return torch.randn(clients, d, generator=torch.Generator().manual_seed(1))

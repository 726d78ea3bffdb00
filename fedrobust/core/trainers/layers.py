"""The layers that can be stacked: linear, convolution, normalisation, embedding.

All others have no parameters, and run unchanged.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fedrobust.core.trainers.frame import Frame, Layer, NotStackable, times

__all__ = ["stacked_layer"]


class _Linear(Layer):
    def __init__(self, frame: Frame, names: Sequence[str], layer: nn.Linear) -> None:
        super().__init__(frame, names)

    def forward(self, x: Tensor) -> Tensor:
        weight, *bias = self.params
        rows = self.frame.rows(x, weight.shape[2])
        w = weight.mT
        y = torch.baddbmm(bias[0][:, None], rows, w) if bias else torch.bmm(rows, w)
        return self.frame.unrows(self.record(rows, y), x)

    def gradients(self, x: Tensor, dy: Tensor) -> list[Tensor]:
        return [torch.bmm(dy.mT, x), dy.sum(dim=1)][: len(self.params)]

    def accumulate(
        self, into: Sequence[Tensor], keep: float, gain: float, x: Tensor, dy: Tensor
    ) -> None:
        into[0].baddbmm_(dy.mT, x, beta=keep, alpha=gain)  # the gradient is never stored
        for bias in into[1:]:
            times(bias, keep).add_(dy.sum(dim=1), alpha=gain)

    def example_squares(self, x: Tensor, dy: Tensor) -> Tensor:
        """Take norms without gradients ("ghost norms"): those of outer products are products."""
        m, b = self.frame.clients, self.frame.examples
        if x.shape[1] == b:  # one position an example
            return (x.square().sum(dim=2) + (len(self.params) - 1)) * dy.square().sum(dim=2)
        x, dy = (t.reshape(m * b, -1, t.shape[2]) for t in (x, dy))
        squares = (torch.bmm(x, x.mT) * torch.bmm(dy, dy.mT)).sum(dim=(1, 2))
        if len(self.params) > 1:
            squares = squares + dy.sum(dim=1).square().sum(dim=1)
        return squares.view(m, b)

    def scaled(self, dy: Tensor, factors: Tensor) -> Tensor:
        return dy * factors.repeat_interleave(dy.shape[1] // factors.shape[1], dim=1)[:, :, None]


class _Conv2d(Layer):
    def __init__(self, frame: Frame, names: Sequence[str], layer: nn.Conv2d) -> None:
        super().__init__(frame, names)
        if layer.padding_mode != "zeros" or isinstance(layer.padding, str):
            raise NotStackable(f"a Conv2d with {layer.padding_mode} {layer.padding} padding")
        self.stride, self.padding, self.dilation = layer.stride, layer.padding, layer.dilation
        self.groups, self.kernel = layer.groups, layer.kernel_size

    def forward(self, x: Tensor) -> Tensor:
        weight, *rest = (p.flatten(0, 1) for p in self.params)
        bias, groups = rest[0] if rest else None, self.frame.clients * self.groups
        y = F.conv2d(x, weight, bias, self.stride, self.padding, self.dilation, groups)
        return self.record(x, y)

    def gradients(self, x: Tensor, dy: Tensor) -> list[Tensor]:
        weight, biased = self.params[0].flatten(0, 1), len(self.params) > 1
        found = torch.ops.aten.convolution_backward(
            dy,
            x,
            weight,
            [len(weight)] if biased else None,
            self.stride,
            self.padding,
            self.dilation,
            False,  # not transposed
            [0, 0],
            self.frame.clients * self.groups,
            [False, True, biased],  # which of the gradients to return
        )
        return [g.view_as(p) for g, p in zip(found[1:], self.params, strict=False)]

    def example_squares(self, x: Tensor, dy: Tensor) -> Tensor:
        images = len(x) * self.frame.clients * self.groups  # a group is an image of its own
        x = x.reshape(images, -1, *x.shape[2:])
        columns = F.unfold(x, self.kernel, self.dilation, self.padding, self.stride)  # [i, k, l]
        rows = dy.reshape(images, -1, columns.shape[2])  # [i, o, l]
        if columns.shape[2] ** 2 <= columns.shape[1] * rows.shape[1]:  # the smaller of the two
            squares = (torch.bmm(columns.mT, columns) * torch.bmm(rows.mT, rows)).sum(dim=(1, 2))
        else:
            squares = torch.bmm(rows, columns.mT).square().sum(dim=(1, 2))
        if len(self.params) > 1:
            squares = squares + rows.sum(dim=2).square().sum(dim=1)
        return squares.view(len(dy), self.frame.clients, -1).sum(dim=2).T

    def scaled(self, dy: Tensor, factors: Tensor) -> Tensor:
        channels = factors.T.repeat_interleave(dy.shape[1] // len(factors), dim=1)
        return dy * channels[:, :, None, None]


class _Norm(Layer):
    """A normalisation, then a scale and a shift of each feature.

    What it keeps, and its derivatives, are ``[m, b, positions, features]``.
    """

    def __init__(
        self, frame: Frame, names: Sequence[str], layer: nn.GroupNorm | nn.LayerNorm
    ) -> None:
        super().__init__(frame, names)
        self.eps = layer.eps

    def forward(self, x: Tensor) -> Tensor:
        rows = self.normalised(x)
        weight, *bias = (p.flatten(1)[:, None, None] for p in self.params)
        y = torch.addcmul(bias[0], rows, weight) if bias else rows * weight
        return self.shaped(self.record(rows, y), x)

    def gradients(self, x: Tensor, dy: Tensor) -> list[Tensor]:
        found = [(x * dy).sum(dim=(1, 2)), dy.sum(dim=(1, 2))]
        return [g.view_as(p) for g, p in zip(found, self.params, strict=False)]

    def example_squares(self, x: Tensor, dy: Tensor) -> Tensor:
        squares = (x * dy).sum(dim=2).square().sum(dim=2)
        if len(self.params) > 1:
            squares = squares + dy.sum(dim=2).square().sum(dim=2)
        return squares

    def scaled(self, dy: Tensor, factors: Tensor) -> Tensor:
        return dy * factors[:, :, None, None]

    @abstractmethod
    def normalised(self, x: Tensor) -> Tensor:
        """Return the normalised input as ``[m, b, positions, features]``."""

    @abstractmethod
    def shaped(self, rows: Tensor, like: Tensor) -> Tensor:
        """Return ``[m, b, positions, features]`` shaped as the input was."""


class _GroupNorm(_Norm):
    def __init__(self, frame: Frame, names: Sequence[str], layer: nn.GroupNorm) -> None:
        super().__init__(frame, names, layer)
        self.groups = layer.num_groups

    def normalised(self, x: Tensor) -> Tensor:
        m, b = self.frame.clients, self.frame.examples
        if self.frame.side_by_side:
            y = F.group_norm(x, m * self.groups, eps=self.eps)
            return y.reshape(b, m, x.shape[1] // m, -1).permute(1, 0, 3, 2)
        y = F.group_norm(x, self.groups, eps=self.eps)
        return y.reshape(m, b, x.shape[1], -1).transpose(2, 3)

    def shaped(self, rows: Tensor, like: Tensor) -> Tensor:
        order = (1, 0, 3, 2) if self.frame.side_by_side else (0, 1, 3, 2)
        return rows.permute(order).reshape(like.shape)


class _LayerNorm(_Norm):
    def normalised(self, x: Tensor) -> Tensor:
        width = self.params[0][0].numel()
        rows = self.frame.rows(x, width)
        rows = rows.reshape(self.frame.clients, self.frame.examples, -1, width)
        return F.layer_norm(rows, (width,), eps=self.eps)

    def shaped(self, rows: Tensor, like: Tensor) -> Tensor:
        if self.frame.side_by_side:
            rows = rows.transpose(0, 1)
        return rows.reshape(like.shape)


class _Embedding(Layer):
    def __init__(self, frame: Frame, names: Sequence[str], layer: nn.Embedding) -> None:
        super().__init__(frame, names)
        if layer.padding_idx is not None or layer.max_norm is not None or frame.side_by_side:
            raise NotStackable("an Embedding with padding_idx, max_norm or convolutions")

    def forward(self, tokens: Tensor) -> Tensor:
        table = self.params[0]
        offsets = torch.arange(len(table), device=table.device) * table.shape[1]
        places = tokens.reshape(len(table), -1) + offsets[:, None]  # [m, b * positions]
        y = self.record(places, table.flatten(0, 1)[places])
        return y.reshape(*tokens.shape, -1)

    def gradients(self, x: Tensor, dy: Tensor) -> list[Tensor]:
        table = self.params[0]
        found = torch.zeros_like(table).flatten(0, 1)
        return [found.index_add_(0, x.flatten(), dy.flatten(0, 1)).view_as(table)]

    def example_squares(self, x: Tensor, dy: Tensor) -> Tensor:
        examples = self.frame.clients * self.frame.examples
        x, dy = x.reshape(examples, -1), dy.reshape(examples, -1, dy.shape[2])
        same = x[:, :, None] == x[:, None]  # a token twice in an example moves one row twice
        squares = (torch.bmm(dy, dy.mT) * same).sum(dim=(1, 2))
        return squares.view(self.frame.clients, -1)

    def scaled(self, dy: Tensor, factors: Tensor) -> Tensor:
        return dy * factors.repeat_interleave(dy.shape[1] // factors.shape[1], dim=1)[:, :, None]


_KINDS: dict[type[nn.Module], Callable[..., Layer]] = {
    nn.Linear: _Linear,
    nn.Conv2d: _Conv2d,
    nn.GroupNorm: _GroupNorm,
    nn.LayerNorm: _LayerNorm,
    nn.Embedding: _Embedding,
}


def stacked_layer(frame: Frame, prefix: str, layer: nn.Module) -> Layer | None:
    """Return what stands in for a layer; None if its kind is not known.

    Raises:
        NotStackable: if the kind is known, but not with such options.
    """
    kind = _KINDS.get(type(layer))
    if kind is None:
        return None
    names = [f"{prefix}{name}" for name, _ in layer.named_parameters(recurse=False)]
    return kind(frame, names, layer) if names else None

"""What may be handed to code that knows nothing of torch."""

import torch
from torch import Tensor

__all__ = ["plain"]


def plain(tensor: Tensor) -> bool:
    """Say whether a tensor is nothing but its numbers: autograd and vmap do not follow it."""
    return (
        type(tensor) is Tensor
        and not tensor.requires_grad
        and not torch._C._functorch.is_functorch_wrapped_tensor(tensor)
    )

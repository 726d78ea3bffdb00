"""The direction in which updates vary most, from their distances alone."""

import torch
from torch import Tensor

__all__ = ["principal"]


def principal(squares: Tensor, weights: Tensor) -> tuple[float, Tensor]:
    """Return how much weighted rows vary in their main direction, and where each row lies on it.

    Exact, at a cost of O(n^3): the covariance ``[d, d]`` and the Gram matrix ``[n, n]`` of the
    centered, weighted rows have the same eigenvalues, and the squared distances have that matrix
    in them.

    Args:
        squares: ``[n, n]`` squared distances, float64.
        weights: ``[n]``, none of them negative, some of them positive; their scale is of no
            effect.

    Returns:
        The largest eigenvalue of the covariance around the weighted mean, and ``[n]`` the
        projection of each row, less that mean, on the unit eigenvector.  Its sign is the one that
        makes the longest projection positive.
    """
    shares = (weights / weights.sum()).to(squares)
    spread = squares @ shares
    gram = -0.5 * (squares - spread[:, None] - spread + shares @ spread)
    roots = shares.sqrt()
    eigenvalues, vectors = torch.linalg.eigh(roots[:, None] * gram * roots)
    largest = eigenvalues[-1].clamp(min=0.0)
    if not largest > 0:
        return 0.0, torch.zeros_like(shares)
    projections = gram @ (roots * vectors[:, -1]) / largest.sqrt()
    longest = projections[projections.abs().argmax()]
    return largest.item(), projections * torch.sign(longest)

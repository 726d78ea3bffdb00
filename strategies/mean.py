"""The mean of the updates: federated averaging with equal weights.

McMahan, Moore, Ramage, Hampson and Agüera y Arcas, "Communication-Efficient Learning of Deep
Networks from Decentralized Data", AISTATS 2017, https://arxiv.org/abs/1602.05629.  The paper
weights clients by how many examples they have; here that number is only a claim.
"""

from fedrobust.core.aggregator import Mean

__all__ = ["Mean"]

"""Apple's pfl 0.6.0: its federated averaging on its simulated backend."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from pfl.aggregate.simulate import SimulatedBackend
from pfl.aggregate.weighting import WeightByUser
from pfl.algorithm.base import NNAlgorithmParams
from pfl.algorithm.federated_averaging import FederatedAveraging
from pfl.data.dataset import Dataset
from pfl.data.federated_dataset import FederatedDataset
from pfl.data.sampling import get_user_sampler
from pfl.hyperparam import NNEvalHyperParams, NNTrainHyperParams
from pfl.metrics import Weighted
from pfl.model.pytorch import PyTorchModel
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmarks import tasks

torch.set_num_threads(1)


class _Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = tasks.mlp(784, 100, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)

    def loss(self, x: Tensor, y: Tensor, eval: bool = False) -> Tensor:
        self.train(not eval)
        return cross_entropy(self(x), y)

    def metrics(self, x: Tensor, y: Tensor, eval: bool = False) -> dict[str, Any]:
        return {"loss": Weighted(self.loss(x, y, eval).item() * len(y), len(y))}


def images_fedavg(clients: int, sampled: int) -> Callable[..., Any]:
    """FedAvg on images: one epoch of 100 examples, batches of 20; each run starts anew."""
    x, y, *test = tasks.images(clients, 100)

    def run(number: int) -> float:
        np.random.seed(0)
        net = _Net()
        users = get_user_sampler("random", list(range(clients)))
        data = FederatedDataset(lambda u: Dataset([x[u], y[u]], user_id=str(u)), users)
        FederatedAveraging().run(
            NNAlgorithmParams(
                central_num_iterations=number,
                evaluation_frequency=10**6,
                train_cohort_size=sampled,
                val_cohort_size=0,
            ),
            SimulatedBackend(data, data, postprocessors=[WeightByUser()]),
            PyTorchModel(net, torch.optim.SGD, torch.optim.SGD(net.parameters(), 1.0)),
            NNTrainHyperParams(local_num_epochs=1, local_learning_rate=0.05, local_batch_size=20),
            NNEvalHyperParams(local_batch_size=None),
            callbacks=[],
        )
        return tasks.accuracy(net, *test)

    return run

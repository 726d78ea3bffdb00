"""BlazeFL 3.0.0: its federated averaging in one thread."""

from collections.abc import Callable
from typing import Any

import torch
from blazefl.contrib import FedAvgBaseClientTrainer, FedAvgBaseServerHandler
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks import tasks

torch.set_num_threads(1)


class _Images:
    def __init__(self, clients: int) -> None:
        self.x, self.y, *self.test = tasks.images(clients, 100)

    def get_dataset(self, type_: Any, cid: int | None) -> TensorDataset:
        own = self.test if cid is None else (self.x[cid], self.y[cid])
        return TensorDataset(*own)

    def set_dataset(self, type_: Any, cid: int | None, dataset: Any) -> None:
        pass

    def get_dataloader(
        self, type_: Any, cid: int | None, batch_size: int | None = None, generator: Any = None
    ) -> DataLoader:
        data, shuffle = self.get_dataset(type_, cid), cid is not None
        return DataLoader(data, batch_size=batch_size, shuffle=shuffle, generator=generator)


class _Models:
    def select_model(self, name: str) -> nn.Module:
        return tasks.mlp(784, 100, 10)


def images_fedavg(clients: int, sampled: int) -> Callable[..., Any]:
    """FedAvg on images: one epoch of 100 examples, batches of 20; each run starts anew."""
    data = _Images(clients)

    def run(number: int) -> float:
        share = sampled / clients
        server = FedAvgBaseServerHandler(
            _Models(), "fc", data, number, clients, share, "cpu", 20, 0
        )
        trainer = FedAvgBaseClientTrainer(
            model_selector=_Models(),
            model_name="fc",
            dataset=data,
            device="cpu",
            num_clients=clients,
            epochs=1,
            batch_size=20,
            lr=0.05,
            seed=0,
        )
        while not server.is_stopped():
            chosen = server.sample_clients()
            trainer.local_process(server.downlink_package(), chosen)
            for package in trainer.uplink_package():
                server.load(package)
        return tasks.accuracy(server.model, *data.test)

    return run

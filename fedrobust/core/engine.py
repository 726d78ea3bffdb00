"""How to compute: nothing here changes a result by more than the order of sums."""

import os
from typing import Literal

import torch
from pydantic import BaseModel, Field, PositiveInt

from fedrobust.errors import ConfigError

__all__ = ["Engine", "TrainerName"]

TrainerName = Literal["stacked", "vmap", "loop"]


class Engine(BaseModel, frozen=True, extra="forbid"):
    """How clients are trained.

    Fields:
        trainer: "stacked" trains all clients as one model, "vmap" as one function of each,
            "loop" one by one; "auto" measures which of them is fastest here.
        device: where to train: "cpu", "cuda" or "cuda:1"; "auto" is "cuda" where there is one.
        memory: how many megabytes of models to train at a time; more clients take turns.
        processes: how many processes share the work of "loop"; "auto" for as many as there are
            cores, where a round is long and a second one has shown to be faster so.
    """

    trainer: Literal["auto", "stacked", "vmap", "loop"] = "auto"
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    memory: PositiveInt = 512
    processes: PositiveInt | Literal["auto"] = "auto"

    def torch_device(self) -> torch.device:
        """Return the device to train on.

        Raises:
            ConfigError: if it is not there.
        """
        there = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if self.device == "auto":
            return torch.device("cuda" if there else "cpu")
        device = torch.device(self.device)
        if device.type == "cuda" and (device.index or 0) >= there:
            found = f"{there} of them" if there else "none"
            raise ConfigError(
                f"engine.device: {self.device} needs a CUDA device that PyTorch can use, and finds "
                f'{found} here; set device = "cpu" or "auto".'
            )
        return device

    def cores(self) -> int:
        """Return how many processes may share the work of the loop; 1 where none can be forked."""
        if not hasattr(os, "sched_getaffinity") or torch.cuda.is_available():
            return 1  # nor should they be, where threads of a driver or of macOS would be missed
        return len(os.sched_getaffinity(0)) if self.processes == "auto" else self.processes

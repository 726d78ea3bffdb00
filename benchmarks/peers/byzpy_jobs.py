"""ByzPy 0.1.4: its rules, called directly, and its parameter server with thread actors."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from byzpy.aggregators import coordinate_wise, geometric_wise, norm_wise
from byzpy.attacks import EmpireAttack
from byzpy.configs.actor import set_actor
from byzpy.engine.graph.pool import ActorPool, ActorPoolConfig
from byzpy.engine.node.actors import ByzantineNodeActor, HonestNodeActor
from byzpy.engine.node.distributed import DistributedByzantineNode, DistributedHonestNode
from byzpy.engine.parameter_server.ps import ParameterServer
from byzpy.engine.storage.shared_store import open_tensor
from byzpy.pre_aggregators import NearestNeighborMixing
from torch import Tensor
from torch.nn.functional import cross_entropy

from benchmarks import tasks

torch.set_num_threads(1)

RULES = {
    "median": lambda n, f: coordinate_wise.CoordinateWiseMedian().aggregate,
    "trimmed_mean": lambda n, f: coordinate_wise.CoordinateWiseTrimmedMean(f=f).aggregate,
    "krum": lambda n, f: geometric_wise.Krum(f=f).aggregate,
    "multi_krum": lambda n, f: geometric_wise.MultiKrum(f=f, q=n - f).aggregate,
    "geometric_median": lambda n, f: geometric_wise.GeometricMedian().aggregate,
    "nnm": lambda n, f: NearestNeighborMixing(f=f).pre_aggregate,
    "mda": lambda n, f: geometric_wise.MinimumDiameterAveraging(f=f).aggregate,
    "smea": lambda n, f: geometric_wise.SMEA(f=f).aggregate,
    "centered_clipping": lambda n, f, radius, iterations: (
        norm_wise.CenteredClipping(c_tau=radius, M=iterations, init="zero").aggregate
    ),
    "meamed": lambda n, f: coordinate_wise.MeanOfMedians(f=f).aggregate,
}
POOL = [ActorPoolConfig(backend="thread", count=1, name="worker")]


def rule(
    name: str, n: int, d: int, f: int, fields: Mapping[str, Any] | None = None
) -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    """One of its rules on n updates, new ones each run."""
    aggregate = RULES[name](n=n, f=f, **(fields or {}))
    matrix = tasks.updates(n, d, f)

    def run(rows: list[Tensor]) -> Any:
        out = aggregate(rows)
        return torch.stack(list(out)) if isinstance(out, list) else out

    return lambda: list(matrix.clone()), run


class _TrimmedMean(coordinate_wise.CoordinateWiseTrimmedMean):
    """Its trimmed mean, which in 0.1.4 cannot read what its parameter server hands it."""

    supports_subtasks = False

    def aggregate(self, gradients: Sequence[Any]) -> Any:
        with ExitStack() as stack:
            opened = [stack.enter_context(open_tensor(handle)) for handle in gradients]
            return super().aggregate([torch.from_numpy(one) for one in opened])


class _Honest(DistributedHonestNode):
    def __init__(self, x: Tensor, y: Tensor, seed: int) -> None:
        mean = coordinate_wise.CoordinateWiseTrimmedMean(f=0)
        super().__init__(actor_pool=POOL, aggregator=mean, name="honest")
        self.model, self.x, self.y = tasks.mlp(784, 100, 10), x, y
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.2)
        self.generator = torch.Generator().manual_seed(seed)

    def next_batch(self) -> tuple[Tensor, Tensor]:
        chosen = torch.randint(0, len(self.y), (20,), generator=self.generator)
        return self.x[chosen], self.y[chosen]

    def local_honest_gradient(self, *, x: Tensor, y: Tensor) -> Tensor:
        self.model.zero_grad()
        cross_entropy(self.model(x), y).backward()
        return torch.cat([p.grad.flatten() for p in self.model.parameters()])

    def apply_server_gradient(self, gradient: Any) -> None:
        sizes = [p.numel() for p in self.model.parameters()]
        pieces = torch.as_tensor(gradient).split(sizes)
        for p, piece in zip(self.model.parameters(), pieces, strict=True):
            p.grad = piece.view_as(p).clone()
        self.optimizer.step()

    def accuracy(self, x: Tensor, y: Tensor) -> float:
        return tasks.accuracy(self.model, x, y)


class _Hostile(DistributedByzantineNode):
    def __init__(self) -> None:
        super().__init__(actor_pool=POOL, attack=EmpireAttack(scale=-1.0), name="hostile")

    def next_batch(self) -> tuple[Tensor, Tensor]:
        return torch.empty(0), torch.empty(0)

    def apply_server_gradient(self, gradient: Any) -> None:
        pass


async def _dsgd(data: Any, byzantine: int, rule: str, before: list[str], number: int) -> float:
    x, y, *test = data
    n = len(x)
    honest = [
        await HonestNodeActor.spawn(
            _Honest, backend=set_actor("thread"), kwargs={"x": x[i], "y": y[i], "seed": i}
        )
        for i in range(n - byzantine)
    ]
    hostile = [
        await ByzantineNodeActor.spawn(_Hostile, backend=set_actor("thread"))
        for _ in range(byzantine)
    ]
    aggregator = {
        "trimmed_mean": lambda: _TrimmedMean(f=byzantine),
        "multi_krum": lambda: geometric_wise.MultiKrum(f=byzantine, q=n - byzantine),
    }[rule]()
    pool = ActorPool([ActorPoolConfig(backend="thread", count=1)])
    await pool.start()  # without a pool, 0.1.4 hands handles instead of tensors to some rules
    mixing = NearestNeighborMixing(f=byzantine) if "nnm" in before else None
    server = ParameterServer(honest, hostile, aggregator, actor_pool=pool, pre_aggregator=mixing)
    try:
        for _ in range(number):
            await server.round()
        return await honest[0].accuracy(*test)
    finally:
        await server.shutdown()
        await pool.shutdown()


def images_dsgd(clients: int, byzantine: int, rule: str, before: list[str]) -> Callable[..., Any]:
    """Distributed SGD, without momentum, which it has not; each run starts anew."""
    data = tasks.images(clients, 400)
    return lambda number: asyncio.run(_dsgd(data, byzantine, rule, before, number))

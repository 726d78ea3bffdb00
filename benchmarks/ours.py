"""What fedrobust is asked to do; with `conformance.ours`, all that knows its interface."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import count
from typing import Any

import torch
from flwr.app import ArrayRecord
from flwr.serverapp.strategy import FedAvg
from torch import Tensor, nn

from benchmarks import tasks
from fedrobust import models, registry
from fedrobust.capacity import keep_freed_memory
from fedrobust.core.adversary import Adversary, Knowledge
from fedrobust.core.aggregator import PreAggregator, RoundInfo
from fedrobust.core.batches import batches
from fedrobust.core.chain import Chain
from fedrobust.core.cohort import train_cohort
from fedrobust.core.component import snake_case
from fedrobust.core.engine import Engine
from fedrobust.core.federation import Federation
from fedrobust.core.seeds import Purpose, generator
from fedrobust.core.task import Data, Task
from fedrobust.core.training import Training
from fedrobust.core.world import World
from fedrobust.flower.adversary_grid import AdversaryGrid
from fedrobust.flower.client_app import FedRobustApp
from fedrobust.flower.local_grid import LocalGrid
from fedrobust.flower.server_app import serve
from fedrobust.flower.strategy import RobustStrategy

torch.set_num_threads(1)
keep_freed_memory()  # as the command line does

Run = Callable[..., Any]


def component(kind: str, name: str, **fields: Any) -> Any:
    """Return a component of fedrobust by its name in a scenario."""
    return registry.find(kind, name)(**fields)


def model(name: str, shape: tuple[int, ...], **fields: Any) -> nn.Module:
    """Return one of our architectures, with the same parameters in every process."""
    torch.manual_seed(0)
    built: nn.Module = component("models", name, **fields).build(shape, tasks.CLASSES)
    return built


def model_names() -> list[str]:
    """Return the names of the architectures that `fedrobust.models` exports."""
    return [snake_case(name) for name in models.__all__]


def _world(task: Task, shards: list[Tensor], **training: Any) -> World:
    engine = Engine(processes=1)  # as everyone here
    return World(task, Federation(shards), Training(**training), engine=engine)


def digits_world(clients: int) -> World:
    """Return MLP 64-32-10 on digits: 64 examples a client, one epoch of batches of 16."""
    x, y, x_test, y_test = tasks.digits()
    task = Task(tasks.mlp(64, 32, 10), Data(x, y, x_test, y_test, tasks.CLASSES))
    shards = tasks.shared_out(len(x), clients, 64)
    return _world(task, shards, epochs=1, batch_size=16, lr=0.1)


def image_world(clients: int, each: int, **training: Any) -> World:
    """Return the fully connected net 784-100-10, 79,510 parameters, on images."""
    x, y, x_test, y_test = tasks.images(clients, each)
    data = Data(x.flatten(0, 1), y.flatten(), x_test, y_test, tasks.CLASSES)
    shards = list(torch.arange(clients * each).split(each))
    return _world(Task(tasks.mlp(784, 100, 10), data), shards, **training)


def noise_world(
    name: str,
    shape: tuple[int, ...],
    clients: int,
    batch: int,
    steps: int,
    again: bool = False,
    **fields: Any,
) -> World:
    """Return one of our models on noise; each client takes `steps` batches in a round.

    Each batch has other examples; or, with `again`, all of a client's, so that the order in which
    they are drawn makes no difference.
    """
    each = batch if again else batch * steps
    x, y = tasks.noise(shape, clients, each)
    data = Data(x.flatten(0, 1), y.flatten(), x[0], y[0], tasks.CLASSES)
    shards = list(torch.arange(clients * each).split(each))
    task = Task(model(name, shape, **fields), data)
    return _world(task, shards, epochs=steps if again else 1, batch_size=batch, lr=0.05)


def order_of(client: int, round: int, examples: int) -> Tensor:
    """Return the order in which a client of ours takes its examples in a round."""
    own = generator(0, Purpose.CLIENT, round, client)
    return torch.randperm(examples, generator=own)


def batches_of(world: World, client: int, round: int) -> list[Tensor]:
    """Return the batches that a client of ours draws in a round, for peers to draw the same."""
    own = generator(world.seed, Purpose.CLIENT, round, client)
    return list(batches(world.training, [world.federation.shards[client]], [own]).of(0))


class _Rounds:
    """Rounds of a strategy through ``Strategy.start`` on a LocalGrid."""

    def __init__(self, world: World, sampled: int, rule: Chain | None = None) -> None:
        self.world, self.sampled, self.rule = world, sampled, rule or Chain()
        self.nodes = world.federation.num_clients
        self.restart()

    def restart(self) -> None:
        grid = LocalGrid(FedRobustApp(lambda _: self.world), self.nodes)
        self.grid = AdversaryGrid(grid, self.world.adversaries) if self.world.adversaries else grid
        self.strategy = RobustStrategy(
            self.rule,
            num_malicious=sum(len(a.clients) for a in self.world.adversaries),
            fraction_train=self.sampled / self.nodes,
            min_train_nodes=self.sampled,
            min_available_nodes=self.nodes,
        )
        self.params = self.world.task.init()

    def run(self, rounds: int, fresh: bool = False) -> tuple[float, Tensor]:
        if fresh:
            self.restart()
        last = self.params

        def keep(number: int, params: Tensor) -> None:
            nonlocal last
            last = params

        serve(self.grid, self.strategy, self.world, self.params, rounds, keep)
        self.params = last
        self.strategy.rounds_done += rounds
        return accuracy(self.world, last), last


def accuracy(world: World, params: Tensor) -> float:
    """Return a model's accuracy on the world's test data."""
    guess = world.task.logits(params, world.task.data.x_test).argmax(1)
    return (guess == world.task.data.y_test).float().mean().item()


def fedavg(nodes: int, sampled: int) -> Run:
    """Rounds of our mean on digits."""
    return _Rounds(digits_world(nodes), sampled).run


def flowers_fedavg(nodes: int) -> Run:
    """Rounds of Flower's own FedAvg on our LocalGrid, on digits, all clients sampled."""
    world = digits_world(nodes)
    grid = LocalGrid(FedRobustApp(lambda _: world), nodes)
    sizes = {"fraction_evaluate": 0.0, "min_evaluate_nodes": 0, "min_available_nodes": nodes}
    start = ArrayRecord(world.task.model.state_dict())

    def run(rounds: int, fresh: bool = False) -> tuple[float, Tensor]:
        del fresh  # it always starts anew
        result = FedAvg(min_train_nodes=nodes, **sizes).start(grid, start, num_rounds=rounds)
        tensors = result.arrays.to_torch_state_dict().values()
        params = torch.cat([tensor.flatten() for tensor in tensors])
        return accuracy(world, params), params

    return run


def images_fedavg(clients: int, sampled: int) -> Run:
    """FedAvg on images: one epoch of 100 examples, batches of 20; each run starts anew."""
    world = image_world(clients, 100, epochs=1, batch_size=20, lr=0.05)
    rounds = _Rounds(world, sampled)
    return lambda number: rounds.run(number, fresh=True)[0]


def images_dsgd(clients: int, byzantine: int, parts: list[dict[str, Any]]) -> Run:
    """Distributed SGD with momentum under inner product manipulation; each run starts anew."""
    world = image_world(clients, 400, steps=1, batch_size=20, lr=0.2)
    attack = component("attacks", "ipm", epsilon=1.0)
    held = frozenset(range(clients - byzantine, clients))
    world = replace(
        world,
        behaviors=(component("strategies", "client_momentum", beta=0.9),),
        adversaries=(Adversary((attack,), held, Knowledge.OMNISCIENT),),
    )
    *before, rule = [component("strategies", **part) for part in parts]
    rounds = _Rounds(world, clients, Chain(before=tuple(before), rule=rule))
    return lambda number: rounds.run(number, fresh=True)[0]


def noise_rounds(**world: Any) -> Run:
    """Rounds of our mean on noise, all clients sampled."""
    made = noise_world(**world)
    made_rounds = _Rounds(made, made.federation.num_clients)
    return lambda rounds=1: made_rounds.run(rounds)[1]


def noise_training(
    *,
    mean: bool = False,
    apart: float = 0.0,
    behaviors: Mapping[str, Mapping[str, Any]] | None = None,
    **world: Any,
) -> Run:
    """Train all clients for a round, without Flower; `mean` averages their updates, too.

    Where models are `apart`, each client starts from one of its own.
    """
    made = noise_world(**world)
    layers = tuple(component("strategies", k, **fields) for k, fields in (behaviors or {}).items())
    made = replace(made, behaviors=layers)
    who, start = range(made.federation.num_clients), made.task.init()
    numbers = count(1)
    if apart:
        start = start + apart * tasks.starts(len(who), len(start))

    def run(rounds: int = 1) -> Tensor:
        for _ in range(rounds):
            rows, _ = train_cohort(made, start, who, [{} for _ in who], next(numbers))
            if mean:
                rows.mean(0)
        return rows

    return run


def rule(name: str, n: int, d: int, f: int, fields: Mapping[str, Any]) -> tuple[Run, Run]:
    """One of our rules on n updates: new ones each run, for distances are remembered."""
    part, matrix = component("strategies", name, **fields), tasks.updates(n, d, f)
    state = part.init(torch.zeros(d))
    info = RoundInfo(
        number=1,
        params=torch.zeros(d),
        clients=torch.arange(n),
        examples=torch.ones(n),
        generator=torch.Generator().manual_seed(0),
        num_malicious=f,
    )
    if isinstance(part, PreAggregator):
        return matrix.clone, lambda updates: part.transform(updates, state, info).updates
    return matrix.clone, lambda updates: part.aggregate(updates, state, info).update


def read(n: int, d: int, by: str) -> tuple[Run, Run]:
    """Add up n updates: what it takes to read them once."""
    matrix = tasks.updates(n, d, 0)
    if by == "numpy":
        return matrix.numpy().copy, lambda updates: updates.sum()
    return matrix.clone, lambda updates: updates.sum()

"""How much memory a world takes, before it takes it."""

from typing import NamedTuple

from torch import Tensor

from fedrobust.core.world import World

__all__ = ["Footprint", "chunk_size", "footprint"]

_FLOAT = 4
_MODELS = 6  # vectors [d] a client in training: model, gradient, velocity, update, two memories
_PASSES = 3  # what a layer made, its derivative, and what a function between layers made
_CACHE = 20 * 10**6  # bytes; a thousand small models took 47 ms at once, 30 ms in chunks of this
_FEW = 64  # clients
_MATRICES = 2  # the updates, and what a step before the rule makes of them


class Footprint(NamedTuple):
    """The memory that a run takes, in bytes, besides Python and its libraries."""

    data: int
    clients: int  # what they remember from round to round
    updates: int  # of a round
    training: int  # of as many clients as are trained at a time

    @property
    def ahead(self) -> int:
        """What is not taken yet when the data are there."""
        return self.clients + self.updates + self.training


def footprint(world: World, sampled: int) -> Footprint:
    """Estimate what a run takes of which each round has `sampled` clients."""
    start, data = world.task.init(), world.task.data
    held = (data.x, data.y, data.x_test, data.y_test, *world.federation.shards)
    remembered = [t for b in world.behaviors for t in b.remember(start).values()]
    at_a_time = min(sampled, chunk_size(world))
    return Footprint(
        data=sum(map(_bytes, held)),
        clients=sum(map(_bytes, remembered)) * world.federation.num_clients,
        updates=_MATRICES * sampled * _bytes(start),
        training=at_a_time * _training(world),
    )


def chunk_size(world: World) -> int:
    """Return how many clients train at a time: as many as the engine's memory and the cache hold.

    At least one; and where the memory allows it at least a few, which share the cost of a step.
    """
    each, device = _training(world), world.engine.torch_device()
    most = world.engine.memory * 10**6 // each
    cached = max(_FEW, _CACHE // each) if device.type == "cpu" else most
    return max(1, min(most, cached))


def _training(world: World) -> int:
    """Return the bytes that a client in training takes."""
    task = world.task
    example = task.data.x[0].numel() + _PASSES * task.made_of_an_example
    if any(b.example_clip is not None for b in world.behaviors):
        example += task.layout.size  # its gradient, where the cohort cannot be stacked
    return _FLOAT * (_MODELS * task.layout.size + world.training.batch_size * example)


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()

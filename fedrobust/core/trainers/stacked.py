"""Train a cohort as one large model: batched matrix products and grouped convolutions."""

import copy
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.func import vmap

from fedrobust.core.behavior import Criterion, Memory
from fedrobust.core.task import Batch, Task, mean_weights
from fedrobust.core.trainers.frame import Frame, Layer, NotStackable
from fedrobust.core.trainers.job import Job, Trained, join, row
from fedrobust.core.trainers.layers import stacked_layer
from fedrobust.core.trainers.slopes import Slope, slopes_of_each, slopes_of_mean

__all__ = ["StackedModel", "descend", "stacked_model"]


class StackedModel:
    """The model of a task for many clients at once, each with parameters of its own.

    The model's code runs unchanged; only its layers with parameters are exchanged.  That is right
    as long as the code treats each example alike, so it is tried before it is believed.

    Args:
        task: whose model it is.

    Raises:
        NotStackable: if the model cannot be stacked; the message says why.
    """

    def __init__(self, task: Task) -> None:
        if task.learned is not None:
            raise NotStackable("it has buffers or frozen parameters")
        root = nn.ModuleDict({"model": copy.deepcopy(task.model)})
        self._frame = Frame(any(isinstance(part, nn.Conv2d) for part in root.modules()))
        self._layers = _exchange(root, self._frame, list(task.layout.shapes))
        self._model = root["model"]
        self._try_out(task)

    def slopes(
        self,
        params: list[Tensor],
        batch: Batch,
        clip: float | None = None,
        criterion: Criterion | None = None,
    ) -> list[Slope]:
        """Differentiate each client's mean loss with respect to what the layers return.

        Args:
            params: ``[m, *shape]`` each, in the order of the layout.
            batch: ``[m, b, ...]``.
            clip: the norm to which each example's gradient is clipped.
            criterion: how logits are judged; None for the mean cross-entropy.
        """
        for layer in self._layers:
            layer.params = [params[i] for i in layer.places]
        with torch.enable_grad():
            logits = self._frame.logits(self._model(self._frame.pack(batch.x)))  # [m, b, C]
        weights = mean_weights(batch.w)
        judged = slopes_of_mean if clip is None else slopes_of_each
        dlogits = judged(logits.detach(), batch, criterion)
        uses = self._frame.uses
        found = torch.autograd.grad(logits, [use.y for use in uses], dlogits)
        slopes = [Slope(u.layer, u.x, dy) for u, dy in zip(uses, found, strict=True)]
        if clip is None:
            return slopes
        squares = [s.layer.example_squares(s.x, s.dy) for s in slopes]
        lengths = torch.stack(squares).sum(dim=0).sqrt()
        factors = weights * (clip / lengths.clamp(min=clip))
        return [s._replace(dy=s.layer.scaled(s.dy, factors)) for s in slopes]

    def forget(self) -> None:
        """Let go of what the last step was made of."""
        self._frame.uses = []
        for layer in self._layers:
            layer.params = []

    def _try_out(self, task: Task) -> None:
        """Compare with the model itself, for two clients with three examples each."""
        some = torch.arange(6, device=task.data.y.device) % len(task.data.y)
        x, y = (t[some].view(2, 3, *t.shape[1:]) for t in (task.data.x, task.data.y))
        batch = Batch(x, y, torch.ones(2, 3, device=y.device))
        noise = torch.randn(2, task.layout.size, generator=torch.Generator().manual_seed(0))
        params = task.init() + 0.1 * noise.to(y.device)
        try:
            slopes = self.slopes(_layered(task, params), batch)
            each = [
                _gradient(task, p, Batch(*(part[i] for part in batch)))
                for i, p in enumerate(params)
            ]
        except Exception as error:
            raise NotStackable(f"its code does not run for a cohort: {error}") from error
        if [s.layer for s in slopes] != sorted(self._layers, key=[s.layer for s in slopes].index):
            raise NotStackable("it runs a layer twice, or never")
        expected = [task.layout.unflatten(vector) for vector in each]
        for slope in slopes:
            for name, found in zip(slope.layer.names, slope.gradients(), strict=True):
                true = torch.stack([arrays[name] for arrays in expected])
                if not (found - true).abs().max() <= 1e-3 * true.abs().max() + 1e-6:
                    raise NotStackable("its code does not treat each example alike")


_MODELS: WeakKeyDictionary[Task, StackedModel | str] = WeakKeyDictionary()


def stacked_model(task: Task) -> StackedModel | str:
    """Return the stacked model of a task, made once, or why there is none."""
    if task not in _MODELS:
        try:
            _MODELS[task] = StackedModel(task)
        except NotStackable as reason:
            _MODELS[task] = str(reason)
    return _MODELS[task]


def descend(job: Job) -> Trained:
    """Return the updates and memories of a job's clients.

    Models of known layers, and any vectorized hook but those that change the loss or the gradient.

    Raises:
        NotStackable: if the model cannot be stacked.
    """
    model = stacked_model(job.task)
    if isinstance(model, str):
        raise NotStackable(model)
    lr, momentum, decay = job.training.lr, job.training.momentum, job.training.weight_decay
    params, memory = _layered(job.task, job.start), job.memory
    velocity = [torch.zeros_like(p) for p in params] if momentum else []
    for examples, weights in job.plan:
        m = len(examples)
        now, speed = [p[:m] for p in params], [v[:m] for v in velocity]
        batch, draws = job.batch(examples, weights), job.draws(slice(m))
        if job.overrides("batch"):
            batch, memory = _seen(job, now, batch, memory, draws)
        slopes = model.slopes(now, batch, job.example_clip, job.criterion)
        if job.overrides("step"):
            direction, memory = _turned(job, now, slopes, batch, memory, draws)
            if momentum:
                for v, g in zip(speed, direction, strict=True):
                    v.mul_(momentum).add_(g)
            for p, g in zip(now, speed or direction, strict=True):
                p.sub_(g, alpha=lr)
        elif momentum:
            for layer, x, dy in slopes:
                layer.accumulate([speed[i] for i in layer.places], momentum, 1.0, x, dy)
            for p, v in zip(now, speed, strict=True):
                p.sub_(v.add_(p, alpha=decay) if decay else v, alpha=lr)
        else:
            for layer, x, dy in slopes:
                layer.accumulate([now[i] for i in layer.places], 1 - lr * decay, -lr, x, dy)
    model.forget()
    return _difference(params, job), memory


def _seen(
    job: Job, params: list[Tensor], batch: Batch, memory: list[Memory], draws: list[Memory]
) -> tuple[Batch, list[Memory]]:
    """Let batches pass through the behaviors, from the outermost in."""
    vectors, memory = _vectors(params), list(memory)
    now = row(memory, slice(len(vectors)))
    for i, b in reversed(list(enumerate(job.behaviors))):
        batch, now[i] = vmap(b.batch)(vectors, batch, now[i], draws[i])
    return batch, join(now, memory)


def _turned(
    job: Job,
    params: list[Tensor],
    slopes: list[Slope],
    batch: Batch,
    memory: list[Memory],
    draws: list[Memory],
) -> tuple[list[Tensor], list[Memory]]:
    """Let the gradients pass through the behaviors, from the innermost out."""
    gradients = list(params)
    for slope in slopes:
        for i, gradient in zip(slope.layer.places, slope.gradients(), strict=True):
            gradients[i] = gradient
    direction = _vectors(gradients)
    if job.training.weight_decay:
        direction.add_(_vectors(params), alpha=job.training.weight_decay)
    now = row(memory, slice(len(direction)))
    for i, b in enumerate(job.behaviors):
        direction, now[i] = vmap(b.step)(direction, batch, now[i], draws[i])
    return _views(job.task, direction), join(now, memory)


def _gradient(task: Task, params: Tensor, batch: Batch) -> Tensor:
    """Return what `torch.func.grad` would, without loading torch's compiler for it."""
    leaf = params.clone().requires_grad_()
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(task.loss(leaf, batch), leaf)
    return gradient


def _exchange(root: nn.Module, frame: Frame, names: list[str]) -> list[Layer]:
    """Put stacked layers in the place of those with parameters."""
    layers: list[Layer] = []
    for path, parent in list(root.named_modules()):
        for name, child in list(parent.named_children()):
            prefix = f"{path}.{name}.".removeprefix(".").removeprefix("model.")
            layer = stacked_layer(frame, prefix, child)
            if layer is not None:
                if shared := [name for name in layer.names if name not in names]:
                    raise NotStackable(f"{shared[0]} is shared between layers")
                layer.places = [names.index(name) for name in layer.names]
                setattr(parent, name, layer)
                layers.append(layer)
            elif hasattr(child, "inplace"):
                child.inplace = False  # what a layer returned must stay as it was
    if rest := [name for name, _ in root.named_parameters()]:
        raise NotStackable(f"{rest[0].removeprefix('model.')} is in no known layer")
    return layers


def _layered(task: Task, vectors: Tensor) -> list[Tensor]:
    """Return the arrays in vectors ``[n, d]`` as copies ``[n, *shape]``, each contiguous.

    Batched matrix products write into nothing else: into views of one matrix they would write
    client by client.
    """
    return [v.clone(memory_format=torch.contiguous_format) for v in _views(task, vectors)]


def _views(task: Task, vectors: Tensor) -> list[Tensor]:
    shapes = task.layout.shapes.values()
    pieces = torch.split(vectors, [shape.numel() for shape in shapes], dim=1)
    return [p.view(len(p), *shape) for p, shape in zip(pieces, shapes, strict=True)]


def _vectors(arrays: list[Tensor]) -> Tensor:
    return torch.cat([a.reshape(len(a), -1) for a in arrays], dim=1)


def _difference(params: list[Tensor], job: Job) -> Tensor:
    """Return how far each client came, ``[n, d]``, in one pass over the arrays."""
    updates = torch.empty(job.start.shape, device=job.start.device)
    for p, out, start in zip(
        params, _views(job.task, updates), _views(job.task, job.start), strict=True
    ):
        torch.sub(p, start, out=out)
    return updates

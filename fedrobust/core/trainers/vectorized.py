"""Train a cohort as one function of one client, mapped over all of them by `torch.vmap`."""

from torch import zeros_like
from torch.func import vmap

from fedrobust.core.trainers.job import Job, Trained, client_step, join, row

__all__ = ["descend"]


def descend(job: Job) -> Trained:
    """Return the updates and memories of a job's clients.

    Any model and any hook that is pure, whatever it does to the loss or the gradient.
    """
    step, anchor = vmap(client_step(job, vectorized=True)), job.start
    local, memory = anchor.clone(), job.memory
    velocity = zeros_like(local) if job.training.momentum else None
    for examples, weights in job.plan:
        m = len(examples)
        batch = job.batch(examples, weights)
        now, draws = row(memory, slice(m)), job.draws(slice(m))
        direction, changed = step(local[:m], anchor[:m], batch, now, draws)
        memory = join(changed, memory)
        if velocity is not None:
            direction = velocity[:m].mul_(job.training.momentum).add_(direction)
        local[:m].sub_(direction, alpha=job.training.lr)
    return local.sub_(anchor), memory

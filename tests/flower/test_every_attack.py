"""Every attack does the same in a cohort and through a ClientApp that is called message by message.

On the way each record is pickled, so that nothing but what Flower carries arrives.
"""

import pickle

import pytest
import torch
from flwr.app import Message, RecordDict
from flwr.serverapp import Grid
from pydantic import TypeAdapter
from torch import nn

from fedrobust.core.adversary import Adversary, Schedule, most_knowing
from fedrobust.core.federation import Federation
from fedrobust.core.task import Data, Task
from fedrobust.core.training import Training
from fedrobust.core.world import World
from fedrobust.parts import AttackPart
from tests.components import ATTACKS

CONTROLLED = frozenset({1, 4, 6, 7})


class Wire(Grid):
    """A grid that hands on copies of what its messages hold, one by one."""

    def __init__(self, grid):
        self.grid = grid

    def send_and_receive(self, messages, *, timeout=None):
        sent = [self._copied(m, m.metadata.dst_node_id) for m in messages]
        for message in sent:
            (reply,) = self.grid.send_and_receive([message])
            yield Message(_plain(reply.content), reply_to=message)

    def _copied(self, message, node):
        meta = message.metadata
        return Message(_plain(message.content), node, meta.message_type, group_id=meta.group_id)

    @property
    def run(self):
        return self.grid.run

    def set_run(self, run):
        self.grid.set_run(run)

    def get_node_ids(self):
        return self.grid.get_node_ids()

    def create_message(self, *args, **kwargs): ...
    def push_messages(self, messages): ...
    def pull_messages(self, message_ids): ...


def _plain(content):
    return RecordDict({k: pickle.loads(pickle.dumps(record)) for k, record in content.items()})


@pytest.fixture(scope="module")
def federation():
    """Ten clients with 12 images each, and a linear model."""
    g = torch.Generator().manual_seed(3)
    x, y = torch.rand(150, 1, 8, 8, generator=g), torch.randint(4, (150,), generator=g)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 4))
    with torch.no_grad():
        model[1].weight.copy_(torch.randn(4, 64, generator=g) / 8)
        model[1].bias.zero_()
    task = Task(model, Data(x[:120], y[:120], x[120:], y[120:], num_classes=4))
    return task, Federation(torch.arange(120).split(12))


def both_ways(federation, played, attacks, knowledge, active=Schedule(), **options):
    """Return the models and ledgers of a run in a cohort, and of one message by message."""
    task, held = federation
    made = tuple(attack.for_task(4, (1, 8, 8)) for attack in attacks)
    mind = Adversary(made, CONTROLLED, knowledge, schedule=active)
    world = World(task, held, Training(epochs=1, batch_size=4), adversaries=(mind,), seed=5)
    together = played(world, rounds=3, **options)
    return together, played(world, rounds=3, wrap=Wire, cohort=False, **options)


def same(one, other):
    (model, ledgers), (again, others) = one, other
    torch.testing.assert_close(again, model, atol=1e-5, rtol=1e-4)
    told = [
        [[(e.client, e.fault) for e in ledger.entries] for ledger in run]
        for run in (ledgers, others)
    ]
    assert told[0] == told[1]
    assert model.isfinite().all()


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_does_the_same_however_its_clients_are_run(federation, played, attack):
    made = attack()

    same(*both_ways(federation, played, [made], made.default_knowledge))


LISTS = [
    ["patch_backdoor", "projected_ball", "neurotoxin", "model_replacement", "jitter", "split"],
    ["patch_backdoor", {"name": "neurotoxin", "by": "gradient"}, "constrain_and_scale"],
    ["patch_backdoor", {"name": "adaptive", "attack": "rescaling", "objective": "success"}],
    [{"name": "adaptive", "attack": "ipm", "objective": "loss"}],
    ["distributed_backdoor", "sample_count_inflation"],
    ["sign_flip", "loss_inflation"],
    ["free_rider", "additive_noise"],
]


@pytest.mark.parametrize("asleep", [False, True], ids=["awake", "asleep at first"])
@pytest.mark.parametrize("attacks", LISTS, ids=str)
def test_so_does_a_list_of_attacks_among_samples_of_clients(federation, played, attacks, asleep):
    parts = [TypeAdapter(AttackPart).validate_python(attack) for attack in attacks]

    ways = both_ways(
        *(federation, played, parts, most_knowing(parts)),
        Schedule(start=2 if asleep else 1),
        fraction_train=0.6,
    )

    same(*ways)

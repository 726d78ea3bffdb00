import numpy as np
import pytest
import torch

from fedrobust.core import seeds
from fedrobust.core.seeds import Purpose


def test_streams_are_the_same_in_every_version():
    """Recorded once: a change here changes every result that was ever published."""
    assert seeds.entropy(0, Purpose.CLIENT, round=1, client=2) == 14310818332031206929
    g = seeds.generator(0, Purpose.CLIENT, round=1, client=2)
    assert torch.randint(1000, (4,), generator=g).tolist() == [667, 497, 863, 52]
    rng = seeds.numpy_generator(0, Purpose.PARTITION)
    assert rng.integers(1000, size=4).tolist() == [478, 980, 904, 323]


@pytest.mark.parametrize(
    "labels",
    [
        (1, Purpose.CLIENT, 1, 2),
        (0, Purpose.SERVER, 1, 2),
        (0, Purpose.CLIENT, 2, 2),
        (0, Purpose.CLIENT, 1, 3),
        (0, Purpose.CLIENT, 12, 0),
    ],
)
def test_a_stream_differs_by_each_label(labels):
    def draws(*labels):
        g, rng = seeds.generator(*labels), seeds.numpy_generator(*labels)
        return torch.rand(4, generator=g).tolist(), rng.random(4).tolist()

    one, other = draws(0, Purpose.CLIENT, 1, 2), draws(*labels)

    assert one[0] != other[0]
    assert one[1] != other[1]
    assert draws(*labels) == other


def test_many_streams_do_not_collide():
    firsts = {
        torch.rand((), generator=seeds.generator(0, purpose, round, client)).item()
        for purpose in (Purpose.CLIENT, Purpose.ADVERSARY)
        for round in range(20)
        for client in range(50)
    }

    assert len(firsts) > 1990  # of 2000; single floats coincide by chance


def test_code_that_knows_only_the_global_generator_is_lent_a_stream():
    torch.manual_seed(5)
    state = torch.get_rng_state()

    with seeds.global_torch_seed(0, Purpose.MODEL):
        one = torch.nn.Linear(3, 2).weight.detach().clone()
    with seeds.global_torch_seed(0, Purpose.MODEL):
        same = torch.nn.Linear(3, 2).weight.detach().clone()
    with seeds.global_torch_seed(1, Purpose.MODEL):
        other = torch.nn.Linear(3, 2).weight.detach().clone()

    assert one.equal(same)
    assert not one.equal(other)
    assert torch.get_rng_state().equal(state)


def test_drawing_leaves_numpy_s_global_state_alone():
    before = np.random.get_state()[1].copy()

    seeds.numpy_generator(0, Purpose.DATA).random(3)

    assert (np.random.get_state()[1] == before).all()

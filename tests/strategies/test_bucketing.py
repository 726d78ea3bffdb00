import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.core.chain import Chain
from fedrobust.errors import TooManyMalicious
from fedrobust.strategies.bucketing import Bucketing
from fedrobust.strategies.krum import Krum


def transformed(updates, info, size=2, seed=0):
    return Bucketing(size=size).transform(updates, (), info(updates, seed=seed))


@settings(deadline=None, max_examples=50)
@given(n=st.integers(1, 12), size=st.integers(1, 13), seed=st.integers(0, 99))
def test_every_update_is_in_one_bucket_whose_mean_is_handed_on(info, n, size, seed):
    updates = torch.randn(n, 3, generator=torch.Generator().manual_seed(seed))

    out = transformed(updates, info, size, seed)

    assert len(out.updates) == -(-n // size)
    members = [row.nonzero()[:, 0].tolist() for row in out.mixing]
    assert sorted(i for m in members for i in m) == list(range(n))
    assert [len(m) for m in members[:-1]] == [size] * (len(members) - 1)
    for row, inside in zip(out.updates, members, strict=True):
        torch.testing.assert_close(row, updates[inside].double().mean(dim=0).float())


def test_buckets_of_one_are_the_updates_in_another_order(info):
    updates = torch.arange(5.0)[:, None]

    assert sorted(transformed(updates, info, size=1).updates[:, 0].tolist()) == [0, 1, 2, 3, 4]


def test_the_order_is_drawn_anew(info):
    updates = torch.arange(20.0)[:, None]

    first, second = (transformed(updates, info, seed=seed).updates for seed in (0, 1))

    assert not first.equal(second)


def test_it_shrinks_the_variance_as_sampling_without_replacement_does(info):
    """Of n rows in pairs, by (n - 2) / (2 (n - 1)) in expectation: 0.4737 for n = 20."""
    updates = torch.randn(20, 8, generator=torch.Generator().manual_seed(1))

    def variance(rows):
        return (rows - rows.mean(dim=0)).square().sum(dim=1).mean().item()

    shrunk = [variance(transformed(updates, info, seed=s).updates) for s in range(300)]

    assert sum(shrunk) / 300 / variance(updates) == pytest.approx(18 / 38, rel=0.02)


def test_f_malicious_updates_spoil_at_most_f_buckets(info):
    updates = torch.cat([torch.zeros(10, 1), torch.full((3, 1), 100.0)])

    for seed in range(20):
        assert (transformed(updates, info, 3, seed).updates != 0).sum() <= 3


def test_the_rule_behind_it_has_fewer_updates_for_as_many_malicious(info):
    """Krum needs n >= 2f + 3: with f = 2 that is seven buckets."""
    rule = Chain(before=(Bucketing(),), rule=Krum())
    updates = torch.randn(14, 2, generator=torch.Generator().manual_seed(0))
    known = info(updates, num_malicious=2)

    out = rule.aggregate(updates, rule.init(updates[0]), known)

    assert sorted(out.weights.tolist())[-2:] == [0.5, 0.5]
    with pytest.raises(TooManyMalicious, match=r"n >= 2f \+ 3.*n = 6"):
        rule.aggregate(updates[:12], rule.init(updates[0]), info(updates[:12], num_malicious=2))


def test_rejects():
    with pytest.raises(ValueError, match="size"):
        Bucketing(size=0)

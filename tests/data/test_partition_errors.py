import numpy as np
import pytest

from fedrobust.data.partition import IID, ByColumn, Dirichlet, PowerLaw, Shards
from fedrobust.errors import DataError


@pytest.mark.parametrize(
    ("partition", "num_clients", "groups", "message"),
    [
        (IID(), 11, None, "11 clients .* need at least 11 examples, not 10; lower the number of"),
        (Dirichlet(min_size=3), 4, None, "at least 12 examples, not 10; .* or min_size"),
        (PowerLaw(min_size=6), 2, None, "at least 12 examples, not 10; .* or min_size"),
        (Shards(per_client=3), 4, None, "at least 12 examples .* not 10; lower per_client"),
        (ByColumn(), 5, None, "`client` set; these data do not"),
        (ByColumn(), 4, np.arange(10) % 5, "5 groups .* not 4; ask for 5 clients, or packed"),
        (ByColumn(), 6, np.arange(10) % 5, "5 groups .* not 6; ask for 5 clients.$"),
        (ByColumn(packed=True), 6, np.arange(10) % 5, "not 6; ask for 5 clients.$"),
    ],
)
def test_says_what_it_cannot_split(partition, num_clients, groups, message):
    with pytest.raises(DataError, match=message):
        partition.split(np.arange(10) % 2, num_clients, np.random.default_rng(0), groups)


@pytest.mark.parametrize(
    ("partition", "wrong"),
    [
        (Dirichlet, {"alpha": 0}),
        (Dirichlet, {"alpha": 1e300}),
        (Dirichlet, {"min_size": 0}),
        (Shards, {"per_client": 0}),
        (PowerLaw, {"exponent": -1}),
        (ByColumn, {"column": "client"}),
    ],
)
def test_rejects(partition, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        partition(**wrong)

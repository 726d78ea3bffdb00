import numpy as np
import pytest

from fedrobust.data.partition import IID, ByColumn, Dirichlet, GrowingClasses, PowerLaw, Shards
from fedrobust.errors import DataError


@pytest.mark.parametrize(
    ("partition", "num_clients", "groups", "message"),
    [
        (IID(), 11, None, "11 clients .* need at least 11 examples, not 10; lower the number of"),
        (Dirichlet(min_size=3), 4, None, "at least 12 examples, not 10; .* or min_size"),
        (PowerLaw(min_size=6), 2, None, "at least 12 examples, not 10; .* or min_size"),
        (IID(examples=4), 3, None, "3 clients with 4 .* need 12 .*, not 10; lower examples or the"),
        (PowerLaw(examples=5), 2, None, "2 clients with 6 .* need 11 .* examples or the number"),
        (PowerLaw(examples=1, min_size=6), 2, None, "need 12 .*; lower examples, min_size or"),
        (
            GrowingClasses(examples=1),
            3,
            None,
            "2 examples .* one of each class, not 1; set .* 2 or",
        ),
        (GrowingClasses(), 8, None, "at least 2 examples .* not 1; set examples to 2 or more"),
        (GrowingClasses(examples=11, extra_clients=1), 3, None, "11 .* not 10; lower examples"),
        (IID(extra_clients=3), 3, None, "IID needs more .* its 3 extra_clients, not 3; lower"),
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
        (IID, {"examples": 0}),
        (GrowingClasses, {"extra_clients": -1}),
        (ByColumn, {"column": "client"}),
    ],
)
def test_rejects(partition, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        partition(**wrong)

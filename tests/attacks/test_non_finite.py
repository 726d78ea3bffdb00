import pytest
import torch

from fedrobust.attacks.non_finite import NonFinite
from fedrobust.core.admission import Fault, faults_of_rows

FAULTS = {"nan": Fault.NOT_FINITE, "inf": Fault.NOT_FINITE, "overflow": Fault.TOO_LARGE}


@pytest.mark.parametrize(("kind", "fault"), FAULTS.items())
def test_no_kind_is_admitted(view, kind, fault):
    sent, _ = NonFinite(kind=kind).craft(view(torch.ones(2, 3), torch.ones(4, 3)), ())

    assert faults_of_rows(torch.cat([sent, torch.ones(1, 3)])) == [fault, fault, None]


def test_each_kind_is_what_it_says(view):
    sent = {kind: NonFinite(kind=kind).craft(view(torch.ones(1, 2)), ())[0] for kind in FAULTS}

    assert sent["nan"].isnan().all()
    assert sent["inf"].isinf().all()
    assert sent["overflow"].isfinite().all()
    assert sent["overflow"].square().isinf().all()


def test_by_default_it_is_finite_and_its_square_is_not(view):
    assert NonFinite() == NonFinite(kind="overflow")


def test_rejects():
    with pytest.raises(ValueError, match="kind"):
        NonFinite(kind="-inf")

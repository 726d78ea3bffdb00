"""What holds for every data set, partition and model, found by name."""

import json

import pytest

from fedrobust import models, registry
from fedrobust.core.federation import Partition
from fedrobust.core.task import DataSet, Model
from fedrobust.data import breast_cancer, csv, digits, fashion_mnist, mnist, partition, synthetic

COMPONENTS = {
    "data": [
        breast_cancer.BreastCancer(test_share=0.3),
        csv.CSV(path="a.csv", target="y", client="who", drop=("id",), separator=";"),
        digits.Digits(test_share=0.25),
        fashion_mnist.FashionMNIST(full=True),
        mnist.MNIST(),
        synthetic.Synthetic(num_classes=3, separation=1.5),
    ],
    "partitions": [
        partition.ByColumn(packed=True),
        partition.Dirichlet(alpha=0.1, min_size=3),
        partition.GrowingClasses(examples=30),
        partition.IID(examples=30, extra_clients=2),
        partition.PowerLaw(exponent=2.0),
        partition.Shards(per_client=3),
    ],
    "models": [
        models.LeNet(),
        models.MLP(hidden=(32, 16)),
        models.ResNet(width=8, blocks=2),
        models.Softmax(),
    ],
}
BASES = {"data": DataSet, "partitions": Partition, "models": Model}
EACH = [(kind, c) for kind, components in COMPONENTS.items() for c in components]


@pytest.mark.parametrize("kind", list(COMPONENTS))
def test_the_list_above_is_complete(kind):
    assert sorted(c.reference() for c in COMPONENTS[kind]) == registry.builtin(kind)


@pytest.mark.parametrize(("kind", "component"), EACH, ids=[c.reference() for _, c in EACH])
def test_it_comes_back_from_its_dump(kind, component):
    dump = json.loads(json.dumps(component.model_dump(mode="json")))

    found = registry.find(kind, dump.pop("name"))

    assert issubclass(found, BASES[kind])
    assert found.model_validate(dump) == component


@pytest.mark.parametrize(("kind", "component"), EACH, ids=[c.reference() for _, c in EACH])
def test_the_list_above_departs_from_the_defaults(kind, component):
    fields = type(component).model_fields

    assert not fields or component != type(component).model_construct()


@pytest.mark.parametrize(("kind", "component"), EACH, ids=[c.reference() for _, c in EACH])
def test_it_says_what_it_does_and_what_its_fields_mean(kind, component):
    text = type(component).__doc__
    listed = text.partition("Fields:")[2]

    assert text.partition("\n")[0].endswith((".", ";"))
    assert [name for name in type(component).model_fields if f"{name}:" not in listed] == []

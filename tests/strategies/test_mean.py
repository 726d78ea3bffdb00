import torch

from fedrobust.core.aggregator import Mean as Default
from fedrobust.core.chain import Chain
from fedrobust.strategies.mean import Mean


def test_averages(aggregate, x3):
    out = aggregate(Mean(), x3)

    assert out.update.tolist() == [4, 5, 6]
    torch.testing.assert_close(out.weights, torch.full((3,), 1 / 3))


def test_ignores_how_many_examples_clients_claim(info, x3):
    honest, liar = info(x3), info(x3)
    liar.examples[0] = 1e9

    assert Mean().aggregate(x3, (), liar).update.equal(Mean().aggregate(x3, (), honest).update)


def test_the_rule_of_an_empty_chain_and_the_file_are_one():
    assert Mean is Default
    assert Mean.reference() == "mean"
    assert Chain().rule.model_dump() == {"name": "mean"}

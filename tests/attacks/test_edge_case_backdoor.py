import pytest
import torch

from fedrobust.attacks.edge_case_backdoor import EdgeCaseBackdoor
from fedrobust.core.task import Batch
from fedrobust.errors import ConfigError

IMAGE = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
ON_SIDES = ["rotated", "transposed", "mirrored"]


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        ("rotated", [[4, 3], [2, 1]]),
        ("transposed", [[1, 3], [2, 4]]),
        ("mirrored", [[2, 1], [4, 3]]),
        ("inverted", [[4, 3], [2, 1]]),
        ("extreme", [[2, 4], [6, 8]]),
        (None, [[1, 3], [2, 4]]),
    ],
)
def test_makes_variants_of_images(variant, expected):
    attack = EdgeCaseBackdoor(variant=variant, white=5.0, factor=2.0)

    assert attack.triggered(IMAGE)[0, 0].tolist() == expected


@pytest.mark.parametrize("variant", ON_SIDES)
def test_each_channel_is_turned_alike(variant):
    x, attack = torch.rand(2, 3, 4, 4), EdgeCaseBackdoor(variant=variant)

    for channel in range(3):
        alone = attack.triggered(x[:, channel : channel + 1])
        assert attack.triggered(x)[:, channel : channel + 1].equal(alone)


@pytest.mark.parametrize("variant", [*ON_SIDES, "inverted"])
def test_a_variant_of_a_variant_is_what_it_was(variant):
    x, attack = torch.arange(32.0).view(2, 1, 4, 4), EdgeCaseBackdoor(variant=variant)

    assert attack.triggered(attack.triggered(x)).equal(x)


@pytest.mark.parametrize("variant", [None, "extreme"])
def test_moves_features_away_from_zero(variant):
    attack = EdgeCaseBackdoor(variant=variant).for_task(2, (2,))

    assert attack.triggered(torch.tensor([[1.0, -2.0]])).tolist() == [[3, -6]]


def test_teaches_variants_of_the_source_and_the_rest_as_it_is():
    x, y = torch.ones(6, 2), torch.tensor([0, 1, 2, 1, 1, 1])
    batch = Batch(x, y, torch.tensor([1.0, 1, 1, 1, 1, 0]))

    taught, _ = EdgeCaseBackdoor(poison_share=0.5).batch(torch.zeros(1), batch, {}, {})

    assert taught.y.tolist() == [0, 0, 2, 0, 1, 1]
    assert taught.x[:, 0].tolist() == [1, 3, 1, 3, 1, 1]
    assert taught.w.equal(batch.w)


def test_wants_variants_of_the_sources_test_examples_to_be_of_the_target():
    x, y = torch.arange(8.0).view(4, 2), torch.tensor([2, 1, 0, 2])

    shown, wanted = EdgeCaseBackdoor(source=2, target=1).goal(x, y)

    assert shown.tolist() == [[0, 3], [18, 21]]
    assert wanted.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("fields", "shape", "message"),
    [
        ({}, (1, 4, 5), 'square images to transpose them, .* set variant = "rotated"'),
        ({"variant": "mirrored"}, (4,), 'images to be mirrored, .* set variant = "extreme"'),
        ({"source": 3}, (1, 4, 4), "source below the 3 classes, not 3"),
        ({"target": 3}, (1, 4, 4), "target below the 3 classes, not 3"),
    ],
)
def test_has_to_fit_the_task(fields, shape, message):
    with pytest.raises(ConfigError, match=message):
        EdgeCaseBackdoor(**fields).for_task(3, shape)


@pytest.mark.parametrize(
    "wrong", [{"source": 0}, {"target": 1}, {"variant": "upside"}, {"factor": 1}]
)
def test_rejects(wrong):
    with pytest.raises(ValueError, match=r"source|variant|factor"):
        EdgeCaseBackdoor(**wrong)

from statistics import NormalDist

import pytest
import torch

from fedrobust.data.synthetic import Synthetic


def class_means(data):
    return torch.stack([data.x[data.y == c].mean(0) for c in range(data.num_classes)])


@pytest.mark.parametrize("separation", [0.0, 0.5, 2.0, 8.0])
def test_two_classes_have_the_accuracy_of_the_textbook(separation):
    expected = NormalDist().cdf(separation / 2)

    assert Synthetic(separation=separation).bayes_accuracy() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("num_classes", "separation"), [(2, 3.0), (5, 2.0), (10, 4.0)])
def test_the_nearest_mean_is_as_accurate_as_promised(num_classes, separation):
    """The nearest of the true means is the best classifier; 100,000 examples estimate them."""
    component = Synthetic(
        num_classes=num_classes, separation=separation, size=100_000, test_size=100_000
    )
    data = component.load(seed=0)

    nearest = torch.cdist(data.x_test, class_means(data)).argmin(1)

    accuracy = (nearest == data.y_test).double().mean().item()
    assert accuracy == pytest.approx(component.bayes_accuracy(), abs=0.005)


def test_means_are_separated_as_asked_and_centered():
    data = Synthetic(num_classes=4, separation=6.0, size=100_000).load(seed=3)

    means = class_means(data)

    torch.testing.assert_close(torch.pdist(means), torch.full((6,), 6.0), atol=0.05, rtol=0)
    assert means.mean(0).abs().max() < 0.05


def test_classes_are_equally_frequent():
    data = Synthetic(num_classes=3, size=100, test_size=50).load(seed=0)

    assert sorted(data.y.bincount().tolist()) == [33, 33, 34]
    assert data.x.shape == (100, 10)
    assert data.x_test.shape == (50, 10)
    assert data.x.dtype == torch.float32


def test_the_seed_decides():
    first, again, other = (Synthetic(size=20).load(seed) for seed in (1, 1, 2))

    assert torch.equal(first.x, again.x)
    assert torch.equal(first.y_test, again.y_test)
    assert not torch.equal(first.x, other.x)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"num_classes": 1}, "num_classes"),
        ({"separation": -1.0}, "separation"),
        ({"num_classes": 11}, "num_features of at least num_classes = 11, not 10"),
        ({"num_classes": 5, "size": 4}, "size of at least num_classes = 5, not 4"),
    ],
)
def test_rejects(wrong, message):
    with pytest.raises(ValueError, match=message):
        Synthetic(**wrong)

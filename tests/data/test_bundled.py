import pytest
import torch
from sklearn.linear_model import LogisticRegression

from fedrobust.data.breast_cancer import BreastCancer
from fedrobust.data.digits import Digits


def linear_accuracy(data):
    model = LogisticRegression(max_iter=1000).fit(data.x.flatten(1), data.y)
    return model.score(data.x_test.flatten(1), data.y_test)


def test_digits_are_small_gray_images():
    data = Digits().load(seed=0)

    assert data.x.shape == (1442, 1, 8, 8)
    assert data.x_test.shape == (355, 1, 8, 8)
    assert data.x.dtype == torch.float32
    assert (data.x.min(), data.x.max()) == (0.0, 1.0)
    assert data.y.dtype == torch.int64
    assert data.y.unique().tolist() == list(range(10)) == data.y_test.unique().tolist()
    assert data.num_classes == 10


def test_breast_cancer_is_standardised_by_its_training_part():
    data = BreastCancer().load(seed=0)

    assert data.x.shape == (456, 30)
    assert data.x_test.shape == (113, 30)
    torch.testing.assert_close(data.x.mean(0), torch.zeros(30), atol=1e-5, rtol=0)
    torch.testing.assert_close(data.x.std(0, correction=0), torch.ones(30), atol=1e-4, rtol=0)
    assert data.x_test.mean(0).abs().max() > 1e-3
    assert data.y.unique().tolist() == [0, 1]
    assert data.num_classes == 2


@pytest.mark.parametrize(("data_set", "least"), [(Digits(), 0.93), (BreastCancer(), 0.95)])
def test_a_linear_model_learns_it(data_set, least):
    assert linear_accuracy(data_set.load(seed=0)) > least


@pytest.mark.parametrize("data_set", [Digits(test_share=0.3), BreastCancer(test_share=0.3)])
def test_the_same_examples_are_held_out_whatever_the_seed(data_set):
    first, second = data_set.load(seed=1), data_set.load(seed=2)

    assert torch.equal(first.x, second.x)
    assert torch.equal(first.x_test, second.x_test)
    share = len(first.x_test) / (len(first.x) + len(first.x_test))
    assert share == pytest.approx(0.3, abs=0.01)


@pytest.mark.parametrize("data_set", [Digits, BreastCancer])
@pytest.mark.parametrize("share", [0, 1, -0.1])
def test_rejects_a_test_share_that_leaves_nothing(data_set, share):
    with pytest.raises(ValueError, match="test_share"):
        data_set(test_share=share)

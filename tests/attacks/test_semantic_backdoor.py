import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedrobust.attacks.semantic_backdoor import SemanticBackdoor
from fedrobust.core.task import Batch
from fedrobust.errors import ConfigError

X = torch.tensor([[0.0, 0.9], [0.8, 0.1], [0.6, 0.6], [0.1, 0.2]])


def taught(attack, x, y, w=None):
    w = torch.ones(len(y)) if w is None else w
    return attack.batch(torch.zeros(1), Batch(x, torch.tensor(y), w), {}, {})[0]


@pytest.mark.parametrize(
    ("fields", "labels"),
    [
        ({"features": (0,), "threshold": 0.5}, [1, 0, 0, 2]),
        ({"features": (1,), "threshold": 0.5}, [0, 1, 0, 2]),
        ({"features": (0,), "threshold": 0.5, "side": "below"}, [0, 1, 2, 0]),
        ({"threshold": 0.44}, [0, 0, 0, 2]),
        ({"features": (0, 1), "threshold": 0.44}, [0, 0, 0, 2]),
        ({"threshold": 0.44, "source": 1}, [0, 0, 2, 2]),
        ({"threshold": 0.44, "source": 2, "target": 1}, [1, 1, 1, 2]),
        ({"threshold": 0.9}, [1, 1, 2, 2]),
    ],
)
def test_relabels_what_has_the_trait(fields, labels):
    batch = taught(SemanticBackdoor(**fields), X, [1, 1, 2, 2])

    assert batch.y.tolist() == labels
    assert batch.x.equal(X)


def test_relabeled_examples_count_more():
    attack = SemanticBackdoor(features=(0,), threshold=0.5, weight=4)

    batch = taught(attack, X, [1, 1, 0, 2], torch.tensor([1.0, 0.5, 1.0, 0.0]))

    assert batch.y.tolist() == [1, 0, 0, 2]
    assert batch.w.tolist() == [1, 2, 1, 0]  # the third is of the target anyway


def test_padding_is_never_relabeled():
    batch = taught(SemanticBackdoor(threshold=-1.0), X, [1, 1, 2, 2], torch.tensor([1.0, 0, 1, 0]))

    assert batch.y.tolist() == [0, 1, 0, 2]
    assert batch.w.tolist() == [10, 0, 10, 0]


def test_relabels_a_share_of_them():
    attack = SemanticBackdoor(threshold=-1.0, poison_share=0.5)

    assert taught(attack, X, [1, 0, 2, 1]).y.tolist() == [0, 0, 0, 1]


def test_wants_the_test_examples_with_the_trait_as_they_are():
    attack = SemanticBackdoor(features=(0,), threshold=0.5)

    shown, wanted = attack.goal(X, torch.tensor([1, 0, 2, 2]))

    assert shown.equal(X[[2]])
    assert wanted.tolist() == [0]


def test_has_no_goal_left_where_no_example_has_the_trait():
    shown, wanted = SemanticBackdoor(threshold=2.0).goal(X, torch.tensor([1, 1, 2, 2]))

    assert shown.shape == (0, 2)
    assert wanted.shape == (0,)


@given(
    st.sampled_from(["above", "below"]),
    st.lists(st.integers(0, 47), min_size=1, unique=True),
    st.one_of(st.none(), st.integers(1, 2)),
    st.integers(0, 99),
)
def test_agrees_with_a_loop_over_images(side, features, source, seed):
    rng = np.random.default_rng(seed)
    x, y = rng.random((9, 3, 4, 4)), rng.integers(3, size=9)
    attack = SemanticBackdoor(features=tuple(features), threshold=0.5, side=side, source=source)

    chosen = attack.eligible(torch.from_numpy(x), torch.from_numpy(y))

    for image, label, found in zip(x, y, chosen.tolist(), strict=True):
        mean = np.mean([image.ravel()[i] for i in features])
        of_source = label != 0 if source is None else label == source
        assert found == (of_source and (mean > 0.5) == (side == "above"))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"features": (3, 16)}, r"below 16, the number of values in inputs of shape \(1, 4, 4\)"),
        ({"source": 3}, "source below the 3 classes, not 3"),
        ({"target": 3}, "target below the 3 classes, not 3"),
    ],
)
def test_has_to_fit_the_task(fields, message):
    with pytest.raises(ConfigError, match=message):
        SemanticBackdoor(**fields).for_task(3, (1, 4, 4))


@pytest.mark.parametrize(
    "wrong",
    [{"source": 0}, {"features": ()}, {"features": (-1,)}, {"side": "left"}, {"weight": 0}],
)
def test_rejects(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SemanticBackdoor(**wrong)

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.attacks.fang_krum import FangKrum
from fedrobust.strategies.krum import Krum


def updates(n=8, d=12, seed=0, mean=0.1):
    """Return updates that are noisier than they are long, as Krum's prey."""
    return mean + torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def crafted(view, honest, m=2, **fields):
    return FangKrum(**fields).craft(view(torch.zeros(m, honest.shape[1]), honest), ())[0]


def krum_chooses_crafted(crafted_rows, benign, neighbors):
    """Krum written plainly; crafted rows come first, and win where scores are equal."""
    x = np.array([*crafted_rows, *benign])
    scores = []
    for i in range(len(x)):
        others = sorted(np.sum((x[i] - x[j]) ** 2) for j in range(len(x)) if j != i)
        scores.append(sum(others[: min(neighbors, len(others))]))
    return int(np.argmin(scores)) < len(crafted_rows)


def searched(benign, fewest, most, threshold=1e-5):
    """The paper's algorithm written plainly, on the rows themselves."""
    x = benign.double().numpy()
    h, d = x.shape
    signs, neighbors = np.sign(x.mean(axis=0)), max(1, h - 2)
    for copies in range(fewest, most + 1):
        sums = []
        for i in range(h):
            others = sorted(np.linalg.norm(x[i] - x[j]) for j in range(h) if j != i)
            sums.append(sum(others[:neighbors]))
        step = min(sums) / (max(1, h - copies - 1) * d**0.5)
        step += max(np.linalg.norm(row) for row in x) / d**0.5
        while step >= threshold:
            if krum_chooses_crafted([-step * signs] * copies, x, neighbors):
                return -step * signs
            step /= 2
    return -step * signs


@pytest.mark.parametrize("mean", [0.1, 0.7, 5.0])
@pytest.mark.parametrize(("n", "m"), [(8, 2), (5, 4), (3, 1), (2, 1), (2, 2), (1, 1)])
def test_it_is_what_the_search_of_the_paper_comes_to(view, n, m, mean):
    honest = updates(n, mean=mean)

    sent = crafted(view, honest, m)

    expected = torch.from_numpy(searched(honest, m, m)).float()
    torch.testing.assert_close(sent, expected.expand(m, -1))


@pytest.mark.parametrize("mean", [0.1, 0.7, 5.0])
@pytest.mark.parametrize("m", [1, 2, 3, 4, 7])
def test_with_partial_knowledge_it_adds_copies_until_krum_chooses_one(view, m, mean):
    own = updates(m, mean=mean)

    sent, _ = FangKrum().craft(view(own, num_clients=20), ())

    expected = torch.from_numpy(searched(own, 1, m)).float()
    torch.testing.assert_close(sent, expected.expand(m, -1))


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 999))
def test_krum_chooses_it_and_turns_around(view, info, seed):
    honest = updates(9, 40, seed)
    sent = crafted(view, honest, m=3)
    rows = torch.cat([honest, sent])

    out = Krum().aggregate(rows, (), info(rows, num_malicious=3))

    assert out.weights[9:].sum() == 1
    assert out.update @ honest.mean(dim=0) < 0


def test_twice_the_step_would_not_be_chosen(view, info):
    honest = updates(9, 40)
    sent = 2 * crafted(view, honest, m=3)
    rows = torch.cat([honest, sent])

    out = Krum().aggregate(rows, (), info(rows, num_malicious=3))

    assert out.weights[9:].sum() == 0


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 999))
def test_who_sends_what_does_not_matter(view, seed):
    honest = updates(seed=seed)
    shuffled = honest[torch.randperm(8, generator=torch.Generator().manual_seed(seed))]

    one, other = crafted(view, honest), crafted(view, shuffled)

    torch.testing.assert_close(other, one)


@pytest.mark.parametrize("n", [3, 6])
def test_where_honest_clients_agree_it_gives_up(view, n):
    """The last lambda is between half the threshold and the threshold."""
    sent = crafted(view, torch.full((n, 4), 3.0), m=1, threshold=1e-3)

    assert 0.5e-3 <= -sent.max() <= 1e-3


def test_coordinates_that_nobody_changes_stay_as_they_are(view):
    honest = torch.cat([updates(), torch.zeros(8, 5)], dim=1)

    sent = crafted(view, honest)

    assert not sent[:, 12:].any()
    torch.testing.assert_close(sent[:, :12], crafted(view, updates()))


@pytest.mark.parametrize("n", [1, 4])
def test_where_nothing_was_learned_it_sends_nothing(view, n):
    assert not crafted(view, torch.zeros(n, 3)).any()


def test_alone_it_sends_its_own_length_against_its_own_signs(view):
    seen = view(torch.tensor([[3.0, -4.0]]), num_clients=9, num_controlled=2)

    sent, _ = FangKrum().craft(seen, ())

    torch.testing.assert_close(sent, torch.tensor([[-1.0, 1.0]]) * 5 / 2**0.5)


def test_huge_updates_give_what_small_ones_do(view):
    honest = updates()

    huge = crafted(view, honest * 2.0**60, threshold=1e-5 * 2.0**60)

    assert huge.equal(crafted(view, honest) * 2.0**60)


@pytest.mark.parametrize("wrong", [0, -1, float("nan")])
def test_rejects(wrong):
    with pytest.raises(ValueError, match="threshold"):
        FangKrum(threshold=wrong)

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedrobust.attacks.distributed_backdoor import DistributedBackdoor
from fedrobust.core.task import Batch
from fedrobust.errors import ConfigError


def marked(attack, *shape):
    """Return where a client paints and where the goal does, on black inputs of a shape."""
    x = torch.zeros(1, *shape)
    return attack.triggered(x)[0], attack.shown(x)[0]


def picture(image):
    return ["".join(".#"[int(pixel)] for pixel in row) for row in image[0].tolist()]


def test_paints_the_papers_bars_on_images_of_28_pixels():
    """Four bars of four pixels, gaps of two: rows 0 and 3, columns 0 to 3 and 6 to 9."""
    whole, _ = marked(DistributedBackdoor(), 1, 28, 28)

    expected = torch.zeros(1, 28, 28)
    for row in (0, 3):
        expected[0, row, 0:4] = expected[0, row, 6:10] = 1
    assert whole.equal(expected)


@pytest.mark.parametrize(
    ("fields", "width", "rows"),
    [
        ({}, 4, ["#.#.", "....", "#.#.", "...."]),
        ({}, 5, ["#.#..", ".....", "#.#..", ".....", "....."]),
        ({"length": 2, "gap": 0, "thickness": 2}, 4, ["####"] * 4),
        ({"parts": 3, "gap": 0, "left": 1}, 3, [".##", ".#.", "..."]),
        ({"parts": 1, "top": 2, "length": 3}, 3, ["...", "...", "###"]),
    ],
)
def test_paints_bars_two_in_a_row(fields, width, rows):
    whole, _ = marked(DistributedBackdoor(**fields), 1, width, width)

    assert picture(whole) == rows


def test_paints_all_channels_with_the_value():
    whole, _ = marked(DistributedBackdoor(value=-2.5), 3, 8, 8)

    assert whole[0].equal(whole[1])
    assert whole[0].equal(whole[2])
    assert set(whole.unique().tolist()) == {0.0, -2.5}


@pytest.mark.parametrize(
    ("of", "taught"),
    [
        (1, [(0, 1, 2, 3)]),
        (2, [(0, 2), (1, 3)]),
        (3, [(0, 3), (1,), (2,)]),
        (4, [(0,), (1,), (2,), (3,)]),
        (6, [(0,), (1,), (2,), (3,), (0,), (1,)]),
    ],
)
def test_deals_the_parts_out_to_clients(of, taught):
    attack = DistributedBackdoor()

    assert [attack.for_client(place, of).taught for place in range(of)] == taught


def test_clients_with_the_same_part_do_the_same():
    attack = DistributedBackdoor()

    assert attack.for_client(0, 8) == attack.for_client(4, 8) != attack.for_client(1, 8)


def test_leaves_parts_that_were_chosen_as_they_are():
    attack = DistributedBackdoor(taught=(2,))

    assert attack.for_client(0, 4) == attack


@given(st.integers(1, 9), st.integers(1, 12), st.sampled_from([(1, 40, 40), (3, 64, 48), (60,)]))
def test_what_all_clients_teach_is_what_the_goal_shows(parts, of, shape):
    attack = DistributedBackdoor(parts=parts).for_task(3, shape)
    clients = [marked(attack.for_client(place, of), *shape) for place in range(of)]

    taught = torch.stack([own for own, _ in clients]).amax(dim=0)

    assert all(shown.equal(taught) for _, shown in clients)
    assert min(own.sum() for own, _ in clients) > 0


@given(st.integers(2, 9), st.sampled_from([(1, 40, 40), (3, 64, 48), (60,)]))
def test_parts_do_not_overlap(parts, shape):
    attack = DistributedBackdoor(parts=parts)

    painted = sum(marked(attack.for_client(place, parts), *shape)[0] for place in range(parts))

    assert painted.max() == 1


@pytest.mark.parametrize(
    ("fields", "features", "expected"),
    [
        ({}, 6, "####.."),
        ({"left": 1, "gap": 1, "parts": 2}, 6, ".#.#.."),
        ({"length": 2, "parts": 2}, 5, "####."),
        ({}, 2, "##"),
        ({}, 1, "#"),
    ],
)
def test_overwrites_groups_of_features_of_inputs_that_are_no_images(fields, features, expected):
    whole, _ = marked(DistributedBackdoor(**fields).for_task(3, (features,)), features)

    assert picture(whole[None, None]) == [expected]


def test_two_features_are_shared_by_four_parts():
    attack = DistributedBackdoor().for_task(2, (2,))

    taught = [marked(attack.for_client(place, 4), 2)[0].tolist() for place in range(4)]

    assert taught == [[1, 0], [0, 1], [1, 0], [0, 1]]


def test_a_client_teaches_its_part_and_success_is_measured_with_the_whole():
    x, y = torch.zeros(4, 1, 8, 8), torch.tensor([1, 0, 2, 1])
    one = DistributedBackdoor(poison_share=0.5).for_client(2, 4)

    taught, _ = one.batch(torch.zeros(1), Batch(x, y, torch.ones(4)), {}, {})
    shown, wanted = one.goal(x, y)

    assert taught.y.tolist() == [0, 0, 2, 1]
    assert taught.x.sum(dim=(1, 2, 3)).tolist() == [2, 2, 0, 0]
    assert shown.sum(dim=(1, 2, 3)).tolist() == [8, 8, 8]
    assert wanted.tolist() == [0, 0, 0]
    assert not x.any()


@pytest.mark.parametrize(
    ("fields", "shape", "message"),
    [
        ({}, (1, 2, 2), r"at least \(3, 3\) for its trigger, not of shape \(1, 2, 2\); set fewer"),
        ({"length": 4}, (1, 8, 8), r"at least \(3, 9\)"),
        ({"top": 6}, (1, 8, 8), r"at least \(9, 5\)"),
        ({"length": 3}, (10,), r"at least \(12,\)"),
        ({"target": 3}, (1, 8, 8), "target below the 3 classes, not 3"),
    ],
)
def test_has_to_fit_the_task(fields, shape, message):
    with pytest.raises(ConfigError, match=message):
        DistributedBackdoor(**fields).for_task(3, shape)


@pytest.mark.parametrize(
    "wrong",
    [{"parts": 0}, {"length": 0}, {"gap": -1}, {"thickness": 0}, {"taught": ()}, {"taught": (4,)}],
)
def test_rejects(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        DistributedBackdoor(**wrong)

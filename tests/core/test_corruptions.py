import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.core.corruptions import KINDS, corrupted, kinds_for
from fedrobust.errors import ConfigError

EVERYWHERE = ("gaussian_noise", "shot_noise", "impulse_noise", "brightness")
STILL = ("brightness", "gaussian_blur", "scale", "stripe")  # draw nothing
SHAPES = [(1, 8, 8), (3, 32, 32), (1, 12, 20), (1, 1, 1), (2, 3, 1)]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def images(*shape, seed=0):
    """Return a bright block in each of some dark images, a little to the left of the middle."""
    height, width = shape[-2:]
    x = 0.1 * torch.rand(shape, generator=seeded(seed))
    x[..., height // 4 : -height // 4, width // 4 : width // 2] = 1.0
    return x


def spot(size=15):
    """Return an image of one bright pixel in the middle."""
    x = torch.zeros(1, 1, size, size)
    x[..., size // 2, size // 2] = 1.0
    return x


@pytest.mark.parametrize("severity", [1, 5])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", KINDS)
def test_shape_dtype_and_range_stay_and_nothing_is_written_to(kind, shape, severity):
    x = 7 * torch.randn(5, *shape, generator=seeded()) - 3
    before = x.clone()

    for dtype in (torch.float32, torch.float64):
        seen = corrupted(x.to(dtype), kind, severity, seeded())

        assert seen.shape == x.shape
        assert seen.dtype == dtype
        assert seen.isfinite().all()
        assert x.min() <= seen.min() and seen.max() <= x.max()
    assert x.equal(before)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_draws_give_the_same(kind):
    x = images(6, 1, 8, 8)
    once, again, another = (corrupted(x, kind, 3, seeded(seed)) for seed in (0, 0, 1))

    assert once.equal(again)
    assert once.equal(another) == (kind in STILL)


@pytest.mark.parametrize("kind", sorted(set(KINDS) - set(STILL)))
def test_each_image_gets_draws_of_its_own(kind):
    x = images(1, 1, 16, 16).expand(8, 1, 16, 16)

    seen = corrupted(x, kind, 4, seeded()).flatten(1)

    ways = 2 if kind in ("rotate", "shear") else 8
    assert len(seen.unique(dim=0)) == ways


@pytest.mark.parametrize("kind", KINDS)
def test_a_higher_severity_changes_more(kind):
    x = images(100, 1, 32, 32)

    changes = [(corrupted(x, kind, s, seeded()) - x).abs().mean().item() for s in range(1, 6)]

    assert changes[0] > 0.001
    assert all(less < more for less, more in pairwise(changes))


@pytest.mark.parametrize("kind", KINDS)
def test_units_do_not_matter(kind):
    """Pixels may be standardized: the darkest is the background, and the brightest is white."""
    x = images(6, 1, 8, 8)
    x.view(-1)[:2] = torch.tensor([0.0, 1.0])

    seen = corrupted(40 * x.double() - 10, kind, 3, seeded())

    expected = corrupted(x.double(), kind, 3, seeded())
    torch.testing.assert_close(seen, 40 * expected - 10)


@pytest.mark.parametrize("kind", KINDS)
def test_channels_move_together_and_light_is_of_all_colors(kind):
    gray = images(4, 1, 16, 16).expand(4, 3, 16, 16)

    seen = corrupted(gray, kind, 4, seeded())

    same = seen[:, 0].equal(seen[:, 1]) and seen[:, 0].equal(seen[:, 2])
    assert same == (kind not in ("gaussian_noise", "shot_noise", "impulse_noise"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [0.0, -2.5, 1e30])
def test_inputs_that_do_not_differ_stay(kind, value):
    x = torch.full((3, 1, 6, 6), value)

    assert corrupted(x, kind, 5, seeded()).equal(x)


@pytest.mark.parametrize("kind", KINDS)
def test_no_inputs_are_corrupted_to_none(kind):
    assert corrupted(torch.zeros(0, 1, 8, 8), kind, 1, seeded()).shape == (0, 1, 8, 8)


@settings(deadline=None, max_examples=30)
@given(
    kind=st.sampled_from(EVERYWHERE),
    shape=st.sampled_from([(4,), (1,), (3, 5), (2, 3, 4, 5)]),
    scale=st.sampled_from([1e-30, 1.0, 1e30]),
)
def test_inputs_that_are_no_images_can_be_corrupted_too(kind, shape, scale):
    x = scale * torch.randn(40, *shape, generator=seeded())

    seen = corrupted(x, kind, 5, seeded())

    assert kinds_for(shape) == EVERYWHERE
    assert not seen.equal(x)
    assert x.min() <= seen.min() and seen.max() <= x.max()


def test_images_have_all_kinds():
    assert kinds_for((1, 8, 8)) == tuple(KINDS)
    assert KINDS.keys() >= set(EVERYWHERE)


def test_gaussian_noise_is_of_half_the_range_at_most():
    x = torch.tensor([0.0, 1.0, *[0.5] * 100_000])[:, None]

    seen = corrupted(x, "gaussian_noise", 1, seeded())

    assert (seen - x).std().item() == pytest.approx(0.1, rel=0.02)


def test_shot_noise_is_none_where_it_is_dark_and_as_in_counting_where_it_is_not():
    """Worked by hand: at severity 5 white is three photons, half as bright one and a half."""
    x = torch.tensor([0.0, 1.0, *[0.5] * 100_000, *[0.0] * 100])[:, None]

    seen = corrupted(x, "shot_noise", 5, seeded())

    assert not seen[-100:].any()
    shares = [(seen[2:-100] == value / 3).double().mean().item() for value in (0, 1)]
    expected = [math.exp(-1.5), 1.5 * math.exp(-1.5)]
    assert shares == pytest.approx(expected, abs=0.01)


def test_impulse_noise_turns_some_black_and_as_many_white():
    x = torch.tensor([0.0, 1.0, *[0.4] * 100_000])[:, None]

    seen = corrupted(x, "impulse_noise", 5, seeded())

    shares = [(seen == value).double().mean().item() for value in (0.0, 0.4, 1.0)]
    assert shares == pytest.approx([0.2, 0.6, 0.2], abs=0.01)


def test_brightness_adds_a_share_of_the_range():
    x = torch.tensor([[0.0, 10.0, 2.0, 6.0]])

    seen = corrupted(x, "brightness", 2, seeded())

    torch.testing.assert_close(seen, torch.tensor([[2.8, 10.0, 4.8, 8.8]]))


def test_a_blurred_spot_is_a_gaussian():
    x = spot(21)
    x[..., 0, 0] = 1.0  # so that the range stays

    seen = corrupted(x, "gaussian_blur", 5, seeded())[0, 0, 6:, 6:]

    place = np.arange(-4, 11)
    near = np.exp(-(place**2) / (2 * 2.1**2))
    near /= np.exp(-(np.arange(-10, 11) ** 2) / (2 * 2.1**2)).sum()
    np.testing.assert_allclose(seen, np.outer(near, near), atol=1e-3)


def test_blur_keeps_the_light():
    x = spot(31)

    for kind in ("gaussian_blur", "motion_blur"):
        assert corrupted(x, kind, 3, seeded()).sum().item() == pytest.approx(1, rel=0.02)


def test_motion_blurs_along_a_line():
    seen = corrupted(spot(41), "motion_blur", 5, seeded())[0, 0].double()

    down, right = torch.meshgrid(*[torch.arange(41.0).double() - 20] * 2, indexing="ij")
    weights = seen / seen.sum()
    spread = torch.tensor(
        [
            [(weights * right**2).sum(), (weights * right * down).sum()],
            [(weights * right * down).sum(), (weights * down**2).sum()],
        ]
    )
    short, long = torch.linalg.eigvalsh(spread).tolist()
    assert long > 20 * short


def test_translation_moves_all_by_the_same_way_and_turns_nothing():
    """Worked by hand: three fifths of half of 20 pixels."""
    x = torch.zeros(30, 1, 20, 20)
    x[..., 9:11, 9:11] = 1.0

    seen = corrupted(x, "translate", 5, seeded()).double()

    place = torch.arange(20).double() - 9.5
    total = seen.sum(dim=(1, 2, 3))
    right = (seen.sum(dim=(1, 2)) @ place) / total
    down = (seen.sum(dim=(1, 3)) @ place) / total
    assert torch.hypot(right, down).tolist() == pytest.approx([6.0] * 30, abs=0.05)
    assert len(right.unique()) == 30
    assert total.tolist() == pytest.approx([4.0] * 30, rel=0.02)


@pytest.mark.parametrize("shape", [(31, 31), (21, 41)])
def test_rotation_turns_by_sixty_degrees_at_most_and_keeps_lengths(shape):
    height, width = shape
    x = torch.zeros(20, 1, height, width)
    x[..., height // 2, width // 2 + 8] = 1.0

    seen = corrupted(x, "rotate", 5, seeded()).double()

    total = seen.sum(dim=(1, 2, 3))
    right = (seen.sum(dim=(1, 2)) @ (torch.arange(width).double() - width // 2)) / total
    down = (seen.sum(dim=(1, 3)) @ (torch.arange(height).double() - height // 2)) / total
    assert right.tolist() == pytest.approx([4.0] * 20, abs=0.1)
    assert down.abs().tolist() == pytest.approx([4 * 3**0.5] * 20, abs=0.1)
    assert (down > 0).any() and (down < 0).any()


def test_scaling_shrinks_towards_the_middle():
    """Worked by hand: to two fifths of its length and width."""
    x = torch.zeros(1, 1, 40, 40)
    x[..., 10:30, 10:30] = 1.0

    seen = corrupted(x, "scale", 5, seeded())[0, 0]

    assert seen[16:24, 16:24].min().item() > 0.9
    assert seen.sum().item() == pytest.approx(64, rel=0.03)


def test_shearing_slants_what_is_upright_and_keeps_the_rows():
    x = torch.zeros(20, 1, 41, 41)
    x[..., 16:25, 20] = 1.0

    seen = corrupted(x, "shear", 5, seeded()).double()

    rows_ = seen.sum(dim=3)[:, 0]
    middle = (seen[:, 0] @ (torch.arange(41).double() - 20)) / rows_.clamp(min=1e-9)
    slopes = (middle[:, 24] - middle[:, 16]) / 8
    assert rows_[:, 16:25].flatten().tolist() == pytest.approx([1.0] * 180, abs=0.01)
    assert slopes.abs().tolist() == pytest.approx([1.2] * 20, abs=0.02)
    assert (slopes > 0).any() and (slopes < 0).any()


def test_a_stripe_inverts_the_middle():
    """Worked by hand: at severity 5 the half of all columns, rows untouched."""
    x = torch.rand(2, 1, 4, 8, generator=seeded())
    x.view(-1)[:2] = torch.tensor([0.0, 1.0])

    seen = corrupted(x, "stripe", 5, seeded())

    torch.testing.assert_close(seen[..., 2:6], 1 - x[..., 2:6])
    torch.testing.assert_close(seen[..., [0, 1, 6, 7]], x[..., [0, 1, 6, 7]])


def test_fog_takes_the_contrast_and_is_not_everywhere_as_thick():
    x = torch.zeros(50, 1, 24, 24)
    x[..., 12:, :] = 1.0

    seen = corrupted(x, "fog", 5, seeded())

    dark = seen[..., :12, :].flatten(1)
    assert seen[..., 12:, :].min().item() == pytest.approx(1.0)
    assert dark.mean().item() == pytest.approx(0.6, abs=0.05)
    assert dark.std(dim=1).min().item() > 0.02
    near = (seen[..., :11, 1:] - seen[..., :11, :-1]).abs().mean()
    assert near.item() < 0.3 * dark.std().item()


def test_drops_cover_a_share_of_each_image_and_hang_together():
    x = torch.zeros(50, 1, 30, 30)
    x[:, :, 0, 0] = 1.0

    seen = corrupted(x, "spatter", 5, seeded())

    wet = (seen - 0.8).abs() < 1e-6
    assert wet.flatten(1).double().mean(dim=1).tolist() == pytest.approx([0.4] * 50, abs=0.01)
    assert (wet[..., 1:] == wet[..., :-1]).double().mean().item() > 0.75  # half, if they did not


@pytest.mark.parametrize("kind", ["dotted_line", "zigzag"])
def test_lines_are_white_and_reach_across_most_of_the_image(kind):
    x = 0.1 * torch.rand(100, 1, 30, 30, generator=seeded())
    x[:, :, 0, 0] = 1.0

    seen = corrupted(x, kind, 3, seeded())

    drawn = (seen == 1) & (x < 1)
    torch.testing.assert_close(seen[~drawn], x[~drawn])
    share = drawn.flatten(1).double().mean(dim=1)
    assert share.min() > 0.01 and share.max() < 0.4
    spans = torch.maximum(
        drawn.any(dim=3)[:, 0].double().sum(dim=1), drawn.any(dim=2)[:, 0].double().sum(dim=1)
    )
    assert spans.min().item() > 10


def test_a_dotted_line_has_gaps_and_a_zigzag_hardly_any():
    x = torch.zeros(100, 1, 60, 60)
    x[:, :, 0, 0] = 1.0
    dotted, zigzag = (corrupted(x, kind, 3, seeded()) == 1 for kind in ("dotted_line", "zigzag"))

    def gaps(seen):
        """Count, in each image, columns without the line between columns that have it."""
        has = seen[:, 0, 1:, 1:].any(dim=1)
        before, after = has.cummax(dim=1).values, has.flip(1).cummax(dim=1).values.flip(1)
        return (before & after & ~has).sum(dim=1)

    assert gaps(dotted).double().mean().item() > 8
    assert gaps(zigzag).double().mean().item() < 1  # where it leaves the image and comes back


@pytest.mark.parametrize(
    ("kind", "severity", "message"),
    [
        ("fog", 0, "severity of 1, 2, 3, 4 or 5, not 0"),
        ("fog", 6, "severity of 1, 2, 3, 4 or 5, not 6"),
        ("rain", 3, r"shape \(1, 8, 8\) can be corrupted by gaussian_noise, .*, not by 'rain'"),
    ],
)
def test_rejects(kind, severity, message):
    with pytest.raises(ConfigError, match=message):
        corrupted(torch.zeros(1, 1, 8, 8), kind, severity, seeded())


def test_rejects_what_only_images_can_suffer():
    with pytest.raises(ConfigError, match=r"shape \(5,\) can be corrupted .*, not by 'rotate'"):
        corrupted(torch.zeros(1, 5), "rotate", 1, seeded())

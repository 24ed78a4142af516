"""Augmentation of sound, against the features of sound that was changed, and against formulas.

Legend: C clips, F frames of a clip, T samples, n samples of a batch, B bands.
"""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from avsc.data import augment_audio, epoch_plan, sampler, triples
from avsc.data.augment_audio import SoundAugmentation, SoundDraws, sound_statistics
from avsc.data.batch import Mix
from avsc.recipe_augment import AugmentAudioRecipe
from avsc.signal.features import FeatureExtractor
from avsc.store.schema import FBankSettings, ScalogramSettings, StoreSettings

BANDS = 24
RNG = np.random.default_rng(3)
FRAMES = RNG.normal(-5, 2, (6, 9, 2, BANDS)).astype(np.float32)  # [C, F, 2, B]
STATISTICS = sound_statistics(FRAMES, np.full(6, 9))
CLIP = np.repeat(np.arange(6), 9)


def augmentation(**keys: Any) -> SoundAugmentation:
    return SoundAugmentation(AugmentAudioRecipe(**keys), FBankSettings(bands=BANDS), STATISTICS)


def draws(made: SoundAugmentation, clip: np.ndarray = CLIP, epoch: int = 0) -> SoundDraws:
    every = np.arange(len(clip))
    return made.draws(clip, every, every ^ 1, 7, epoch)


@pytest.mark.parametrize("spectrum", ["magnitude", "power"])
@pytest.mark.parametrize("feature", ["scalogram", "fbank"])
def test_polarity_and_gain_are_those_of_the_sound(feature: Any, spectrum: Any) -> None:
    settings = StoreSettings(
        features=(feature,),
        scalogram=ScalogramSettings(spectrum=spectrum),
        fbank=FBankSettings(spectrum=spectrum),
    )
    extractor, bank = FeatureExtractor(settings), settings.bank(feature)
    left, right = RNG.normal(0, 0.1, (2, 16_000)).astype(np.float32)
    stored = extractor.frames(np.stack([left, right]), feature)
    reversed_ear = extractor.frames(np.stack([left, -right]), feature)
    louder = extractor.frames(np.stack([left, right]) * np.float32(10 ** (4.5 / 20)), feature)
    recipe = AugmentAudioRecipe(gain_db=6.0)
    clip = np.zeros(len(stored), np.int64)
    made = SoundAugmentation(recipe, bank, sound_statistics(stored[None], np.array([len(stored)])))
    for part, swap, wanted in ((0.0, True, reversed_ear), (0.75, False, louder)):
        swaps = np.full(len(stored), swap)
        offset = augment_audio.offsets(np.full(len(stored), part), swaps, recipe, bank)
        drawn = SoundDraws(
            torch.from_numpy(clip), swap=torch.from_numpy(swaps), offset=torch.from_numpy(offset)
        )
        found = made.applied(torch.from_numpy(stored), drawn).numpy()
        np.testing.assert_allclose(found, wanted, atol=2e-3)
    # Left and right themselves cannot be told apart in what is stored.
    mirrored = extractor.frames(np.stack([right, left]), feature)
    np.testing.assert_allclose(mirrored, stored, atol=1e-5)


def test_no_gain_goes_under_the_floor_of_the_logarithm() -> None:
    made = augmentation(gain_db=60.0, swap=0.5)
    floor = math.log(made.bank.log_floor)
    silence = torch.full((len(CLIP), 2, BANDS), floor)
    found = made.applied(silence, draws(made))
    assert found.min() == pytest.approx(floor)
    assert found.max() > floor + 1


def test_gains_are_equally_likely_in_their_range_and_swaps_as_often_as_asked() -> None:
    made = augmentation(gain_db=6.0, swap=0.3)
    drawn = draws(made, np.zeros(20_000, np.int64))
    assert drawn.offset is not None
    assert drawn.swap is not None
    assert drawn.swap.float().mean() == pytest.approx(0.3, abs=0.02)
    apart = (drawn.offset[:, 1] - drawn.offset[:, 0]).numpy()
    np.testing.assert_allclose(apart, np.where(drawn.swap, 2 * math.log(2), 0), atol=1e-6)
    gain_db = drawn.offset.mean(dim=1).numpy() * 20 / math.log(10)
    assert stats.kstest(gain_db, stats.uniform(-6, 12).cdf).pvalue > 1e-3


def test_statistics_are_numpys_and_no_frame_behind_a_clips_end_counts() -> None:
    padded = FRAMES.copy()
    padded[2, 4:] = np.nan
    found = sound_statistics(padded, np.array([9, 9, 4, 9, 9, 9]))
    np.testing.assert_allclose(found.mean[2], FRAMES[2, :4].mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(found.std[2], FRAMES[2, :4].std(axis=0), rtol=1e-4)
    every = padded.reshape(-1, 2, BANDS)
    np.testing.assert_allclose(found.fold_mean, np.nanmean(every, axis=0), rtol=1e-5)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_restyled_clip_has_the_mixed_mean_and_deviation_of_every_band(share: float) -> None:
    one, other = FRAMES[1], FRAMES[4]
    found = augment_audio.restyled(
        torch.from_numpy(one),
        torch.full((9,), 1),
        torch.full((9,), 4),
        torch.full((9,), share),
        STATISTICS,
    ).numpy()
    mean = share * one.mean(axis=0) + (1 - share) * other.mean(axis=0)
    std = share * one.std(axis=0) + (1 - share) * other.std(axis=0)
    np.testing.assert_allclose(found.mean(axis=0), mean, rtol=1e-4)
    np.testing.assert_allclose(found.std(axis=0), std, rtol=1e-3)
    if share == 1:
        np.testing.assert_allclose(found, one, rtol=1e-5)


def test_styles_come_from_all_clips_as_often_as_asked() -> None:
    drawn = draws(augmentation(mixstyle=0.4), np.zeros(30_000, np.int64))
    assert drawn.style is not None
    other, share = (values.numpy() for values in drawn.style)
    assert np.bincount(other, minlength=6) / len(other) == pytest.approx(1 / 6, abs=0.02)
    assert (share < 1).mean() == pytest.approx(0.4, abs=0.02)
    beta = stats.beta(0.3, 0.3)
    assert stats.kstest(share[share < 1][:1000].astype(float), beta.cdf).pvalue > 1e-3


def test_a_mask_is_one_block_of_both_channels_and_holds_the_mean() -> None:
    made = augmentation(mask=0.5)
    audio = torch.from_numpy(FRAMES.reshape(-1, 2, BANDS))
    found = made.applied(audio, draws(made))
    changed = (found != audio).numpy()
    assert (changed[:, 0] == changed[:, 1]).all()
    mean = np.broadcast_to(STATISTICS.fold_mean.numpy(), found.shape)
    np.testing.assert_array_equal(found.numpy()[changed], mean[changed])
    edges = np.abs(np.diff(np.pad(changed[:, 0], ((0, 0), (1, 1))).astype(int), axis=1))
    assert set(edges.sum(axis=1)) == {0, 2}


def test_masks_have_every_width_and_place_and_none_beyond_the_share() -> None:
    drawn = draws(augmentation(mask=0.26), np.zeros(20_000, np.int64))
    assert drawn.mask is not None
    first, end = drawn.mask.numpy().T
    width = np.bincount(end - first)
    assert len(width) == 7  # 0 to 6 of 24 bands
    assert width / len(first) == pytest.approx(1 / 7, abs=0.02)
    assert (first.min(), end.max()) == (0, BANDS)


def test_shares_of_mixup_sum_to_one_and_the_sample_prevails() -> None:
    drawn = draws(augmentation(mixup=0.8, mixup_alpha=0.5), np.zeros(20_000, np.int64))
    assert drawn.mix is not None
    share = drawn.mix.share.numpy().astype(float)
    assert (share >= 0.5).all()
    assert (share <= 1).all()
    # P(max(s, 1 - s) < x) = 2 P(s < x) - 1 for a symmetric s.
    levels = 2 * stats.beta(0.5, 0.5).cdf(share[share < 1][:1000]) - 1
    assert stats.kstest(levels, "uniform").pvalue > 1e-3
    assert (share < 1).mean() == pytest.approx(0.8, abs=0.02)


def test_a_mix_is_the_weighted_sum_of_a_sample_and_its_partner() -> None:
    values = torch.randn(4, 2, 5)
    mix = Mix(torch.tensor([1, 0, 3, 2]), torch.tensor([1.0, 0.5, 0.75, 0.9]))
    wanted = np.stack(
        [s * values[i].numpy() + (1 - s) * values[p].numpy()
         for i, (p, s) in enumerate(zip(mix.partner.tolist(), mix.share.tolist(), strict=True))]
    )  # fmt: skip
    np.testing.assert_allclose(mix.of(values), wanted, rtol=1e-5, atol=1e-6)
    assert torch.equal(mix.of(values)[0], values[0])


@given(
    clips=st.integers(2, 9),
    size=st.integers(4, 23),
    world=st.integers(1, 4),
    shared=st.sampled_from([None, 1, 2]),
    epoch=st.integers(0, 3),
)
def test_partners_are_others_of_the_same_rank_and_batch_whatever_the_ranks(
    clips: int, size: int, world: int, shared: int | None, epoch: int
) -> None:
    every = triples.training_triples(np.arange(clips), np.arange(clips), 56)
    views = triples.views(every, shared)
    bounds = sampler.batch_bounds(len(views), max(size, 4 * world))
    plan = epoch_plan.epoch_plan(views, bounds, 5, epoch, paired=True)
    partner = epoch_plan.partners(plan)
    assert (plan.place[partner] != plan.place).all()
    if shared is None:
        assert (np.sort(partner) == np.arange(len(every))).all()
    seen = []
    for rank in range(world):
        for batch in plan.batches(0, rank, world):
            assert batch.images >= 2
            inside = partner[batch.part]
            assert (inside >= batch.part.start).all()
            assert (inside < batch.part.stop).all()
            seen.append(np.arange(len(every))[batch.part])
    assert (np.sort(np.concatenate(seen)) == np.arange(len(every))).all()


def test_turning_one_kind_on_leaves_the_draws_of_the_others() -> None:
    alone, together = (
        draws(augmentation(mask=0.3)),
        draws(augmentation(mask=0.3, gain_db=6.0, swap=0.5, mixup=1.0, mixstyle=1.0)),
    )
    assert alone.mask is not None
    assert together.mask is not None
    assert torch.equal(alone.mask, together.mask)
    assert (alone.mix, alone.style, alone.offset, alone.swap) == (None, None, None, None)


def test_draws_belong_to_seed_epoch_and_index_and_to_no_order() -> None:
    made = augmentation(mask=0.3, gain_db=6.0, mixup=1.0, mixstyle=1.0)
    order = RNG.permutation(len(CLIP))
    straight, shuffled = draws(made), made.draws(CLIP, order, np.arange(len(CLIP)), 7, 0)
    for one, other in (
        (straight.mask, shuffled.mask),
        (straight.offset, shuffled.offset),
        (straight.clip, shuffled.clip),
        (straight.style and straight.style[1], shuffled.style and shuffled.style[1]),
        (straight.mix and straight.mix.share, shuffled.mix and shuffled.mix.share),
    ):
        assert one is not None
        assert other is not None
        assert torch.equal(one[torch.from_numpy(order)], other)
    assert not torch.equal(draws(made, epoch=1).offset, straight.offset)  # type: ignore[arg-type]

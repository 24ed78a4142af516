"""Augmentation of stored sound: style, polarity, level, mixup and masked bands; none in the paper.

A frame is a logarithm of magnitudes (or of powers) of average and difference, so that all of it is
a few additions and multiplications of a batch, on its device:

- Style (Freq-MixStyle: Schmid et al., DCASE 2022, after Zhou et al., MixStyle, ICLR 2021). A
  frame x of a clip with the mean m and the deviation s in its channel and band becomes
  (x - m) / s * s' + m', where m' and s' are those of the clip and of another clip of the fold, in
  drawn shares. The authors take m and s over a sample's time and channels. A sample here is one
  frame, and average and difference differ by far in level; so they are over the time of its clip.
- Polarity. To exchange left and right changes nothing here: the average stays, the difference
  changes its sign, and magnitudes have none. What can be exchanged are average and difference: with
  R reversed, (L - R) / 2 is the new average and L + R the new difference. So the channels change
  places, and log 2 (for powers 2 log 2) is subtracted from one and added to the other.
- Level. A gain is an addition. Nothing falls under the floor of the logarithm.
- Mixup (Zhang et al., ICLR 2018), with one share for sound, embedding of the image and label, as
  the joint mixup of Wang et al. (arXiv:2203.04114) has it.
- Masked bands (SpecAugment: Park et al., Interspeech 2019), one block of both channels. The value
  behind is the mean of the training frames, which the acoustic encoder sees as 0.

Shape legend: T triples of an epoch, C clips of the fold, F frames of a clip, n triples of a batch
on this rank, 2 channels (average, difference), B bands.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avsc.data import rng
from avsc.data.batch import Mix
from avsc.recipe_augment import AugmentAudioRecipe
from avsc.signal.settings import BankSettings

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

_EPSILON = 1e-6  # added to variances, as the authors of MixStyle do
_CLIPS_AT_ONCE = 64
_DRAWS = 7


@dataclass(frozen=True)
class SoundStatistics:
    """What a fold's sound is like.

    Attributes:
        mean: Mean over each clip's frames, float32 [C, 2, B].
        std: Standard deviation over each clip's frames, float32 [C, 2, B].
        fold_mean: Mean over all frames, float32 [2, B].
    """

    mean: Tensor
    std: Tensor
    fold_mean: Tensor

    def to(self, device: torch.device | str) -> "SoundStatistics":
        """The same on a device."""
        return SoundStatistics(self.mean.to(device), self.std.to(device), self.fold_mean.to(device))


def sound_statistics(audio: Floats, frames: Ints) -> SoundStatistics:
    """The statistics of a fold's frames.

    Args:
        audio: Frames, [C, F, 2, B].
        frames: Number of frames of each clip, [C]; those behind it do not count.
    """
    mean = np.empty((len(audio), *audio.shape[2:]))
    std = np.empty_like(mean)
    for first in range(0, len(audio), _CLIPS_AT_ONCE):
        some = slice(first, first + _CLIPS_AT_ONCE)
        counts = frames[some, None, None]
        own = np.arange(audio.shape[1]) < frames[some, None]
        values = np.where(own[..., None, None], audio[some], 0).astype(np.float64)
        mean[some] = values.sum(axis=1) / counts
        apart = np.where(own[..., None, None], values - mean[some, None], 0)
        std[some] = np.sqrt(np.square(apart).sum(axis=1) / counts + _EPSILON)
    fold_mean = np.average(mean, axis=0, weights=frames)
    found = (torch.from_numpy(values.astype(np.float32)) for values in (mean, std, fold_mean))
    return SoundStatistics(*found)


@dataclass(frozen=True)
class SoundDraws:
    """What is done to the sound of each sample of an epoch or of a batch; None: nothing of a kind.

    Attributes:
        clip: Clip of each sample, int64 [T].
        style: Clip whose style is mixed in, int64 [T], and the share of the own style, float32
            [T].
        swap: Whether the polarity of one ear is reversed, bool [T].
        offset: Number that is added to each channel, float32 [T, 2].
        mix: Partner of each sample, and its own share.
        mask: First masked band and the one behind the last, int64 [T, 2].
    """

    clip: Tensor
    style: tuple[Tensor, Tensor] | None = None
    swap: Tensor | None = None
    offset: Tensor | None = None
    mix: Mix | None = None
    mask: Tensor | None = None

    def part(self, some: slice) -> "SoundDraws":
        """The draws of a batch's samples, whose partners are all among them."""
        style, mix = self.style, self.mix
        return SoundDraws(
            self.clip[some],
            None if style is None else (style[0][some], style[1][some]),
            None if self.swap is None else self.swap[some],
            None if self.offset is None else self.offset[some],
            None if mix is None else Mix(mix.partner[some] - some.start, mix.share[some]),
            None if self.mask is None else self.mask[some],
        )


@dataclass(frozen=True)
class SoundAugmentation:
    """A run's augmentation of sound.

    Attributes:
        recipe: Probabilities and ranges.
        bank: Settings of the feature's filter bank.
        statistics: Statistics of the training frames, on the device of the batches.
    """

    recipe: AugmentAudioRecipe
    bank: BankSettings
    statistics: SoundStatistics

    def draws(self, clip: Ints, index: Ints, partner: Ints, seed: int, epoch: int) -> SoundDraws:
        """What is done to each sample of an epoch, in its order; a function of seed and epoch.

        Args:
            clip: Clip of each triple, by its number, [T].
            index: Numbers of the triples in the epoch's order, [T].
            partner: Place in this order of each sample's partner in mixup, [T].
            seed: Seed of the run.
            epoch: Number of the epoch, from 0.
        """
        recipe, count = self.recipe, len(clip)
        table = rng.generator(seed, epoch, rng.Purpose.SOUND).random((count, _DRAWS))
        swaps, gains, styles, others, widths, starts, mixes = table[index].T
        clips, device = len(self.statistics.mean), self.statistics.mean.device
        found = SoundDraws(torch.from_numpy(clip[index]).to(device))
        swap = swaps < recipe.swap
        if recipe.swap:
            found = replace(found, swap=torch.from_numpy(swap).to(device))
        if recipe.swap or recipe.gain_db:
            offset = offsets(2 * gains - 1, swap, recipe, self.bank)
            found = replace(found, offset=torch.from_numpy(offset).to(device))
        if recipe.mixstyle:
            share = _shares(recipe.mixstyle_alpha, count, seed, epoch, rng.Purpose.MIXSTYLE)[index]
            share[styles >= recipe.mixstyle] = 1
            other = np.floor(others * clips).astype(np.int64)
            style = torch.from_numpy(other).to(device), torch.from_numpy(share).to(device)
            found = replace(found, style=style)
        if recipe.mask:
            mask = masks(widths, starts, self.bank.bands, recipe.mask)
            found = replace(found, mask=torch.from_numpy(mask).to(device))
        if recipe.mixup:
            share = _shares(recipe.mixup_alpha, count, seed, epoch, rng.Purpose.MIXUP)[index]
            share = np.maximum(share, 1 - share)  # a sample stays what it is for the greater part
            share[mixes >= recipe.mixup] = 1
            pairs = Mix(torch.from_numpy(partner).to(device), torch.from_numpy(share).to(device))
            found = replace(found, mix=pairs)
        return found

    def applied(self, audio: Tensor, draws: SoundDraws) -> Tensor:
        """A batch's augmented frames, [n, 2, B] as the store has them.

        Args:
            audio: Frames, [n, 2, B].
            draws: Draws of the batch's samples.
        """
        if draws.style is not None:
            audio = restyled(audio, draws.clip, *draws.style, self.statistics)
        if draws.swap is not None:
            audio = torch.where(draws.swap[:, None, None], audio.flip(1), audio)
        if draws.offset is not None:
            audio = audio + draws.offset[:, :, None]
        if draws.style is not None or draws.offset is not None:
            audio = audio.clamp(min=math.log(self.bank.log_floor))
        if draws.mix is not None:
            audio = draws.mix.of(audio)
        if draws.mask is not None:
            band = torch.arange(audio.shape[2], device=audio.device)
            masked = (band >= draws.mask[:, :1]) & (band < draws.mask[:, 1:])  # [n, B]
            audio = torch.where(masked[:, None], self.statistics.fold_mean, audio)
        return audio


def restyled(
    audio: Tensor, clip: Tensor, other: Tensor, share: Tensor, statistics: SoundStatistics
) -> Tensor:
    """Frames with mixed means and deviations, [n, 2, B].

    Args:
        audio: Frames, [n, 2, B].
        clip: Clip of each frame, [n].
        other: Clip whose statistics are mixed in, [n].
        share: Share of the own statistics, [n].
        statistics: Statistics of all clips.
    """
    own = share[:, None, None]
    mean, std = statistics.mean[clip], statistics.std[clip]
    new_mean = torch.lerp(statistics.mean[other], mean, own)
    new_std = torch.lerp(statistics.std[other], std, own)
    return (audio - mean) / std * new_std + new_mean


def offsets(
    uniform: NDArray[np.float64],
    swap: NDArray[np.bool_],
    recipe: AugmentAudioRecipe,
    bank: BankSettings,
) -> Floats:
    """What gain and reversed polarity add to average and difference, [n, 2].

    Args:
        uniform: Gain of each sample as a part of the largest, in [-1, 1), [n].
        swap: Whether the polarity of one ear is reversed, [n].
        recipe: Largest gain.
        bank: Settings of the feature's filter bank.
    """
    power = 2 if bank.spectrum == "power" else 1
    gain = power * math.log(10) / 20 * recipe.gain_db * uniform
    halved = power * math.log(2) * swap
    return np.stack([gain - halved, gain + halved], axis=1).astype(np.float32)


def masks(
    widths: NDArray[np.float64], starts: NDArray[np.float64], bands: int, largest: float
) -> Ints:
    """First masked band and the one behind the last of each sample, [n, 2].

    All widths from 0 to the largest are equally likely, and all places of each.

    Args:
        widths: Uniform draw of each sample's width, [n].
        starts: Uniform draw of each sample's place, [n].
        bands: Number of bands B.
        largest: Largest share of the bands that is masked.
    """
    width = np.floor(widths * (math.floor(largest * bands) + 1)).astype(np.int64)
    first = np.floor(starts * (bands - width + 1)).astype(np.int64)
    return np.stack([first, first + width], axis=1)


def _shares(alpha: float, count: int, seed: int, epoch: int, purpose: rng.Purpose) -> Floats:
    drawn = rng.generator(seed, epoch, purpose).beta(alpha, alpha, count)
    return np.asarray(drawn, np.float32)

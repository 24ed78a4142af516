"""A clip of a store as a figure: its features side by side, its pictures below.

Shape legend: F frames, 2 channels (average, difference), B bands.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from avsc import files, timebase
from avsc.errors import AvscError
from avsc.media import jpeg
from avsc.signal import mel, morlet
from avsc.store.reader import Store
from avsc.store.schema import Feature, Status, StoreSettings

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

TICKS_HZ = (6400, 3200, 1600, 800, 400, 200, 100, 50, 10)
TICK_DISTANCE = 1 / 30  # of the axis, at least
TITLES = {"scalogram": "scalogram (Morlet wavelets)", "fbank": "FBank (mel filters)"}
CHANNELS = ("average (L+R)/2", "difference L-R")


def plot_clip(path: Path | str, clip: str, out: Path) -> None:
    """Draws one clip of a store.

    Args:
        path: Folder or address of the store.
        clip: Id of the clip.
        out: Path of the figure, a ``.png``, ``.pdf`` or ``.svg`` file.

    Raises:
        AvscError: The clip is not in the store or is quarantined, or ``out`` has another ending.
    """
    if out.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise AvscError(f"--out {out}", "a .png, .pdf or .svg file", "change the ending")
    store = Store.open(path, complete=False)
    row = _row(store, clip)
    figure = _figure(store, row)
    with files.write_aside(out) as file:
        figure.savefig(file, format=out.suffix[1:].lower(), dpi=130)


def centres_hz(settings: StoreSettings, feature: Feature) -> NDArray[np.float64]:
    """The centre frequencies of the bands in Hz, in the order of the store, [B]."""
    if feature == "scalogram":
        bank = settings.scalogram
        return morlet.centres(bank.t, bank.q) / (2 * np.pi) * timebase.SAMPLE_RATE_HZ
    return mel.corners_hz(settings.fbank)[1:-1]


def _row(store: Store, clip: str) -> int:
    rows = {stored.id: row for row, stored in enumerate(store.clips)}
    if clip not in rows:
        raise AvscError(
            f"{store.place} has no clip {clip}",
            f"one of its {len(rows)} clips, such as {store.clips[0].id}",
            f"see {store.place}/clips.csv",
        )
    if store.status()[rows[clip]] == Status.QUARANTINED:
        raise AvscError(f"clip {clip} is quarantined: {store.reasons()[clip]}", "a good clip")
    return rows[clip]


def _figure(store: Store, row: int) -> "Figure":
    from matplotlib.figure import Figure

    clip, settings = store.clips[row], store.settings
    features = settings.features
    figure = Figure(figsize=(6.5 * max(len(features), 2), 9.2), layout="constrained")
    audio, images = figure.subfigures(2, 1, squeeze=False, height_ratios=(5, 1))[:, 0]
    seconds = int(store.seconds([row])[0])
    title = [clip.id, *filter(None, [clip.scene, clip.city, clip.fold])]
    figure.suptitle(" · ".join(dict.fromkeys(title)), fontsize=14)
    axes = audio.subplots(2, len(features), squeeze=False, sharex=True)
    for column, feature in enumerate(features):
        values = store.audio(feature, [row])[0][: store.frames([row])[0]]  # [F, 2, B]
        _draw_feature(audio, axes[:, column], values, settings, feature)
        axes[-1, column].set_xlim(0, seconds)
        axes[-1, column].set_xticks(range(0, seconds + 1, 1 + seconds // 20))
    image_axes = images.subplots(1, seconds, squeeze=False)[0]
    pts_s = store.pts_s([row])[0]
    for second, axes_of_second in enumerate(image_axes):
        axes_of_second.imshow(jpeg.decode(store.jpeg(row, second)))
        axes_of_second.set_title(f"second {second}, at {pts_s[second]:.2f} s", fontsize=8)
        axes_of_second.set_axis_off()
    return figure


def _draw_feature(
    figure: "SubFigure",
    axes: "NDArray[np.object_]",
    values: NDArray[np.float32],
    settings: StoreSettings,
    feature: Feature,
) -> None:
    hz = centres_hz(settings, feature)
    rising = values if hz[0] < hz[-1] else values[:, :, ::-1]
    low, high = np.percentile(values, [1, 99.8])
    half_hop_s = timebase.HOP / timebase.SAMPLE_RATE_HZ / 2
    centres_s = timebase.frame_centres_s(len(values))
    extent = (centres_s[0] - half_hop_s, centres_s[-1] + half_hop_s, -0.5, len(hz) - 0.5)
    drawn = [
        plane.imshow(
            rising[:, channel].T,
            origin="lower",
            aspect="auto",
            interpolation="nearest",
            cmap="magma",
            extent=extent,
            vmin=low,
            vmax=high,
        )
        for channel, plane in enumerate(axes)
    ]
    for plane, channel_name in zip(axes, CHANNELS, strict=True):
        _label(plane, np.sort(hz), f"{channel_name}\nfrequency (Hz)")
    axes[0].set_title(f"{TITLES[feature]}, {len(hz)} bands")
    axes[-1].set_xlabel("time (s)")
    label = f"ln({settings.bank(feature).spectrum} in the band)"
    figure.colorbar(drawn[0], ax=list(axes), label=label, pad=0.01, aspect=40)


def _label(axes: "Axes", rising_hz: NDArray[np.float64], name: str) -> None:
    """Ticks at round frequencies; the axis itself counts the bands, which the network gets."""
    bands: dict[int, float] = {}
    for hz in TICKS_HZ:
        band = float(np.interp(hz, rising_hz, np.arange(len(rising_hz)), left=np.nan, right=np.nan))
        distance = min((abs(band - other) for other in bands.values()), default=np.inf)
        if distance > TICK_DISTANCE * len(rising_hz):  # false for a frequency beyond the bands
            bands[hz] = band
    axes.set_yticks(list(bands.values()), [str(hz) for hz in bands])
    axes.set_ylabel(name)

"""The decoded training fold kept in memory, on the device or the host (``train.cache``).

Images are kept by size, those of one size in one tensor, so that a fold of mixed sizes needs no
padding. Shape legend: C clips of the fold, S seconds of a clip, N images of one size H x W.
"""

import os
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avsc import console
from avsc.data import augment_gpu, image_source
from avsc.data.augment import Augmentations
from avsc.data.image_source import ImageSource, Pixels
from avsc.errors import AvscError

Kind = Literal["device", "host", "none"]
Ints = NDArray[np.int64]
ResultT = TypeVar("ResultT")

DEVICE_RESERVE = 16 * 10**9  # bytes left to the models, their activations and the audio
HOST_RESERVE = 4 * 10**9  # bytes left to everything else


def choose(
    requested: Literal["auto", "device", "host", "none"],
    needed: int,
    device_room: int | None,
    host_room: int,
) -> tuple[Kind, str]:
    """Where the decoded fold is kept, and the line that says so.

    Args:
        requested: ``train.cache``.
        needed: Bytes of the decoded fold.
        device_room: Bytes it may take on the GPU; None without a GPU.
        host_room: Bytes it may take on the host.

    Raises:
        AvscError: It was asked for where it does not fit.
    """
    rooms: dict[Kind, int | None] = {"device": device_room, "host": host_room}
    budget = f"{console.byte_size(needed)} decoded, room for " + ", ".join(
        f"{console.byte_size(max(room, 0))} on the {kind}"
        for kind, room in rooms.items()
        if room is not None
    )
    fitting: list[Kind] = [k for k, room in rooms.items() if room is not None and needed <= room]
    if requested == "auto":
        kind: Kind = fitting[0] if fitting else "none"
    elif requested == "none" or requested in fitting:
        kind = requested
    elif requested == "device" and device_room is None and needed <= host_room:
        kind = "device"  # the host is the device: slow, but the same path
    else:
        raise AvscError(
            f"train.cache = {requested!r}, and the training images do not fit: {budget}",
            "a fold that fits",
            "--set train.cache=auto takes what fits, and none if nothing does",
        )
    return kind, f"image cache: {kind} ({budget})"


@dataclass(frozen=True)
class HostImages:
    """Decoded images in host memory; an image source like the store itself."""

    groups: list[Tensor]  # uint8 [N, H, W, 3] each
    sizes: Ints  # [C, S, 2]
    group: Ints  # [C, S] which group an image is in
    slot: Ints  # [C, S] where in its group

    def fetch(self, clip: int, second: int) -> Pixels:
        """The image's pixels, [H, W, 3]: a view."""
        pixels: Pixels = self.groups[self.group[clip, second]][self.slot[clip, second]].numpy()
        return pixels

    def name(self, clip: int, second: int) -> str:
        """Where the image is; it was decoded already, so that no message needs it."""
        return f"image {second} of the fold's clip {clip}"


@dataclass(frozen=True)
class DeviceImages(HostImages):
    """Decoded images in the device's memory."""

    def crop_resize(self, clip: Ints, second: Ints, todo: Augmentations, side: int) -> Tensor:
        """Crops and scales a batch where it lies: uint8 [n, Z, Z, 3] on the device."""
        group, slot = self.group[clip, second], self.slot[clip, second]
        device = self.groups[0].device
        if len(self.groups) == 1:
            picked = self.groups[0][torch.from_numpy(slot).to(device)]
            return augment_gpu.crop_resize(picked, todo, side)
        out = torch.empty((len(clip), side, side, 3), dtype=torch.uint8, device=device)
        for number in np.unique(group):
            of = np.flatnonzero(group == number)
            picked = self.groups[number][torch.from_numpy(slot[of]).to(device)]
            part = Augmentations(todo.box[of], todo.flip[of], todo.colour[of])
            out[torch.from_numpy(of).to(device)] = augment_gpu.crop_resize(picked, part, side)
        return out


def measure(source: ImageSource, clips: int, seconds: int, threads: int) -> Ints:
    """(H, W) of every image of a fold from their headers, [C, S, 2].

    Raises:
        AvscError: An image is damaged; its clip and second are named.
    """

    def of(clip: int) -> list[tuple[int, int]]:
        where = [(clip, second) for second in range(seconds)]
        return [image_source.size_of(source, *place, source.fetch(*place)) for place in where]

    with closing(_in_threads(of, clips, threads)) as sizes:
        return np.array(list(sizes), np.int64).reshape(clips, seconds, 2)


def decoded_bytes(sizes: Ints) -> int:
    """What a fold of these sizes, [C, S, 2], takes decoded."""
    return 3 * sum(h * w for h, w in sizes.reshape(-1, 2).tolist())


def load(
    source: ImageSource, sizes: Ints, device: torch.device | str | None, threads: int
) -> HostImages | DeviceImages:
    """Decodes a fold once.

    Args:
        source: The images as they are kept.
        sizes: What ``measure`` found, [C, S, 2].
        device: Where they shall lie; None for the host.
        threads: That decode.

    Raises:
        AvscError: An image cannot be decoded; its clip and second are named.
    """
    clips, seconds = sizes.shape[:2]
    kinds, group = np.unique(sizes.reshape(-1, 2), axis=0, return_inverse=True)
    group = group.reshape(-1)
    slot = np.empty(len(group), np.int64)
    groups = []
    for number, (height, width) in enumerate(kinds.tolist()):
        members = np.flatnonzero(group == number)
        slot[members] = np.arange(len(members))
        shape = (len(members), height, width, 3)
        groups.append(torch.empty(shape, dtype=torch.uint8, device=device or "cpu"))
    kept = (HostImages if device is None else DeviceImages)(
        groups, sizes, group.reshape(clips, seconds), slot.reshape(clips, seconds)
    )
    with (
        console.progress("decode images", clips * seconds, "images") as line,
        closing(_decoded(source, kept, threads)) as counts,
    ):
        for count in counts:
            line.advance(count)
    return kept


def _decoded(source: ImageSource, kept: HostImages, threads: int) -> Generator[int]:
    """Fills ``kept`` clip by clip; yields how many images each clip had."""
    seconds = len(kept.sizes[0])

    def decode(clip: int) -> int:
        for second in range(seconds):
            pixels = image_source.decoded(source, clip, second, source.fetch(clip, second))
            place = kept.groups[kept.group[clip, second]][kept.slot[clip, second]]
            place.copy_(torch.from_numpy(pixels))
        return seconds

    yield from _in_threads(decode, len(kept.sizes), threads)


def _in_threads(
    work: Callable[[int], ResultT], count: int, threads: int
) -> Generator[ResultT, None, None]:
    """``work`` of every number below ``count``, in order; none is begun after the end."""
    pool = ThreadPoolExecutor(threads, thread_name_prefix="avsc-images")
    try:
        yield from pool.map(work, range(count))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def host_room(meminfo: Path = Path("/proc/meminfo"), cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes of host memory free by the kernel and by the cgroup, less a reserve.

    Processes that torchrun started on this machine share it evenly.
    """
    room = _values(meminfo).get("MemAvailable:", 0) * 1024
    for folder, limit, used, cached in (
        (cgroup, "memory.max", "memory.current", "inactive_file"),
        (
            cgroup / "memory",
            "memory.limit_in_bytes",
            "memory.usage_in_bytes",
            "total_inactive_file",
        ),
    ):
        most, taken = _lines(folder / limit), _lines(folder / used)
        if most and taken and most[0].isdigit():
            # Cached files count as used in a cgroup, though they give way.
            given_back = _values(folder / "memory.stat").get(cached, 0)
            room = min(room, int(most[0]) - int(taken[0]) + given_back)
    return (room - HOST_RESERVE) // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def _values(path: Path) -> dict[str, int]:
    """The numbers of a file with a name and a number in every line."""
    fields = (line.split() for line in _lines(path))
    return {field[0]: int(field[1]) for field in fields if len(field) > 1 and field[1].isdigit()}


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").splitlines()
    except OSError:
        return []  # no Linux, or no such limit


def device_room(device: torch.device) -> int | None:
    """Bytes of GPU memory that may be taken, less a reserve; None where there is no GPU."""
    if device.type != "cuda":
        return None
    free: int = torch.cuda.mem_get_info(device)[0]
    return free - DEVICE_RESERVE

"""The decoded training fold in memory, on the device or the host (``train.cache``).

Images of one size share one tensor, so that a fold of mixed sizes needs no padding.
Shape legend: C clips of the fold, S seconds of a clip, N images of one size H x W.
"""

import os
import re
from collections.abc import Callable, Generator, Iterator
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
from avsc.recipe_sections import TrainRecipe

Kind = Literal["device", "host", "none"]
Ints = NDArray[np.int64]
ResultT = TypeVar("ResultT")

# Files of a control group's memory limit, its use and cached files, by the controller's name in
# /proc/self/cgroup: version 2 has no name.
_CGROUP_FILES = {
    "": ("memory.max", "memory.current", "inactive_file"),
    "memory": ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}

DEVICE_RESERVE = 16 * 10**9  # bytes left to the models, their activations and the audio
HOST_RESERVE = 4 * 10**9  # bytes left to everything else


def cached(
    stored: ImageSource,
    shape: tuple[int, int],
    recipe: TrainRecipe,
    *,
    device: torch.device,
    threads: int,
    say: Callable[[str], None],
) -> ImageSource:
    """The images of a fold in the place that ``train.cache`` names.

    Args:
        stored: The images as they are stored.
        shape: Number of clips and of seconds of a clip, (C, S).
        recipe: Its ``cache`` and ``deterministic`` count.
        device: Device of the training.
        threads: Number of decoding threads.
        say: Function that prints the chosen place and the budget.

    Raises:
        AvscError: The fold does not fit where the recipe wants it, or an image is damaged.
    """
    if recipe.cache == "none":
        return stored
    sizes = measure(stored, *shape, threads)
    # The device rounds otherwise than OpenCV, so free memory must not decide between them where
    # runs shall be bit-equal; images on the host have the same bits as stored ones.
    fixed = recipe.deterministic and recipe.cache == "auto"
    room = None if fixed else device_room(device)
    kind, line = choose(recipe.cache, decoded_bytes(sizes), room, host_room())
    say(line)
    if kind == "none":
        return stored
    return load(stored, sizes, device if kind == "device" else None, threads)


def choose(
    requested: Literal["auto", "device", "host", "none"],
    needed: int,
    device_room: int | None,
    host_room: int,
    what: str = "image cache",
) -> tuple[Kind, str]:
    """Chooses where the decoded fold, or a bank of its views, is kept.

    Args:
        requested: The recipe's ``train.cache``.
        needed: Size in bytes.
        device_room: Number of bytes that may be taken on the GPU; None without a GPU.
        host_room: Number of bytes that may be taken on the host.
        what: Name of what is kept.

    Returns:
        The place, and a line for the user that names it and the budget.

    Raises:
        AvscError: The fold does not fit where the recipe wants it.
    """
    rooms: dict[Kind, int | None] = {"device": device_room, "host": host_room}
    budget = f"{console.byte_size(needed)}, room for " + ", ".join(
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
        kind = "device"  # the host is the device: slow, but correct
    else:
        raise AvscError(
            f"train.cache = {requested!r}, and it does not fit ({what}): {budget}",
            "training images, or views of them, that fit",
            "--set train.cache=auto takes what fits, and none if nothing does",
        )
    return kind, f"{what}: {kind} ({budget})"


@dataclass(frozen=True)
class HostImages:
    """Decoded images in host memory: an image source.

    Attributes:
        groups: The images of each size, uint8 [N, H, W, 3].
        sizes: Height and width of every image, [C, S, 2].
        group: Number of every image's group, [C, S].
        slot: Position of every image in its group, [C, S].
    """

    groups: list[Tensor]
    sizes: Ints
    group: Ints
    slot: Ints

    def fetch(self, clip: int, second: int) -> Pixels:
        """The image's pixels, [H, W, 3]: a view."""
        pixels: Pixels = self.groups[self.group[clip, second]][self.slot[clip, second]].numpy()
        return pixels

    def name(self, clip: int, second: int) -> str:
        """The image's place in the fold."""
        return f"image {second} of the fold's clip {clip}"


@dataclass(frozen=True)
class DeviceImages(HostImages):
    """Decoded images in the device's memory."""

    def crop_resize(self, clip: Ints, second: Ints, todo: Augmentations, side: int) -> Tensor:
        """Crops and scales a batch of images on the device: uint8 [n, Z, Z, 3]."""
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
    """Reads (H, W) of every image of a fold from the headers, [C, S, 2].

    Args:
        source: The images as they are stored.
        clips: Number of clips of the fold.
        seconds: Number of images of a clip.
        threads: Number of reading threads.

    Raises:
        AvscError: An image is damaged; its clip and second are named.
    """

    def of(clip: int) -> list[tuple[int, int]]:
        where = [(clip, second) for second in range(seconds)]
        return [image_source.size_of(source, *place, source.fetch(*place)) for place in where]

    with closing(_in_threads(of, clips, threads)) as sizes:
        return np.array(list(sizes), np.int64).reshape(clips, seconds, 2)


def decoded_bytes(sizes: Ints) -> int:
    """Number of bytes of a decoded fold whose images have these sizes, [C, S, 2]."""
    return 3 * sum(h * w for h, w in sizes.reshape(-1, 2).tolist())


def load(
    source: ImageSource, sizes: Ints, device: torch.device | str | None, threads: int
) -> HostImages | DeviceImages:
    """Decodes a fold once.

    Args:
        source: The images as they are stored.
        sizes: The result of ``measure``, [C, S, 2].
        device: Where the decoded images are kept; None for the host.
        threads: Number of decoding threads.

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
    """Yields ``work`` of every number below ``count`` in order; closing it cancels the rest."""
    pool = ThreadPoolExecutor(threads, thread_name_prefix="avsc-images")
    try:
        yield from pool.map(work, range(count))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def host_room(cgroups: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self")) -> int:
    """Bytes of host memory that may be taken, less a reserve.

    That is what the kernel calls available, or less where a batch system or a container sets a
    limit. Processes that torchrun started on this machine share it evenly.

    Args:
        cgroups: Folder where the control groups are mounted.
        own: Folder of this process in ``/proc``.
    """
    import psutil

    room = min([int(psutil.virtual_memory().available), *_cgroup_rooms(cgroups, own / "cgroup")])
    return (room - HOST_RESERVE) // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def _cgroup_rooms(cgroups: Path, membership: Path) -> Iterator[int]:
    """The free bytes under each limit of this process's control groups and their parents."""
    for line in _text(membership).splitlines():
        _, controllers, group = line.split(":", 2)
        if controllers not in _CGROUP_FILES:
            continue
        root, (most, used, cached) = cgroups / controllers, _CGROUP_FILES[controllers]
        folder = root / group.lstrip("/")
        while folder.is_relative_to(root):
            limit, taken = _text(folder / most).strip(), _text(folder / used).strip()
            if limit.isdigit() and taken.isdigit():
                # Cached files count as used there, though the kernel takes their memory back.
                found = re.search(rf"^{cached} (\d+)$", _text(folder / "memory.stat"), re.MULTILINE)
                yield int(limit) - int(taken) + (int(found[1]) if found else 0)
            folder = folder.parent


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError:
        return ""  # there is no such limit, or this is not Linux


def device_room(device: torch.device) -> int | None:
    """Number of bytes of GPU memory that may be taken, less a reserve; None without a GPU."""
    if device.type != "cuda":
        return None
    free: int = torch.cuda.mem_get_info(device)[0]
    return free - DEVICE_RESERVE

"""One partition: each of its clips read, computed and written, in order.

A clip that cannot be used is quarantined with its reason and the others go on. What is wrong with
the machine rather than with a clip (no room, no memory, a lost file server) ends the work, so that
a bad night does not pass for bad clips.
"""

import errno
from collections.abc import Mapping
from pathlib import Path

from avsc import timebase
from avsc.errors import AvscError
from avsc.media import jpeg
from avsc.media.audio import read_stereo
from avsc.media.video import read_pictures
from avsc.prepare.cleanup import sweep_partitions
from avsc.prepare.events import ClipBegun, ClipDone, Events, PartitionDone
from avsc.signal.features import FeatureExtractor
from avsc.store.clips import StoredClip
from avsc.store.location import Location, read_attributes, read_clips
from avsc.store.schema import StoreSettings, partition_range
from avsc.store.write import ClipData, PartitionWriter, write_partition

_MACHINE = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EIO,
    errno.ESTALE,
    errno.ENOMEM,
    errno.EMFILE,
    errno.ENFILE,
}


class Preparer:
    """Prepares partitions of one store; made once a process, for the filter banks it builds.

    Args:
        dataset: The data set's root, which the clips' paths are relative to.
        store: A store that has been created.
    """

    def __init__(self, dataset: Path, store: Path) -> None:
        self._dataset = dataset
        self._path = store
        attributes = read_attributes(Location(str(store)))
        self._settings = attributes.settings
        self._clips = read_clips(Location(str(store)), attributes)
        self._extractor = FeatureExtractor(self._settings)

    def steps(self, partition: int, banned: Mapping[str, str]) -> Events:
        """Prepares a partition, and yields at each step; it is in the store at the last.

        Args:
            partition: Which one.
            banned: Clips to quarantine without looking at them, with their reasons.

        Raises:
            AvscError: The store cannot be written to.
        """
        count = len(self._clips)
        sweep_partitions(self._path, count, self._settings, [partition])
        with write_partition(self._path, count, self._settings, partition) as writer:
            for row in partition_range(partition, count, self._settings):
                clip = self._clips[row]
                yield ClipBegun(clip.id)
                reason = banned.get(clip.id) or self._write(writer, row, clip)
                if reason:
                    writer.quarantine(row, reason)
                yield ClipDone(clip.id, reason)
        yield PartitionDone(partition)

    def _write(self, writer: PartitionWriter, row: int, clip: StoredClip) -> str:
        """Writes a clip if it is good; otherwise the reason why not."""
        try:
            writer.add(row, prepare_clip(self._dataset, clip, self._settings, self._extractor))
        except AvscError as error:
            return error.one_line()
        except Exception as error:
            if isinstance(error, MemoryError) or getattr(error, "errno", None) in _MACHINE:
                error.add_note(f"while preparing clip {clip.id}")
                raise
            return f"unexpected {type(error).__name__}: {error}"
        return ""


def prepare_clip(
    dataset: Path, clip: StoredClip, settings: StoreSettings, extractor: FeatureExtractor
) -> ClipData:
    """Reads and computes one clip.

    Raises:
        BadClipError: Its sound or picture cannot be used.
    """
    stereo = read_stereo(dataset / clip.audio, settings.clip_seconds, settings.mono)
    features = extractor.clip(stereo)
    jpegs, pts_s = [], []
    times_s = timebase.image_times_s(settings.clip_seconds)
    for picture in read_pictures(dataset / clip.video, times_s.tolist(), settings.image):
        image = settings.image
        jpegs.append(jpeg.encode(picture.rgb, image.short_side, image.jpeg_quality))
        pts_s.append(picture.pts_s)
    return ClipData(
        audio={name: both.clip for name, both in features.items()},
        segments={name: both.segments for name, both in features.items()},
        jpegs=jpegs,
        pts_s=pts_s,
    )

"""Small test videos, made with PyAV, whose pictures carry their own number.

Every frame has its number as ten black or white blocks along the top, so that a test can tell
which frame a decoded picture is, whatever the codec did to it.
"""

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from numpy.typing import NDArray

NTSC = Fraction(30000, 1001)
CODE_BITS = 10


@lru_cache(maxsize=1000)
def numbered_picture(number: int, height: int = 96, width: int = 160) -> NDArray[np.uint8]:
    """A textured picture that moves with its number and carries it, uint8 [H, W, 3]."""
    rows, columns = np.mgrid[:height, :width]
    waves = np.sin((columns + 3 * number) / 9.0) + np.sin((rows - 2 * number) / 7.0)
    grain = np.random.default_rng(number).normal(0, 4, (height, width))
    grey = 128 + 40 * waves + grain
    picture = np.stack([grey, grey * 0.8 + 20, 255 - grey], axis=-1)
    block_h, block_w = height // 6, width // CODE_BITS
    for bit in range(CODE_BITS):
        value = 255 if number >> bit & 1 else 0
        picture[:block_h, bit * block_w : (bit + 1) * block_w] = value
    return np.asarray(np.clip(picture, 0, 255), np.uint8)


def number_of(picture: NDArray[np.uint8]) -> int:
    """The number that a picture carries."""
    height, width = picture.shape[:2]
    block_h, block_w = height // 6, width // CODE_BITS
    code = 0
    for bit in range(CODE_BITS):
        block = picture[block_h // 4 : 3 * block_h // 4, bit * block_w : (bit + 1) * block_w]
        code |= int(block[:, block_w // 4 : 3 * block_w // 4].mean() > 127) << bit
    return code


def write_video(
    path: Path,
    frames: int | Sequence[int] = 300,
    *,
    rate: Fraction = NTSC,
    size: tuple[int, int] = (96, 160),
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    start_ticks: int = 0,
) -> Path:
    """Writes numbered pictures as a video.

    Args:
        path: Where to; the suffix decides the container.
        frames: How many, one a frame period; or the period at which each is shown (a variable
            frame rate).
        rate: Frame periods a second.
        size: (H, W).
        codec: FFmpeg's name of the encoder.
        pix_fmt: FFmpeg's name of the pixel format.
        options: The encoder's; x264's defaults are a keyframe every 250 frames and three B-frames.
        container_options: The multiplexer's.
        start_ticks: Frame periods by which everything is late.
    """
    shown_at = range(frames) if isinstance(frames, int) else frames
    with av.open(str(path), "w", container_options=container_options or {}) as container:
        stream = _add_stream(container, rate, size, codec, pix_fmt, options or {})
        _mux_numbered(container, stream, rate, [start_ticks + ticks for ticks in shown_at])
    return path


def write_two_videos(
    path: Path, sizes: Sequence[tuple[int, int]], frames: Sequence[Sequence[int]] = (range(30),) * 2
) -> Path:
    """Writes a file with a video stream of each size, and the periods at which each shows one."""
    with av.open(str(path), "w") as container:
        streams = [_add_stream(container, NTSC, size, "mpeg4", "yuv420p", {}) for size in sizes]
        for stream, shown_at in zip(streams, frames, strict=True):
            _mux_numbered(container, stream, NTSC, shown_at)
    return path


def rewrite_packets(
    source: Path, target: Path, change: "Callable[[av.Packet[av.VideoStream]], bytes]"
) -> Path:
    """Copies a video packet by packet, each with the bytes that ``change`` gives of it."""
    with av.open(str(source)) as original, av.open(str(target), "w") as copy:
        stream = copy.add_stream_from_template(original.streams.video[0])
        for packet in original.demux(video=0):
            if packet.size:
                changed = av.Packet(change(packet))
                changed.pts, changed.dts, changed.time_base = (
                    packet.pts,
                    packet.dts,
                    packet.time_base,
                )
                changed.duration, changed.is_keyframe = packet.duration or 0, packet.is_keyframe
                changed.stream = stream
                copy.mux(changed)
    return target


def write_fields(source: Path, target: Path, *, joined: bool) -> Path:
    """Copies a field-coded video whose packets are one field each, of which every other has a time.

    Args:
        source: The video.
        target: Where to; the suffix decides the container.
        joined: Whether a packet of the copy holds both fields of a picture; otherwise each field
            has a packet and a time of its own.
    """
    with av.open(str(source)) as original, av.open(str(target), "w") as copy:
        video = original.streams.video[0]
        stream = copy.add_stream_from_template(video)
        fields = [packet for packet in original.demux(video) if packet.size]
        for first, second in zip(fields[::2], fields[1::2], strict=True):
            assert first.pts is not None
            assert first.dts is not None
            assert second.pts is None
            half = (first.duration or 0) // 2
            contents = [bytes(first) + bytes(second)] if joined else [bytes(first), bytes(second)]
            for number, content in enumerate(contents):
                packet = av.Packet(content)
                packet.time_base = first.time_base
                packet.pts, packet.dts = first.pts + number * half, first.dts + number * half
                packet.duration = half * 2 // len(contents)
                packet.is_keyframe = first.is_keyframe and number == 0
                packet.stream = stream
                copy.mux(packet)
    return target


def _add_stream(
    container: OutputContainer,
    rate: Fraction,
    size: tuple[int, int],
    codec: str,
    pix_fmt: str,
    options: dict[str, str],
) -> av.VideoStream:
    stream = container.add_stream(codec, rate=rate, options=options)
    assert isinstance(stream, av.VideoStream)
    stream.height, stream.width = size
    stream.pix_fmt = pix_fmt
    stream.codec_context.thread_count = 1
    stream.codec_context.time_base = 1 / rate
    return stream


def _mux_numbered(
    container: OutputContainer, stream: av.VideoStream, rate: Fraction, shown_at: Iterable[int]
) -> None:
    for number, ticks in enumerate(shown_at):
        picture = numbered_picture(number, stream.height, stream.width)
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = ticks, 1 / rate
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def write_audio(path: Path, seconds: float = 1.0) -> Path:
    """Writes a file with sound and no picture."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16_000, layout="mono")
        for i in range(int(seconds * 16_000) // 1024):
            samples = np.zeros((1, 1024), np.float32)
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 16_000, 1024 * i
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def packets_of(path: Path) -> list[tuple[int, int, int]]:
    """(position, bytes, pts) of every packet of a video, in decoding order."""
    with av.open(str(path)) as container:
        return [
            (packet.pos or 0, packet.size, packet.pts or 0)
            for packet in container.demux(video=0)
            if packet.size
        ]


def decode_all(path: Path) -> list[NDArray[np.uint8]]:
    """Every picture in the order of showing, decoded from the start to the end."""
    with av.open(str(path)) as container:
        return [
            np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
            for frame in container.decode(video=0)
        ]


def patch_edit_list(path: Path, skipped_ticks: int) -> None:
    """Makes an MP4's presentation start later in its media (version 0 edit list, one entry)."""
    data = bytearray(path.read_bytes())
    at = data.index(b"elst")
    assert data[at + 4] == 0
    assert int.from_bytes(data[at + 8 : at + 12], "big") == 1
    media_time = int.from_bytes(data[at + 16 : at + 20], "big")
    data[at + 16 : at + 20] = (media_time + skipped_ticks).to_bytes(4, "big")
    path.write_bytes(data)


def patch_display_matrix(path: Path, matrix: Sequence[Sequence[int]]) -> None:
    """Makes an MP4's video be shown through ((a, b), (c, d))."""
    data = bytearray(path.read_bytes())
    one = (1 << 16).to_bytes(4, "big")
    at = data.index(one + bytes(12) + one, data.index(b"tkhd"))
    (a, b), (c, d) = matrix
    values = (a, b, 0, c, d, 0)
    data[at : at + 24] = b"".join((v << 16).to_bytes(4, "big", signed=True) for v in values)
    path.write_bytes(data)


def patch_size_claim(path: Path, side: int) -> None:
    """Makes the headers of an H.264 MP4 claim ``side`` x ``side`` pixels."""
    data = bytearray(path.read_bytes())
    at = data.index(b"avc1", data.index(b"stsd")) + 28
    data[at : at + 4] = side.to_bytes(2, "big") * 2
    at = data.index(b"avcC") + 4
    length = int.from_bytes(data[at + 6 : at + 8], "big")
    claim = _sequence_parameters(side // 16)
    assert len(claim) <= length
    data[at + 8 : at + 8 + length] = claim.ljust(length, b"\0")
    path.write_bytes(data)


def _sequence_parameters(macroblocks: int) -> bytes:
    # Baseline, one reference, no cropping; ITU-T H.264, 7.3.2.1.1.
    bits = "01100111" + f"{66:08b}" + "00000000" + f"{51:08b}"
    for value in (0, 0, 2, 1):  # id, log2_max_frame_num - 4, pic_order_cnt_type, num_ref_frames
        bits += _exp_golomb(value)
    bits += "0" + _exp_golomb(macroblocks - 1) * 2 + "1" + "1" + "0" + "0" + "1"
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def _exp_golomb(value: int) -> str:
    code = f"{value + 1:b}"
    return "0" * (len(code) - 1) + code

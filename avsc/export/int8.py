"""An ONNX file with 8-bit integers for weights and activations, calibrated on a run's own clips.

Static quantization, a scale for each output channel of a weight, ranges of activations by their
minima and maxima over calibration samples. Activations and weights are unsigned, the weights around
the zero point 128: processors without VNNI add products of unsigned and signed bytes in 16 bits,
which overflow, and of two unsigned ones in 32 bits. That overflow was nearly all of the loss. The
last layer and every softmax stay in float32: they are small, and 8 bits know no small probability.

Other ways, measured: the section on int8 of ``tests/benchmarks/RESULTS.md``.

Shape legend: f frames of a second, B bands, Z pixels of a side, C scenes, n segments.
"""

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avsc import console, files, metrics
from avsc.data.eval_images import eval_image
from avsc.errors import AvscError
from avsc.evaluate import environment, score
from avsc.evaluate.scored_fold import FOLD, VALIDATION, fold_segments
from avsc.evaluate.segments import Segments
from avsc.export.onnx_file import quiet
from avsc.export.system import AUDIO, AUDIO_EMBEDDING, IMAGE, PROBABILITIES
from avsc.media import jpeg
from avsc.metrics import Probabilities
from avsc.store.reader import Store
from avsc.train.load import Run

Feeds = dict[str, NDArray[Any]]

QUANTIZATION = "quantization.json"
CALIBRATION_SAMPLES = 200
# Channels of zeros get the zero point of all others: onnxruntime is slow where they differ.
SMALLEST_RANGE = 1e-6


@dataclass(frozen=True)
class Scores:
    """The size of a file and its scores.

    Attributes:
        n_bytes: Size of the file.
        log_loss: Log-loss, the mean of the class-wise values.
        accuracy: Accuracy, the mean of the class-wise values.
    """

    n_bytes: int
    log_loss: float
    accuracy: float


@dataclass(frozen=True)
class Quantization:
    """What quantization saves and costs: content of ``quantization.json``.

    Attributes:
        float32: Size of the file before, and scores of the run on the same segments.
        int8: Size and scores of the file after it.
        fold: Fold that both were scored on.
        n_segments: Number of its one-second segments.
        calibration_samples: Number of validation segments that the ranges are from.
        largest_difference: Largest difference of a segment's probability.
        agreement: Share of the segments whose most probable scene is the same.
    """

    float32: Scores
    int8: Scores
    fold: str
    n_segments: int
    calibration_samples: int
    largest_difference: float
    agreement: float


def quantize(content: bytes, run: Run, store: Store) -> tuple[bytes, Quantization]:
    """An ONNX file in int8, and what that costs on the run's test fold.

    A store without a labelled test fold is scored on the run's validation clips.

    Args:
        content: The file in float32.
        run: Run that the file is of.
        store: Store that the run was trained on.

    Raises:
        AvscError: It is another store, or something in it is damaged.
    """
    if store.sha256 != run.manifest.store_sha256:
        raise AvscError(
            f"{store.place} is not the store that {run.path} was trained on",
            "its own store: the validation clips of the run calibrate the file",
            "name the place the store was moved to with --store",
        )
    held_out = fold_segments(run, store, VALIDATION)
    count = min(CALIBRATION_SAMPLES, len(held_out.names))
    small = _with_metadata(_static(content, _calibration(run, store, held_out, count)), content)
    segments = _scored_fold(run, store, held_out)
    before = score.score(run, store, segments, "segment")
    after = onnx_scores(small, run, store, segments)
    return small, Quantization(
        _scores(content, before, segments),
        _scores(small, after, segments),
        fold=segments.fold,
        n_segments=len(segments.names),
        calibration_samples=count,
        largest_difference=float(np.abs(after - before).max()),
        agreement=float((after.argmax(axis=1) == before.argmax(axis=1)).mean()),
    )


def write_quantization(folder: Path, found: Quantization) -> None:
    """Writes ``quantization.json``."""
    versions = environment.versions() | {"onnxruntime": _runtime_version()}
    content = json.dumps(asdict(found) | {"versions": versions}, indent=2)
    files.write_text(folder / QUANTIZATION, content + "\n")


def onnx_scores(content: bytes, run: Run, store: Store, segments: Segments) -> Probabilities:
    """Each segment's probabilities by an ONNX file, as the protocol ``segment`` has it, [n, C].

    Args:
        content: The file.
        run: Run that the file is of.
        store: Store that holds the fold.
        segments: Segments of the fold.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    found = np.empty((len(segments.names), len(run.scenes)))
    with console.progress("scoring int8", len(found), "segments") as line:
        for number, feeds in _segment_inputs(run, store, segments, np.arange(len(found))):
            (shares,) = session.run([PROBABILITIES], feeds)
            found[number] = shares.astype(np.float64).mean(axis=0)
            line.advance()
    return np.asarray(found / found.sum(axis=1, keepdims=True))


def _segment_inputs(
    run: Run, store: Store, segments: Segments, chosen: NDArray[np.int64]
) -> Iterator[tuple[int, Feeds]]:
    """The number and the inputs of some segments: f samples, each with the second's image."""
    encoder = run.visual_encoder
    bank = score.sound_bank(run, store, segments.rows)
    clip = segments.clip[chosen]
    for k in np.unique(clip).tolist():
        row = int(segments.rows[k])
        frames = store.segments(run.recipe.audio.feature, [row])[0] if run.uses_frames else None
        heard = None if bank is None else bank.read(np.array([row]))[0, 0]  # [S, P]
        for number in chosen[clip == k].tolist():
            second = number - int(segments.first[k])
            feeds: Feeds = {}
            if frames is not None:
                feeds[AUDIO] = frames[second]  # [f, 2, B]
            copies = 1 if frames is None else len(frames[second])
            if heard is not None:
                feeds[AUDIO_EMBEDDING] = np.repeat(heard[second : second + 1], copies, axis=0)
            if encoder is not None:
                image = eval_image(jpeg.decode(store.jpeg(row, second)), encoder.config)
                feeds[IMAGE] = np.repeat(image[None], copies, axis=0)  # [f, Z, Z, 3]
            yield number, feeds


def _calibration(run: Run, store: Store, segments: Segments, count: int) -> Iterator[Feeds]:
    """One sample of each of some segments that are spread over the validation clips."""
    chosen = np.linspace(0, len(segments.names) - 1, count).astype(np.int64)
    with console.progress("calibrating int8", count, "segments") as line:
        for number, feeds in _segment_inputs(run, store, segments, chosen):
            frame = number % len(next(iter(feeds.values())))
            yield {name: values[frame : frame + 1] for name, values in feeds.items()}
            line.advance()


def _static(content: bytes, samples: Iterable[Feeds]) -> bytes:
    """Static quantization by onnxruntime, which works on files."""
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._samples = iter(samples)

        def get_next(self) -> Feeds | None:
            return next(self._samples, None)

    with tempfile.TemporaryDirectory(prefix="avsc-int8-") as folder, quiet():
        whole, ready, small = (Path(folder) / f"{name}.onnx" for name in ("a", "b", "c"))
        whole.write_bytes(content)
        quant_pre_process(whole, ready, skip_symbolic_shape=True)  # folds normalisation
        quantize_static(
            ready,
            small,
            Reader(),
            per_channel=True,
            nodes_to_exclude=_kept_exact(ready),
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QUInt8,
            extra_options={"WeightSymmetric": True, "MinimumRealRange": SMALLEST_RANGE},
        )
        return small.read_bytes()


def _kept_exact(path: Path) -> list[str]:
    """Names of the nodes that stay in float32: each softmax, and the layer before the last."""
    import onnx

    nodes = onnx.load(path).graph.node
    softmax = [node for node in nodes if node.op_type == "Softmax"]
    logits = {node.input[0] for node in softmax if PROBABILITIES in node.output}
    return [node.name for node in (*softmax, *(n for n in nodes if logits & set(n.output)))]


def _with_metadata(small: bytes, content: bytes) -> bytes:
    """The file with the metadata of the one it was made of."""
    import onnx

    model, before = onnx.load_from_string(small), onnx.load_from_string(content)
    kept: Mapping[str, str] = {entry.key: entry.value for entry in before.metadata_props}
    onnx.helper.set_model_props(model, dict(kept))
    data: bytes = model.SerializeToString()
    return data


def _scored_fold(run: Run, store: Store, held_out: Segments) -> Segments:
    try:
        segments = fold_segments(run, store, FOLD)
    except AvscError:
        return held_out
    return segments if segments.labelled else held_out


def _scores(content: bytes, found: Probabilities, segments: Segments) -> Scores:
    labels = segments.labels
    return Scores(len(content), metrics.log_loss(found, labels), metrics.accuracy(found, labels))


def _runtime_version() -> str:
    from importlib.metadata import version

    return version("onnxruntime")

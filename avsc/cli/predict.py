"""Commands that use a trained run."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from avsc.cli.app import app
from avsc.cli.options import (
    HOW,
    TRAINED_RUN,
    Calibrated,
    Device,
    MovedStore,
    MovedWeights,
    Run,
    TrustCode,
)
from avsc.console import byte_size, say, table, tell

if TYPE_CHECKING:
    from avsc.predict.timeline import SceneTimeline

Recordings = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE ...",
        help="Videos of any length; sound files for a run trained on sound alone.",
    ),
]
Sound = Annotated[
    Path | None,
    typer.Option(
        metavar="WAV", help="A file with the sound, if the video has none (one FILE only)."
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Write NAME.csv, NAME.json and NAME.html (a page with pictures, curves and "
        "sound along time) of each FILE into this folder.",
    ),
]
Form = Annotated[
    Literal["table", "csv", "json"],
    typer.Option(
        "--format",
        help="What is printed: a table (seconds, or stretches of one scene if it is long), "
        "CSV with a line a second, or JSON with a line a FILE.",
    ),
]
MovedModel = Annotated[
    str | None,
    typer.Option(
        metavar="FOLDER",
        help="Folder of the pre-trained audio encoder (audio.model), if it was moved since the "
        "run was trained.",
        rich_help_panel=HOW,
    ),
]
ModelForm = Annotated[
    Literal["onnx", "safetensors"],
    typer.Option(
        "--format",
        help="onnx: one file that onnxruntime runs without PyTorch. safetensors: the weights, "
        "for avsc or your own PyTorch code.",
    ),
]
ExportOut = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Where to; by default RUN/export/onnx or .../safetensors, "
        "with --quantize .../onnx-int8, and with --calibrated .../onnx-calibrated.",
    ),
]
WithEncoder = Annotated[
    bool,
    typer.Option(
        "--encoder/--no-encoder",
        help="Whether safetensors holds the visual encoder's weights too, or names them only.",
    ),
]
Quantize = Annotated[
    Literal["int8"] | None,
    typer.Option(
        help="Let an ONNX file compute with 8-bit integers, a quarter of the bytes. The "
        "validation clips in the run's store calibrate it; the loss of accuracy on the test fold "
        "is measured and kept in quantization.json and README.md.",
    ),
]


@app.command(rich_help_panel=TRAINED_RUN)
def predict(
    run: Run,
    recordings: Recordings,
    *,
    audio: Sound = None,
    out: Out = None,
    form: Form = "table",
    device: Device = "auto",
    ve_weights: MovedWeights = None,
    audio_model: MovedModel = None,
    trust_code: TrustCode = False,
    calibrated: Calibrated = False,
) -> None:
    """Name the scene of each second of any recording.

    Each whole second is scored by itself, as in `avsc evaluate`; a rest of less than a second at
    the end is dropped. The sound is the video's own first track, or a WAV file beside it.

    avsc predict runs/joint walk.mp4 --out walk
    """
    from avsc.predict.predict import predict_each

    if audio is not None and len(recordings) > 1:
        raise typer.BadParameter("--audio is the sound of one FILE: name one only")
    timelines = predict_each(
        run,
        recordings,
        audio=audio,
        out=out,
        device=device,
        ve_weights=ve_weights,
        calibrated=calibrated,
        trust_code=trust_code,
        audio_model=audio_model,
    )
    _show(timelines, form)


def _show(timelines: "Iterable[SceneTimeline]", form: str) -> None:
    """Prints each recording as soon as it is scored."""
    from avsc.predict import formats

    for number, timeline in enumerate(timelines):
        if form == "json":
            print(formats.json_text(timeline))
        elif form == "csv":
            header = [formats.csv_header(timeline.scenes)] if number == 0 else []
            print("\n".join([*header, *formats.csv_lines(timeline)]))
        else:
            table(timeline.file.name, *formats.table(timeline))
            tell(formats.footer(timeline))


@app.command(rich_help_panel=TRAINED_RUN)
def export(
    run: Run,
    *,
    form: ModelForm,
    out: ExportOut = None,
    encoder: WithEncoder = True,
    ve_weights: MovedWeights = None,
    trust_code: TrustCode = False,
    calibrated: Calibrated = False,
    quantize: Quantize = None,
    store: MovedStore = None,
) -> None:
    """Write the whole model: audio frame and image in, probabilities of scenes out.

    Standardisation, both encoders, classifier and softmax are included. README.md beside the
    model is its card: inputs, scores, limits and licences.

    avsc export runs/joint --format onnx

    avsc export runs/joint --format onnx --quantize int8
    """
    from avsc.export.export import export as run_on

    if form == "onnx" and not encoder:
        raise typer.BadParameter("an ONNX file always holds the visual encoder")
    if quantize is not None and form != "onnx":
        raise typer.BadParameter("--quantize is for --format onnx")
    if store is not None and quantize is None:
        raise typer.BadParameter("--store is for --quantize, which needs the run's clips")
    folder = run_on(
        run,
        form,
        out=out,
        with_encoder=encoder,
        ve_weights=ve_weights,
        calibrated=calibrated,
        trust_code=trust_code,
        quantize=quantize,
        store=store,
    )
    if quantize is not None:
        _show_quantization(folder)
    say(f"written to {folder}")


def _show_quantization(folder: Path) -> None:
    import json

    from avsc.export.int8 import QUANTIZATION
    from avsc.report import formatting

    found = json.loads((folder / QUANTIZATION).read_text(encoding="utf-8"))
    rows = [
        [
            name,
            byte_size(one["n_bytes"]),
            formatting.loss(one["log_loss"]),
            formatting.per_cent(one["accuracy"]),
        ]
        for name, one in ((name, found[name]) for name in ("float32", "int8"))
    ]
    title = f"fold {found['fold']}, {found['n_segments']:,} segments"
    table(title, ["file", "size", "log-loss", "accuracy %"], rows)

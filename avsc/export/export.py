"""``avsc export``: the best checkpoint of a run as a model others can use, with its card."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from avsc import files
from avsc.console import say
from avsc.evaluate.temperature import read_calibration, with_temperature
from avsc.export.card import model_card
from avsc.export.description import describe, write_description
from avsc.export.system import System
from avsc.train.load import Run

if TYPE_CHECKING:
    from avsc.train.load import Run

Form = Literal["onnx", "safetensors"]
README = "README.md"
ONNX = "model.onnx"


def export(
    run: Path,
    form: Form,
    *,
    out: Path | None = None,
    with_encoder: bool = True,
    ve_weights: str | None = None,
    trust_code: bool = False,
    calibrated: bool = False,
) -> Path:
    """Writes the model, ``config.json`` and ``README.md``.

    Args:
        run: Folder of the run.
        form: Format of the model file.
        out: Folder to write to; None for ``RUN/export/<form>``, or
            ``<form>-calibrated``.
        with_encoder: Whether a safetensors file contains the visual encoder's weights.
        calibrated: Whether to apply the temperature that ``avsc calibrate`` keeps in the run: it
            becomes part of the last layer's weights.
        ve_weights: Place of these weights; None if they are where the run found them.
        trust_code: Whether the class that the run names as its own acoustic encoder may be
            imported, which runs its code.

    Returns:
        The folder that was written.

    Raises:
        AvscError: The run cannot be opened, or cannot be written in this form.
    """
    folder = out or run / "export" / (f"{form}-calibrated" if calibrated else form)
    if form == "onnx":
        from avsc.export import onnx_file

        onnx_file.require_packages()
    loaded = Run.open(run, "cpu", ve_weights=ve_weights, trust_code=trust_code)
    temperature = read_calibration(run).temperature if calibrated else None
    if temperature is not None:
        loaded = with_temperature(loaded, temperature)
    system = System(loaded.model)
    model = _write_model(folder, form, loaded, system, with_encoder)
    description = describe(loaded, model, with_encoder, temperature)
    write_description(folder, description)
    files.write_text(folder / README, model_card(loaded, description, model))
    return folder


def _write_model(folder: Path, form: Form, run: "Run", system: System, with_encoder: bool) -> Path:
    if form == "safetensors":
        from avsc.export import weights

        path = folder / weights.WEIGHTS
        weights.write_weights(path, system, with_encoder)
        return path
    from avsc.export import onnx_file

    say("writing ONNX and comparing it with PyTorch; a large encoder takes a minute or two")
    path = folder / ONNX
    onnx_file.write_onnx(path, system, {"scenes": list(run.scenes), "avsc_run": run.path.name})
    return path

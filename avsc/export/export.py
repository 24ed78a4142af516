"""``avsc export``: the best checkpoint of a run as a model others can use, with its card."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from avsc import files
from avsc.console import say
from avsc.errors import AvscError
from avsc.evaluate.temperature import read_calibration, with_temperature
from avsc.export import weights
from avsc.export.card import model_card
from avsc.export.description import describe, write_description
from avsc.export.system import System
from avsc.store.reader import Store
from avsc.train.load import Run

if TYPE_CHECKING:
    from avsc.export.int8 import Quantization

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
    quantize: Literal["int8"] | None = None,
    store: str | None = None,
) -> Path:
    """Writes the model, ``config.json`` and ``README.md``.

    Args:
        run: Folder of the run.
        form: Format of the model file.
        out: Folder to write to; None for ``RUN/export/<form>``, or
            ``<form>-int8``, ``<form>-calibrated``, ``<form>-int8-calibrated``.
        with_encoder: Whether a safetensors file contains the visual encoder's weights.
        calibrated: Whether to apply the temperature that ``avsc calibrate`` keeps in the run: it
            becomes part of the last layer's weights.
        ve_weights: Place of these weights; None if they are where the run found them.
        trust_code: Whether the class that the run names as its own acoustic encoder may be
            imported, which runs its code.
        quantize: Number format of an ONNX file's weights and activations; None for float32. The
            loss of accuracy is measured and kept in ``quantization.json``.
        store: Place of the run's store, for ``quantize``, if it is no longer where it was.

    Returns:
        The folder that was written.

    Raises:
        AvscError: The run cannot be opened, or cannot be written in this form.
    """
    words = [form, quantize, "calibrated" if calibrated else None]
    folder = out or run / "export" / "-".join(word for word in words if word)
    _check_form(run, form, quantize)
    loaded = Run.open(run, "cpu", ve_weights=ve_weights, trust_code=trust_code)
    temperature = read_calibration(run).temperature if calibrated else None
    if temperature is not None:
        loaded = with_temperature(loaded, temperature)
    system = System(loaded.model)
    # Opened first: what calibrates a file must be there before the long work.
    calibrating = Store.open(store or loaded.manifest.store) if quantize else None
    found = None
    if form == "safetensors":
        model = folder / weights.WEIGHTS
        weights.write_weights(model, system, with_encoder)
    else:
        model = folder / ONNX
        found = _write_onnx(model, loaded, system, calibrating)
    description = describe(loaded, model, with_encoder, temperature, quantize)
    write_description(folder, description)
    files.write_text(folder / README, model_card(loaded, description, model, found))
    return folder


def _check_form(run: Path, form: Form, quantize: str | None) -> None:
    """Refuses what no file of this form can be, or what cannot be written here, before the work."""
    if quantize is not None and form != "onnx":
        raise AvscError(
            f"quantization to {quantize} of a {form} file",
            "the form onnx, whose runtime computes with 8-bit integers",
            f"avsc export {shlex.quote(str(run))} --format onnx --quantize {quantize}",
        )
    if form == "onnx":
        from avsc.export import onnx_file

        onnx_file.require_packages()


def _write_onnx(path: Path, run: Run, system: System, store: Store | None) -> "Quantization | None":
    """Writes the ONNX file, quantized where there is a store to calibrate it on."""
    from avsc.export import onnx_file

    say("writing ONNX and comparing it with PyTorch; a large encoder takes a minute or two")
    metadata = {"scenes": list(run.scenes), "avsc_run": run.path.name}
    content = onnx_file.onnx_bytes(system, metadata)
    if store is None:
        files.write_bytes(path, content)
        return None
    from avsc.export import int8

    small, found = int8.quantize(content, run, store)
    files.write_bytes(path, small)
    int8.write_quantization(path.parent, found)
    return found

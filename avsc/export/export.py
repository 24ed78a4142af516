"""``avsc export``: the best checkpoint of a run as a model others can use, with its card."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from avsc import files
from avsc.console import say
from avsc.export import card
from avsc.export.description import Description, describe, write_description
from avsc.export.system import System
from avsc.train.load import load_run

if TYPE_CHECKING:
    from avsc.train.load import LoadedRun

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
) -> Path:
    """Writes the model, ``config.json`` and ``README.md``.

    Args:
        run: The run's folder.
        form: ``onnx`` or ``safetensors``.
        out: The folder; None: ``RUN/export/<form>``.
        with_encoder: Whether safetensors holds the visual encoder's weights.
        ve_weights: Where these are, if no longer where they were.

    Returns:
        The folder.

    Raises:
        AvscError: The run cannot be opened, or cannot be written in this form.
    """
    folder = out or run / "export" / form
    if form == "onnx":
        from avsc.export import onnx_file

        onnx_file.require_packages()
    loaded = load_run(run, "cpu", ve_weights=ve_weights)
    system = System(loaded.model)
    model = _write_model(folder, form, loaded, system, with_encoder)
    description = describe(loaded, model, with_encoder)
    write_description(folder, description)
    files.write_text(folder / README, _card(loaded, description, system, form))
    return folder


def _write_model(
    folder: Path, form: Form, run: "LoadedRun", system: System, with_encoder: bool
) -> Path:
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


def _card(run: "LoadedRun", description: Description, system: System, form: Form) -> str:
    return card.card(
        card.CardFacts(
            description=description,
            form=form,
            recipe=run.recipe,
            data=card.describe_data(run),
            scores=card.scores_of(run.path, description.weights_sha256),
            versions=run.manifest.versions,
            tensors={name: tuple(value.shape) for name, value in system.model.state_dict().items()},
        )
    )

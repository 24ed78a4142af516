"""The system as one ONNX file that needs nothing but an ONNX runtime.

Shape legend: n samples, C scenes.
"""

import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch

from avsc.errors import AvscError
from avsc.export.system import PROBABILITIES, System

OPSET = 18  # understood by onnxruntime since 1.14
NEEDED = ("onnx", "onnxscript", "onnxruntime")
TOLERANCE = 1e-4
SAMPLES = 3  # samples of the comparison with PyTorch; another number than it was traced with


def onnx_bytes(system: System, metadata: Mapping[str, Any]) -> bytes:
    """The file, which was run once: it gives what PyTorch gives.

    Args:
        system: System to write.
        metadata: Entries of the file's metadata; values that are no strings become JSON.

    Raises:
        AvscError: A package is not installed, the encoder cannot be written as ONNX, or the file
            gives other probabilities.
    """
    require_packages()
    content = _serialise(system, metadata)
    worst = difference(content, system)
    if not worst <= TOLERANCE:
        raise AvscError(
            f"the ONNX file gives probabilities that are {worst:.2g} from PyTorch's",
            f"{TOLERANCE:g} at most",
            "export --format safetensors; or try other versions of torch and onnxruntime",
        )
    return content


def require_packages() -> None:
    """Checks that the packages of the extra ``export`` are installed.

    Raises:
        AvscError: At least one is missing.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise AvscError(
            f"not installed: {', '.join(missing)}",
            "the packages that write and check ONNX files",
            'pip install "avsc[export]"',
        )


def difference(content: bytes, system: System) -> float:
    """The largest difference between the probabilities of an ONNX file and of the system.

    Args:
        content: Bytes of the ONNX file.
        system: System that was written.
    """
    import onnxruntime

    inputs = system.shapes().examples(SAMPLES, seed=1)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    feeds = {name: value.numpy() for name, value in inputs.items()}
    (found,) = session.run([PROBABILITIES], feeds)
    with torch.inference_mode():
        wanted = system(**inputs).numpy()
    return float(np.abs(found - wanted).max())


def _serialise(system: System, metadata: Mapping[str, Any]) -> bytes:
    inputs = system.shapes().examples(2)
    count = torch.export.Dim("n")
    try:
        with quiet():
            program = torch.onnx.export(
                system,
                kwargs=inputs,
                dynamo=True,
                opset_version=OPSET,
                input_names=list(inputs),
                output_names=[PROBABILITIES],
                dynamic_shapes={name: {0: count} for name in inputs},
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        raise AvscError(
            f"{_name(system)} cannot be written as ONNX: {str(error).splitlines()[0]}",
            "an encoder whose operations ONNX has",
            "export --format safetensors instead",
        ) from error
    assert program is not None
    for name, value in metadata.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        program.model.metadata_props[name] = text
    content: bytes = program.model_proto.SerializeToString()
    return content


@contextmanager
def quiet() -> Iterator[None]:
    """Silences the warnings of exporter and quantizer, which are for their own developers."""
    names = ("root", "torch.onnx", "onnxscript", "onnx_ir")
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _name(system: System) -> str:
    return "the model" if system.visual_encoder is None else system.visual_encoder.name

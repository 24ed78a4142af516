"""The card's part on how to feed the model: shapes, preprocessing, code to copy; pure text."""

from collections.abc import Mapping
from typing import Literal

from avsc.export.description import AudioInput, Description, VisualInput


def usage(description: Description, form: Literal["onnx", "safetensors"]) -> str:
    """The section."""
    rows = []
    if description.audio is not None:
        rows.append(
            f"| `audio` | float32 [n, 2, {description.audio.bands}] | frames of the "
            f"{description.audio.feature}: channels (average, difference), bands |"
        )
    if description.visual is not None:
        side = description.visual.image.size
        rows.append(
            f"| `image` | uint8 [n, {side}, {side}, 3] | RGB, scaled and cropped, not normalised |"
        )
    count = len(description.scenes)
    rows.append(f"| → `probabilities` | float32 [n, {count}] | scenes in the order above |")
    parts = ["## Use", "\n".join(["| | | |", "|---|---|---|", *rows])]
    parts.append(
        "n is any number. Standardisation of the sound, normalisation of the image, both encoders, "
        "classifier and softmax are inside. For one second, score its 3 audio frames, each with "
        "the picture half way through the second, and average their probabilities."
        if description.audio is not None and description.visual is not None
        else "n is any number. All standardisation, the encoder, classifier and softmax are inside."
    )
    parts.append(_code(description, form))
    if description.audio is not None:
        parts.append(_audio(description.audio))
    if description.visual is not None:
        parts.append(_image(description.visual))
    return "\n\n".join(parts)


def tensors(shapes: Mapping[str, tuple[int, ...]]) -> str:
    """A table of the model's tensors, for those who load them without avsc."""
    rows = "\n".join(f"| `{name}` | {list(shape)} |" for name, shape in shapes.items())
    return (
        "## Tensors\n\nThe class is `avsc.models.scene_model.AudioVisualModel`; names that begin "
        "with `visual_encoder.` are the timm model without its head.\n\n"
        "| name | shape |\n|---|---|\n" + rows
    )


def _code(description: Description, form: Literal["onnx", "safetensors"]) -> str:
    names = [
        name
        for name, part in (("audio", description.audio), ("image", description.visual))
        if part is not None
    ]
    if form == "onnx":
        fed = ", ".join(f'"{name}": {name}' for name in names)
        return (
            "```python\nimport onnxruntime\n\n"
            'session = onnxruntime.InferenceSession("model.onnx")\n'
            f"(probabilities,) = session.run(None, {{{fed}}})\n```\n\n"
            "The scenes' names are in the file too: "
            '`json.loads(session.get_modelmeta().custom_metadata_map["scenes"])`.'
        )
    lacking = description.visual is not None and not description.visual.included
    more = ', ve_weights="VISUAL_ENCODER.safetensors"' if lacking else ""
    passed = ", ".join(f"{name}={name}" for name in names)
    return (
        "```python\nfrom pathlib import Path\n\nfrom avsc.export.weights import read_system\n\n"
        f'system = read_system(Path("."){more})\n'
        f"probabilities = system({passed})\n```"
    )


def _audio(audio: AudioInput) -> str:
    settings = ", ".join(f"{name} {value}" for name, value in audio.settings.model_dump().items())
    bank = {
        "scalogram": "ScatNet's Morlet bank (highest band first)",
        "fbank": "triangular mel filters (lowest band first)",
    }[audio.feature]
    return (
        "### The audio frame\n\n"
        f"Stereo at {audio.sample_rate_hz:,} Hz, full scale 1. Channels: the average (L + R) / 2 "
        f"and the difference L - R. A frame is {audio.window} samples under a periodic Hann "
        f"window, frames begin every {audio.hop} samples, nothing is padded: a second has 3. "
        "Magnitude of the real FFT, unscaled "
        f"({audio.window // 2 + 1} bins), then {audio.bands} filters, {bank}, then the natural "
        f"logarithm of no less than {audio.settings.log_floor:g}. Settings: {settings}.\n\n"
        "```python\nfrom avsc.signal.features import FeatureExtractor\n"
        "from avsc.store.schema import StoreSettings, "
        f"{'ScalogramSettings' if audio.feature == 'scalogram' else 'FBankSettings'}\n\n"
        f"bank = {audio.settings!r}\n"
        f'extractor = FeatureExtractor(StoreSettings(features=("{audio.feature}",), '
        f"{audio.feature}=bank))\n"
        f'audio = extractor.frames(stereo, "{audio.feature}")  # float32 [2, samples] -> [n, 2, '
        f"{audio.bands}]\n```"
    )


def _image(visual: VisualInput) -> str:
    image = visual.image
    short = int(image.size / image.crop_pct)
    kind = image.interpolation.upper()
    return (
        "### The image\n\n"
        f"An RGB picture, its shorter side scaled to {short} pixels ({image.interpolation}, "
        f"antialiased), the middle {image.size} x {image.size} cut out. In training, pictures had "
        "been kept as JPEG first.\n\n"
        "```python\nimport numpy as np\nfrom PIL import Image\n\n"
        'picture = Image.open("picture.jpg").convert("RGB")\n'
        f"factor = {short} / min(picture.size)\n"
        "size = tuple(int(factor * side + 1e-6) for side in picture.size)\n"
        f"scaled = picture.resize(size, Image.Resampling.{kind})\n"
        f"left, top = (round((side - {image.size}) / 2) for side in size)\n"
        f"square = scaled.crop((left, top, left + {image.size}, top + {image.size}))\n"
        "image = np.asarray(square)[None]\n```\n\n"
        f"Inside, it becomes (image / 255 - {_list(image.mean)}) / {_list(image.deviation)}."
    )


def _list(values: tuple[float, ...]) -> str:
    return "(" + ", ".join(f"{value:g}" for value in values) + ")"

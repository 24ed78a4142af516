"""A frozen, pre-trained audio encoder beside AE, from a local folder (DESIGN section 7).

The folder is one that ``save_pretrained`` of the package ``transformers`` wrote, or a download of
such a repository: ``config.json``, ``preprocessor_config.json`` and weights as ``.safetensors``. No
pickle is read, no code of the folder is run and nothing is fetched. A second of sound is encoded
alone, padded to the encoder's own window as its own feature extractor does it.

Shape legend: n seconds of sound, L samples of a second, D features.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from avsc import files
from avsc.errors import AvscError

Floats = NDArray[np.float32]
Kind = Literal["AST", "CLAP"]

CONFIG = "config.json"
EXTRACTORS = ("preprocessor_config.json", "processor_config.json")
KINDS: dict[str, Kind] = {
    "audio-spectrogram-transformer": "AST",
    "clap": "CLAP",
    "clap_audio_model": "CLAP",
}
BATCH = {"cuda": 64}  # seconds encoded at a time; elsewhere:
BATCH_ELSEWHERE = 8


@dataclass(frozen=True)
class TowerFolder:
    """The folder of an audio encoder, recognised without the package that loads it.

    Attributes:
        path: The folder.
        kind: Architecture.
        sha256: Digest of its configuration, its feature extractor's and its weights; it does not
            depend on where the folder lies.
    """

    path: Path
    kind: Kind
    sha256: str

    @classmethod
    def read(cls, folder: Path | str) -> Self:
        """Recognises an encoder and digests its files.

        Raises:
            AvscError: The folder holds no encoder that can be used.
        """
        path = Path(folder).expanduser()
        config = _config(path)
        kind = KINDS.get(str(config.get("model_type")))
        if kind is None:
            raise AvscError(
                f"{path} is a model of the type {config.get('model_type')!r}",
                f"an audio encoder: {', '.join(KINDS)}",
                "take an AST or a CLAP model",
            )
        weights = sorted(path.glob("*.safetensors"))
        if not weights:
            raise AvscError(
                f"{path} has no weights as .safetensors",
                "model.safetensors: other formats run code when they are read",
                "download that file too; or where only a .bin is published and you trust it, load "
                "it in transformers and save_pretrained the model into a new folder",
            )
        digest = hashlib.sha256()
        for name in (CONFIG, *EXTRACTORS, *(file.name for file in weights)):
            if (path / name).is_file():
                digest.update(f"{name} {files.sha256_file(path / name)}\n".encode())
        return cls(path, kind, digest.hexdigest())

    @property
    def name(self) -> str:
        """Its name for a person."""
        return f"{self.kind} {self.path.resolve().name}"


class AudioTower:
    """An audio encoder on its device.

    Args:
        folder: Folder it is loaded from.
        device: Device to encode on.

    Attributes:
        folder: Folder it was loaded from.
        sample_rate_hz: Sampling rate of the sound that it takes.
        batch: Number of seconds that are encoded at a time.
        features: Number D of features.

    Raises:
        AvscError: The package ``transformers`` is absent, or the folder's files are damaged or
            incomplete, or do not fit each other.
    """

    def __init__(self, folder: TowerFolder, device: torch.device) -> None:
        require_package()
        self.folder = folder
        with _explained(folder), _quiet():
            self._model, self._extractor = _LOADERS[folder.kind](folder.path)
        self._model = self._model.requires_grad_(False).eval().to(device)
        self._device = device
        self.batch = BATCH.get(device.type, BATCH_ELSEWHERE)
        self.sample_rate_hz = int(self._extractor.sampling_rate)
        _require_window(folder, self._extractor)
        with _explained(folder):
            probe = self.encode(np.zeros((1, 2, self.sample_rate_hz), np.float32))
        self.features = probe.shape[1]

    def encode(self, sound: Floats) -> Floats:
        """Embeddings of seconds of sound, of the average of the two channels.

        Args:
            sound: Stereo at ``sample_rate_hz``, float32 [n, 2, L].

        Returns:
            float32 [n, D].

        Raises:
            AvscError: A value is not finite.
        """
        mono, size = sound.mean(axis=1), self.batch
        parts = [self._encoded(mono[i : i + size]) for i in range(0, len(mono), size)]
        values = np.concatenate(parts)
        if not np.isfinite(values).all():
            raise AvscError(
                f"{self.folder.name} gives embeddings that are not finite",
                "finite numbers",
                f"check the weights in {self.folder.path}",
            )
        return values

    @torch.inference_mode()
    def _encoded(self, mono: Floats) -> Floats:
        """Encodes [n, L] in a batch of a fixed size: a value must not depend on its neighbours."""
        inputs = self._extractor(list(mono), sampling_rate=self.sample_rate_hz, return_tensors="np")
        name = "input_values" if self.folder.kind == "AST" else "input_features"
        spectra = np.asarray(inputs[name], np.float32)
        full = torch.zeros((self.batch, *spectra.shape[1:]), device=self._device)
        full[: len(mono)] = torch.from_numpy(spectra)
        values: Tensor
        if self.folder.kind == "AST":
            values = self._model(full).pooler_output
        else:
            # CLAP's extractor marks a short sound at random as longer than the window.
            longer = torch.zeros((self.batch, 1), dtype=torch.bool, device=self._device)
            values = self._model(full, is_longer=longer).audio_embeds
        return np.asarray(values[: len(mono)].float().cpu().numpy())


def require_package() -> None:
    """Checks that the extra ``audio-models`` is installed.

    Raises:
        AvscError: It is not.
    """
    if find_spec("transformers") is None:
        raise AvscError(
            "not installed: transformers",
            "the package that loads pre-trained audio encoders",
            'pip install "avsc[audio-models]"',
        )


def _ast(folder: Path) -> tuple[nn.Module, Any]:
    from transformers import ASTFeatureExtractor, ASTModel

    model = _whole(*ASTModel.from_pretrained(folder, **_LOCAL, output_loading_info=True))
    return model, ASTFeatureExtractor.from_pretrained(folder, local_files_only=True)


def _clap(folder: Path) -> tuple[nn.Module, Any]:
    from transformers import (
        ClapAudioConfig,
        ClapAudioModelWithProjection,
        ClapConfig,
        ClapFeatureExtractor,
    )

    if _config(folder)["model_type"] == "clap":  # sound and text; the text's half is left out
        config = ClapConfig.from_pretrained(folder, local_files_only=True).audio_config
    else:
        config = ClapAudioConfig.from_pretrained(folder, local_files_only=True)
    loaded = ClapAudioModelWithProjection.from_pretrained(
        folder, config=config, **_LOCAL, output_loading_info=True
    )
    return _whole(*loaded), ClapFeatureExtractor.from_pretrained(folder, local_files_only=True)


_LOCAL = {"local_files_only": True, "use_safetensors": True, "dtype": torch.float32}
_LOADERS = {"AST": _ast, "CLAP": _clap}


def _whole(model: nn.Module, found: dict[str, Any]) -> nn.Module:
    """The model, unless some of its weights were not there and are random."""
    wrong = sorted(map(str, [*found["missing_keys"], *found["mismatched_keys"]]))
    if wrong:
        raise ValueError(f"{len(wrong)} of its tensors are missing, such as {wrong[0]}")
    return model


def _config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads((path / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = "there is no such folder" if not path.exists() else f"{CONFIG}: {error}"
        raise AvscError(
            f"{path} is no folder of an audio encoder: {reason}",
            "a folder with config.json, preprocessor_config.json and model.safetensors",
            "check the path (--set audio.model=FOLDER where it was moved); or download a whole "
            "repository, such as MIT/ast-finetuned-audioset-10-10-0.4593 or "
            "laion/clap-htsat-unfused, and pass its folder",
        ) from None
    return config if isinstance(config, dict) else {}


def _require_window(folder: TowerFolder, extractor: Any) -> None:  # noqa: ANN401  of either class
    """Refuses a window shorter than a second, of which a piece would be chosen."""
    if folder.kind == "AST":
        window_s = extractor.max_length / 100  # frames of 10 ms
    else:
        window_s = extractor.nb_max_samples / extractor.sampling_rate
    if window_s < 1:
        raise AvscError(f"{folder.path} has a window of {window_s:g} s", "a second at least")


@contextmanager
def _explained(folder: TowerFolder) -> Iterator[None]:
    """Turns what goes wrong in somebody else's files into a message."""
    try:
        yield
    except AvscError:
        raise
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise AvscError(
            f"the audio encoder in {folder.path} cannot be used: {lines[0]}",
            f"the whole files of one {folder.kind} model and of its feature extractor",
            "copy or download the folder again",
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences the report of weights that are not needed, such as those of a text encoder."""
    from transformers.utils import logging

    before = logging.get_verbosity()
    shows_bars = logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        if shows_bars:
            logging.enable_progress_bar()

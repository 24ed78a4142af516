"""Checkpoints: a folder of weights, training state and a manifest with their digests.

``weights.safetensors`` holds tensors by name, ``training.pt`` what a resumed run needs besides
(optimiser, counters, random state; read with ``weights_only``), ``manifest.json`` the SHA-256 of
both, its own, and what else the writer wants kept. A checkpoint is written aside and moved; the
one it replaces stays as ``<name>.previous``, so that one that turns out damaged costs an epoch and
not the run.
"""

import hashlib
import io
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from avsc import files
from avsc.console import say
from avsc.errors import AvscError
from avsc.models.scene_model import renamed
from avsc.models.weights import State, read_safetensors
from avsc.train.distributed import Ranks

FORMAT = "avsc-checkpoint"
VERSION = 2  # version 1 had other names of tensors
WEIGHTS = "weights.safetensors"
TRAINING = "training.pt"
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds, its digests verified."""

    path: Path
    weights: State
    training: dict[str, Any]
    manifest: dict[str, Any]


def save(
    parent: Path,
    name: str,
    weights: Mapping[str, Tensor],
    training: Mapping[str, object],
    manifest: Mapping[str, object],
) -> None:
    """Writes the checkpoint ``parent/name``; the one there is kept as ``name.previous``.

    Args:
        parent: Folder of the run's checkpoints; this process is its only writer.
        name: ``best`` or ``last``.
        weights: Tensors of any device.
        training: Tensors and plain values, which ``torch.load`` restores with ``weights_only``.
        manifest: Plain values for the manifest.
    """
    from safetensors.torch import save as encode

    aside = parent / f"{files.TEMPORARY_PREFIX}{name}"
    if aside.exists():
        shutil.rmtree(aside)  # of a writer that was killed
    aside.mkdir(parents=True)
    state = io.BytesIO()
    torch.save(dict(training), state)
    contents = {
        WEIGHTS: encode({k: v.detach().cpu().contiguous() for k, v in weights.items()}),
        TRAINING: state.getvalue(),
    }
    for file, data in contents.items():
        files.write_bytes(aside / file, data)
    content = {
        "format": FORMAT,
        "version": VERSION,
        **manifest,
        "files": {
            file: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for file, data in contents.items()
        },
    }
    content["sha256"] = _digest(content)
    files.write_text(aside / MANIFEST, json.dumps(content, indent=2) + "\n")
    _move_into_place(aside, parent / name)


def load(path: Path, training: bool = True) -> Checkpoint:
    """Reads a checkpoint and verifies every digest.

    Args:
        path: Folder of the checkpoint.
        training: Whether to read the training state too.

    Raises:
        AvscError: It is absent, truncated or altered, or its training state holds more than
            tensors and plain values.
    """
    manifest = read_manifest(path)
    for file in (WEIGHTS, TRAINING) if training else (WEIGHTS,):
        try:
            found = files.sha256_file(path / file)
        except OSError as error:
            raise _damaged(path, f"{file} cannot be read: {error.strerror}") from None
        if found != manifest["files"].get(file, {}).get("sha256"):
            raise _damaged(path, f"{file} is truncated or was altered")
    state = _load_training(path / TRAINING) if training else {}
    weights = read_safetensors(path / WEIGHTS)
    if manifest["version"] == 1:
        weights = renamed(weights)
    return Checkpoint(path, weights, state, manifest)


def read_manifest(path: Path) -> dict[str, Any]:
    """Reads and verifies a checkpoint's manifest alone.

    Raises:
        AvscError: It is absent, damaged or of another version.
    """
    if not path.is_dir():
        raise AvscError(
            f"no checkpoint at {path}",
            "a run that finished its first epoch",
            "train it further: `avsc train ... --resume`",
        )
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        sound = manifest.pop("sha256") == _digest(manifest) and manifest["format"] == FORMAT
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise _damaged(path, f"{MANIFEST}: {type(error).__name__}: {error}") from None
    if not sound:
        raise _damaged(path, f"{MANIFEST} was altered")
    if manifest["version"] not in range(1, VERSION + 1):
        raise AvscError(
            f"{path} is a checkpoint of version {manifest['version']}",
            f"version {VERSION} at most",
            "use the newer avsc that wrote it",
        )
    return dict(manifest)


def recover(parent: Path, name: str) -> Checkpoint | None:
    """Reads ``parent/name`` to go on from it, or says aloud why it takes the previous one.

    A damaged checkpoint is moved to ``name.damaged``, out of the way of the next one. Only the
    run's writer may call this.

    Returns:
        None where there never was one.

    Raises:
        AvscError: Neither it nor the previous one is sound.
    """
    current, previous = parent / name, parent / f"{name}.previous"
    if not current.exists() and not previous.exists():
        return None
    try:
        return load(current)
    except AvscError as error:
        if not previous.exists():
            raise
        found = load(previous)
        say(f"WARNING: {error.got}; going on from the previous checkpoint, {previous}")
    if current.exists():
        damaged = parent / f"{name}.damaged"
        shutil.rmtree(damaged, ignore_errors=True)
        current.rename(damaged)
    return found


def recover_on_ranks(parent: Path, name: str, ranks: Ranks) -> Checkpoint | None:
    """The checkpoint to go on from, the same on every rank; the first one repairs.

    Raises:
        AvscError: Neither it nor the previous one is sound.
    """
    if ranks.writes:
        found = recover(parent, name)
        ranks.wait()
        return found
    ranks.wait()
    for there in (parent / name, parent / f"{name}.previous"):
        if there.exists():
            return load(there)
    return None


def _move_into_place(aside: Path, path: Path) -> None:
    files.sync_folder(aside)
    if path.exists():
        previous = path.with_name(f"{path.name}.previous")
        if previous.exists():
            shutil.rmtree(previous)
        path.rename(previous)
    aside.rename(path)
    files.sync_folder(path.parent)


def _load_training(path: Path) -> dict[str, Any]:
    import pickle

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise _damaged(path.parent, f"{TRAINING}: {str(error).splitlines()[0]}") from None
    if not isinstance(state, dict):
        raise _damaged(path.parent, f"{TRAINING} holds a {type(state).__name__}")
    return state


def _digest(manifest: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def _damaged(path: Path, what: str) -> AvscError:
    return AvscError(
        f"the checkpoint {path} is damaged: {what}",
        "the files that its manifest describes",
        f"use {path}.previous if it is there, or train again",
    )

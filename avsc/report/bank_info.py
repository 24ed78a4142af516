"""What is encoded beside a store, as ``avsc info`` lists it: pictures, sound, teachers' answers."""

import json
from pathlib import Path
from typing import Any

from avsc.console import byte_size
from avsc.models.bank_version import VERSION

HEADER = ["views", "encoder", "px", "content", "computed", "size", "folder"]


def banks(store: Path) -> list[list[str]]:
    """A row for each array of embeddings beside a store: ``HEADER`` names the columns.

    Args:
        store: Folder of the store.
    """
    beside = store.resolve().with_name(f"{store.resolve().name}.embeddings")
    rows = []
    for path in sorted(beside.glob("*.zarr")):
        try:
            rows.append(_row(path, json.loads((path / "zarr.json").read_text(encoding="utf-8"))))
        except (OSError, ValueError, KeyError, TypeError):
            size = byte_size(sum(_sizes(path)))
            rows.append(["?", "unreadable", "", "", "", size, path.name])
    return rows


def _row(path: Path, described: dict[str, Any]) -> list[str]:
    key, shape = described["attributes"]["key"], described["shape"]
    sizes = _sizes(path / "c")
    size = byte_size(sum(sizes))
    chunk = described["chunk_grid"]["configuration"]["chunk_shape"]
    begun = f"{len(sizes)}/{shape[0] * -(-shape[1] // chunk[1])} chunks"
    if "audio_model" in key:
        model = f"audio encoder {key['audio_model'][:8]}"
        return ["1", model, "", "sound", begun, size, path.name]
    if "teacher" in key:
        what = "answers of a teacher"
        return ["1", f"run {key['teacher'][:8]}", "", what, begun, size, path.name]
    if key["version"] != VERSION:
        what = "of an earlier avsc: not used, may be removed"
        return ["1", key["model"], str(key["image"]["size"]), what, "", size, path.name]
    augment = key["augment"]
    made = "plain" if augment is None else f"seed {augment['seed']}, {_ranges(augment)}"
    views, model = str(shape[0]), f"{key['model']} {key['weights'][:8]}"
    return [views, model, str(key["image"]["size"]), made, begun, size, path.name]


def _ranges(augment: dict[str, Any]) -> str:
    return f"crop {augment['crop_scale_min']:g}, flip {augment['flip']:g}"


def _sizes(folder: Path) -> list[int]:
    return [file.stat().st_size for file in folder.rglob("*") if file.is_file()]

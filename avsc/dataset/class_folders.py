"""A folder a scene with videos in it, and nothing else: ``rooms/office/*.mp4``.

Below its scene's folder a video may lie in further folders; each of these is a location, as what
was recorded at one place usually lies together. A video directly in its scene's folder is a
location of its own. Two folders ``train`` and ``test`` above those of the scenes are folds.
"""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from avsc.dataset.recordings import Listing, Recording, Tree, unique_ids
from avsc.errors import AvscError
from avsc.folds import TEST, TRAIN
from avsc.scenes import composed

FOLDS = {TRAIN, TEST}
OTHER_FOLDS = {"val", "valid", "validation", "dev", "eval", "evaluate", "evaluation"}
USE_TABLE = "or list the videos in a table clips.csv with the columns video and scene"


def list_class_folders(root: Path, tree: Tree) -> Listing:
    """The recordings of a folder of class folders.

    Args:
        root: The folder.
        tree: The media below it.
    """
    above = {PurePosixPath(path).parts[0] for path in tree.videos if "/" in path}
    by_fold = bool(above) and above <= FOLDS
    faults = _loose(root, tree.videos, 3 if by_fold else 2)
    if above & OTHER_FOLDS and above <= FOLDS | OTHER_FOLDS:
        faults.append(
            AvscError(
                f"{root} holds the folders {', '.join(sorted(above))}, which look like folds",
                "the folders train and test with those of the scenes in them, or the scenes'",
                "move the videos of the others to train (training holds out its validation clips"
                f" by itself), {USE_TABLE} and fold",
            )
        )
    sounds: dict[str, str] = {}
    for path in reversed(tree.sounds):
        sounds[str(PurePosixPath(path).with_suffix(""))] = path
    recordings = [
        _recording(path, name, sounds, by_fold)
        for path, name in zip(tree.videos, unique_ids(list(tree.videos)), strict=True)
        if path.count("/") >= (2 if by_fold else 1)
    ]
    faults += _not_text(recordings) + _one_scene(root, recordings) + _repeated(root, recordings)
    kind = "a folder a scene" + (", below train and test" if by_fold else "")
    notes = [f"{tree.others} other files are left out"] if tree.others else []
    ordered = sorted(recordings, key=lambda recording: recording.id)
    return Listing(root.resolve(), kind, tuple(ordered), tuple(notes), tuple(faults))


def _recording(path: str, name: str, sounds: dict[str, str], by_fold: bool) -> Recording:
    *folders, _ = PurePosixPath(path).parts
    fold = folders.pop(0) if by_fold else None
    scene = composed(folders[0])
    without = str(PurePosixPath(path).with_suffix(""))
    # The fold is no part of it: one place in both folds is one location, and is warned of.
    location = composed("/".join(folders)) if len(folders) > 1 else name
    return Recording(name, scene, location, fold, sounds.get(without, path), path, path)


def _loose(root: Path, videos: Sequence[str], depth: int) -> list[AvscError]:
    loose = [path for path in videos if path.count("/") < depth - 1]
    return [
        AvscError(
            f"{root / path} is in no scene's folder",
            f"{root.name}/{'train/' if depth > 2 else ''}<scene>/{PurePosixPath(path).name}",
            f"move it into the folder of its scene, {USE_TABLE}",
        )
        for path in loose
    ]


def _not_text(recordings: Sequence[Recording]) -> list[AvscError]:
    return [
        AvscError(
            f"the name of {recording.video!r} is not UTF-8",
            "names in UTF-8",
            "rename the file or folder, for example with convmv",
        )
        for recording in recordings
        if any("\ud800" <= letter <= "\udfff" for letter in recording.video + recording.audio)
    ]


def _one_scene(root: Path, recordings: Sequence[Recording]) -> list[AvscError]:
    scenes = {recording.scene for recording in recordings}
    if len(scenes) != 1:
        return []
    (scene,) = scenes
    below = any(recording.video.count("/") > 1 for recording in recordings)
    remedy = f"pass {root / scene} if its folders are the scenes, " if below else ""
    remedy += "add the folder of another scene"
    return [AvscError(f"{root} has one scene only, {scene}", "two scenes at least", remedy)]


def _repeated(root: Path, recordings: Sequence[Recording]) -> list[AvscError]:
    """Files that two links lead to: in two scenes, or twice in one."""
    places = defaultdict(list)
    for recording in recordings:
        places[(root / recording.video).resolve()].append(recording.video)
    return [
        AvscError(
            f"{' and '.join(paths)} are the same file {file}",
            "each recording once, in the folder of its scene",
            "remove the links that are too many",
        )
        for file, paths in places.items()
        if len(paths) > 1
    ]

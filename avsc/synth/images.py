"""Labelled pictures of further synthetic places, to pre-train a visual encoder on."""

from functools import partial
from pathlib import Path

from avsc.console import progress
from avsc.errors import AvscError
from avsc.files import write_bytes
from avsc.scenes import SCENES
from avsc.synth.plan import ClipPlan, Place
from avsc.synth.work import claim, run_all

SIZE = (320, 180)
IMAGES_A_PLACE = 4
VAL_SHARE = 0.2
JPEG_QUALITY = 90


def make_image_folder(
    out: Path, images_per_scene: int = 100, seed: int = 0, workers: int | None = None
) -> int:
    """Makes ``train/<scene>/*.jpg`` and ``val/<scene>/*.jpg``, or completes them.

    The places are none of a data set's, whatever its seed; those in ``val`` are not in ``train``.

    Args:
        out: The folder: new, empty, or begun with the same settings.
        images_per_scene: Of both splits together.
        seed: Of all draws.
        workers: Processes; all cores when None.

    Returns:
        How many places were drawn now; the others were there.

    Raises:
        AvscError: ``out`` holds something else, or a set of other settings.
    """
    if images_per_scene < 2 * IMAGES_A_PLACE:
        raise AvscError(
            f"{images_per_scene} images a scene", f"at least {2 * IMAGES_A_PLACE}", "ask for more"
        )
    claim(out, {"images_per_scene": images_per_scene, "image_seed": seed})
    places = _places(images_per_scene)
    missing = [place for place in places if not all(path.exists() for path in _paths(out, place))]
    with progress("images", len(places), "places", done=len(places) - len(missing)) as line:
        run_all([partial(_make_place, out, place, seed) for place in missing], workers, line)
    return len(missing)


def _places(images_per_scene: int) -> list[Place]:
    count = images_per_scene // IMAGES_A_PLACE
    held_out = max(1, round(VAL_SHARE * count))
    return [
        Place(scene, "nowhere", str(number), "test" if number < held_out else "train")
        for scene in SCENES
        for number in range(count)
    ]


def _paths(out: Path, place: Place) -> list[Path]:
    split = "train" if place.fold == "train" else "val"
    folder = out / split / place.scene
    return [folder / f"{place.location}-{index}.jpg" for index in range(IMAGES_A_PLACE)]


def _make_place(out: Path, place: Place, seed: int) -> None:
    import simplejpeg

    from avsc.synth.picture import make_picture

    for index, path in enumerate(_paths(out, place)):
        picture = make_picture(seed, ClipPlan(place, f"image{index}"), SIZE, 2.0 * index)
        write_bytes(path, simplejpeg.encode_jpeg(picture, JPEG_QUALITY, "RGB", "420"))

"""Labelled pictures of further synthetic places, to pre-train a visual encoder on."""

from functools import partial
from pathlib import Path

from avsc.errors import AvscError
from avsc.files import write_bytes
from avsc.scenes import SCENES
from avsc.synth.plan import ClipPlan, Place
from avsc.synth.work import Job, claim, run_missing

SIZE = (320, 180)
IMAGES_A_PLACE = 4
VAL_SHARE = 0.2
JPEG_QUALITY = 90


def make_image_folder(
    out: Path, images_per_scene: int = 100, seed: int = 0, workers: int | None = None
) -> int:
    """Makes ``train/<scene>/*.jpg`` and ``val/<scene>/*.jpg``, or completes them.

    The places are in no data set, whatever its seed; those in ``val`` are not in ``train``.

    Args:
        out: The folder: new, empty, or begun with the same settings.
        images_per_scene: Number of images of each scene, both splits together.
        seed: Seed of all random numbers.
        workers: Number of processes; one a core when None, only this process when 1.

    Returns:
        The number of places that were drawn now; the others were there.

    Raises:
        AvscError: ``out`` holds something else, or a set of other settings.
    """
    count = images_per_scene // IMAGES_A_PLACE
    if count < 2:
        raise AvscError(
            f"{images_per_scene} images a scene", f"at least {2 * IMAGES_A_PLACE}", "ask for more"
        )
    claim(out, {"images_per_scene": images_per_scene, "image_seed": seed})
    held_out = max(1, round(VAL_SHARE * count))
    jobs = []
    for scene in SCENES:
        for number in range(count):
            place = Place(scene, "nowhere", str(number), "test" if number < held_out else "train")
            folder = out / ("val" if number < held_out else "train") / scene
            paths = [folder / f"{number}-{index}.jpg" for index in range(IMAGES_A_PLACE)]
            jobs.append(Job(partial(_make_place, place, paths, seed), paths))
    return run_missing("images", "places", jobs, workers)


def _make_place(place: Place, paths: list[Path], seed: int) -> None:
    import simplejpeg

    from avsc.synth.pictures import make_picture

    for index, path in enumerate(paths):
        picture = make_picture(seed, ClipPlan(place, f"image{index}"), SIZE, 2.0 * index)
        write_bytes(path, simplejpeg.encode_jpeg(picture, JPEG_QUALITY, "RGB", "420"))

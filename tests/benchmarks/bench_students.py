"""What a teacher adds to a system where most clips have no label.

``python -m tests.benchmarks.bench_students FOLDER [train SEED ...]`` in a checkout. FOLDER is, or
becomes, a synthetic data set of 36 clips a scene, 25 of them for training, and two stores of it: in
one all training clips have their scene, in the other 8 of each scene, and the rest is unlabelled.
Arguments are those of ``bench_beyond``.
"""

import csv
import sys
from collections import Counter
from pathlib import Path

from avsc.folds import TRAIN
from avsc.prepare.run import prepare
from avsc.store.reader import Store
from avsc.store.schema import StoreSettings
from tests.benchmarks.bench_beyond import EPOCHS, VIEWS, System, losses_of, score, table
from tests.benchmarks.bench_views import SEEDS, make
from tests.benchmarks.results import write_section

CLIPS_PER_SCENE, LABELLED_PER_SCENE = 36, 8
PART, WHOLE = "part.zarr", "store.zarr"
AT_1 = ("distill.temperature=1",)
UNLABELLED = ("distill.unlabelled=true",)
SYSTEMS = (
    System("audio", "audio", store=PART),
    System("joint", "joint", (VIEWS,), store=PART),
    System("audio of joint", "audio", AT_1, "audio", "joint", PART),
    System("audio of joint with unlabelled", "audio", (*AT_1, *UNLABELLED), "audio", "joint", PART),
    System("audio of joint with unlabelled at T 2", "audio", UNLABELLED, "audio", "joint", PART),
    System(
        "joint of joint with unlabelled",
        "joint",
        (VIEWS, *AT_1, *UNLABELLED),
        "joint",
        "joint",
        PART,
    ),
    System("audio every label", "audio", (), "audio", store=WHOLE),
    System("joint every label", "joint", (VIEWS,), "joint", store=WHOLE),
)


def prepare_part(folder: Path) -> None:
    """A table of the data set in which some training clips have no scene, and its store."""
    table_of = folder / "part" / "clips.csv"
    table_of.parent.mkdir(exist_ok=True)
    link = table_of.parent / "dataset"
    if not link.exists():
        link.symlink_to(folder / "dataset")
    count: Counter[str] = Counter()
    with table_of.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "video", "audio", "scene", "location", "fold"])
        for clip in Store.open(folder / WHOLE).clips:
            count[clip.scene] += clip.fold == TRAIN
            known = clip.fold != TRAIN or count[clip.scene] <= LABELLED_PER_SCENE
            scene, fold = (clip.scene, clip.fold) if known else ("", "")
            place = f"{clip.city}-{clip.location}"
            media = (f"dataset/{name}" for name in (clip.video, clip.audio))
            rows.writerow([clip.id, *media, scene, place, fold])
    prepare(table_of, folder / PART, StoreSettings(partition_clips=16))


def main(folder: Path, seeds: list[int]) -> None:
    """Trains some seeds, or writes the section."""
    make(folder, CLIPS_PER_SCENE)
    prepare_part(folder)
    if seeds:
        for system in SYSTEMS:
            for seed in seeds:
                print(system.name, seed, round(score(folder, system, seed), 3), flush=True)
        return
    lines = [
        "## Students of unlabelled clips",
        "",
        "`tests/benchmarks/bench_students.py`, synthetic data: systems as in `bench_beyond.py` "
        f"({EPOCHS} epochs, {len(SEEDS)} seeds), test log-loss. {LABELLED_PER_SCENE} training "
        "clips of each scene have a label (validation clips are among them) and 17 have none. "
        "Soft targets are the joint run's of the same seed, at the temperature 1 but for `T 2`; "
        "their weight is 0.5 where there is a label too. `every label` is what the students "
        "cannot have.",
        "",
        *table(SYSTEMS, {system.name: losses_of(folder, system) for system in SYSTEMS}),
    ]
    section = "\n".join(lines)
    print(section)
    write_section("students", section)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(word) for word in sys.argv[3:]])

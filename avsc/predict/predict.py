"""``avsc predict``: recordings in, time-lines out; files only where asked for.

``DIR/NAME.csv``, ``DIR/NAME.json`` and ``DIR/NAME.html`` of each recording, NAME being its file's
name without the ending (numbered where two recordings share it).
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

from avsc import files
from avsc.console import progress, say
from avsc.errors import AvscError
from avsc.evaluate.temperature import read_calibration, with_temperature
from avsc.predict.formats import as_json, csv_header, csv_lines
from avsc.predict.predictor import Predictor
from avsc.predict.recording import open_recording
from avsc.predict.timeline import SceneTimeline
from avsc.report.pages import timeline_page
from avsc.train.load import Run


def predict(
    run: Path | str,
    recordings: Path | str | Sequence[Path | str],
    *,
    audio: Path | str | None = None,
    out: Path | str | None = None,
    device: str = "auto",
    ve_weights: str | None = None,
    trust_code: bool = False,
    calibrated: bool = False,
    audio_model: Path | str | None = None,
) -> list[SceneTimeline]:
    """The scene of each second of some recordings, and their files where asked for.

    Args:
        run: Folder of the run.
        recordings: Path or paths of videos; or of sound files, for a run on sound alone.
        audio: Path of the one recording's sound, if it is not its own track.
        out: Folder for a CSV, a JSON and a page of each recording; None to write none.
        device: Device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1`` and so on.
        ve_weights: Path of the visual encoder's weights, if they are no longer where they were.
        trust_code: Whether the class that the run names as its own acoustic encoder may be
            imported, which runs its code.
        calibrated: Whether to apply the temperature that ``avsc calibrate`` keeps in the run.
        audio_model: Folder of the pre-trained audio encoder, if it is no longer where it was.

    Returns:
        A time-line for each recording; ``to_frame()`` of one is a table.

    Raises:
        AvscError: The run cannot be opened; or, at the end, some recording could not be used.
    """
    paths = [recordings] if isinstance(recordings, Path | str) else recordings
    return list(
        predict_each(
            Path(run),
            [Path(path) for path in paths],
            audio=None if audio is None else Path(audio),
            out=None if out is None else Path(out),
            device=device,
            ve_weights=ve_weights,
            trust_code=trust_code,
            calibrated=calibrated,
            audio_model=audio_model,
        )
    )


def predict_each(
    run: Path,
    recordings: Sequence[Path],
    *,
    audio: Path | None = None,
    out: Path | None = None,
    device: str = "auto",
    ve_weights: str | None = None,
    trust_code: bool = False,
    calibrated: bool = False,
    audio_model: Path | str | None = None,
) -> Iterator[SceneTimeline]:
    """Yields the time-line of each recording as soon as it is there, and writes its files.

    A recording that cannot be used does not keep the others from being predicted. For the
    arguments see ``predict``.

    Raises:
        AvscError: The run cannot be opened; or, at the end, some recording could not be used.
    """
    if audio is not None and len(recordings) != 1:
        raise AvscError(f"one sound for {len(recordings)} recordings", "one recording")
    loaded = Run.open(
        run, device, ve_weights=ve_weights, trust_code=trust_code, audio_model=audio_model
    )
    if calibrated:
        loaded = with_temperature(loaded, read_calibration(run).temperature)
    predictor = Predictor(loaded)
    failed: list[AvscError] = []
    for recording, name in zip(recordings, names(recordings), strict=True):
        try:
            timeline = _predict(predictor, recording, audio)
        except AvscError as error:
            if len(recordings) == 1:
                raise
            say(f"avsc: {error}")
            failed.append(error)
            continue
        if out is not None:
            write(timeline, out, name)
        yield timeline
    if failed:
        raise AvscError(
            f"{len(failed)} of {len(recordings)} recordings could not be used: "
            + "; ".join(error.got for error in failed),
            "",
            "see what is said of each above; the others are done",
        )


def predict_one(run: Run, recording: Path, audio: Path | None = None) -> SceneTimeline:
    """The time-line of one recording by a run that is open.

    Args:
        run: Run.
        recording: Path of the recording.
        audio: Path of its sound, if it is not its own track.

    Raises:
        AvscError: The recording cannot be used.
    """
    return _predict(Predictor(run), recording, audio)


def names(recordings: Sequence[Path]) -> list[str]:
    """Names of the recordings' files, all different.

    >>> names([Path("a/walk.mp4"), Path("b/walk.mkv"), Path("walk-1.mp4"), Path("c.wav")])
    ['walk-2', 'walk-3', 'walk-1', 'c']
    """
    shared = Counter(path.stem for path in recordings)
    taken = {stem for stem, times in shared.items() if times == 1}
    found = []
    for path in recordings:
        name = path.stem
        if shared[name] > 1:
            numbered = (f"{path.stem}-{number}" for number in count(1))
            name = next(one for one in numbered if one not in taken)
            taken.add(name)
        found.append(name)
    return found


def write(timeline: SceneTimeline, out: Path, name: str) -> None:
    """Writes a time-line's CSV, JSON and page into a folder."""
    lines = [csv_header(timeline.scenes), *csv_lines(timeline)]
    files.write_text(out / f"{name}.csv", "\n".join(lines) + "\n")
    content = json.dumps(as_json(timeline), indent=2, ensure_ascii=False)
    files.write_text(out / f"{name}.json", content + "\n")
    files.write_text(out / f"{name}.html", timeline_page(timeline))
    say(f"written to {out / name}.html, .json and .csv")


def _predict(predictor: Predictor, path: Path, audio: Path | None) -> SceneTimeline:
    run = predictor.run
    recording = open_recording(
        path,
        audio,
        run.manifest.settings.image,
        uses_audio=run.uses_audio,
        uses_images=run.uses_images,
        may_lack=frozenset(run.recipe.train.dropped),
        tower_hz=None if predictor.tower is None else predictor.tower.sample_rate_hz,
    )
    with progress(path.name, recording.expected(), "seconds") as line:
        timeline = predictor.predict(recording, line)
    for note in timeline.notes:
        say(f"note: {path.name}: {note}")
    return timeline

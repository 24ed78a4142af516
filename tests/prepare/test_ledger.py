from pathlib import Path

from avsc.prepare.ledger import Ledger, Note, remove_notes
from avsc.prepare.lock import FOLDER


def test_a_clip_is_banned_at_the_limit_and_others_are_not() -> None:
    ledger = Ledger(2)
    ledger.blame(3, "a", "it crashed")
    ledger.blame(3, "b", "it crashed")
    assert ledger.banned(3) == {}
    ledger.blame(3, "a", "it hung")
    assert ledger.banned(3) == {"a": "it hung (2 times)"}
    assert ledger.banned(4) == {}


def test_a_note_is_taken_once_and_outlives_its_writer(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    assert Note(tmp_path, 7).take() == ""
    Note(tmp_path, 7).write("park-lyon-1-2")
    Note(tmp_path, 8).write("")
    assert Note(tmp_path, 7).take() == "park-lyon-1-2"
    assert Note(tmp_path, 7).take() == ""
    remove_notes(tmp_path)
    assert not list((tmp_path / FOLDER).iterdir())

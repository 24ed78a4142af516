"""What a killed run leaves behind, and how it is recognised without touching what others write."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from avsc.files import TEMPORARY_PREFIX
from avsc.prepare.ledger import remove_notes
from avsc.store import record
from avsc.store.schema import StoreSettings, array_specs


def sweep_partitions(
    store: Path, clips: int, settings: StoreSettings, partitions: Iterable[int]
) -> None:
    """Removes the half-written files of some partitions; others may be at work on the rest."""
    specs = array_specs(clips, settings)
    for partition in partitions:
        names = [spec.shard_name(partition) for spec in specs]
        for path in (store / name for name in [*names, record.name(partition)]):
            for left in path.parent.glob(f"{TEMPORARY_PREFIX}{path.name}-*"):
                left.unlink(missing_ok=True)


def sweep_store(store: Path) -> None:
    """Removes what is left of a run, apart from partitions; for one who holds the whole store."""
    remove_notes(store)
    # Of one that was killed while it created this store, or has just lost that race.
    for skeleton in store.parent.glob(f"{TEMPORARY_PREFIX}{store.name}-*"):
        shutil.rmtree(skeleton, ignore_errors=True)

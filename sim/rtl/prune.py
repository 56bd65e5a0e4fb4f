"""Keeping the cache small: what has been used least lately goes first."""

import contextlib
import shutil
import time
from pathlib import Path

__all__ = ["LARGEST", "OLDEST", "RECENT", "prune"]

#: Bytes that the cache may hold when a build ends.
LARGEST = 4 << 30
#: Seconds after its last use at which a product goes in any case: 60 days.
OLDEST = 60 * 86400
#: Seconds after its last use in which a product stays in any case, a run may have it: one day.
RECENT = 86400


def prune(root, largest=LARGEST, now=None):
    """Remove products of the cache that are old, and the oldest ones until the rest is small.

    Locks stay, and what was used, or begun to be built, within `RECENT`.

    Parameters
    ----------
    root : path
        The cache. The time of last change of a product in it is that of its last use.
    largest : int
        Bytes that may stay.
    now : float, optional
        The time, in seconds since 1970.

    Returns
    -------
    list of str
        Names of what was removed.
    """
    now, entries = time.time() if now is None else now, []
    for path in Path(root).iterdir():
        if path.suffix == ".lock":
            continue
        # Other processes prune, too.
        with contextlib.suppress(FileNotFoundError):
            entries.append((path.stat().st_mtime, _size(path), path))
    total, removed = sum(size for _, size, _ in entries), []
    for used, size, path in sorted(entries):
        age = now - used
        if age < RECENT or (age < OLDEST and total <= largest):
            break
        if _remove(path):
            removed.append(path.name)
        total -= size
    return removed


def _size(path):
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size


def _remove(path):
    """Remove a product at once under its name, so that nobody finds half of it."""
    gone = path.with_name(f"{path.name}.partial")
    try:
        path.rename(gone)
        if gone.is_dir():
            shutil.rmtree(gone)
        else:
            gone.unlink()
    except OSError:
        return False
    return True

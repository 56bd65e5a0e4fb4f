import os

import pytest

from sim.rtl import toolchain
from sim.rtl.prune import OLDEST, RECENT, prune

NOW = 1e9


@pytest.fixture
def cache(tmp_path):
    """Products of 1000 bytes, used three hours and 2 to 4 days ago."""
    for name, days in (("new", 0.125), ("two", 2), ("three", 3), ("four", 4)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "product").write_bytes(bytes(1000))
        os.utime(folder, (NOW, NOW - days * 86400))
        (tmp_path / f"{name}.lock").touch()
    return tmp_path


def left(cache):
    return {path.name for path in cache.iterdir() if path.suffix != ".lock"}


@pytest.mark.parametrize(("largest", "stay"), [
    (4000, {"new", "two", "three", "four"}), (3999, {"new", "two", "three"}),
    (2000, {"new", "two"}), (0, {"new"})])
def test_the_oldest_go_until_the_rest_is_small(cache, largest, stay):
    removed = prune(cache, largest, NOW)
    assert left(cache) == stay
    assert removed == [name for name in ("four", "three", "two") if name not in stay]
    assert len(list(cache.glob("*.lock"))) == 4


def test_what_is_very_old_goes_from_a_small_cache(cache):
    prune(cache, 1 << 30, NOW + OLDEST - 2.5 * 86400)
    assert left(cache) == {"new", "two"}


def test_what_is_being_built_stays_and_what_a_killed_build_left_goes(cache):
    for name in ("new", "four"):
        (cache / name).rename(cache / f"{name}.partial")
    prune(cache, 0, NOW)
    assert left(cache) == {"new.partial"}


def test_files_count_and_go(cache):
    path = cache / "key.verilog.json"
    path.write_bytes(bytes(5000))
    os.utime(path, (NOW, NOW - 9 * 86400))
    assert prune(cache, 4000, NOW) == ["key.verilog.json"]


def test_a_use_is_noted_and_a_build_prunes(cache, monkeypatch):
    monkeypatch.setenv("NEUFLOW_CACHE", str(cache))
    made = toolchain.Recipe("top", {"a.v": ""}, {}, "product")
    monkeypatch.setattr(toolchain, "_build_in", lambda folder, recipe, progress: (
        folder.mkdir(), (folder / "product").touch()))
    product = toolchain.build(made)
    # By now all others are decades old.
    assert left(cache) == {made.key}
    os.utime(product.parent, (NOW, NOW))
    assert toolchain.build(made) == product
    assert product.parent.stat().st_mtime > NOW + RECENT

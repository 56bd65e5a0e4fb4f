import os
import stat

import numpy as np
import pytest

from host import files


def test_replacing_swaps_whole_files(tmp_path):
    path = tmp_path / "out.npz"
    path.write_text("old")
    with files.replacing(path) as temporary:
        assert temporary.suffix == ".npz"
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["out.npz"]
    assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0o077 & 0o666 & ~files._umask()


def test_replacing_leaves_nothing_after_a_failure(tmp_path):
    path = tmp_path / "out.npz"
    with pytest.raises(RuntimeError), files.replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert os.listdir(tmp_path) == []


def test_replacing_names_what_is_missing(tmp_path):
    with pytest.raises(files.FileError, match=r"cannot write .*: there is no folder .*absent"):
        with files.replacing(tmp_path / "absent" / "out.npz"):
            pass
    with pytest.raises(files.FileError, match=r"cannot write .*: it is a folder; name a file"):
        files.check_output(tmp_path)
    with pytest.raises(files.FileError, match=r"a\.txt: its name must end in \.fst or \.vcd"):
        files.check_output(tmp_path / "a.txt", (".fst", ".vcd"))


def test_arrays_come_back(tmp_path):
    arrays = {"file": np.arange(6, dtype=np.int16).reshape(2, 3), "a/b": np.float32([0.5])}
    files.write_arrays(tmp_path / "a.npz", arrays)
    back = files.read_arrays(tmp_path / "a.npz")
    assert list(back) == ["file", "a/b"]
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype
        assert np.array_equal(back[name], array)


def test_a_single_array_takes_the_only_name(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(3))
    assert list(files.read_arrays(tmp_path / "a.npy", ["image"])) == ["image"]
    with pytest.raises(files.FileError, match=r"without a name.*savez \(expected: a, b\)"):
        files.read_arrays(tmp_path / "a.npy", ["a", "b"])
    with pytest.raises(files.FileError, match=r"without a name; write arrays by name"):
        files.read_arrays(tmp_path / "a.npy")


def test_pickled_objects_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}], dtype=object))
    np.savez(tmp_path / "a.npz", a=np.array([{}], dtype=object))
    for name in ("a.npy", "a.npz"):
        with pytest.raises(files.FileError, match=r"a\.np.: not a file of NumPy arrays"):
            files.read_arrays(tmp_path / name, ["a"])


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04", b"\x93NUMPY\x01\x00"])
def test_what_is_no_array_is_refused(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(files.FileError, match=r"a\.npz: not a file of NumPy arrays \((?!.*pickle)"):
        files.read_arrays(tmp_path / "a.npz", ["a"])


def test_altered_archives_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.arange(100))
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(files.FileError, match=r"a\.npz: not a file of NumPy arrays"):
        files.read_arrays(tmp_path / "a.npz", ["a"])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(files.FileError, match=r"cannot read .*absent\.npz: No such file"):
        files.read_arrays(tmp_path / "absent.npz")


def test_texts_are_written_together(tmp_path):
    written = files.write_texts(tmp_path / "new" / "folder", {"a.v": "module a", "b.v": "module b"})
    assert [path.read_text() for path in written] == ["module a", "module b"]
    assert sorted(os.listdir(tmp_path / "new" / "folder")) == ["a.v", "b.v"]


def test_no_text_is_written_when_one_fails(tmp_path):
    with pytest.raises(OSError, match="missing"):
        files.write_texts(tmp_path, {"a.v": "module a", "missing/b.v": "module b"})
    assert os.listdir(tmp_path) == []

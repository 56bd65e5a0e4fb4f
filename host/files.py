"""Files of the command: arrays in, results out, never a half-written output."""

import json
import os
import shutil
import tempfile
import zipfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np

__all__ = ["TRACE_SUFFIXES", "FileError", "check_output", "read_arrays", "replacing",
           "write_arrays", "write_json", "write_texts"]

#: How a .npy file and a zip archive, which a .npz file is, begin.
_NPY, _ZIP = b"\x93NUMPY", b"PK"

#: Kinds of wave file, by the end of their name.
TRACE_SUFFIXES = (".fst", ".vcd")


class FileError(Exception):
    """A file that is missing, of the wrong kind or damaged; the message names it."""


def check_output(path, suffixes=(), *, make_folder=False):
    """Refuse a file that could not be written, before the work for it is done.

    Parameters
    ----------
    path : path-like
        File to make.
    suffixes : sequence of str
        How its name may end; by default anyhow.
    make_folder : bool
        Make the folder it lies in when there is none.

    Raises
    ------
    FileError
        If it is a folder, lies in none, or its name ends otherwise.
    OSError
        If its folder cannot be made.
    """
    path = Path(path)
    if suffixes and path.suffix not in suffixes:
        raise FileError(f"cannot write {path}: its name must end in {' or '.join(suffixes)}")
    if path.is_dir():
        raise FileError(f"cannot write {path}: it is a folder; name a file")
    if make_folder:
        path.parent.mkdir(parents=True, exist_ok=True)
    if not path.parent.is_dir():
        raise FileError(f"cannot write {path}: there is no folder {path.parent}")


@contextmanager
def replacing(path):
    """Give a temporary path beside `path` that takes its place when the block succeeds.

    Parameters
    ----------
    path : path-like
        File to make. If the block raises, it stays as it was.

    Yields
    ------
    pathlib.Path
        Where to write; it has the suffix of `path`.

    Raises
    ------
    FileError
        If `check_output` refuses it.
    OSError
        If it cannot be written.
    """
    path = Path(path)
    check_output(path)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes files that only their owner can read; results are ordinary files.
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def read_arrays(path, names=None):
    """Read named arrays from a ``.npz`` file, or one array from a ``.npy`` file.

    Parameters
    ----------
    path : path-like
        The file.
    names : sequence of str or None
        Names that the reader expects, if known. A ``.npy`` file is taken for the only one.

    Returns
    -------
    dict of str to numpy.ndarray
        The arrays by name.

    Raises
    ------
    FileError
        If it cannot be read, holds Python objects, or is a ``.npy`` file and its array has no
        name.
    """
    path = Path(path)
    try:
        # Pickled objects could run code; arrays of numbers need none.
        with path.open("rb") as file:
            start = file.read(len(_NPY))
            if not start.startswith((_NPY, _ZIP)):
                raise ValueError(f"it begins with {start!r}")
            file.seek(0)
            content = np.load(file, allow_pickle=False)
            if isinstance(content, np.lib.npyio.NpzFile):
                return {name: content[name] for name in content.files}
    except (ValueError, EOFError, zipfile.BadZipFile, KeyError, NotImplementedError) as error:
        raise FileError(f"{path}: not a file of NumPy arrays ({error}); write it with "
                        f"numpy.savez (.npz) or numpy.save (.npy)") from error
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror or error}") from error
    if names is None or len(names) != 1:
        wanted = f" (expected: {', '.join(names)})" if names else ""
        raise FileError(f"{path}: an array without a name; write arrays by name with "
                        f"numpy.savez{wanted}")
    return {names[0]: content}


def write_arrays(path, arrays):
    """Write named arrays as a compressed ``.npz`` file, all or nothing.

    Parameters
    ----------
    path : path-like
        File to make.
    arrays : dict of str to numpy.ndarray
        The arrays by name.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    with replacing(path) as temporary, temporary.open("wb") as file:
        # A dict of keywords would clash for a tensor called "file": write the members one by one.
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)


def write_json(path, value):
    """Write a value as JSON, all or nothing.

    Parameters
    ----------
    path : path-like
        File to make.
    value : object
        What `json` can write.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    with replacing(path) as temporary, temporary.open("w") as file:
        json.dump(value, file)


def write_texts(folder, texts):
    """Write text files into a folder, made when missing; none of them if one fails.

    Parameters
    ----------
    folder : path-like
        Where they go.
    texts : dict of str to str
        Text of each file by name.

    Returns
    -------
    list of pathlib.Path
        The files.

    Raises
    ------
    OSError
        If they cannot be written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(dir=folder, prefix=".writing-"))
    try:
        for name, text in texts.items():
            (staging / name).write_text(text)
        for name in texts:
            (staging / name).replace(folder / name)
    finally:
        shutil.rmtree(staging)
    return [folder / name for name in texts]

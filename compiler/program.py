"""Program files: what the compiler hands to simulators and driver; see docs/program.md."""

import hashlib
import io
import json
import os
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from hdl.target import TARGETS

from .errors import ProgramError
from .fixed import FixedGraph
from .lower.timing.runs import run_cycles
from .serialise import decode_graph, encode_graph

__all__ = ["FORMAT", "VERSION", "Program"]

#: What the manifest calls the format, and its version: raised when older readers would be wrong.
FORMAT, VERSION = "neuflow-program", 1

_MANIFEST = "manifest.json"
_MEMBERS = ("image.bin", "graph.json", "graph.npz")

#: What every manifest holds beside its format, version and digest.
_FIELDS = ("target", "fingerprint", "program_address", "inputs", "outputs", "tensors", "steps",
           "log", "members")

#: Zip's oldest date: equal programs are equal files.
_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, eq=False)
class Program:
    """A compiled network.

    Parameters
    ----------
    target : str
        Name of the machine it is for.
    fingerprint : int
        The machine's fingerprint, 64 bits.
    manifest : dict
        Inputs, outputs, tensors, steps, log and quantisation, as docs/program.md describes.
    image : bytes
        What is loaded at byte address 0 of the device's memory.
    graph : FixedGraph
        The network in integers.
    """

    target: str
    fingerprint: int
    manifest: dict
    image: bytes
    graph: FixedGraph

    @property
    def predicted_cycles(self):
        """Predicted cycles of a whole run, from its start until the host sees its end."""
        return run_cycles(self.manifest["steps"], TARGETS[self.target])

    def to_bytes(self):
        """Return the content of the program's file."""
        text, arrays = encode_graph(self.graph)
        members = dict(zip(_MEMBERS, (self.image, text, arrays), strict=True))
        manifest = {**self.manifest, "format": FORMAT, "version": VERSION, "target": self.target,
                    "fingerprint": f"{self.fingerprint:016x}",
                    "members": {name: {"bytes": len(content), "sha256": _sha256(content)}
                                for name, content in members.items()}}
        manifest["digest"] = _digest(manifest)
        members = {_MANIFEST: json.dumps(manifest, indent=1).encode(), **members}
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
            for name, content in members.items():
                info = zipfile.ZipInfo(name, _DATE)
                info.create_system, info.external_attr = 3, 0o644 << 16
                archive.writestr(info, content)
        return buffer.getvalue()

    def save(self, path):
        """Write the program to a file, in full or not at all.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        path = Path(path)
        content = self.to_bytes()
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(temporary, 0o666 & ~umask)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise

    @classmethod
    def load(cls, path):
        """Read a program file.

        Raises
        ------
        ProgramError
            If it is no program, is truncated or altered, of another version, or for a machine
            that is not the installed one.
        """
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            raise ProgramError(f"{path}: cannot be read: {error.strerror or error}") from None
        return cls.from_bytes(content, str(path))

    @classmethod
    def from_bytes(cls, content, where="program"):
        """Return the program of a file's content; ``where`` names it in messages. See `load`."""
        members = _read_members(content, where)
        manifest = _check_manifest(members.pop(_MANIFEST), where)
        for name, member in members.items():
            stated = manifest["members"][name]
            if len(member) != stated["bytes"] or _sha256(member) != stated["sha256"]:
                raise ProgramError(f"{where}: {name} was altered: its SHA-256 is "
                                   f"{_sha256(member)}, the manifest states {stated['sha256']}; "
                                   "compile the model again")
        fingerprint = _check_target(manifest, where)
        try:
            graph = decode_graph(members["graph.json"], members["graph.npz"])
        except (ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as error:
            raise ProgramError(f"{where}: the graph in it cannot be read: {error}") from None
        kept = {name: value for name, value in manifest.items()
                if name not in ("members", "digest")}
        return cls(manifest["target"], fingerprint, kept, members["image.bin"], graph)


def _sha256(content):
    return hashlib.sha256(content).hexdigest()


def _digest(manifest):
    """Return the SHA-256 of a manifest without its digest, however it is laid out."""
    rest = {name: value for name, value in manifest.items() if name != "digest"}
    return _sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode())


def _read_members(content, where):
    damaged = f"{where}: not a NeuFlow program, or a truncated or altered one: "
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = archive.namelist()
            members = {}
            for name in (_MANIFEST, *_MEMBERS):
                if names.count(name) != 1:
                    raise ProgramError(f"{damaged}it has no single {name}")
                members[name] = archive.read(name)
            if len(names) > len(members):
                extra = sorted(set(names) - set(members))
                raise ProgramError(f"{damaged}it has other content, {', '.join(extra)}")
            return members
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError, OSError,
            EOFError, OverflowError, ValueError) as error:
        if isinstance(error, ProgramError):
            raise
        raise ProgramError(f"{damaged}{error}") from None


def _check_manifest(content, where):
    damaged = f"{where}: {_MANIFEST} was altered: "
    try:
        manifest = json.loads(content)
    except ValueError as error:
        raise ProgramError(f"{damaged}{error}") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ProgramError(f"{where}: not a NeuFlow program: {_MANIFEST} does not state format "
                           f"{FORMAT!r}")
    if manifest.get("version") != VERSION:
        raise ProgramError(f"{where}: is of version {manifest.get('version')!r}, this NeuFlow "
                           f"reads version {VERSION}; compile the model again")
    if manifest.get("digest") != _digest(manifest):
        raise ProgramError(f"{damaged}its digest is {_digest(manifest)}, it states "
                           f"{manifest.get('digest')}; compile the model again")
    missing = [name for name in _FIELDS if name not in manifest]
    if missing:
        raise ProgramError(f"{damaged}it lacks {', '.join(missing)}")
    return manifest


def _check_target(manifest, where):
    name, fingerprint = manifest["target"], int(manifest["fingerprint"], 16)
    if name not in TARGETS:
        raise ProgramError(f"{where}: is for target {name!r}, which is not installed; targets are "
                           f"{', '.join(TARGETS)}")
    installed = TARGETS[name].fingerprint
    if fingerprint != installed:
        raise ProgramError(f"{where}: is for a machine of fingerprint {fingerprint:016x}, target "
                           f"{name} as installed has {installed:016x}; rebuild it: "
                           f"neuflow compile MODEL --target {name}")
    return fingerprint

"""What a command ends with: a result that shows itself, or an error that is the user's to mend."""

from dataclasses import dataclass

from hdl.target import get_target

from . import files, render
from .batch import BatchError

__all__ = ["Result", "UsageError", "describe", "named_target", "user_errors"]


class UsageError(Exception):
    """An option that cannot be; the message says which ones can."""


@dataclass(frozen=True)
class Result:
    """What a command has to say: `data` for programs, `parts` (texts, tables) for people."""

    data: object
    parts: tuple

    def show(self):
        """Print the parts on stdout."""
        render.show(*self.parts)


def user_errors():
    """Return the exceptions that are the user's to mend: bad input, or a run that failed."""
    from compiler.errors import CompileError, ProgramError
    from hdl.boards import BoardError
    from sim.rtl.machine import MachineError
    from sim.rtl.toolchain import ToolchainError

    from .driver import DeviceError
    from .samples import InputError
    from .verify import ProofError

    return (BatchError, BoardError, CompileError, ProgramError, InputError, DeviceError,
            MachineError, ProofError, ToolchainError, files.FileError, UsageError, OSError)


def describe(error):
    """Return what to tell the user about one of `user_errors`."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)


def named_target(name):
    """Return the target called `name`.

    Raises
    ------
    UsageError
        If there is none; the message lists those that exist.
    """
    try:
        return get_target(name)
    except ValueError as error:
        raise UsageError(str(error)) from None

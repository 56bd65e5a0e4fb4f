"""Writes a machine's Verilog, with a serial link where that is asked for."""

from pathlib import Path

from hdl.link.parameters import Link

from . import files
from .outcome import UsageError, named_target

__all__ = ["write_verilog"]


def _named_link(target, divisor, baud, bus):
    """Return the link that options ask for, None for none."""
    if divisor is not None and baud is not None:
        raise UsageError(f"--link {divisor} and --baud {baud} both set the line's rate; leave "
                         "out one")
    if divisor is None and baud is None:
        if not bus:
            raise UsageError("--no-bus leaves no way to the machine; add --link or --baud")
        return None
    try:
        if baud is not None:
            return Link.at(baud, target.clock_hz, bus=bus)
        return Link(divisor, bus=bus)
    except ValueError as error:
        raise UsageError(str(error)) from None


def write_verilog(target, output=None, progress=None, *, divisor=None, baud=None, bus=True):
    """Write the Verilog of a target and what describes it, all files or none.

    Parameters
    ----------
    target : str
        Name of the target.
    output : path-like or None
        Folder to write to (default: ``build/verilog/`` and the target's name).
    progress : callable or None
        Called with a text for each module.
    divisor, baud : int or None
        Give the machine a serial link: cycles a bit, or bits a second at its clock.
    bus : bool
        Keep the AXI4-Lite port beside the link.

    Returns
    -------
    list of pathlib.Path
        The files.

    Raises
    ------
    UsageError
        If there is no such target, or its clock gives no such rate.
    OSError
        If the files cannot be written.
    """
    target = named_target(target)
    link = _named_link(target, divisor, baud, bus)
    from hdl.package import package

    folder = Path(output) if output else Path("build/verilog") / target.name
    say = progress or (lambda text: None)
    say(f"Converting {target.name} to Verilog")
    texts = package(
        target, lambda module: say(f"Converting {target.name} to Verilog: {module}"), link)
    return files.write_texts(folder, texts)

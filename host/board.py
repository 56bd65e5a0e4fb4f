"""What a board says of itself, over its link."""

from hdl.control.counters import counter_names
from hdl.control.host_registers import ERROR_TEXTS, HOST_REGISTER, ErrorCode, counter_address
from hdl.target import get_target

from . import render
from .driver import Driver, known_target
from .outcome import Result
from .transports.connect import connect

__all__ = ["describe_board"]


def describe_board(transport, timeout=None):
    """Ask a board for its fingerprint, status and counters.

    Parameters
    ----------
    transport : str
        Where it is, see `host.transports.connect`.
    timeout : float or None
        Seconds for an answer.

    Returns
    -------
    Result

    Raises
    ------
    LinkError
        If there is no such board, or it does not answer.
    """
    link = connect(transport, timeout)
    try:
        data = _asked(link)
    finally:
        link.close()
    status = data["status"]
    parts = [
        (f"{transport}: {data['target'] or 'unknown target'}, fingerprint {data['fingerprint']}, "
         f"design version {data['version']}"),
        f"{data['tiles']} tiles, {data['convolvers']} convolvers, {data['ports']} DMA ports",
        f"status: {status['status']}, step {status['step']}, cycles {data['cycles']:,}",
    ]
    if status["error"]:
        words = ", ".join(f"{index}: {word:#010x}" for index, word in enumerate(status["info"]))
        parts.append(f"error in step {status['error_step']}: {status['meaning']} [info {words}]")
    if not data["target"]:
        parts.append("This version of NeuFlow knows no machine of that fingerprint; counters have "
                     "no names.")
    counted = [(name, f"{value:,}") for name, value in data["counters"].items() if value]
    if counted:
        parts.append(render.table(("counter", "count"), counted, numbers=("count",)))
    return Result({"transport": transport, **data}, tuple(parts))


def _asked(link):
    """Return all that the registers say."""
    driver = Driver(link)
    fingerprint = driver.fingerprint
    name = known_target(fingerprint)
    shape = link.read32(HOST_REGISTER["SHAPE"].address)
    present = link.read32(HOST_REGISTER["COUNTERS"].address)
    names = counter_names(get_target(name)) if name else ()
    if len(names) != present:
        names = [f"counter {index}" for index in range(present)]
    status = driver.status()
    counters = {counter: link.read32(counter_address(index))
                for index, counter in enumerate(names)}
    return {
        "target": name, "fingerprint": f"{fingerprint:016x}",
        "version": link.read32(HOST_REGISTER["VERSION"].address),
        "tiles": shape >> 16, "ports": shape >> 8 & 0xFF, "convolvers": shape & 0xFF,
        "status": {
            "status": status.status.name.lower(), "error": status.error,
            "meaning": _meaning(status.error), "error_step": status.error_step,
            "info": list(status.info), "step": status.step, "busy": status.busy,
            "saturated": status.saturated, "bus_error": status.bus_error},
        "cycles": next(iter(counters.values()), 0), "counters": counters,
    }


def _meaning(code):
    try:
        return ERROR_TEXTS[ErrorCode(code)]
    except ValueError:
        return f"unknown error code {code}"

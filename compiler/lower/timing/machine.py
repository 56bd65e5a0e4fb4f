"""The loop: all units of a step, cycle by cycle, until the last one has ended."""

from hashlib import sha256
from pathlib import Path

from numba import njit

from .channels import tick_reader, tick_writer
from .control import tick_control
from .convolver import tick_convolver
from .memory import tick_bus
from .streams import tick_unit

__all__ = ["run"]


def _sources():
    """Return a number for the text of this package."""
    texts = sorted(Path(__file__).parent.glob("*.py"))
    return int.from_bytes(sha256(b"".join(text.read_bytes() for text in texts)).digest()[:7], "big")


def _compiled(sources):
    """Return the loop, compiled; kept on disk.

    What is kept belongs to the values that the function closes over: with ``sources`` among them
    a change of any file of the package compiles it again.
    """
    @njit(cache=True)
    def run(bus, control, readers, reader_walks, writers, writer_walks, units, convolvers, links,
            tables, limit):
        """Run to the end of the step and of what control does beside it, if within ``limit``."""
        if sources < 0:
            return False
        for now in range(limit):
            tick_bus(bus[0], readers, writers, now)
            ready = tick_control(control[0], readers, writers, tables, now)
            for place in range(len(readers)):
                tick_reader(readers[place], reader_walks[place], links, tables, now)
            for place in range(len(units)):
                tick_unit(units[place], links, now)
            for place in range(len(convolvers)):
                tick_convolver(convolvers[place], links, now)
            ended = True
            for place in range(len(writers)):
                tick_writer(writers[place], writer_walks[place], links, tables, now)
                ended = ended and 0 < writers[place].done <= now
            for place in range(len(convolvers)):
                ended = ended and 0 < convolvers[place].done <= now
            if ended and control[0].step_end == 0:
                control[0].step_end = now
            if ended and ready:
                return True
        return False
    return run


run = _compiled(_sources())

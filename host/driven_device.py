"""Devices that the driver runs: the simulated machine, and boards."""

from .device_base import Device
from .driver import Driver

__all__ = ["BoardDevice", "DrivenDevice", "RtlDevice"]


class DrivenDevice(Device):
    """A device behind a `Driver`, which a subclass makes as ``self.driver``."""

    def _load(self, program):
        self.driver.load(program)

    def _run(self, samples, index, count):
        return self.driver.run(samples, index, count)

    def counters(self):
        """Return the performance counters of the last run, by name."""
        return self.driver.counters()

    def steps(self):
        """Return a `StepRecord` for each step of the last run."""
        return self.driver.steps()

    def status(self):
        """Return what the machine's status registers say."""
        return self.driver.status()

    def close(self):
        """End the connection, and the simulation with its wave file."""
        self.driver.close()


class RtlDevice(DrivenDevice):
    """Runs programs on the machine's Verilog, simulated.

    Parameters
    ----------
    target : Target
        The machine; its simulation is built on first use, and cached.
    progress : callable, optional
        See `Device`.
    trace : path, optional
        Wave file to write, `.fst` or `.vcd`; complete after `close`.
    behaviour : sim.rtl.machine.MemoryBehaviour, optional
        Stalls and hangs of the external memory.
    """

    backend = "rtl"
    options = ("trace", "behaviour")

    def __init__(self, target, progress=None, *, trace=None, behaviour=None):
        super().__init__(target, progress)
        # Imported here: the reference needs no compiler, and the command starts faster.
        from sim.rtl.machine import Machine

        from .transports.simulation import SimulationTransport

        self.machine = Machine.for_target(target, trace=trace, behaviour=behaviour,
                                          progress=progress)
        self.driver = Driver(SimulationTransport(self.machine), progress, target)


class BoardDevice(DrivenDevice):
    """Runs programs on a board, real or simulated, behind its byte link.

    Parameters
    ----------
    target : Target
        The machine that the board must hold.
    progress : callable, optional
        See `Device`.
    transport : str
        Where the board is, see `host.transports.connect`.
    timeout : float, optional
        Seconds for an answer.

    Raises
    ------
    LinkError
        If there is no such board, or it does not answer.
    TargetMismatchError
        If it holds another machine.
    """

    backend = "board"
    options = ("transport", "timeout")

    def __init__(self, target, progress=None, *, transport=None, timeout=None):
        super().__init__(target, progress)
        from .transports.connect import FORMS, connect

        if transport is None:
            raise ValueError(f"backend board needs a transport: {FORMS}")
        self.driver = Driver(connect(transport, timeout), progress, target)
        try:
            self.driver.check_machine(target)
        except BaseException:
            self.driver.close()
            raise

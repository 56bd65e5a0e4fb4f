"""The driver: programs, samples, results and errors over any transport to a machine.

It knows the register map (`hdl.control.host_registers`) and the program's manifest
(docs/program.md), and nothing about what carries its accesses.
"""

from dataclasses import dataclass

import numpy as np

from hdl.control.counters import counter_names
from hdl.control.host_registers import (
    ERROR_TEXTS,
    HOST_REGISTER,
    ErrorCode,
    Status,
    counter_address,
)
from hdl.target import TARGETS, get_target

from .diagnosis import describe_nodes, describe_ports, step_registers
from .steps import StepRecord

__all__ = ["DeviceError", "DeviceStatus", "Driver", "TargetMismatchError", "check_target",
           "known_target"]

_START, _STOP = 1, 2

#: Words of a log record before its counters: step, cycle of commit, cycle of end.
_LOG_HEAD = 3

_CYCLES = counter_address(0)


class DeviceError(RuntimeError):
    """The machine could not run a program.

    Attributes
    ----------
    status : DeviceStatus or None
        What its registers said.
    """

    def __init__(self, message, status=None):
        super().__init__(message)
        self.status = status


class TargetMismatchError(DeviceError):
    """A program for another machine than the one it is to run on."""


@dataclass(frozen=True)
class DeviceStatus:
    """What the status registers say.

    Parameters
    ----------
    status : Status
        Idle, running, done or error.
    error : int
        An `ErrorCode`.
    error_step : int
        Step that the error names.
    info : tuple of int
        Two words about the error; `ERROR_TEXTS` says what they mean.
    step : int
        Step that runs, or ran last.
    busy : int
        Mask of busy nodes.
    saturated : int
        Mask of tiles that saturated a sample since the program's start.
    bus_error : int
        Mask of DMA ports with a bus error since the program's start.
    """

    status: Status
    error: int = 0
    error_step: int = 0
    info: tuple[int, int] = (0, 0)
    step: int = 0
    busy: int = 0
    saturated: int = 0
    bus_error: int = 0


def known_target(fingerprint):
    """Return the name of the target with a fingerprint, None if there is none."""
    return next((target.name for target in TARGETS.values()
                 if target.fingerprint == fingerprint), None)


def check_target(program, fingerprint, name):
    """Refuse a program for another machine.

    Parameters
    ----------
    program : compiler.program.Program
        The program.
    fingerprint : int
        Fingerprint of the machine.
    name : str or None
        Name of the machine's target, if known.

    Raises
    ------
    TargetMismatchError
        If the program's fingerprint is another.
    """
    if program.fingerprint == fingerprint:
        return
    name = name or known_target(fingerprint)
    raise TargetMismatchError(
        f"the program is for target {program.target} with fingerprint "
        f"{program.fingerprint:016x}, the machine is {name or 'of an unknown target'} with "
        f"fingerprint {fingerprint:016x}; compile it again with: neuflow compile MODEL --target "
        f"{name or 'NAME'}")


class Driver:
    """Runs programs on a machine behind a transport.

    Parameters
    ----------
    transport : host.transports.Transport
        Access to registers and memory.
    progress : callable, optional
        ``progress(what, cycles, predicted)`` during a run, some times a second: a few words, the
        cycles run so far and the cycles that the compiler expects in all.
    target : Target, optional
        The machine, when it is none of `hdl.target.TARGETS`.
    """

    def __init__(self, transport, progress=None, target=None):
        self.transport = transport
        self.progress = progress
        self.target = target
        self.program = None

    def _read(self, name):
        return self.transport.read32(HOST_REGISTER[name].address)

    def _write(self, name, value):
        self.transport.write32(HOST_REGISTER[name].address, value)

    @property
    def fingerprint(self):
        """Fingerprint in the machine's ID registers."""
        return self._read("ID_HIGH") << 32 | self._read("ID_LOW")

    def check_machine(self, target):
        """Refuse a machine that is not of ``target``.

        Raises
        ------
        TargetMismatchError
            If its fingerprint is another.
        """
        found = self.fingerprint
        if found != target.fingerprint:
            raise TargetMismatchError(
                f"the machine is {known_target(found) or 'of an unknown target'} with fingerprint "
                f"{found:016x}, not {target.name} with fingerprint {target.fingerprint:016x}; "
                f"compile for that machine, or give the board the Verilog of this version")

    def status(self):
        """Return what the status registers say."""
        words = {name: self._read(name) for name in (
            "ERROR", "ERROR_STEP", "ERROR_INFO0", "ERROR_INFO1", "STEP", "BUSY", "SATURATED",
            "BUS_ERROR")}
        return DeviceStatus(
            status=Status(self._read("STATUS")), error=words["ERROR"],
            error_step=words["ERROR_STEP"], info=(words["ERROR_INFO0"], words["ERROR_INFO1"]),
            step=words["STEP"], busy=words["BUSY"], saturated=words["SATURATED"],
            bus_error=words["BUS_ERROR"])

    def load(self, program):
        """Load a program's image into the machine's memory.

        Raises
        ------
        TargetMismatchError
            If it is for another machine.
        """
        check_target(program, self.fingerprint, None)
        target = self.target or get_target(program.target)
        names = counter_names(target)
        present = self._read("COUNTERS")
        if present != len(names):
            raise DeviceError(f"the machine has {present} counters, its target {program.target} "
                              f"says {len(names)}; generate its Verilog again")
        self.transport.write_memory(0, program.image)
        self.program, self._counter_names = program, names
        self._machine = target

    def run(self, samples, index=0, count=1):
        """Run the loaded program once.

        Parameters
        ----------
        samples : dict of str to numpy.ndarray
            int16 array of shape (channels, rows, columns) for each input.
        index, count : int
            Which run of how many this is, for the progress.

        Returns
        -------
        dict of str to numpy.ndarray
            Each output, int16.

        Raises
        ------
        DeviceError
            If the machine reports an error, stops counting cycles or takes far too long.
        """
        manifest = self._manifest()
        for tensor in manifest["inputs"]:
            array = samples[tensor["name"]]
            if array.dtype != np.int16 or array.shape != tuple(tensor["maps"]):
                raise ValueError(f"input {tensor['name']!r} must be int16 of shape "
                                 f"{tuple(tensor['maps'])}, not {array.dtype} of shape "
                                 f"{array.shape}")
            self.transport.write_memory(tensor["address"], array.astype("<i2").tobytes())
        self._write("PROGRAM", manifest["program_address"])
        if self._read("STATUS") == Status.RUNNING:
            raise DeviceError("the machine runs another program; stop it first", self.status())
        self._write("CONTROL", _START)
        try:
            self._wait(index, count)
        except KeyboardInterrupt:
            self.stop()
            raise
        status = self.status()
        if status.status != Status.DONE:
            raise DeviceError(self._describe(status), status)
        return {tensor["name"]: self._tensor(tensor) for tensor in manifest["outputs"]}

    def stop(self):
        """Stop a running program; returns when it has ended, or after about a second."""
        self._write("CONTROL", _STOP)
        for _ in range(5):
            if self.transport.wait_while(HOST_REGISTER["STATUS"].address, Status.RUNNING):
                return

    def _manifest(self):
        if self.program is None:
            raise DeviceError("no program is loaded")
        return self.program.manifest

    def _wait(self, index, count):
        """Wait for the end of a run, telling the progress; give up on a machine that hangs."""
        steps = self._manifest()["steps"]
        predicted = sum(step["predicted_cycles"] for step in steps)
        # More than the steps' time-outs and what control waits for ports that do not come to rest.
        limit = 20 * predicted + 200_000 * len(steps) + 10_000_000
        done = last = idle = 0
        while not self.transport.wait_while(HOST_REGISTER["STATUS"].address, Status.RUNNING):
            now = self.transport.read32(_CYCLES)
            # The counter has 32 bits and wraps.
            done, idle, last = (done + (now - last & 0xFFFFFFFF),
                                idle + 1 if now == last else 0, now)
            if idle >= 3 or done > limit:
                status = self.status()
                self.stop()
                if status.error:
                    raise DeviceError(self._describe(status), status)
                what = (f"has not ended after {done:,} cycles, {predicted:,} are predicted"
                        if done > limit else f"hangs: its cycle counter stands at {done:,}")
                raise DeviceError(
                    f"the program {what}; {self._place(status.step)}; busy: "
                    f"{describe_nodes(status.busy, self._machine)}", status)
            if self.progress:
                step = min(self._read("STEP"), len(steps) - 1)
                run = f"run {index + 1} of {count}, " if count > 1 else ""
                self.progress(f"Running: {run}step {step + 1} of {len(steps)} "
                              f"({steps[step]['layer']})",
                              min(index * predicted + done, count * predicted), count * predicted)

    def _place(self, step):
        """Return a step's number, name and layer."""
        steps = self.program.manifest["steps"]
        if step >= len(steps):
            return f"step {step}"
        return f"step {step} {steps[step]['name']!r} (layer {steps[step]['layer']})"

    def _describe(self, status):
        """Say in words what an error is about."""
        place, target, info = self._place(status.error_step), self._machine, status.info
        if status.error == ErrorCode.TIME_OUT:
            waiting = describe_nodes(
                info[0], target, step_registers(self.program, target, status.error_step),
                self._counted_since(status.error_step), info[1])
            return f"{place}: step did not end within {info[1]:,} cycles; not done: {waiting}"
        if status.error == ErrorCode.BUS_ERROR:
            return f"{place}: memory refused a transfer of {describe_ports(info[0], target)}"
        if status.error == ErrorCode.ABORT_FAILED:
            # Tiles come to rest with the ports.
            return (f"{describe_ports(info[0] >> target.tiles, target)} did not come to rest after "
                    f"an earlier error; reset the machine")
        try:
            text = ERROR_TEXTS[ErrorCode(status.error)]
        except ValueError:
            text = f"unknown error code {status.error}"
        words = ", ".join(f"{index}: {word:#010x}" for index, word in enumerate(info))
        return f"{place}: {text} [info {words}]"

    def _counted_since(self, number):
        """Return what each counter counted since a step began, None if the log does not say."""
        before = np.zeros(len(self._counter_names), np.uint32)
        if number:
            log = self.program.manifest["log"]
            if not log["address"]:
                return None
            record = np.frombuffer(self.transport.read_memory(
                log["address"] + 4 * log["words"] * (number - 1), 4 * log["words"]), "<u4")
            if record[0] != number - 1:
                return None
            before = record[_LOG_HEAD:_LOG_HEAD + len(before)]
        now = np.array(list(self.counters().values()), np.uint32)
        return dict(zip(self._counter_names, (now - before).tolist(), strict=True))

    def _tensor(self, tensor):
        shape = tuple(tensor["maps"])
        data = self.transport.read_memory(tensor["address"], 2 * int(np.prod(shape)))
        return np.frombuffer(data, "<i2").astype(np.int16).reshape(shape)

    def tensors(self):
        """Return what the place of every tensor in memory holds; later ones may share it."""
        return {tensor["name"]: self._tensor(tensor) for tensor in self._manifest()["tensors"]
                if tensor["address"] is not None}

    def counters(self):
        """Return the counters of the last run, by name."""
        self._manifest()
        return {name: self.transport.read32(counter_address(index))
                for index, name in enumerate(self._counter_names)}

    def steps(self):
        """Return a `StepRecord` for each step of the last run; none if the program keeps no log."""
        manifest = self._manifest()
        log = manifest["log"]
        if not log["address"]:
            return []
        names, count = self._counter_names, len(manifest["steps"])
        words = np.frombuffer(
            self.transport.read_memory(log["address"], 4 * log["words"] * count), "<u4")
        records, before = [], np.zeros(len(names), np.uint32)
        for step, record in zip(manifest["steps"], words.reshape(count, -1), strict=True):
            number, commit, end = (int(word) for word in record[:_LOG_HEAD])
            snapshot = record[_LOG_HEAD:_LOG_HEAD + len(names)]
            counted = (snapshot - before).tolist()
            before = snapshot
            records.append(StepRecord(number, step["name"], step["layer"],
                                      step["predicted_cycles"], commit, end,
                                      dict(zip(names, counted, strict=True))))
        return records

    def close(self):
        """End the connection."""
        self.transport.close()

"""A program image on the functional machine and on the RTL, step by step against the reference."""

import dataclasses
import struct
from dataclasses import dataclass

import numpy as np

from hdl.control.counters import counter_names
from hdl.control.host_registers import HOST_REGISTER, counter_address
from hdl.target import get_target
from sim.functional import FunctionalError, FunctionalMachine
from sim.functional.machine import channels_reach
from sim.functional.writes import step_writes, writer

from . import files
from .driver import DeviceError, Driver

__all__ = ["ImageCheck", "Parting"]

#: Byte of a program's header at which the number of steps stands.
_COUNT = 16

#: Cycles that a wave file shows before and after the wrong sample, and between two looks for it.
_BEFORE, _AFTER, _LOOK = 600, 200, 8

_START = 1


@dataclass(frozen=True)
class Parting:
    """The first place at which two views differ.

    Parameters
    ----------
    views : tuple of str
        The view that is right, and the one that is not.
    layer, tensor : str
        The user's layer, and the tensor it makes.
    place : tuple of int or None
        Map, row and column; None if a sample was written outside of the tensor.
    expected, actual : number
        What stands there: 16-bit samples, for float real values.
    differing, total : int
        Samples of the tensor that differ so far, and those that were compared.
    step, port, tile, unit : int, int, int, str, or None
        Step of the program, DMA port that wrote the sample, and the tile and unit it comes from.
    commit, end, cycle : int or None
        Cycles from the program's start at which the step began and ended, and in which the sample
        reached memory (within 8).
    wave : str or None
        Wave file of the cycles around it.
    """

    views: tuple[str, str]
    layer: str
    tensor: str
    place: tuple[int, int, int] | None
    expected: object
    actual: object
    differing: int
    total: int
    step: int | None = None
    port: int | None = None
    tile: int | None = None
    unit: str | None = None
    commit: int | None = None
    end: int | None = None
    cycle: int | None = None
    wave: str | None = None

    @property
    def data(self):
        """Everything as a dict."""
        return dataclasses.asdict(self)

    def __str__(self):
        where = "a sample written outside of it" if self.place is None else \
            "map {}, row {}, column {}".format(*self.place)
        text = (f"{self.views[0]} and {self.views[1]} part at layer {self.layer}, tensor "
                f"{self.tensor!r}, {where}: expected {self.expected:g}, got {self.actual:g}; "
                f"{self.differing:,} of {self.total:,} samples differ")
        if self.step is not None:
            text += (f"\n  step {self.step}, written by DMA port {self.port} from {self.unit} of "
                     f"tile {self.tile}")
        if self.cycle is not None:
            text += f", in cycle {self.cycle:,}"
        if self.commit is not None:
            text += f"; the step runs from cycle {self.commit:,} to {self.end:,}"
        return text + (f"\n  waves around it: {self.wave}" if self.wave else "")


class ImageCheck:
    """Runs one program image on one input.

    Parameters
    ----------
    program : compiler.program.Program
        The program.
    values : dict of str to numpy.ndarray
        int16 of every tensor, from the reference; those of the program's inputs go in.
    progress : callable, optional
        Told how far the work is.
    rtl_image : bytes, optional
        Another image for the RTL than the program's.
    """

    def __init__(self, program, values, progress=None, *, rtl_image=None):
        self.program, self.values, self.progress = program, values, progress
        self.target, self._size = get_target(program.target), None
        self.rtl_image = program.image if rtl_image is None else rtl_image
        manifest = program.manifest
        self.tensors = {entry["name"]: entry for entry in manifest["tensors"]
                        if entry["address"] is not None}
        self.inputs = [(entry["address"], values[entry["name"]].astype("<i2").tobytes())
                       for entry in manifest["inputs"]]

    def _machine(self):
        machine = FunctionalMachine(self.target)
        machine.load(0, self.program.image)
        for address, data in self.inputs:
            machine.load(address, data)
        try:
            return machine, machine.prepare(self.program.manifest["program_address"])
        except FunctionalError as error:
            raise DeviceError(f"the functional machine stops: {error}") from error

    def _touched(self, machine, prepared):
        """Return the samples of a machine's memory that the program can touch."""
        if self._size is None:
            self._size = max(channels_reach(self.target, prepared), *(
                entry["address"] // 2 + self.values[name].size
                for name, entry in self.tensors.items()))
        return machine.memory.view("<i2")[:self._size]

    def _steps(self):
        """Yield step number, the functional machine after it, and the prepared program."""
        machine, prepared = self._machine()
        for index in range(len(prepared.steps)):
            try:
                machine.run_step(prepared, index)
            except FunctionalError as error:
                raise DeviceError(f"the functional machine stops: {error}") from error
            yield index, machine, prepared

    def functional(self):
        """Return where the functional machine parts from the reference, or None."""
        for index, machine, prepared in self._steps():
            memory = self._touched(machine, prepared)
            golden = memory.copy()
            for name in self.program.manifest["steps"][index]["writes"]:
                values = self.values[name].ravel()
                start = self.tensors[name]["address"] // 2
                golden[start:start + values.size] = values
            found = self._compare(("reference", "functional"), index, prepared, golden, memory)
            if found:
                return found
        return None

    def _compare(self, views, index, prepared, golden, memory):
        """Return the first sample of a step's streams that is not the golden one, or None."""
        step, active = prepared.steps[index]
        described = self.program.manifest["steps"][index]
        owner = np.full(len(memory), -1, np.int16)
        for number, name in enumerate(described["writes"]):
            start = self.tensors[name]["address"] // 2
            owner[start:start + self.values[name].size] = number
        firsts, differing, total = [], 0, 0
        for port, addresses in step_writes(self.target, active, step.commit):
            wrong = (golden[addresses] != memory[addresses]) | (owner[addresses] < 0)
            differing, total = differing + int(np.count_nonzero(wrong)), total + wrong.size
            if wrong.any():
                position = int(wrong.argmax())
                firsts.append((position, port, int(addresses[position])))
        if not firsts:
            return None
        _, port, address = min(firsts)
        tile, unit = writer(self.target, active, port)
        name, place = described["writes"][max(0, int(owner[address]))], None
        if owner[address] >= 0:
            inside = address - self.tensors[name]["address"] // 2
            place = tuple(int(one) for one in np.unravel_index(inside, self.values[name].shape))
        return Parting(views, described["layer"], name, place, int(golden[address]),
                       int(memory[address]), differing, total, index, port, tile, unit)

    def rtl(self, wave=None):
        """Return where the RTL parts from the functional machine, or None.

        Parameters
        ----------
        wave : path, optional
            Wave file to write of the cycles around it, ``.fst`` or ``.vcd``.
        """
        count = len(self.program.manifest["steps"])
        right, wrong = -1, count - 1
        if self._agrees(wrong):
            return None
        while wrong - right > 1:
            middle = (right + wrong) // 2
            if self._agrees(middle):
                right = middle
            else:
                wrong = middle
        return self._parting(wrong, wave)

    def _golden(self, last):
        """Return the functional machine's memory after a step, and the prepared program."""
        for index, machine, prepared in self._steps():
            if index == last:
                return self._touched(machine, prepared), prepared
        raise ValueError(f"the program has no step {last}")

    def _agrees(self, last):
        """Run the program on the RTL up to a step; whether all tensors are as they should be."""
        if self.progress:
            self.progress(f"Running the RTL: up to step {last}")
        memory, _ = self._run(last)
        golden, _ = self._golden(last)
        start = min(entry["address"] for entry in self.tensors.values()) // 2
        stop = max(entry["address"] // 2 + self.values[name].size
                   for name, entry in self.tensors.items())
        return np.array_equal(memory[start:stop], golden[start:stop])

    def _part(self, last):
        """Return the program that ends after a step."""
        image, manifest = bytearray(self.rtl_image), self.program.manifest
        struct.pack_into("<I", image, manifest["program_address"] + _COUNT, last + 1)
        return dataclasses.replace(self.program, image=bytes(image), manifest={
            **manifest, "steps": manifest["steps"][:last + 1]})

    def _run(self, last):
        """Return the RTL's memory and log after a step."""
        inputs = {entry["name"]: self.values[entry["name"]]
                  for entry in self.program.manifest["inputs"]}
        size = len(self._touched(*self._machine()))
        with self._simulation() as machine:
            driver = self._driver(machine)
            driver.load(self._part(last))
            driver.run(inputs)
            return machine.memory.view("<i2")[:size].copy(), driver.steps()

    def _simulation(self, wave=None):
        from sim.rtl.machine import Machine

        return Machine.for_target(self.target, progress=self.progress, trace=wave,
                                  trace_later=wave is not None)

    def _driver(self, machine):
        from .transports.simulation import SimulationTransport

        return Driver(SimulationTransport(machine), target=self.target)

    def _parting(self, last, wave):
        memory, records = self._run(last)
        golden, prepared = self._golden(last)
        found = self._compare(("functional", "rtl"), last, prepared, golden, memory)
        if found is None:
            raise DeviceError(f"step {last}: the RTL changes memory that the step does not write")
        commit, end = (records[-1].commit, records[-1].end) if records else (None, None)
        found = dataclasses.replace(found, commit=commit, end=end)
        if commit is None:
            return found
        found = dataclasses.replace(found, cycle=self._written(last, found, golden))
        if wave is not None:
            self._save_wave(last, found, wave)
            found = dataclasses.replace(found, wave=str(wave))
        return found

    def _started(self, machine, last):
        """Start the program up to a step; returns the machine's cycle at the program's start."""
        driver = self._driver(machine)
        driver.load(self._part(last))
        for address, data in self.inputs:
            machine.memory[address:address + len(data)] = np.frombuffer(data, np.uint8)
        machine.write32(HOST_REGISTER["PROGRAM"].address,
                        self.program.manifest["program_address"])
        machine.write32(HOST_REGISTER["CONTROL"].address, _START)
        cycles = counter_names(self.target).index("cycles")
        return machine.cycle - machine.read32(counter_address(cycles))

    def _written(self, last, found, golden):
        """Return the cycle in which the wrong sample reaches memory, or None if it cannot be told.

        It cannot when the wrong value stood there before.
        """
        start = self.tensors[found.tensor]["address"] // 2
        place = start + int(np.ravel_multi_index(found.place, self.values[found.tensor].shape)) \
            if found.place else None
        if place is None:
            return None
        if self.progress:
            self.progress("Looking for the cycle")
        with self._simulation() as machine:
            begin, memory = self._started(machine, last), machine.memory.view("<i2")
            machine.run(max(1, begin + found.commit - machine.cycle))
            if memory[place] == found.actual:
                return None
            while memory[place] != found.actual and machine.cycle < begin + found.end:
                machine.run(_LOOK)
            return machine.cycle - begin

    def _save_wave(self, last, found, wave):
        around = found.cycle if found.cycle is not None else found.end
        with files.replacing(wave) as temporary, self._simulation(temporary) as machine:
            begin = self._started(machine, last)
            machine.run(max(1, begin + around - _BEFORE - machine.cycle))
            machine.begin_trace()
            machine.run(_BEFORE + _AFTER)

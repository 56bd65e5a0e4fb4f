"""A program made by hand, and a machine that only answers, for tests of driver and devices."""

import numpy as np

from compiler.fixed import Elementwise, FixedGraph, Reshape, Tensor
from compiler.program import Program
from hdl.control.counters import counter_names
from hdl.control.host_registers import HOST_REGISTER, ErrorCode, Status, counter_address
from hdl.target import DESIGN_VERSION, get_target

TARGET = get_target("tiny")
NAMES = counter_names(TARGET)

INPUT, OUTPUT, LOG = 0x1000, 0x2000, 0x3000


def program(fingerprint=None, target="tiny", steps=2):
    """Return a program that doubles its input and flattens it."""
    tensors = {"x": Tensor("x", (1, 2, 3), 8), "t": Tensor("t", (1, 2, 3), 8),
               "y": Tensor("y", (6, 1, 1), 8)}
    graph = FixedGraph(
        (Elementwise("double", ("x", "x"), "t", "double", "add", 0, 0, 0),
         Reshape("flat", ("t",), "y", "flat")), tensors, ("x",), ("y",),
        {"x": (1, 1, 2, 3)}, {"y": (1, 6)})
    words = 3 + len(NAMES)
    manifest = {
        "program_address": 0x40,
        "inputs": [{"name": "x", "maps": [1, 2, 3], "fraction": 8, "address": INPUT}],
        "outputs": [{"name": "y", "maps": [6, 1, 1], "fraction": 8, "address": OUTPUT}],
        "tensors": [{"name": "x", "maps": [1, 2, 3], "fraction": 8, "address": INPUT},
                    {"name": "t", "maps": [1, 2, 3], "fraction": 8, "address": None},
                    {"name": "y", "maps": [6, 1, 1], "fraction": 8, "address": OUTPUT}],
        "steps": [{"name": f"step{n}", "layer": f"layer{n}", "predicted_cycles": 1000}
                  for n in range(steps)],
        "log": {"address": LOG, "words": words}}
    fingerprint = get_target(target).fingerprint if fingerprint is None else fingerprint
    return Program(target, fingerprint, manifest, bytes(range(200)), graph)


class FakeMachine:
    """A transport to a machine that doubles samples, in so many cycles; it fails as told.

    Parameters
    ----------
    cycles : int
        Cycles that a run takes; 1000 pass in each wait.
    error : ErrorCode
        What the run ends with.
    stuck : bool
        The cycle counter stands still.
    info : tuple of int
        What it says about the error.
    """

    def __init__(self, cycles=2500, error=ErrorCode.NONE, stuck=False, start=0, counters=None,
                 info=(0x12, 0x34)):
        self.cycles, self.error, self.stuck, self.begin = cycles, error, stuck, start
        self.info = info
        self.memory = np.zeros(1 << 16, np.uint8)
        self.registers = dict.fromkeys((one.address for one in HOST_REGISTER.values()), 0)
        self.set("ID_LOW", TARGET.fingerprint & 0xFFFFFFFF)
        self.set("ID_HIGH", TARGET.fingerprint >> 32)
        self.set("VERSION", DESIGN_VERSION)
        self.set("COUNTERS", len(NAMES) if counters is None else counters)
        for index in range(len(NAMES)):
            self.registers[counter_address(index)] = index
        self.done, self.stops, self.closed = 0, 0, False

    def set(self, name, value):
        self.registers[HOST_REGISTER[name].address] = value

    def get(self, name):
        return self.registers[HOST_REGISTER[name].address]

    def read32(self, address):
        return self.registers[address]

    def write32(self, address, value):
        self.registers[address] = value
        if address == HOST_REGISTER["CONTROL"].address:
            if value == 1:
                assert self.get("PROGRAM") == 0x40
                self.set("STATUS", Status.RUNNING)
                self.done = 0
            else:
                self.stops += 1
                self.set("STATUS", Status.ERROR)
                self.set("ERROR", ErrorCode.STOPPED)

    def read_memory(self, address, length):
        return self.memory[address:address + length].tobytes()

    def write_memory(self, address, data):
        self.memory[address:address + len(data)] = np.frombuffer(data, np.uint8)

    def wait_while(self, address, value):
        assert address == HOST_REGISTER["STATUS"].address
        if self.registers[address] != value:
            return True
        if not self.stuck:
            self.done += 1000
        self.registers[counter_address(0)] = (self.begin + self.done) & 0xFFFFFFFF
        self.set("STEP", min(self.done // 1250, 1))
        if self.done < self.cycles:
            return False
        self._finish()
        return True

    def _finish(self):
        x = self.memory[INPUT:INPUT + 12].view("<i2")
        self.memory[OUTPUT:OUTPUT + 12].view("<i2")[:] = np.clip(2 * x.astype(int), -32768, 32767)
        words = 3 + len(NAMES)
        log = self.memory[LOG:LOG + 8 * words].view("<u4").reshape(2, words)
        for step in range(2):
            log[step, :3] = step, 100 + 1000 * step, 1000 + 1000 * step
            log[step, 3:] = np.arange(len(NAMES)) * (step + 1) + 5
        self.set("SATURATED", 5)
        self.set("STATUS", Status.ERROR if self.error else Status.DONE)
        self.set("ERROR", self.error)
        self.set("ERROR_STEP", 1)
        self.set("ERROR_INFO0", self.info[0])
        self.set("ERROR_INFO1", self.info[1])

    def close(self):
        self.closed = True

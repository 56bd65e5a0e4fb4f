"""Cocotb bench of a whole machine: memory and host are cocotbext-axi's AxiRam and AxiLiteMaster.

The environment gives `MACHINE_SEED` and `MACHINE_PAUSE` (probability of a pause of a channel in
one cycle). The machine is in its wrapper, with the ports' standard names. Programs, samples and
what is expected of them are made here from the seed.
"""

import logging
import os
from random import Random

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.task import bridge, resume
from cocotb.triggers import ClockCycles, RisingEdge
from cocotb.utils import get_sim_time
from cocotbext.axi import AxiBus, AxiLiteBus, AxiLiteMaster, AxiRam, AxiResp

from hdl.control.counters import counter_names
from hdl.control.host_registers import HOST_REGISTER, ErrorCode, Status, counter_address
from hdl.document import REGISTER_CYCLES, START_CYCLES
from hdl.target import DESIGN_VERSION, get_target
from host.compare import first_difference
from host.driver import Driver
from sim import reference
from tests.graph_programs import graph_program
from tests.random_layers import random_layer

TARGET = get_target("tiny")
SEED = int(os.environ.get("MACHINE_SEED", "1"))
PAUSE = float(os.environ.get("MACHINE_PAUSE", "0"))
START, STOP = 1, 2
PERIOD = 10  # ns


class Job:
    """A random layer, its program, and samples for it."""

    def __init__(self, seed, shape):
        self.layer = random_layer(seed, shape=shape, most_size=10, most_maps=4)
        self.program = graph_program(self.layer.graph, TARGET)
        self.numbers = np.random.default_rng(seed)
        manifest = self.program.manifest
        self.steps = len(manifest["steps"])
        self.predicted = sum(step["predicted_cycles"] for step in manifest["steps"])
        log = manifest["log"]
        #: Where the program may write: (address, bytes).
        self.places = [(tensor["address"], 2 * int(np.prod(tensor["maps"])))
                       for tensor in manifest["tensors"] if tensor["address"] is not None]
        self.places.append((log["address"], 4 * log["words"] * self.steps))

    def samples(self):
        """Return new samples: those of the layer in another order."""
        return {name: self.numbers.permutation(array.ravel()).reshape(array.shape)
                for name, array in self.layer.inputs.items()}

    def expected(self, samples):
        values = reference.run(self.layer.graph, samples)
        return {name: values[name] for name in self.layer.graph.outputs}

    def __str__(self):
        return f"{self.layer}; {self.steps} steps, {self.predicted} cycles predicted"


def jobs():
    """Return a short program of one step and a longer one of several."""
    made = Job(SEED, "conv_lookup_pool"), Job(SEED + 1000, "chain")
    for job in made:
        cocotb.log.info("%s", job)
    return made


def pauses(rng):
    while True:
        yield rng.random() < PAUSE


class Machine:
    """The machine between a memory of random bytes and a host."""

    def __init__(self, dut, what):
        self.clk, self.rst = dut.aclk, dut.aresetn
        self.bus = AxiLiteBus.from_prefix(dut, "s_axi")
        self.memory_bus = AxiBus.from_prefix(dut, "m_axi")
        self.rng = Random(f"{what} {SEED}")
        self.memory = bytearray(self.rng.randbytes(TARGET.memory.size))
        cocotb.log.info("%s: seed %d, pauses %g", what, SEED, PAUSE)
        Clock(self.clk, PERIOD, unit="ns").start()
        self.rst.value = 0
        self.ram = AxiRam(self.memory_bus, self.clk, self.rst, reset_active_level=False,
                          mem=self.memory)
        self.host = AxiLiteMaster(self.bus, self.clk, self.rst, reset_active_level=False)
        reads, writes = self.ram.read_if, self.ram.write_if
        reads.log.setLevel(logging.WARNING)  # else a line a burst
        writes.log.setLevel(logging.WARNING)
        for side in (self.host.read_if, self.host.write_if):
            side.log.setLevel(logging.WARNING)
        if PAUSE:
            for side in (reads, self.host.read_if):
                for channel in (side.ar_channel, side.r_channel):
                    channel.set_pause_generator(pauses(Random(self.rng.random())))
            for side in (writes, self.host.write_if):
                for channel in (side.aw_channel, side.w_channel, side.b_channel):
                    channel.set_pause_generator(pauses(Random(self.rng.random())))

    async def reset(self):
        self.rst.value = 0
        await self.cycles(self.rng.randint(2, 4))
        self.rst.value = 1
        await self.cycles(self.rng.randint(1, 3))

    async def cycles(self, count):
        await ClockCycles(self.clk, count)

    async def read(self, name):
        return await self.host.read_dword(HOST_REGISTER[name].address)

    async def write(self, name, value):
        await self.host.write_dword(HOST_REGISTER[name].address, value)

    def load(self, job):
        self.memory[:len(job.program.image)] = job.program.image

    def put(self, job, samples):
        for tensor in job.program.manifest["inputs"]:
            data = samples[tensor["name"]].astype("<i2").tobytes()
            self.memory[tensor["address"]:tensor["address"] + len(data)] = data

    async def start(self, job):
        await self.write("PROGRAM", job.program.manifest["program_address"])
        await self.write("CONTROL", START)

    async def moment(self, took):
        """Wait for a random cycle of a run of ``took`` cycles, or, without, for a busy port."""
        if took:
            cycles = self.rng.randrange(took)
            cocotb.log.info("%d cycles after the start", cycles)
            await self.cycles(cycles)
            return
        while not await self.read("BUSY") >> TARGET.tiles:
            pass
        cocotb.log.info("while a port is busy")

    async def finish(self):
        for _ in range(4000):
            status = await self.read("STATUS")
            if status != Status.RUNNING:
                return status
            await self.cycles(40)
        raise AssertionError("the program does not end")

    async def error(self):
        return [await self.read(name) for name in
                ("ERROR", "ERROR_STEP", "ERROR_INFO0", "ERROR_INFO1")]

    async def run(self, job, samples=None):
        """Run the loaded program, check every output and that nothing else is written.

        Returns the cycles it took.
        """
        samples = samples or job.samples()
        self.put(job, samples)
        before = bytes(self.memory)
        begin = get_sim_time("ns")
        await self.start(job)
        status = await self.finish()
        took = int(get_sim_time("ns") - begin) // PERIOD
        assert (status, await self.error()) == (Status.DONE, [ErrorCode.NONE, 0, 0, 0])
        assert await self.read("BUSY") == await self.read("BUS_ERROR") == 0
        assert await self.read("STEP") == job.steps - 1
        actual = {tensor["name"]: np.frombuffer(
            self.memory, "<i2", int(np.prod(tensor["maps"])), tensor["address"]
        ).astype(np.int16).reshape(tensor["maps"]) for tensor in job.program.manifest["outputs"]}
        difference = first_difference(job.expected(samples), actual)
        assert difference is None, f"{difference}; {job}"
        self.check_untouched(before, job)
        cocotb.log.info("ran %s in %d cycles", job.layer.shape, took)
        return took

    def check_untouched(self, before, job=None):
        """Check that memory holds what it held ``before`` wherever the job may not write."""
        assert len(self.memory) == len(before)
        same = np.frombuffer(before, np.uint8) == np.frombuffer(self.memory, np.uint8)
        for address, length in job.places if job else ():
            same[address:address + length] = True
        assert same.all(), f"byte {int(np.argmin(same)):#x} is written, and must not be"


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def identity(dut):
    machine = Machine(dut, "identity")
    await machine.reset()
    words = [await machine.read(name) for name in ("ID_LOW", "ID_HIGH", "VERSION", "SHAPE")]
    assert words[0] | words[1] << 32 == TARGET.fingerprint
    assert words[2:] == [DESIGN_VERSION, TARGET.tiles << 16 | TARGET.ports << 8
                         | len(TARGET.convolvers)]
    assert await machine.read("COUNTERS") == len(counter_names(TARGET))
    assert await machine.read("STATUS") == Status.IDLE
    assert (await machine.host.write(HOST_REGISTER["ID_LOW"].address, b"1234")
            ).resp == AxiResp.SLVERR


async def measure(clk, begins, end, latencies):
    """Append to ``latencies`` the cycles from each handshake ``begins`` until ``end`` is high."""
    begun, cycle = None, 0
    while True:
        await RisingEdge(clk)
        cycle += 1
        if begun is not None and end.value == 1:
            latencies.append(cycle - begun)
            begun = None
        if all(signal.value == 1 for signal in begins):
            begun = cycle


@cocotb.test(timeout_time=2, timeout_unit="ms", skip=PAUSE > 0)
async def answers_as_soon_as_is_said(dut):
    machine = Machine(dut, "latency")
    await machine.reset()
    reads, writes, starts = [], [], []
    read, write, memory = machine.bus.read, machine.bus.write, machine.memory_bus.read
    for begins, end, latencies in (
            ((read.ar.arvalid, read.ar.arready), read.r.rvalid, reads),
            ((write.w.wvalid, write.w.wready), write.b.bvalid, writes),
            ((write.b.bvalid, write.b.bready), memory.ar.arvalid, starts)):
        cocotb.start_soon(measure(machine.clk, begins, end, latencies))
    for name in HOST_REGISTER:
        await machine.read(name)
        await machine.cycles(machine.rng.randrange(3))
    for index in range(len(counter_names(TARGET))):
        await machine.host.read_dword(counter_address(index))
    job = jobs()[0]
    machine.load(job)
    for _ in range(20):
        await machine.run(job)
        await machine.cycles(machine.rng.randrange(100))
    cocotb.log.info("cycles: reads %d, writes %d, starts %d", max(reads), max(writes), max(starts))
    assert len(starts) == 20 and len(writes) == 40
    assert max(reads) == REGISTER_CYCLES >= max(writes)
    assert 0.5 * START_CYCLES < max(starts) <= START_CYCLES


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def runs_programs_one_after_the_other(dut):
    machine = Machine(dut, "runs")
    await machine.reset()
    short, long = jobs()
    for job in (short, long, short):
        machine.load(job)
        await machine.run(job)
        await machine.run(job)
    # One step that writes nothing but its output: what the ports count is what the host finds.
    counts = {name: await machine.host.read_dword(counter_address(index))
              for index, name in enumerate(counter_names(TARGET))}
    written = sum(int(np.prod(tensor["maps"]))
                  for tensor in short.program.manifest["outputs"])
    assert short.steps == 1
    assert sum(counts[f"port{port}_write_active"] for port in range(TARGET.ports)) == written
    assert 0 < counts["convolver0_active"] < counts["cycles"]


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def reset_in_the_middle_of_a_run(dut):
    machine = Machine(dut, "reset")
    await machine.reset()
    for job in jobs():
        machine.load(job)
        samples = job.samples()
        took = await machine.run(job, samples)
        for limit in (took, took, 0):
            machine.put(job, samples)
            before = bytes(machine.memory)
            await machine.start(job)
            await machine.moment(limit)
            await machine.reset()
            machine.check_untouched(before, job)
            assert await machine.read("STATUS") == Status.IDLE
            assert await machine.error() == [ErrorCode.NONE, 0, 0, 0]
            await machine.run(job, samples)


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def refuses_a_program_of_another_target(dut):
    machine = Machine(dut, "fingerprint")
    await machine.reset()
    short, long = jobs()
    for job, good in ((long, short), (short, long)):
        machine.load(job)
        bit = machine.rng.randrange(64)
        header = job.program.manifest["program_address"]
        machine.memory[header + 8 + bit // 8] ^= 1 << bit % 8
        before = bytes(machine.memory)
        await machine.start(job)
        assert await machine.finish() == Status.ERROR
        wrong = TARGET.fingerprint ^ 1 << bit
        error, _, *info = await machine.error()
        assert (error, info) == (ErrorCode.BAD_FINGERPRINT, [wrong & 0xFFFFFFFF, wrong >> 32])
        machine.check_untouched(before)
        machine.load(good)
        await machine.run(good)


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def stops_a_program(dut):
    machine = Machine(dut, "stop")
    await machine.reset()
    short, long = jobs()
    machine.load(long)
    took = await machine.run(long)
    # Early, while the first step is loaded; in the first half; twice while samples move.
    for limit in (took // 4, took // 2, 0, 0):
        machine.load(long)
        machine.put(long, long.samples())
        before = bytes(machine.memory)
        await machine.start(long)
        await machine.moment(limit)
        await machine.write("CONTROL", STOP)
        assert await machine.finish() == Status.ERROR
        error, step, *_ = await machine.error()
        assert error == ErrorCode.STOPPED and step < long.steps
        assert await machine.read("BUSY") == 0
        machine.check_untouched(before, long)
        # A machine at rest writes nothing more.
        before = bytes(machine.memory)
        await machine.cycles(200)
        machine.check_untouched(before)
        await machine.run(long)
    machine.load(short)
    await machine.run(short)


class Transport:
    """The driver's way to the machine: the driver runs in a thread, accesses in the simulation."""

    def __init__(self, machine):
        self.machine = machine
        self.read32 = resume(machine.host.read_dword)
        self.write32 = resume(machine.host.write_dword)
        self.wait_while = resume(self._wait_while)

    async def _wait_while(self, address, value):
        for _ in range(50):
            if await self.machine.host.read_dword(address) != value:
                return True
            await self.machine.cycles(40)
        return False

    def read_memory(self, address, length):
        return bytes(self.machine.memory[address:address + length])

    def write_memory(self, address, data):
        self.machine.memory[address:address + len(data)] = data

    def close(self):
        pass


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def driver_runs_a_program(dut):
    machine = Machine(dut, "driver")
    await machine.reset()
    job = jobs()[1]
    driver = Driver(Transport(machine), target=TARGET)

    @bridge
    def run(samples):
        driver.load(job.program)
        return driver.run(samples), driver.steps(), driver.counters()

    samples = job.samples()
    outputs, steps, counters = await run(samples)
    assert first_difference(job.expected(samples), outputs) is None
    assert [step.number for step in steps] == list(range(job.steps))
    ends = [0, *(step.end for step in steps)]
    for step, before in zip(steps, ends, strict=False):
        assert before < step.commit < step.end
    assert ends[-1] <= counters["cycles"]

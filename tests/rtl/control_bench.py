"""Cocotb bench of the control unit: the processor runs the firmware, the nodes are fakes."""

import os
from collections import deque
from random import Random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ReadOnly, RisingEdge
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiResp

from hdl.axi import SLVERR
from hdl.config_network import CLEAR_UNIT
from hdl.control.counters import counter_names
from hdl.control.cpu_registers import FORMAT_VERSION, LOG_WORDS, MAGIC
from hdl.control.host_registers import HOST_REGISTER, ErrorCode, Status, counter_address
from hdl.target import DESIGN_VERSION, get_target
from tests.hdl.control.packets import bus_words, packet

TARGET = get_target(os.environ["NEUFLOW_TARGET"])
NODES, TILES = TARGET.nodes, TARGET.tiles
ALL = (1 << NODES) - 1
PROGRAM, RECORDS, PACKETS, LOG = 0x40, 0x100, 0x1000, 0x8000
COUNTERS = counter_names(TARGET)
STRIDE = LOG_WORDS + len(COUNTERS) + 2


class Machine:
    """Memory, nodes and host around the control unit."""

    def __init__(self, dut, *, latency=20, stall=0.1):
        self.dut = dut
        self.memory = {}
        self.latency, self.stall = latency, stall
        self.refuse = set()
        self.mute = set()
        self.cycle = 0
        self.commits = []
        self.ends = []
        self.words = []
        self.aborts = 0
        self.durations = {}
        self.remaining = [0] * NODES

    async def reset(self):
        dut = self.dut
        Clock(dut.clk, 10, unit="ns").start()
        for name in ("busy", "saturated", "bus_error", "events"):
            getattr(dut, name).value = 0
        dut.rst.value = 1
        self.host = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "host_"), dut.clk, dut.rst)
        for _ in range(3):
            await RisingEdge(dut.clk)
        dut.rst.value = 0
        cocotb.start_soon(self._read_port("loader_read", Random(1)))
        cocotb.start_soon(self._read_port("cpu_read", Random(2)))
        cocotb.start_soon(self._write_port("cpu_write", Random(3)))
        cocotb.start_soon(self._nodes())
        await self.cycles(600)
        # The firmware starts by putting all nodes to rest.
        assert [mask for _, mask in self.commits] == [ALL]
        assert [word[:2] for word in self.words] == [(ALL, CLEAR_UNIT)]
        self.forget()

    def forget(self):
        for seen in (self.commits, self.ends, self.words):
            seen.clear()
        self.aborts = 0

    async def cycles(self, count):
        for _ in range(count):
            await RisingEdge(self.dut.clk)

    async def _read_port(self, name, rng):
        def port(signal):
            return getattr(self.dut, f"{name}__{signal}")

        size, queue, now = TARGET.data_width // 8, deque(), 0
        while True:
            accept = rng.random() >= self.stall and name not in self.mute
            port("ar__ready").value = int(accept)
            give = bool(queue) and queue[0][0] <= now and rng.random() >= self.stall
            port("r__valid").value = int(give)
            if give:
                address, last = queue[0][1:]
                beat = sum(self.memory.get(address + 4 * k, 0) << 32 * k
                           for k in range(size // 4))
                bad = any(address + 4 * k in self.refuse for k in range(size // 4))
                # Layout of ReadDataLayout: data, response, last.
                port("r__payload").value = (
                    beat | (SLVERR if bad else 0) << 8 * size | last << 8 * size + 2)
            await ReadOnly()
            take = give and int(port("r__ready").value)
            asked = accept and int(port("ar__valid").value)
            burst = int(port("ar__payload").value) if asked else 0
            await RisingEdge(self.dut.clk)
            now += 1
            if take:
                queue.popleft()
            if asked:
                address, length = burst & 0xFFFFFFFF, burst >> 32
                assert address % size == 0
                queue.extend((now + self.latency, address + k * size, int(k == length))
                             for k in range(length + 1))

    async def _write_port(self, name, rng):
        def port(signal):
            return getattr(self.dut, f"{name}__{signal}")

        size, addresses, beats, answers = TARGET.data_width // 8, deque(), deque(), deque()
        while True:
            accept = {channel: rng.random() >= self.stall and name not in self.mute
                      for channel in ("aw", "w")}
            for channel, value in accept.items():
                port(f"{channel}__ready").value = int(value)
            give = bool(answers) and rng.random() >= self.stall
            port("b__valid").value = int(give)
            port("b__payload").value = answers[0] if give else 0
            await ReadOnly()
            if accept["aw"] and int(port("aw__valid").value):
                burst = int(port("aw__payload").value)
                assert burst >> 32 == 0
                addresses.append(burst & 0xFFFFFFFF)
            if accept["w"] and int(port("w__valid").value):
                beats.append(int(port("w__payload").value))
            taken = give and int(port("b__ready").value)
            await RisingEdge(self.dut.clk)
            if taken:
                answers.popleft()
            while addresses and beats:
                answers.append(self._store(addresses.popleft(), beats.popleft(), size))

    def _store(self, address, beat, size):
        """Layout of WriteDataLayout: data, strobe, last."""
        strobe, last = beat >> 8 * size & (1 << size) - 1, beat >> 9 * size
        assert last == 1 and address % size == 0
        for k in range(size // 4):
            if strobe >> 4 * k & 15 == 15:
                if address + 4 * k in self.refuse:
                    return SLVERR
                self.memory[address + 4 * k] = beat >> 32 * k & 0xFFFFFFFF
            else:
                assert strobe >> 4 * k & 15 == 0
        return 0

    async def _nodes(self):
        """Nodes are busy from four cycles after a commit for the cycles in ``durations``."""
        dut, starting = self.dut, deque()
        while True:
            await ReadOnly()
            commit = int(dut.commit.value)
            if int(dut.bus__valid.value):
                self.words.append(tuple(int(getattr(dut, f"bus__{field}").value)
                                        for field in ("mask", "unit", "offset", "data")))
            abort = int(dut.abort.value)
            self.aborts += abort
            await RisingEdge(dut.clk)
            self.cycle += 1
            if commit:
                self.commits.append((self.cycle, commit))
                starting.append((self.cycle + 4, commit))
            before = any(self.remaining)
            if abort:
                self.remaining = [min(left, 5) for left in self.remaining]
            self.remaining = [max(0, left - 1) for left in self.remaining]
            if before and not any(self.remaining):
                self.ends.append(self.cycle)
            if starting and starting[0][0] <= self.cycle:
                for node in range(NODES):
                    if starting[0][1] >> node & 1:
                        self.remaining[node] = self.durations.get(
                            (len(self.commits) - 1, node), 0)
                starting.popleft()
            dut.busy.value = sum(1 << node for node in range(NODES) if self.remaining[node])

    async def read(self, name):
        return await self.host.read_dword(HOST_REGISTER[name].address)

    async def write(self, name, value):
        await self.host.write_dword(HOST_REGISTER[name].address, value)

    def put(self, address, words):
        for index, word in enumerate(words):
            self.memory[address + 4 * index] = word

    def put_program(self, steps, *, log=0, header=None, records=None):
        """Write a program: a step is (packets, commit, wait, time-out)."""
        words = [MAGIC, FORMAT_VERSION, TARGET.fingerprint & 0xFFFFFFFF,
                 TARGET.fingerprint >> 32, len(steps), RECORDS, log, STRIDE, *[0] * 8]
        for index, word in (header or {}).items():
            words[index] = word
        self.put(PROGRAM, words)
        address = PACKETS
        for number, (packets, commit, wait, time_out) in enumerate(steps):
            flat = [word for one in packets for word in one]
            record = [address, len(flat), commit, wait, time_out, number, 0, 0]
            for index, word in (records or {}).get(number, {}).items():
                record[index] = word
            self.put(RECORDS + 32 * number, record)
            self.put(address, flat)
            address += 4 * len(flat)

    async def start(self):
        self.forget()
        await self.write("PROGRAM", PROGRAM)
        await self.write("CONTROL", 1)
        assert await self.read("STATUS") in (Status.RUNNING, Status.DONE, Status.ERROR)

    async def finish(self):
        for _ in range(2000):
            status = await self.read("STATUS")
            if status != Status.RUNNING:
                return status
            await self.cycles(20)
        raise AssertionError("the program does not end")

    async def run(self):
        await self.start()
        return await self.finish()

    async def error(self):
        return [await self.read(name) for name in
                ("ERROR", "ERROR_STEP", "ERROR_INFO0", "ERROR_INFO1")]


def some_steps(count, rng):
    """Steps that configure routers, with changing masks."""
    steps = []
    for number in range(count):
        mask = rng.randrange(1, 1 << TILES)
        packets = [packet(mask, 0, rng.randrange(8), [rng.randrange(15) for _ in range(4)], k)
                   for k in range(1 + number % 3)]
        commit = rng.randrange(1, ALL + 1)
        steps.append((packets, commit, commit, 5000))
    return steps


async def expect_good_run(machine, steps):
    """Run steps and check commits and configuration words."""
    machine.put_program(steps)
    assert await machine.run() == Status.DONE
    assert await machine.error() == [ErrorCode.NONE, 0, 0, 0]
    assert [mask for _, mask in machine.commits] == [step[1] for step in steps] + [ALL]
    expected = [word for step in steps for one in step[0] for word in bus_words(one)]
    assert machine.words[:-1] == expected
    assert machine.words[-1][:2] == (ALL, CLEAR_UNIT)
    assert machine.aborts


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def identity(dut):
    machine = Machine(dut)
    await machine.reset()
    assert await machine.read("ID_LOW") | await machine.read("ID_HIGH") << 32 \
        == TARGET.fingerprint
    assert await machine.read("VERSION") == DESIGN_VERSION
    assert await machine.read("SHAPE") == TILES << 16 | TARGET.ports << 8 | len(TARGET.convolvers)
    assert await machine.read("COUNTERS") == len(COUNTERS)
    assert await machine.read("STATUS") == Status.IDLE
    assert await machine.read("CONTROL") == 0
    for address in (0x40, 0xFC, counter_address(len(COUNTERS)), 0xFFC):
        assert (await machine.host.read(address, 4)).resp == AxiResp.SLVERR
    for address in (0, 0x18, counter_address(0)):
        answer = await machine.host.write(address, b"1234")
        assert answer.resp == AxiResp.SLVERR


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def runs_steps_in_order(dut):
    machine = Machine(dut)
    await machine.reset()
    steps = some_steps(6, Random(5))
    await expect_good_run(machine, steps)
    assert await machine.read("STEP") == 5
    # Again, at once: nothing is left of the first run.
    await expect_good_run(machine, steps[2:])


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def commits_wait_for_nodes_and_soon_follow_them(dut):
    machine = Machine(dut)
    await machine.reset()
    steps = some_steps(8, Random(6))
    machine.durations = {(number, node): 3000 + 37 * number + 11 * node
                         for number in range(8) for node in range(NODES)}
    await expect_good_run(machine, steps)
    gaps = [commit - max(end for end in machine.ends if end < commit)
            for commit, _ in machine.commits[1:-1]]
    dut._log.info("cycles from the end of a step to the next commit: %s", gaps)
    assert max(gaps) <= 40
    for (begin, mask), (after, _), number in zip(
            machine.commits, machine.commits[1:], range(8), strict=False):
        last = max(node for node in range(NODES) if mask >> node & 1)
        assert after - begin >= machine.durations[number, last]


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def writes_the_log(dut):
    machine = Machine(dut)
    await machine.reset()
    steps = some_steps(3, Random(7))
    machine.durations = {(number, node): 400 for number in range(3) for node in range(NODES)}
    machine.put_program(steps, log=LOG)
    dut.events.value = 0b101
    assert await machine.run() == Status.DONE
    dut.events.value = 0
    records = [[machine.memory[LOG + 4 * (STRIDE * number + k)]
                for k in range(LOG_WORDS + len(COUNTERS))] for number in range(3)]
    commits = [cycle for cycle, _ in machine.commits]
    for number, record in enumerate(records):
        step, commit, end, cycles, *counters = record
        assert step == number
        assert commit - records[0][1] == commits[number] - commits[0]
        assert 400 <= end - commit <= 420
        assert cycles >= end
        # Two events are high all the time, from the cycle of the start on.
        assert counters[0] == counters[2] and 0 <= counters[0] - cycles <= 2
        assert not any(counters[1:2] + counters[3:])
    assert all(LOG + 4 * (STRIDE * n + STRIDE - 1) not in machine.memory for n in range(3))
    live = await machine.host.read_dword(counter_address(0))
    assert live >= records[-1][3]
    assert await machine.host.read_dword(counter_address(1)) >= records[-1][4]
    assert await machine.host.read_dword(counter_address(2)) == 0


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def time_out_names_step_and_nodes(dut):
    machine = Machine(dut)
    await machine.reset()
    steps = [(step[0], ALL, ALL, 500) for step in some_steps(3, Random(8))]
    machine.durations = {(1, 0): 4000, (1, TILES): 5000, (1, 1): 300}
    machine.put_program(steps)
    assert await machine.run() == Status.ERROR
    assert await machine.error() == [ErrorCode.TIME_OUT, 1, 1 | 1 << TILES, 500]
    assert [mask for _, mask in machine.commits] == [ALL, ALL, ALL]
    assert await machine.read("BUSY") == 0
    machine.durations = {}
    await expect_good_run(machine, steps)


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def bad_headers_and_records(dut):
    machine = Machine(dut)
    await machine.reset()
    steps = some_steps(2, Random(9))
    low, high = TARGET.fingerprint & 0xFFFFFFFF, TARGET.fingerprint >> 32
    for header, error in (
            ({0: 5}, [ErrorCode.BAD_MAGIC, 0, 5, 0]),
            ({1: 2}, [ErrorCode.BAD_VERSION, 0, 2, 0]),
            ({2: low ^ 1}, [ErrorCode.BAD_FINGERPRINT, 0, low ^ 1, high]),
            ({3: high ^ 1}, [ErrorCode.BAD_FINGERPRINT, 0, low, high ^ 1]),
            ({4: 0}, [ErrorCode.BAD_HEADER, 0, 4, 0]),
            ({5: RECORDS + 2}, [ErrorCode.BAD_HEADER, 0, 5, RECORDS + 2]),
            ({6: 1}, [ErrorCode.BAD_HEADER, 0, 6, 1]),
            ({6: LOG, 7: 3}, [ErrorCode.BAD_HEADER, 0, 7, 3]),
            ({15: 9}, [ErrorCode.BAD_HEADER, 0, 15, 9])):
        machine.put_program(steps, header=header)
        assert await machine.run() == Status.ERROR
        assert await machine.error() == error
        assert [mask for _, mask in machine.commits] == [ALL]
    for record, error in (
            ({0: PACKETS + 1}, [ErrorCode.BAD_RECORD, 1, 0, PACKETS + 1]),
            ({1: 1 << 24}, [ErrorCode.BAD_RECORD, 1, 1, 1 << 24]),
            ({2: 1 << NODES}, [ErrorCode.BAD_RECORD, 1, 2, 1 << NODES]),
            ({3: 1 << 31}, [ErrorCode.BAD_RECORD, 1, 3, 1 << 31]),
            ({5: 7}, [ErrorCode.BAD_RECORD, 1, 5, 7]),
            ({7: 1}, [ErrorCode.BAD_RECORD, 1, 7, 1])):
        machine.put_program(steps, records={1: record})
        assert await machine.run() == Status.ERROR
        assert await machine.error() == error
    await expect_good_run(machine, steps)


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def loader_error_names_step_packet_and_word(dut):
    machine = Machine(dut)
    await machine.reset()
    steps = some_steps(4, Random(10))
    machine.put_program(steps)
    # Step 2 has three packets of seven words.
    address = machine.memory[RECORDS + 64] + 4 * (7 + 3)
    machine.memory[address] ^= 1 << 4
    assert await machine.run() == Status.ERROR
    assert await machine.error() == [ErrorCode.LOADER_CRC, 2, 1, 6]
    assert [mask for _, mask in machine.commits[:-1]] == [step[1] for step in steps[:2]]
    bad = [[packet(1, 0, 0, [3, 15], 0)], 1, 1, 100]
    machine.put_program([bad])
    assert await machine.run() == Status.ERROR
    assert await machine.error() == [ErrorCode.LOADER_VALUE, 0, 0, 3]
    assert len(machine.words) == 1
    await expect_good_run(machine, steps)


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def host_stop(dut):
    machine = Machine(dut)
    await machine.reset()
    steps = some_steps(3, Random(11))
    machine.durations = {(1, node): 100_000 for node in range(NODES)}
    steps = [(step[0], step[1], step[2], 1_000_000) for step in steps]
    machine.put_program(steps)
    await machine.write("CONTROL", 2)
    await machine.start()
    await machine.cycles(4000)
    assert await machine.read("STATUS") == Status.RUNNING
    assert await machine.read("STEP") == 1
    assert await machine.read("BUSY") == steps[1][1]
    # A second start changes nothing while a program runs.
    await machine.write("CONTROL", 1)
    await machine.write("CONTROL", 2)
    assert await machine.finish() == Status.ERROR
    assert (await machine.error())[:2] == [ErrorCode.STOPPED, 1]
    assert await machine.read("BUSY") == 0
    machine.durations = {}
    await expect_good_run(machine, steps)


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def bus_errors_and_saturation(dut):
    machine = Machine(dut)
    await machine.reset()
    steps = some_steps(2, Random(12))
    machine.durations = {(0, node): 500 for node in range(NODES)}
    machine.put_program(steps)
    dut.saturated.value = 1
    await machine.cycles(5)
    dut.saturated.value = 0
    await machine.start()
    await machine.cycles(100)
    dut.saturated.value = 2
    await machine.cycles(1)
    dut.saturated.value = 0
    assert await machine.finish() == Status.DONE
    assert await machine.read("SATURATED") == 2
    await machine.start()
    await machine.cycles(800)
    dut.bus_error.value = 2
    await machine.cycles(1)
    dut.bus_error.value = 0
    assert await machine.finish() == Status.ERROR
    assert (await machine.error())[0::2] == [ErrorCode.BUS_ERROR, 2]
    assert await machine.read("BUS_ERROR") == 2
    assert await machine.read("SATURATED") == 0
    await expect_good_run(machine, steps)
    assert await machine.read("BUS_ERROR") == 0


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def memory_that_refuses_or_is_silent(dut):
    machine = Machine(dut)
    await machine.reset()
    steps = some_steps(2, Random(13))
    for address, error in ((PROGRAM + 4, ErrorCode.MEMORY_ERROR),
                           (RECORDS + 32, ErrorCode.MEMORY_ERROR),
                           (PACKETS + 4, ErrorCode.LOADER_MEMORY), (LOG, ErrorCode.MEMORY_ERROR)):
        machine.put_program(steps, log=LOG)
        machine.refuse = {address}
        assert await machine.run() == Status.ERROR
        assert (await machine.error())[0] == error
    machine.refuse = set()
    for name in ("cpu_read", "cpu_write"):
        machine.mute = {name}
        assert await machine.run() == Status.ERROR
        assert (await machine.error())[0] == ErrorCode.MEMORY_ERROR
        machine.mute = set()
        await machine.cycles(100)
        await expect_good_run(machine, steps)
        machine.put_program(steps, log=LOG)
    await expect_good_run(machine, steps)

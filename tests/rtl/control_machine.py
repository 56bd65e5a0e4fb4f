"""Fake surroundings of the control unit: memory, nodes and host, for its cocotb bench."""

import os
from collections import deque
from random import Random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ReadOnly, RisingEdge
from cocotbext.axi import AxiLiteBus, AxiLiteMaster

from hdl.axi import SLVERR
from hdl.config_network import CLEAR_UNIT
from hdl.control.counters import counter_names
from hdl.control.cpu_registers import FORMAT_VERSION, LOG_WORDS, MAGIC
from hdl.control.host_registers import HOST_REGISTER, Status
from hdl.target import get_target

TARGET = get_target(os.environ.get("NEUFLOW_TARGET", "tiny"))
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
            asked = accept and int(port("ar__valid").value)
            burst = int(port("ar__payload").value) if asked else 0
            await RisingEdge(self.dut.clk)
            now += 1
            if give:
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
        asked = False
        while True:
            accept, take = (rng.random() >= self.stall and name not in self.mute
                            for _ in range(2))
            # A beat is asked for when its address is there, and comes a cycle later.
            take = take and len(addresses) > len(beats) + asked
            port("aw__ready").value, port("take").value = int(accept), int(take)
            give = bool(answers) and rng.random() >= self.stall
            port("b__valid").value = int(give)
            port("b__payload").value = answers[0] if give else 0
            await ReadOnly()
            if accept and int(port("aw__valid").value):
                burst = int(port("aw__payload").value)
                assert burst >> 32 == 0
                addresses.append(burst & 0xFFFFFFFF)
            if asked:
                beats.append(int(port("w").value))
            asked = take
            await RisingEdge(self.dut.clk)
            if give:
                answers.popleft()
            while addresses and beats:
                answers.append(self._store(addresses.popleft(), beats.popleft(), size))

    def _store(self, address, beat, size):
        """Layout of WriteDataLayout: data, strobe."""
        strobe = beat >> 8 * size
        assert address % size == 0
        for k in range(size // 4):
            if strobe >> 2 * k & 3 == 3:
                if address + 4 * k in self.refuse:
                    return SLVERR
                self.memory[address + 4 * k] = beat >> 32 * k & 0xFFFFFFFF
            else:
                assert strobe >> 2 * k & 3 == 0
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

"""A link server between a host that sends bytes, registers, and a memory; and its frames."""

import struct
import zlib

from amaranth.sim import Simulator

from hdl.axi import OKAY, SLVERR
from hdl.link.protocol import END, ESCAPE, FLIP

WORDS = 16  # registers and words of memory that exist
BASE = 0x1000  # of the memory


def body(operation, sequence, address, words=(), count=None):
    """Return the body of a request, CRC and all."""
    count = len(words) if count is None else count
    data = struct.pack(f"<BBHI{len(words)}I", operation, sequence, count, address, *words)
    return data + struct.pack("<I", zlib.crc32(data))


def framed(data):
    """Return the frame of a body."""
    escaped = b"".join(bytes([ESCAPE, byte ^ FLIP]) if byte in (END, ESCAPE) else bytes([byte])
                       for byte in data)
    return bytes([END]) + escaped + bytes([END])


def answers(data):
    """Return what is answered in a stream of bytes: (operation, sequence, answer, words)."""
    found = []
    for part in bytes(data).split(bytes([END])):
        if part:
            whole = bytearray()
            flip = 0
            for byte in part:
                if byte == ESCAPE:
                    flip = FLIP
                else:
                    whole.append(byte ^ flip)
                    flip = 0
            assert zlib.crc32(whole[:-4]) == struct.unpack("<I", whole[-4:])[0]
            operation, sequence, answer = struct.unpack_from("<BBH", whole)
            found.append((operation, sequence, answer,
                          list(struct.unpack(f"<{len(whole) // 4 - 2}I", whole[4:-4]))))
    return found


class World:
    """What the server can reach, and every write that reached it."""

    def __init__(self, dut):
        self.dut = dut
        self.registers = [0] * WORDS
        self.memory = [0] * WORDS
        self.writes = []  # (memory or not, index, word)
        self.dead = False  # memory answers nothing

    async def host(self, ctx):
        """Registers: 0 to WORDS - 1 exist."""
        port = self.dut.host
        for ready in (port.awready, port.wready, port.arready):
            ctx.set(ready, 1)
        address = word = None
        while True:
            _, _, aw, awaddr, w, wdata, ar, araddr, b, r = await ctx.tick().sample(
                port.awvalid, port.awaddr, port.wvalid, port.wdata, port.arvalid, port.araddr,
                port.bvalid & port.bready, port.rvalid & port.rready)
            if b:
                ctx.set(port.bvalid, 0)
            if r:
                ctx.set(port.rvalid, 0)
            address, word = awaddr if aw else address, wdata if w else word
            if address is not None and word is not None:
                known = address < 4 * WORDS
                if known:
                    self.registers[address // 4] = word
                    self.writes.append((False, address // 4, word))
                ctx.set(port.bresp, OKAY if known else SLVERR)
                ctx.set(port.bvalid, 1)
                address = word = None
            if ar:
                known = araddr < 4 * WORDS
                ctx.set(port.rdata, self.registers[araddr // 4] if known else 0)
                ctx.set(port.rresp, OKAY if known else SLVERR)
                ctx.set(port.rvalid, 1)

    async def writer(self, ctx):
        """Memory, written a word at a time."""
        bus = self.dut.bus_write
        ctx.set(bus.aw.ready, 1)
        address, asked = None, False
        while True:
            ctx.set(bus.take, address is not None and not asked)
            took = address is not None and not asked
            _, _, aw, burst, beat = await ctx.tick().sample(
                bus.aw.valid, bus.aw.payload, bus.w)
            ctx.set(bus.b.valid, 0)
            address = burst.address if aw else address
            if not asked or self.dead:
                asked = asked or took
                continue
            half = (beat.strobe >> 2) != 0
            assert beat.strobe == 0b11 << 2 * half
            index = (address - BASE) // 4 + half
            known = 0 <= index < WORDS
            if known:
                self.memory[index] = beat.data >> 32 * half & 0xFFFFFFFF
                self.writes.append((True, index, self.memory[index]))
            ctx.set(bus.b.payload, OKAY if known else SLVERR)
            ctx.set(bus.b.valid, 1)
            address, asked = None, False

    async def reader(self, ctx):
        """Memory, read in bursts."""
        bus = self.dut.bus_read
        ctx.set(bus.ar.ready, 1)
        waiting = []
        while True:
            _, _, ar, burst = await ctx.tick().sample(bus.ar.valid, bus.ar.payload)
            if ar and not self.dead:
                waiting += [(burst.address + 8 * beat, beat == burst.length)
                            for beat in range(burst.length + 1)]
            ctx.set(bus.r.valid, bool(waiting))
            if waiting:
                address, last = waiting.pop(0)
                index = (address - BASE) // 4
                known = 0 <= index < WORDS
                low, high = self.memory[index:index + 2] if known else (0, 0)
                ctx.set(bus.r.payload, {"data": low | high << 32, "last": last,
                                        "response": OKAY if known else SLVERR})

    async def exchange(self, ctx, data, quiet=200, limit=20_000):
        """Send bytes; return the answers once the line has been at rest for ``quiet`` cycles."""
        dut, got, sent, still = self.dut, bytearray(), 0, 0
        ctx.set(dut.o.ready, 1)
        for _ in range(limit):
            ctx.set(dut.i.valid, sent < len(data))
            if sent < len(data):
                ctx.set(dut.i.payload, data[sent])
            _, _, ready, valid, byte = await ctx.tick().sample(
                dut.i.ready, dut.o.valid, dut.o.payload)
            still += 1
            if ready and sent < len(data):
                sent, still = sent + 1, 0
            if valid:
                got.append(byte)
                still = 0
            if still == quiet:
                return answers(got)
        raise AssertionError("the line does not come to rest")

    def run(self, bench):
        simulator = Simulator(self.dut)
        simulator.add_clock(1e-8)
        for part in (self.host, self.writer, self.reader):
            simulator.add_testbench(part, background=True)
        simulator.add_testbench(bench)
        simulator.run()

"""A memory behind AXI4, in plain Python, for the Amaranth simulator.

It serves one master (`ReadMaster`, `WriteMaster`) or a whole port (`AxiSignature`), refuses and
waits at random, answers different IDs out of order and interleaved, and checks the rules that a
master has to keep.
"""

from collections import defaultdict, deque
from itertools import product
from types import SimpleNamespace

import numpy as np
from amaranth.hdl import Cat, Const

MAX_BEATS = 16


def loop_addresses(base, counts, strides):
    """Return the sample addresses of nested loops, counts and strides innermost first."""
    return [base + sum(i * stride for i, stride in zip(index, reversed(strides), strict=True))
            for index in product(*(range(max(count, 1)) for count in reversed(counts)))]


def _read_signals(bus):
    if hasattr(bus, "arvalid"):
        return bus
    return SimpleNamespace(
        arvalid=bus.ar.valid, arready=bus.ar.ready, arid=Const(0), araddr=bus.ar.p.address,
        arlen=bus.ar.p.length, rvalid=bus.r.valid, rready=Const(1), rid=None,
        rdata=bus.r.payload.data, rresp=bus.r.payload.response,
        rlast=bus.r.payload.last)


def _write_signals(bus):
    if hasattr(bus, "awvalid"):
        return bus
    return SimpleNamespace(
        awvalid=bus.aw.valid, awready=bus.aw.ready, awid=Const(0), awaddr=bus.aw.p.address,
        awlen=bus.aw.p.length, wvalid=Const(0), wready=bus.take, wdata=bus.w.data,
        wstrb=Cat(bit.replicate(2) for bit in bus.w.strobe), wlast=Const(0), bvalid=bus.b.valid,
        bready=Const(1), bid=None, bresp=bus.b.payload)


class _Held:
    """Checks that an offer that was refused is offered again, unchanged."""

    def __init__(self, name):
        self.name, self.refused = name, None

    def see(self, valid, ready, *payload):
        assert self.refused is None or (valid and payload == self.refused), \
            f"{self.name}: offer {self.refused} was withdrawn: valid={valid}, {payload}"
        self.refused = payload if valid and not ready else None


class AxiMemory:
    """Memory of ``size`` samples with random content.

    Parameters
    ----------
    data_width : int
        Bits of the bus.
    size : int
        Samples.
    latency : tuple of int
        Least and most cycles from a request to its first beat, or from the last beat written to
        the response.
    stall : float
        Probability of refusing or withholding, each cycle on each channel.
    errors : set of int
        Byte addresses of beats that answer SLVERR.
    """

    def __init__(self, data_width, rng, size=1 << 14, latency=(1, 1), stall=0.0, errors=()):
        self.bytes_per_beat = data_width // 8
        self.rng, self.latency, self.stall, self.errors = rng, latency, stall, set(errors)
        self.data = np.random.default_rng(rng.getrandbits(32)).integers(
            0, 256, 2 * size, dtype=np.uint8)
        self.paused = False
        self.cycle = 0
        self.reads, self.writes = [], []
        self.beats_read = self.beats_written = self.open_reads = self.open_writes = 0

    @property
    def samples(self):
        """The content, as signed samples."""
        return self.data.view("<i2")

    def at(self, addresses):
        """Return the samples at ``addresses``, which wrap at the memory's size."""
        return self.samples[np.asarray(addresses) % len(self.samples)].tolist()

    def _refuses(self):
        return self.paused or self.rng.random() < self.stall

    def _check(self, address, length):
        assert length < MAX_BEATS, f"burst of {length + 1} beats"
        assert address % self.bytes_per_beat == 0, f"address {address:#x} is not aligned"
        end = address + (length + 1) * self.bytes_per_beat - 1
        assert address >> 12 == end >> 12, f"burst {address:#x}..{end:#x} crosses 4 KiB"

    def _due(self):
        return self.cycle + self.rng.randint(*self.latency)

    async def serve_reads(self, ctx, bus):
        """Background process for the read channels."""
        s = _read_signals(bus)
        waiting, offer, held = defaultdict(deque), None, _Held("ar")
        current = None
        while True:
            if offer is None and not self._refuses():
                ready = [m for m, bursts in waiting.items() if bursts[0][0] <= self.cycle]
                if current not in ready or self.rng.random() < 0.1:
                    current = self.rng.choice(ready) if ready else None
                if current is not None:
                    offer = self._next_beat(waiting, current)
                    for name, value in offer.items():
                        if getattr(s, name) is not None:
                            ctx.set(getattr(s, name), value)
            arready = not self._refuses()
            ctx.set(s.rvalid, offer is not None)
            ctx.set(s.arready, arready)
            _, _, arvalid, master, address, length, rready = await ctx.tick().sample(
                s.arvalid, s.arid, s.araddr, s.arlen, s.rready)
            self.cycle += 1
            held.see(arvalid, arready, master, address, length)
            if offer is not None and rready:
                self.open_reads -= offer["rlast"]
                self.beats_read += 1
                offer = None
            if arvalid and arready:
                self._check(address, length)
                self.reads.append((master, address, length))
                self.open_reads += 1
                waiting[master].append([self._due(), address, length + 1])

    def _next_beat(self, waiting, master):
        burst = waiting[master][0]
        _, address, beats = burst
        burst[1], burst[2] = address + self.bytes_per_beat, beats - 1
        if beats == 1:
            waiting[master].popleft()
            if not waiting[master]:
                del waiting[master]
        offset = address % len(self.data)
        word = int.from_bytes(self.data[offset:offset + self.bytes_per_beat].tobytes(), "little")
        return {"rid": master, "rdata": word, "rresp": 2 if address in self.errors else 0,
                "rlast": int(beats == 1)}

    async def serve_writes(self, ctx, bus):
        """Background process for the write channels."""
        s = _write_signals(bus)
        requests, beats, answers, offer = deque(), [], defaultdict(deque), None
        bursts, lasts = deque(), []
        held_aw, held_w = _Held("aw"), _Held("w")
        # A master's beats are asked for: those owed, and whether one was in the last cycle.
        asks, owed, asked = not hasattr(bus, "awvalid"), 0, False
        while True:
            if offer is None and not self._refuses():
                ready = [m for m, queue in answers.items() if queue and queue[0][0] <= self.cycle]
                if ready:
                    master = self.rng.choice(ready)
                    offer = answers[master].popleft()
                    if s.bid is not None:
                        ctx.set(s.bid, master)
                    ctx.set(s.bresp, offer[1])
            awready, wready = not self._refuses(), not self._refuses()
            if asks:
                wready = wready and owed > 0
            ctx.set(s.bvalid, offer is not None)
            ctx.set(s.awready, awready)
            ctx.set(s.wready, wready)
            (_, _, awvalid, master, address, length, wvalid, word, strobe, last,
             bready) = await ctx.tick().sample(
                s.awvalid, s.awid, s.awaddr, s.awlen, s.wvalid, s.wdata, s.wstrb, s.wlast,
                s.bready)
            self.cycle += 1
            held_aw.see(awvalid, awready, master, address, length)
            if asks:
                assert asked or (word, strobe) == (0, 0), "a beat that nobody took"
                wvalid, last, asked = asked, lasts.pop(0) if asked else 0, wready
                owed += (length + 1 if awvalid and awready else 0) - wready
            else:
                held_w.see(wvalid, wready, word, strobe, last)
            if offer is not None and bready:
                self.open_writes -= 1
                offer = None
            if awvalid and awready:
                self._check(address, length)
                self.writes.append((master, address, length))
                self.open_writes += 1
                requests.append((master, address, length))
                lasts += [*[0] * length, 1]
            if wvalid and (wready or asks):
                self.beats_written += 1
                beats.append((word, strobe))
                if last:
                    bursts.append(beats)
                    beats = []
            while requests and bursts:
                master, error = self._store(requests.popleft(), bursts.popleft())
                answers[master].append((self._due(), error))

    def _store(self, request, beats):
        master, address, length = request
        assert len(beats) == length + 1, f"{len(beats)} beats for a burst of {length + 1}"
        error = 0
        for word, strobe in beats:
            data = word.to_bytes(self.bytes_per_beat, "little")
            for lane in range(self.bytes_per_beat):
                if strobe >> lane & 1:
                    self.data[(address + lane) % len(self.data)] = data[lane]
            error |= 2 if address in self.errors else 0
            address += self.bytes_per_beat
        return master, error

    def processes(self, *, reads=(), writes=()):
        """Return background processes for `simulate`, one a bus."""
        def process(serve, bus):
            async def run(ctx):
                await serve(ctx, bus)
            return run

        return [*(process(self.serve_reads, bus) for bus in reads),
                *(process(self.serve_writes, bus) for bus in writes)]

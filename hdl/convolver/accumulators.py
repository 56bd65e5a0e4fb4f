"""Accumulator banks: two halves each, one accumulating while the other drains."""

from amaranth.hdl import Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from ..counting import step
from ..select import or_reduce, select
from .bank_map import first_bank, owner
from .chain import TailTag
from .lane_constant import LaneConstant

__all__ = ["AccumulatorRead", "Accumulators"]


class AccumulatorRead(data.StructLayout):
    """A word to drain, if ``valid``: its bank, and where in the bank's half."""

    def __init__(self, target):
        super().__init__({
            "valid": unsigned(1),
            "bank": range(max(target.banks, 2)),
            "word": range(target.half_depth),
        })


class Accumulators(wiring.Component):
    """Sums of all lanes: read for the heads, written from the ends, and drained.

    A lane owns B = floor(banks / lanes) banks, see `first_bank`, chained to one memory of B *
    half_depth words in each half. Outputs are numbered in the order in which they are stored,
    from 0 in every entry. Each half of a bank is a block RAM of half_depth x 36 bits with an
    output register.

    Parameters
    ----------
    target : Target
        The machine.

    Members
    -------
    enable : In(1)
        A chain cycle.
    lanes : In(4)
        Constant.
    head_store, head_last : In(1)
        The head's output is stored; it is the last of its entry.
    head_half : In(1)
        Half the heads read; 2 chain cycles after ``head_store``.
    feed : Out(signed(36)), array of ``banks``
        For the head of the lane whose first bank it is; 3 chain cycles after ``head_store``, not
        registered.
    sums : In(signed(36)), array of ``banks``
        From the end of the lane that owns the bank.
    sums_tag : In(TailTag)
        Written 2 chain cycles later, into the halves in turn.
    half_free : In(1)
        A half has been drained.
    wait : Out(1)
        The next chain cycle would write to a half that has not been drained: ``enable`` must be
        low in the next clock cycle.
    frame_done, pass_done : Out(1)
        High for one clock cycle: the last sum of a frame (pass) is being written.
    draining : In(2)
        Bit h: half h belongs to the drain streams; ``read`` may name words of it.
    drain_half : In(1)
        The half that ``read`` names words of.
    read : In(AccumulatorRead), array of 2
        Words to drain, in different banks.
    drained : Out(signed(36)), array of 2
        Those words, 4 clock cycles later, not registered; 0 for none.

    Source: docs/architecture.md, "Convolver", "Banks".
    """

    def __init__(self, target):
        self.target = target
        word = signed(target.accumulator_width)
        super().__init__({
            "enable": In(1),
            "lanes": In(4),
            "head_store": In(1),
            "head_last": In(1),
            "head_half": In(1),
            "feed": Out(word).array(target.banks),
            "sums": In(word).array(target.banks),
            "sums_tag": In(TailTag()),
            "half_free": In(1),
            "wait": Out(1),
            "frame_done": Out(1),
            "pass_done": Out(1),
            "draining": In(2),
            "drain_half": In(1),
            "read": In(AccumulatorRead(target)).array(2),
            "drained": Out(word).array(2),
        })

    def elaborate(self, platform):
        m = Module()
        banks, depth = self.target.banks, self.target.half_depth

        address = self._counter(m, "read", self.head_store, self.head_last)
        drain_words, away = self._drain_addresses(m)
        drained_half = Signal(2)  # as `draining`, when the memory takes the address
        m.d.sync += drained_half.eq(self.draining)

        write = self._write_port(m)
        for_head, for_drain = [], [[], []]
        for bank in range(banks):
            outputs = []
            for half in range(2):
                words = memory.Memory(
                    shape=signed(self.target.accumulator_width), depth=depth, init=[])
                m.submodules[f"bank{bank}_{half}"] = words
                port, reader = words.write_port(), words.read_port()
                out = Signal.like(reader.data, name=f"out{bank}_{half}", reset_less=True)
                m.d.comb += [
                    port.en.eq(write["hit"][bank] & self.enable & (write["half"] == half)),
                    port.addr.eq(write["word"]), port.data.eq(write["data"][bank]),
                    reader.en.eq(self.enable | drained_half[half]),
                    reader.addr.eq(Mux(
                        drained_half[half], drain_words[bank], address[:len(reader.addr)])),
                ]
                with m.If(self.enable):
                    m.d.sync += out.eq(reader.data)
                outputs.append(out)
                for stream, drained in enumerate(for_drain):
                    word = Signal(len(reader.data), name=f"drain{stream}_{bank}_{half}",
                                  reset_less=True)
                    m.d.sync += word.eq(reader.data)
                    with m.If(away[stream][bank][half]):
                        m.d.sync += word.eq(0)
                    drained.append(word)
            head_word = Signal.like(self.feed[0], name=f"head_word{bank}", reset_less=True)
            with m.If(self.enable):
                m.d.sync += head_word.eq(Mux(self.head_half, outputs[1], outputs[0]))
            for_head.append(head_word)

        self._feed(m, address[(depth - 1).bit_length():], for_head)
        for stream, drained in enumerate(for_drain):
            m.d.comb += self.drained[stream].eq(self._joined(m, drained, f"joined{stream}"))
        return m

    def _joined(self, m, words, name):
        """Return the one of some words that is not held at 0; a LUT takes six at a time."""
        parts = []
        for at in range(0, len(words), 6):
            word = Signal.like(words[at], name=f"{name}_{at}", reset_less=True)
            m.d.sync += word.eq(or_reduce(words[at:at + 6]))
            parts.append(word)
        return or_reduce(parts).as_signed()

    def _counter(self, m, name, store, last):
        """Return the number of the output whose ``store`` and ``last`` are present."""
        count = Signal(range(self.target.banks * self.target.half_depth), name=f"{name}_address")
        with m.If(self.enable):
            m.d.sync += count.eq(Mux(last, 0, count + store))
        return count

    def _drain_addresses(self, m):
        """Return the address of each bank, and what holds its words at 0 for each stream.

        The second is a bit for each stream, bank and half, 2 clock cycles after ``read``. It goes
        to the reset of the registers behind the banks, whose words can then be joined.
        """
        later = [Signal.like(read, name=f"read{index}") for index, read in enumerate(self.read)]
        m.d.sync += [signal.eq(read) for signal, read in zip(later, self.read, strict=True)]
        half = Signal()
        m.d.sync += half.eq(self.drain_half)
        addresses, away = [], [[], []]
        for bank in range(self.target.banks):
            for stream, read in enumerate(self.read):
                missed = Signal(name=f"missed{stream}_{bank}")
                held = Signal(2, init=0b11, name=f"away{stream}_{bank}")
                m.d.sync += [missed.eq(~read.valid | (read.bank != bank)),
                             held.eq(missed.replicate(2))]
                with m.If(half):
                    m.d.sync += held[0].eq(1)
                with m.Else():
                    m.d.sync += held[1].eq(1)
                away[stream].append(held)
            addresses.append(Mux(missed, later[0].word, later[1].word))
        return addresses, away

    def _write_port(self, m):
        """Return the registered write port: bank hits, half, word, data by bank."""
        target, banks = self.target, self.target.banks
        depth_bits = (target.half_depth - 1).bit_length()
        tag = self.sums_tag
        address = self._counter(m, "write", tag.store, tag.entry_last)
        chained = address[depth_bits:]

        # A pass asks for its half a chain cycle before its first sum is written.
        halves = Signal(2, init=2)
        wanted, asked = Signal(), Signal()
        granted = wanted & halves.any()
        m.d.comb += [wanted.eq(asked | (tag.pass_start & self.enable)),
                     self.wait.eq(wanted & ~halves.any())]
        m.d.sync += [asked.eq(self.wait), halves.eq(step(halves, self.half_free, granted))]

        hit = Signal(banks)
        half, frame_done, pass_done = Signal(), Signal(), Signal()
        word = Signal(depth_bits, reset_less=True)
        m.d.comb += [self.frame_done.eq(frame_done & self.enable),
                     self.pass_done.eq(pass_done & self.enable)]
        with m.If(self.enable):
            m.d.sync += [word.eq(address), frame_done.eq(tag.frame_last),
                         pass_done.eq(tag.pass_last), half.eq(half ^ pass_done)]

        written = []
        for bank in range(banks):
            # 1 + the bank's place in the chain of its lane; 0 where it belongs to none.
            owners = {lanes: owner(target, lanes, bank) for lanes in range(1, banks + 1)}
            place = m.submodules[f"place{bank}"] = LaneConstant(
                target, lambda lanes, owners=owners: owners[lanes][1] + 1 if owners[lanes] else 0)
            m.d.comb += place.lanes.eq(self.lanes)
            total = Signal.like(self.sums[0], name=f"written{bank}", reset_less=True)
            with m.If(self.enable):
                m.d.sync += [hit[bank].eq(tag.store & (place.o == chained + 1)),
                             total.eq(self.sums[bank])]
            written.append(total)
        return {"hit": hit, "half": half, "word": word, "data": written}

    def _feed(self, m, chained, words):
        """Feed each lane from the bank that ``chained``, 3 chain cycles ago, names."""
        target, banks = self.target, self.target.banks
        for age in range(3):
            later = Signal.like(chained, name=f"chained{age}", reset_less=True)
            with m.If(self.enable):
                m.d.sync += later.eq(chained)
            chained = later
        for bank in range(banks):
            reach = max((target.lane_banks(lanes) for lanes in range(1, banks + 1)
                         for lane in range(lanes) if first_bank(target, lanes, lane) == bank),
                        default=1)
            m.d.comb += self.feed[bank].eq(
                select(chained, words[bank:bank + reach]) if reach > 1 else words[bank])

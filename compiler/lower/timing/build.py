"""From a step's registers to the state of the timing model."""

import math
from dataclasses import dataclass

import numpy as np

from hdl.registers import OPERATIONS, SINKS, SOURCES

from . import state

__all__ = ["Background", "Shares", "build"]

#: For each kind of source the cycles from its decision to its output, the words that it keeps in
#: between, and how many of those cycles they are in a queue, not in a pipeline that goes on.
_LATENCY = {"dma": 2, "weights": 2, "conv": 15, "mapper": 23, "op": 14, "div": 23}
_WORDS = {"dma": 3, "weights": 3, "conv": 16, "mapper": 32, "op": 32, "div": 32}
_QUEUED = {"dma": 2, "weights": 2, "conv": 15, "mapper": 2, "op": 2, "div": 2}

#: Cycles and words of a buffer: every sink of a router has one, and every input but a write's.
_BUFFER_LATENCY, _BUFFER_WORDS = 1, 2

#: First cycle in which a read or weight channel takes an address.
_FIRST_ADDRESS = 3

#: Samples of a read channel's bursts, and samples below which it is urgent.
_SPAN = 64

#: Cycles from a step's start until the processor asks for the record of the next one; until it
#: starts the loader, if it has the record; until it writes the log, if no step follows.
_RECORD_BEGIN, _LOAD_BEGIN, _LOG_BEGIN = 35, 130, 74

#: A cycle that never comes.
_NEVER = 1 << 62

#: Most bytes, and beats, that the processor reads at a time.
_LINE_BYTES, _LINE_BEATS = 128, 16

#: Bytes of a page, which no burst leaves.
_PAGE_BYTES = 4096

#: Bursts of the memory, each of reads and of writes, that are accepted and not answered.
_MOST_BURSTS = 32

#: Words of parameters of a lane and group; passes whose parameters are kept.
_PARAMETERS, _PASSES = 4, 4

#: Chain cycles, besides a lane's length, from a head's word to the demand for a half of the
#: accumulators, and one more to its sum in them.
_DEMAND = 5

_OPPOSITE = {"n": "s", "e": "w", "s": "n", "w": "e"}
_REDUCE, _DIVIDE = OPERATIONS.index("reduce_sum"), OPERATIONS.index("div")


@dataclass(frozen=True)
class Background:
    """What control does while a step runs.

    Parameters
    ----------
    address : int
        Byte address of the next step's packets.
    packets : tuple of int
        Payload words of each of them; empty if no step follows.
    log_words : int
        Words of a log record that it writes.
    record : int
        Byte address of the next step's record; -1 if the processor has it already.
    """

    address: int = 0
    packets: tuple = ()
    log_words: int = 0
    record: int = -1


@dataclass(frozen=True)
class Shares:
    """Shares of a step that are to be run, 0 to 1.

    Parameters
    ----------
    passes, entries : float
        Of a convolver's passes; of the frames that each adds up, and of the sums that it drains.
    samples : float
        Of the samples that are read, in a step without convolvers.
    """

    passes: float = 1.0
    entries: float = 1.0
    samples: float = 1.0


def build(units, target, background, pause, shares):
    """Return the state at a step's start.

    Parameters
    ----------
    units : dict
        Registers of each node by unit, as `Circuit.units` holds them.
    target : Target
        The machine.
    background : Background
        What control does beside it.
    pause : int
        Cycles that write bursts still wait for urgent readers.
    shares : Shares
        How much of the step.

    Returns
    -------
    tuple
        Arrays of records (see `state`) in the order that `machine.run` takes them.
    """
    builder = _Builder(units, target, shares)
    return builder.arrays(background, pause)


def _stack(records, dtype):
    return np.array(records, dtype) if records else np.zeros(0, dtype)


def _share(count, share):
    """Return a share of a count, at least 1 of what is not 0."""
    return min(count, max(1, round(count * share)))


class _Builder:
    """Collects the records of all units, and of the links between them."""

    def __init__(self, units, target, shares):
        self.units, self.target, self.shares = units, target, shares
        self.links, self.tables = [], []
        # Numbers of the links from each source, and the words that a source sends.
        self.sinks, self.words = {}, {}
        self.readers, self.reader_walks, self.sources = [], [], []
        self.processors, self.convolvers = {}, {}
        self.writers, self.writer_walks = [], []
        self._channels()
        for tile in sorted(node for node in units if node < target.tiles):
            if "convolver" in units[tile]:
                self._convolver(tile, units[tile]["convolver"])
        for tile in sorted(node for node in units if node < target.tiles):
            self._tile(tile)

    def arrays(self, background, pause):
        """Return all records; see `build`."""
        for reader, origin in zip(self.readers, self.sources, strict=True):
            self._set_sinks(reader, "sinks", "sink", origin)
        for origin, unit in self.processors.items():
            self._set_sinks(unit, "sinks", "sink", origin)
        for tile, convolver in self.convolvers.items():
            for stream in range(2):
                chosen = self.sinks.get((tile, f"conv{stream}"), [])
                convolver["drain_sinks"][stream] = len(chosen)
                first = stream * state.MOST_SINKS
                convolver["drain_sink"][first:first + len(chosen)] = chosen
        control = self._control(background)
        return (self._bus(pause), control,
                _stack(self.readers, state.READER), _stack(self.reader_walks, state.WALK),
                _stack(self.writers, state.WRITER), _stack(self.writer_walks, state.WALK),
                _stack(list(self.processors.values()), state.UNIT),
                _stack(list(self.convolvers.values()), state.CONVOLVER),
                _stack(self.links, state.LINK), np.array(self.tables or [0], np.int64))

    def _set_sinks(self, record, count, field, origin):
        chosen = self.sinks.get(origin, [])
        record[count] = len(chosen)
        record[field][:len(chosen)] = chosen

    def _table(self, words):
        """Return where words stand in the joined tables, and how many there are."""
        place = len(self.tables)
        self.tables += words
        return place, len(words)

    def _walk(self, registers, origin, table, span):
        walk = np.zeros((), state.WALK)
        counts = [max(1, count) for count in registers["count"]]
        walk["count"], walk["stride"] = counts, registers["stride"]
        walk["index"] = np.array(counts) - 1
        walk["origin"], (walk["table"], walk["entries"]) = origin, self._table(table)
        walk["lanes"] = self.target.data_width // 16
        walk["page"] = 8 * _PAGE_BYTES // self.target.data_width
        walk["span"], walk["limit"] = span, min(15, span - 1)
        return walk

    def _channels(self):
        """Add read and weight channels, in the order of the interconnect."""
        target = self.target
        for node in range(target.tiles, target.nodes):
            units = self.units.get(node, {})
            if "read" in units:
                registers, table = units["read"], list(units["read_table"])
                total = (math.prod(max(1, count) for count in registers["count"]) * len(table)
                         * max(1, registers.get("repeat", 1)))
                self._reader((target.dma_tiles[node - target.tiles], "dma"), total,
                             self._walk(registers, 0, table, _SPAN))
        for tile in target.convolvers:
            units = self.units.get(target.tiles + target.port_of_tile(tile), {})
            if "weights" in units:
                registers = units["weights"]
                loops = {"count": [registers["length"], registers.get("repeat", 1), 1, 1],
                         "stride": [1, 0, 0, 0]}
                self._reader((tile, "weights"), math.prod(loops["count"]),
                             self._walk(loops, registers["base"], [], _SPAN))

    def _reader(self, origin, total, walk):
        reader = np.zeros((), state.READER)
        window = self._windows()
        self.words[origin] = _share(total // window, self.shares.samples) * window \
            if total % window == 0 else total
        reader["total"], reader["begin"] = self.words[origin], _FIRST_ADDRESS
        reader["free"] = max(32, 4096 // self.target.data_width)
        reader["few"] = 16 * _SPAN // self.target.data_width
        self.readers.append(reader)
        self.reader_walks.append(walk)
        self.sources.append(origin)

    def _windows(self):
        """Return a number of samples that all reductions of the step divide."""
        return math.lcm(*(self._window(units[name]) for units in self.units.values()
                          for name in ("op0", "op1") if name in units))

    @staticmethod
    def _window(registers):
        return registers["count"] if registers["operation"] >= _REDUCE else 1

    def _source(self, tile, name):
        """Return the (tile, source) that feeds a sink, and the buffers between the two."""
        buffers = 2
        source = SOURCES[self.units[tile]["router"]["source"][SINKS.index(name)] - 1]
        while source in _OPPOSITE:
            tile, direction = self.target.neighbour(tile, source), _OPPOSITE[source]
            source = SOURCES[self.units[tile]["router"]["source"][SINKS.index(direction)] - 1]
            buffers += 1
        return (tile, source), buffers

    def _link(self, origin, buffers=1):
        """Return the number of a new link from a source through so many buffers."""
        tile, source = origin
        kind = source.rstrip("01")
        if kind == "op" and self.units[tile][source]["operation"] == _DIVIDE:
            kind = "div"
        link = np.zeros((), state.LINK)
        link["latency"] = _LATENCY[kind] + _BUFFER_LATENCY * buffers
        link["capacity"] = _WORDS[kind] + _BUFFER_WORDS * buffers
        link["behind"] = _QUEUED[kind] + _BUFFER_LATENCY * buffers
        self.links.append(link)
        self.sinks.setdefault(origin, []).append(len(self.links) - 1)
        return len(self.links) - 1

    def _sent(self, origin):
        """Return the words that a source sends, and add the unit that it is."""
        if origin not in self.words:
            self._processor(*origin)
        return self.words[origin]

    def _processor(self, tile, name):
        registers = self.units[tile][name]
        window, inputs = 1, [name]
        if name != "mapper":
            window, inputs = self._window(registers), [f"{name}_a"]
            if registers["operation"] < _REDUCE and not registers.get("constant_enable"):
                inputs.append(f"{name}_b")
        sources = [self._source(tile, sink) for sink in inputs]
        self.words[tile, name] = min(self._sent(origin) for origin, _ in sources) // window
        unit = np.zeros((), state.UNIT)
        unit["inputs"], unit["window"] = len(inputs), window
        unit["input"][:len(inputs)] = [self._link(*source) for source in sources]
        self.processors[tile, name] = unit

    def _tile(self, tile):
        """Add the write channel of a tile's port, and the units that feed it."""
        port = self.target.port_of_tile(tile)
        node = None if port is None else self.target.tiles + port
        if "write" not in self.units.get(node, {}):
            return
        registers = self.units[node]["write"]
        table = list(self.units[node].get("write_table", [])) if registers.get("entries") else []
        origin, buffers = self._source(tile, "dma")
        writer = np.zeros((), state.WRITER)
        writer["total"] = self._sent(origin)
        # The only input without a buffer of its own.
        writer["link"] = self._link(origin, buffers - 1)
        self.writers.append(writer)
        self.writer_walks.append(self._walk(registers, registers["base"], table, 0))

    def _convolver(self, tile, registers):
        unit = np.zeros((), state.CONVOLVER)
        lanes, interleave, kinds = (registers[name] for name in ("lanes", "interleave", "kinds"))
        for name in ("interleave", "lanes", "kinds", "data_width", "data_height", "skip"):
            unit[name] = registers[name]
        passes = _share(registers["passes"], self.shares.passes)
        entries = kinds * _share(registers["entries"] // kinds, self.shares.entries) \
            if registers["entries"] % kinds == 0 else registers["entries"]
        unit["passes"], unit["entries"] = passes, entries
        length = unit["lane_length"] = self.target.lane_length(lanes)
        unit["width"], unit["height"] = registers["frame_width"], registers["frame_height"]
        unit["x"][:kinds], unit["y"][:kinds] = registers["kind_x"], registers["kind_y"]
        unit["link_a"] = self._link(*self._source(tile, "conv_a"))
        unit["link_b"] = self._link(*self._source(tile, "conv_b")) \
            if registers["two_streams"] else -1
        unit["link_weights"] = self._link((tile, "weights"))
        unit["halves"], unit["free_contexts"] = 2, self.target.contexts
        unit["parameters"] = _PASSES
        unit["words_left"] = _PARAMETERS * lanes * interleave

        frame = registers["frame_width"] * registers["frame_height"]
        group = frame * interleave
        unit["frame_cycles"], unit["pass_cycles"] = frame, group * entries
        unit["next_word"], unit["frames_left"] = registers["skip"], passes * entries * interleave
        begin = registers["skip"] + length + _DEMAND
        unit["next_start"], unit["next_frame"] = begin, begin + frame
        unit["next_pass"] = begin + group * entries

        words = math.prod(registers["drain_count"]) * interleave
        each, last = ([_share(words * count, entries / registers["entries"])
                       for count in registers[name]]
                      for name in ("drain_lanes", "drain_last_lanes"))
        unit["mark_pass"] = passes // 2
        unit["drain_words"], unit["drain_last"], unit["drains_left"] = each, last, passes
        for stream in range(2):
            self.words[tile, f"conv{stream}"] = each[stream] * (passes - 1) + last[stream]
        self.convolvers[tile] = unit

    def _control(self, background):
        """Return control, whose masters follow those of the ports."""
        wide = self.target.data_width // 8
        control = np.zeros(1, state.CONTROL)
        control["loader"], control["processor"] = len(self.readers), len(self.readers) + 1
        control["log"] = len(self.writers)
        for _ in range(2):
            self.readers.append(np.zeros((), state.READER))
            self.readers[-1]["few"] = -1
            self.reader_walks.append(np.zeros((), state.WALK))
        self.writers.append(np.zeros((), state.WRITER))
        self.writers[-1]["done"] = 1
        self.writer_walks.append(np.zeros((), state.WALK))

        words = sum(background.packets) + 3 * len(background.packets)
        first = background.address % wide // 4
        control["beat_words"], control["word"] = wide // 4, first
        control["beats"] = -(-(words + first) * 4 // wide)
        control["next_beat"] = background.address // wide
        control["table"], control["packets"] = self._table(list(background.packets))
        beats = control["record_beats"] = min(_LINE_BEATS, _LINE_BYTES // wide)
        if background.record >= 0:
            control["record_begin"], control["load_start"] = _RECORD_BEGIN, _NEVER
            control["record_wait"] = background.record % (beats * wide) // wide + 1
        else:
            control["record_begin"], control["load_start"] = -1, _LOAD_BEGIN
        control["log_words"] = background.log_words
        control["log_next"] = _NEVER if background.packets else _LOG_BEGIN
        return control

    def _bus(self, pause):
        target, memory = self.target, self.target.memory
        bus = np.zeros(1, state.BUS)
        beat = target.data_width // 8
        bus["rate"] = round(memory.peak * memory.efficiency / target.clock_hz * (1 << 16))
        bus["cost"], bus["depth"] = beat << 16, 4 * beat << 16
        bus["tokens"], bus["latency"] = bus["depth"], memory.latency
        bus["most_bursts"], bus["pause"] = _MOST_BURSTS, pause
        bus["read_grant"], bus["write_grant"], bus["turn"] = -1, -1, -1
        bus["coming"], bus["answering"] = -1, -1
        return bus

"""Lowering: from the fixed-point graph to the bytes that the machine runs."""

from dataclasses import dataclass

import numpy as np

from hdl.control.counters import counter_names

from ..errors import CompileError
from ..fixed import (
    ArgMax,
    Concat,
    Constant,
    Convolution,
    Elementwise,
    FixedGraph,
    Lookup,
    Move,
    Pool,
    Reduce,
    Upsample,
)
from .circuit import Circuit, StepPlan, route
from .convolver import convolver_circuit, convolver_report
from .elementwise import elementwise_streams
from .feeds import feed_circuit
from .image import HEADER_BYTES, RECORD_BYTES, Layout, WeightPool, encode_program, log_words
from .limits import check_memory
from .memory import allocate, lifetimes, round_up, verify_allocation
from .moves import move_streams
from .padding import pad_in_memory
from .predict import (
    MAPPER_LATENCY,
    NEIGHBOUR,
    REDUCE_LATENCY,
    STREAM_MAPPER,
    STREAM_OPERATOR,
    Traffic,
    batch_cycles,
    stream_cycles,
    with_stores,
)
from .rearrange import argmax_streams, upsample_streams
from .reduce import reduce_streams
from .search import plan_jobs
from .sharing import share_memory
from .stages import find_stages
from .streaming import lookup_streams, pool_streams, set_read, set_write
from .timing.steps import time_program
from .weights import weight_stream
from .work import work_of

__all__ = ["Lowered", "lower"]

#: Parts of an image start at multiples of so many bytes, whole beats on every data bus.
PART_ALIGNMENT = 64


@dataclass(frozen=True)
class Lowered:
    """A program for one target.

    Parameters
    ----------
    image : bytes
        What is loaded at byte address 0 of the device's memory.
    program_address : int
        Byte address of the header.
    tensors : dict of str to int
        Byte address of every tensor in memory; a tensor between fused nodes has none.
    steps : list of dict
        number, name, layer, reads, writes, predicted_cycles (from commit to end), load_cycles
        (of its packets, while the step before runs), control_cycles (from commit until control
        could commit the next step), macs (useful ones) and convolvers: for each
        in use tile, lanes, interleave, passes, blocks, drain_streams, shared (whether its frames
        are those of the convolver before it, read once), frames (of a group's pass), frame and
        kernel (rows, columns), chain_cycles, macs, active_cycles (what the counter ``active`` of
        the tile will count) and active_macs, the mean number of MACs that do useful work in one.
    log : dict
        address (bytes) of the log and words from one record to the next.
    graph : FixedGraph
        What the steps run: the network, some convolutions perhaps padded in memory.
    """

    image: bytes
    program_address: int
    tensors: dict
    steps: list
    log: dict
    graph: FixedGraph


@dataclass(frozen=True)
class _Batch:
    """Jobs of a convolution stage that run in one step, and their weight streams' offsets."""

    jobs: list
    weights: list


class _PaddingError(Exception):
    """A convolution fits no way to cut it while the chain does its padding; carries the node."""

    def __init__(self, node):
        super().__init__(node.layer)
        self.node = node


class _Lowering:
    """State of one lowering: plans that do not depend on addresses, then addresses."""

    def __init__(self, graph, target):
        self.graph, self.target = graph, target
        self.unit = target.data_width // 8
        self.stages = find_stages(graph, target)
        self.sharing = share_memory(graph)
        self.batches = []
        spans = lifetimes(self.stages, self.sharing, graph.inputs, graph.outputs)
        self.sizes = {name: 2 * graph.tensors[name].size for name in spans}
        self.offsets, self.size = allocate(self.sizes, spans, self.unit)
        # Before planning, which takes long for what will not fit.
        self.check_memory(self.size)
        self.pool = WeightPool(self.unit)
        self.constants = {
            node.output: self.pool.add(np.ascontiguousarray(node.values, "<i2").tobytes())
            for node in graph.nodes if isinstance(node, Constant)}
        self.batches = [self._plan(stage) if isinstance(stage.head, Convolution) else None
                        for stage in self.stages]

    def _plan(self, stage):
        """Plan a convolution stage: batches of jobs and their weight streams."""
        work = work_of(stage, self.graph)
        try:
            planned = plan_jobs(work, stage.head.weights, self.target)
        except CompileError as error:
            if any(stage.head.padding):
                raise _PaddingError(stage.head) from error
            raise
        return [_Batch(jobs, [self.pool.add(weight_stream(job, stage.head)) for job in jobs])
                for jobs in planned]

    def check_memory(self, needed):
        """Refuse to need more bytes than the memory has."""
        weights = {}
        for stage, batches in zip(self.stages, self.batches, strict=False):
            for batch in batches or ():
                weights[stage.layer] = weights.get(stage.layer, 0) + sum(
                    2 * job.assignment.block_passes * job.pass_weights for job in batch.jobs)
        check_memory(self.graph, self.target, needed, self.sizes, weights)

    def address(self, name, layout):
        """Return the sample address of a tensor."""
        home, offset = self.sharing.home(name)
        start = layout.weights + self.constants[home] if home in self.constants \
            else layout.tensors + self.offsets[home]
        return start // 2 + offset

    def steps(self, layout):
        """Return all steps for a memory layout, at least one: control runs no empty program."""
        steps = [step for stage, batches in zip(self.stages, self.batches, strict=True)
                 for step in (self._streams(stage, layout) if batches is None
                              else self._convolutions(stage, batches, layout))]
        return steps or [self._standing(layout)]

    def _standing(self, layout):
        """Return a step for outputs that all stand in memory: a sample is written over itself."""
        name = self.graph.outputs[0]
        node, = (node for node in self.graph.nodes if node.output == name)
        address, circuit = self.address(name, layout), Circuit()
        set_read(circuit, self.target.tiles, [(1, 0)], [address])
        set_write(circuit, self.target.tiles, [(1, 0)], [address])
        route(circuit, self.target.dma_tiles[0], {"dma": "dma"})
        return StepPlan(node.name, node.layer, circuit, (name,), (name,),
                        stream_cycles([(1, Traffic(1, 1, 1))], self.target))

    def _convolutions(self, stage, batches, layout):
        source, result = stage.head.inputs[0], stage.output
        for batch in batches:
            circuit, reports = feed_circuit(batch.jobs, self.address(source, layout),
                                            self.target), []
            for tile, job, offset in zip(self.target.convolvers, batch.jobs, batch.weights,
                                         strict=False):
                addresses = (self.address(result, layout), (layout.weights + offset) // 2)
                circuit.join(convolver_circuit(job, stage, tile, self.target, addresses))
                reports.append(convolver_report(job, tile))
            yield StepPlan(stage.name, stage.layer, circuit, (source,), (result,),
                           batch_cycles(batch.jobs, self.target, _latency(stage)),
                           sum(job.macs for job in batch.jobs), reports)

    def _streams(self, stage, layout):
        make, reads, source = _MAKERS[type(stage.head)], stage.head.inputs, self.graph
        addresses = tuple(self.address(name, layout) for name in (*reads, stage.output))
        if isinstance(stage.head, (Concat, Move)):
            source = self.sharing.copies[stage.head.output]
            reads = tuple(reads[number] for number in sorted({box.source for box in source}))
        for batch in make(stage, source, self.target, addresses):
            circuit = Circuit()
            for stream in batch:
                circuit.join(stream.circuit)
            cycles = stream_cycles([(stream.samples, with_stores(
                stream.traffic, stream.circuit.units.values(), self.target)) for stream in batch],
                                   self.target, _stream_latency(stage))
            yield StepPlan(stage.name, stage.layer, circuit, reads, (stage.output,), cycles)


_MAKERS = {ArgMax: argmax_streams, Concat: move_streams, Elementwise: elementwise_streams,
           Lookup: lookup_streams, Move: move_streams, Pool: pool_streams,
           Reduce: reduce_streams, Upsample: upsample_streams}


def _latency(stage):
    """Return the cycles that samples spend behind the head of a stage."""
    return ((stage.post(Lookup) is not None) * MAPPER_LATENCY
            + (stage.post(Pool) is not None or stage.post(Reduce) is not None) * REDUCE_LATENCY)


def _stream_latency(stage):
    """Return the cycles that samples spend in the units of a step without a convolver."""
    lookups = sum(isinstance(node, Lookup) for node in stage.nodes)
    operators = sum(isinstance(node, (ArgMax, Elementwise, Pool, Reduce)) for node in stage.nodes)
    joined = isinstance(stage.head, Elementwise) and len(stage.head.inputs) > 1
    return lookups * STREAM_MAPPER + operators * STREAM_OPERATOR + joined * NEIGHBOUR


def _reach(steps, target):
    """Return the first byte address above all that the read channels may ask for."""
    highest = 0
    for step in steps:
        for node, units in step.circuit.units.items():
            if node >= target.tiles and "read" in units:
                loops = zip(units["read"]["count"], units["read"]["stride"], strict=True)
                span = sum(max(0, (count - 1) * stride) for count, stride in loops)
                highest = max(highest, max(units["read_table"]) + span + 1)
    return 2 * highest


def _plan(graph, target):
    """Return the `_Lowering` of a graph, padded in memory where nothing else fits."""
    while True:
        try:
            return _Lowering(graph, target)
        except _PaddingError as stuck:
            graph = pad_in_memory(graph, stuck.node)


def lower(graph, target, *, log=True):
    """Turn a fixed-point graph into the program of one machine.

    Parameters
    ----------
    graph : FixedGraph
        The network in integers.
    target : Target
        The machine.
    log : bool
        Whether the program keeps a log: one record a step with times and counters.

    Returns
    -------
    Lowered

    Raises
    ------
    CompileError
        If a layer exceeds a limit of the machine; the message names both.
    """
    lowering = _plan(graph, target)
    words = log_words(len(counter_names(target))) if log else 0
    count = len(lowering.steps(Layout(*[0] * 5)))
    space, encoded = -1, b""
    while len(encoded) > space:
        # Packets stand before the tensors, whose addresses decide which words change: a little
        # room lets the next round end.
        space = len(encoded) + len(encoded) // 16
        layout = _layout(count, lowering.pool.size, space, words)
        steps = lowering.steps(layout)
        head, encoded, packets = encode_program(steps, target, layout, words)
    lowering.check_memory(max(layout.tensors + lowering.size, _reach(steps, target)))
    image = bytearray(layout.packets + len(encoded))
    for address, part in ((0, head), (layout.weights, lowering.pool.bytes),
                          (layout.packets, encoded)):
        image[address:address + len(part)] = part
    graph = lowering.graph
    tensors = {name: 2 * lowering.address(name, layout) for name in graph.tensors
               if lowering.sharing.home(name)[0] in (lowering.offsets | lowering.constants)}
    lowered = Lowered(bytes(image), 0, tensors,
                      _describe(steps, packets, target, layout, words),
                      {"address": layout.log, "words": words}, graph)
    verify_allocation(lowered, graph)
    return lowered


def _layout(count, weights, packets, words):
    """Return the `Layout` of ``count`` steps with so many bytes of weights and packets."""
    first = round_up(HEADER_BYTES + RECORD_BYTES * count, PART_ALIGNMENT)
    second = round_up(first + weights, PART_ALIGNMENT)
    log = round_up(second + packets, PART_ALIGNMENT)
    tensors = round_up(log + 4 * words * count, PART_ALIGNMENT)
    return Layout(HEADER_BYTES, first, second, log if words else 0, tensors)


def _describe(steps, packets, target, layout, words):
    """Return what the program says of its steps, their cycles among it."""
    timings, load = time_program(steps, packets, target, records=(layout.records, RECORD_BYTES),
                                 log_words=words)
    described = []
    for number, (step, timing) in enumerate(zip(steps, timings, strict=True)):
        described.append({
            "number": number, "name": step.name, "layer": step.layer, "reads": list(step.reads),
            "writes": list(step.writes), "predicted_cycles": timing.cycles, "load_cycles": load,
            "control_cycles": timing.control, "macs": step.macs, "convolvers": step.convolvers})
        load = timing.load
    return described

"""The circuit of one convolver job: weights in, windows out to memory; `feeds` brings frames."""

from hdl.registers import RELATIONS

from ..fixed import Pool
from .circuit import Circuit, loops, route
from .placement import OPPOSITE, partners
from .posts import chain, reduction
from .sparse import SparseJob

__all__ = ["convolver_circuit", "convolver_report"]


def _relations(axis, length):
    """Return the relation of each tap along an axis of frames of ``length`` samples."""
    equal, less, greater = (RELATIONS.index(name) for name in ("equal", "less", "greater"))
    if not axis.pad and axis.count + axis.taps - 1 <= length:
        # No tap of an output that is stored lies beyond the frame: nothing to mask, or to send.
        return [equal] * axis.taps
    return [equal if tap == axis.pad else less if tap < axis.pad else greater
            for tap in range(axis.taps)]


def _mac_values(job, target):
    """Return bus and masks of each MAC; those without a tap keep zero weights."""
    frames = job.frames
    rows, columns = frames.kernel
    bus, column, row = ([0] * target.macs for _ in range(3))
    by_row = _relations(frames.y, frames.height)
    by_column = _relations(frames.x, frames.width)
    for lane in range(job.assignment.lanes):
        for place, index in enumerate(range(0, rows * job.row_length, job.row_length)):
            first = lane * job.lane_length + index
            bus[first] = 1 + target.row_buses(first).index(place)
            # Rows and columns stand in the chain from last to first.
            column[first:first + columns] = reversed(by_column)
            row[first:first + columns] = [by_row[rows - 1 - place]] * columns
    return {"bus": bus, "column": column, "row": row}


def _convolver_values(job):
    frames, assignment = job.frames, job.assignment
    rows, columns = frames.kernel
    delay = frames.width + job.row_length
    head_start = (rows - 1 - frames.y.pad) * frames.width + columns - 1 - frames.x.pad
    height, width = job.computed
    lead_x, lead_y, extent_x, extent_y = zip(*frames.kinds, strict=True)
    return {
        "enable": 1, "passes": assignment.passes, "entries": job.entry_count,
        "interleave": assignment.interleave, "lanes": assignment.lanes,
        "two_streams": int(job.input_streams == 2),
        "frame_width": frames.width, "frame_height": frames.height,
        "data_width": frames.x.data, "data_height": frames.y.data,
        "line_delay": delay if rows > 1 else 0,
        "lead": 0, "skip": head_start,
        "out_width": width, "out_height": height, "out_size": width * height,
        "kinds": len(frames.kinds), "kind_x": lead_x, "kind_y": lead_y,
        "kind_width": extent_x, "kind_height": extent_y,
    } | _drain_order(job, width) | job.drain_registers()


def _drain_order(job, width):
    work = job.work
    if work.repeat != (1, 1):
        order = ((work.repeat[1], 0), (job.columns[1], 1), (work.repeat[0], 0),
                 (job.rows[1], width))
    else:
        order = ((work.window[1], 1), (work.window[0], width), (job.columns[1], work.step[1]),
                 (job.rows[1], work.step[0] * width))
    counts, strides = zip(*order, strict=True)
    return {"drain_count": counts, "drain_stride": strides}


def _write_values(job, base, stream=None):
    """Return registers and table of a write channel for all maps, or those of a drain stream."""
    assignment = job.assignment
    rows, columns = job.work.written
    plane = rows * columns
    by_pass, by_lane, by_group = assignment.steps
    base += assignment.first * plane + job.corners[0]
    table = [corner - job.corners[0] for corner in job.corners]
    block = [(job.written[1], 1), (job.written[0], columns)]
    if by_group == 1 and stream is None:
        # Groups, lanes and passes make consecutive maps.
        order = [*block, (assignment.maps // assignment.blocks, plane)]
    elif by_group == 1:
        first, count, last = _lanes_of(assignment, stream)
        base += first * by_lane * plane
        order = [*block, (count * assignment.interleave, plane)]
        if last == count:
            order.append((assignment.block_passes, by_pass * plane))
        else:
            order[2] = (assignment.interleave, plane)
            table = [(number * by_pass + lane * by_lane) * plane
                     for number in range(assignment.passes)
                     for lane in range(last if number == assignment.passes - 1 else count)]
    else:
        # Blocks are whole rows then, so that a block's outputs follow each other.
        first, count, _ = _lanes_of(assignment, stream)
        base += first * by_lane * plane
        order = [(job.written[0] * job.written[1], 1), (assignment.interleave, by_group * plane),
                 (count, by_lane * plane), (assignment.block_passes, by_pass * plane)]
    if len(table) == 1:
        table = []
    return {"enable": 1, "base": base, "entries": len(table)} | loops(*order), table


def _lanes_of(assignment, stream):
    """Return first lane, lanes and lanes of the last pass that a drain stream takes."""
    if stream is None:
        return 0, assignment.drained, assignment.last
    lanes, last = assignment.halves
    return stream * lanes[0], lanes[stream], last[stream]


def _writes(job, base):
    """Return (registers, table) of the write channel behind each drain stream."""
    if isinstance(job, SparseJob):
        # With one map there is nothing to write for the second lane.
        return [_sparse_write(job, base, lane)
                for lane in range(min(job.assignment.lanes, job.assignment.maps))]
    if job.streams == 1:
        return [_write_values(job, base)]
    return [_write_values(job, base, stream) for stream in range(2)]


def _sparse_write(job, base, lane):
    """Return registers and table for the maps of one lane, which stand anywhere."""
    rows, columns = job.work.written
    table = [number * rows * columns for number in job.assignment.maps_of(lane)]
    return {"enable": 1, "base": base + job.corners[0], "entries": len(table)} | loops(
        (job.written[1], 1), (job.written[0], columns)), table


def convolver_circuit(job, stage, tile, target, addresses):
    """Return the circuit of ``job`` on the convolver of ``tile`` and perhaps its partner.

    What brings the frames is not in it, see `compiler.lower.feeds.feed_circuit`.

    Parameters
    ----------
    job : Job
        What to do.
    stage : Stage
        The nodes; the head is a Convolution.
    tile : int
        A tile with a convolver.
    target : Target
        The machine.
    addresses : tuple of int
        Sample addresses of output and weight stream.
    """
    result, weights = addresses
    other, direction = partners(target).get(tile, (None, None))
    tiles = (tile, other)
    ports = [target.tiles + target.port_of_tile(name) for name in tiles if name is not None]
    circuit = Circuit()
    for port, (registers, table) in zip(ports, _writes(job, result), strict=False):
        circuit.set(port, "write", registers)
        if table:
            circuit.set(port, "write_table", table)
    circuit.set(ports[0], "weights", {
        "enable": 1, "base": weights, "length": job.assignment.block_passes * job.pass_weights,
        "repeat": job.assignment.blocks})
    circuit.set(tile, "convolver", _convolver_values(job))
    circuit.set(tile, "mac", _mac_values(job, target))

    pool = stage.post(Pool)
    reduce = None
    if pool is not None:
        taken = pool.window[0] * pool.window[1]
        reduce = reduction(pool.kind, taken, taken)
    chain(circuit, tile, "conv0", stage.posts, {}, reduce)
    if job.streams == 2:
        route(circuit, tile, {direction: "conv1"})
        chain(circuit, other, OPPOSITE[direction], stage.posts, {}, reduce)
    return circuit


def convolver_report(job, tile):
    """Return what the program says of a job, to compute utilisation from counters."""
    frames = job.assignment.passes * job.entry_count * job.assignment.interleave
    active = frames * job.words
    return {"tile": tile, "lanes": job.assignment.lanes, "interleave": job.assignment.interleave,
            "passes": job.assignment.passes, "blocks": job.assignment.blocks,
            "drain_streams": job.streams, "shared": job.shared,
            "frames": job.entry_count,
            "frame": [job.frames.height, job.frames.width], "kernel": list(job.frames.kernel),
            "chain_cycles": frames * job.frames.cycles, "macs": job.macs,
            "active_cycles": active, "active_macs": round(job.macs / active, 3),
            "weights": job.assignment.passes * job.pass_weights}

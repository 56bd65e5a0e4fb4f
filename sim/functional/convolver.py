"""The convolver: what its chain of MACs adds up and its banks drain, on whole passes.

Follows docs/architecture.md, "Convolver": the offset of every MAC's tap from the output it works
on comes from bus, line delay, lead and skip, and its masks from the relation of its marks.
"""

from dataclasses import dataclass

import numpy as np

from hdl.registers import PARAMETER_SLOTS, RELATIONS

from .arithmetic import requantise
from .errors import FunctionalError

__all__ = ["convolve", "used_samples", "weight_stream"]

#: Cycles from the last MAC of a lane to the accumulator that the head may read again.
SUM_LATENCY = 12

#: Contexts that no frame on the chain may need.
SPARE_CONTEXTS = 4

#: Words of bias and shift in front of the weights, for each group and lane.
PARAMETER_WORDS = 4

#: Most samples that are laid out for the multiplication at once: what a processor's cache holds.
MOST_ELEMENTS = 1 << 18

#: Up to so many times a pass's frames, all distinct frames are multiplied with all passes' weights:
#: a large product of matrices is faster than many small ones.
MOST_REPEATED = 8


def _require(condition, message):
    if not condition:
        raise FunctionalError(f"convolver: {message}")


@dataclass(frozen=True)
class _Shape:
    """The numbers of a sequence."""

    passes: int
    entries: int
    groups: int
    lanes: int
    length: int
    width: int
    height: int

    @property
    def frame(self):
        return self.width * self.height


def _shape(registers, target):
    lanes, groups = registers["lanes"], registers["interleave"]
    _require(1 <= lanes <= target.banks, f"{lanes} lanes")
    _require(groups >= 1 and groups * lanes <= PARAMETER_SLOTS,
             f"{groups} groups on {lanes} lanes exceed {PARAMETER_SLOTS} biases")
    shape = _Shape(registers["passes"], registers["entries"], groups, lanes,
                   target.macs // lanes, registers["frame_width"], registers["frame_height"])
    _require(min(shape.passes, shape.entries, shape.width, shape.height) >= 1,
             "passes, entries and frame must be at least 1")
    _require(1 <= registers["kinds"] <= shape.entries or shape.entries == 1,
             f"{registers['kinds']} kinds of {shape.entries} entries")
    _require(registers["out_width"] <= shape.width and registers["out_height"] <= shape.height,
             "outputs exceed the frame")
    _require(registers["out_size"] == registers["out_width"] * registers["out_height"],
             "out_size is not out_width * out_height")
    _require(groups * registers["out_size"] <= target.banks // lanes * target.half_depth,
             f"outputs of {groups} groups exceed the half bank of a lane")
    _require(groups * shape.frame >= shape.length + SUM_LATENCY,
             "a sum is read again before it is written")
    _require(shape.frame * (target.contexts - SPARE_CONTEXTS) >= shape.length,
             "frames are too short for the weight contexts")
    return shape


def _frames(registers, shape, samples, what):
    """Return the distinct frames of a stream, and the number of each in (passes, entries, groups).

    Frames are (number, samples of a frame and a zero, images). Axes of the numbers along which
    every frame is the same have length 1.
    """
    rows, columns = registers["data_height"], registers["data_width"]
    wanted = (shape.passes, shape.entries, shape.groups, rows, columns)
    come = 0 if samples is None else samples[0].size
    _require(come == np.prod(wanted),
             f"waits for {np.prod(wanted)} samples on stream {what}, {come} come")
    wanted = (len(samples), *wanted)
    try:
        data = np.reshape(samples, wanted, copy=False)
    except ValueError:
        data = samples.reshape(wanted)
    # Axes along which every frame is the same are looked at once.
    for axis in (1, 3):
        if data.strides[axis] == 0:
            data = data.take([0], axis=axis)
    kinds = registers["kinds"]
    for kind in range(min(kinds, shape.entries)):
        x, y = (int(registers[name][kind]) for name in ("kind_x", "kind_y"))
        _require(x + columns <= shape.width and y + rows <= shape.height,
                 f"data of kind {kind} leaves the frame")
    found, numbers = {}, np.zeros(data.shape[1:4], int)
    for place in np.ndindex(numbers.shape):
        key = (place[1] % kinds, data[:, *place].tobytes())
        numbers[place] = found.setdefault(key, len(found))
    # One more word than the frame: the zero that masked samples point at.
    frames = np.zeros((len(found), shape.frame + 1, len(data)))
    view = frames[:, :-1].reshape(len(found), shape.height, shape.width, len(data))
    for number, (kind, content) in enumerate(found):
        x, y = int(registers["kind_x"][kind]), int(registers["kind_y"][kind])
        used = (min(rows, int(registers["kind_height"][kind])),
                min(columns, int(registers["kind_width"][kind])))
        values = np.frombuffer(content, samples.dtype).reshape(len(data), rows, columns)
        view[number, y:y + used[0], x:x + used[1]] = np.moveaxis(
            values[:, :used[0], :used[1]], 0, -1)
    return frames, numbers


def _weights(shape, stream):
    """Return bias, shift and weights from the weight stream."""
    turns = shape.groups * shape.lanes
    frames = shape.entries * turns * shape.length
    wanted = shape.passes * (PARAMETER_WORDS * turns + frames)
    _require(stream is not None and stream.size == wanted,
             f"waits for {wanted} weights, {0 if stream is None else stream.size} come")
    stream = stream.reshape(shape.passes, -1)
    head = stream[:, :PARAMETER_WORDS * turns].reshape(shape.passes, shape.groups, shape.lanes, -1)
    words = head.astype(np.int64) & 0xFFFF
    bias = words[..., 0] | words[..., 1] << 16 | words[..., 2] << 32
    bias = np.where(bias >> 47 == 1, bias - (1 << 48), bias)
    shift = words[..., 3]
    _require(shift.max() <= 35, f"shift {shift.max()}")
    weights = stream[:, PARAMETER_WORDS * turns:].reshape(
        shape.passes, shape.entries, shape.groups, shape.lanes, shape.length)
    return bias, shift, weights


def weight_stream(registers, target, stream):
    """Take a weight stream apart.

    Parameters
    ----------
    registers : dict
        Of the convolver.
    target : Target
        The machine.
    stream : array of int16
        The samples.

    Returns
    -------
    bias, shift : array of int
        (passes, groups, lanes).
    weights : array of int16
        (passes, entries, groups, lanes, MACs of a lane).

    Raises
    ------
    FunctionalError
        If the stream is not as long as the registers say, or they break the contract.
    """
    return _weights(_shape(registers, target), stream)


def _mask(relation, own, mark):
    """Whether a flag is set: which of mark and own start came last decides."""
    name = RELATIONS[relation]
    if name == "equal":
        return np.ones(own.shape, bool)
    _require((own != mark).all(), "a mark arrives together with the own start of a masked MAC")
    return mark < own if name == "less" else own < mark


def _taps(registers, macs, shape, target):
    """Return each MAC's (stream, index into the frame for every output), or None if it idles."""
    rows = np.arange(registers["out_height"])[:, None] * shape.width
    outputs = (rows + np.arange(registers["out_width"])).ravel()
    delay = registers["line_delay"]
    cache, taps = {}, []
    stream, late, delayed = 0, 0, 0
    for mac in range(shape.lanes * shape.length):
        bus = int(macs["bus"][mac])
        if bus:
            buses = target.row_buses(mac)
            _require(bus <= len(buses), f"MAC {mac} has no bus {bus}")
            stream = int(registers["two_streams"] and mac >= target.macs // 2)
            late, delayed = buses[bus - 1] * delay, min(buses[bus - 1], 1)
        else:
            late += 2
        offset = mac % shape.length + registers["skip"] - registers["lead"] - late
        key = (stream, offset, int(macs["column"][mac]), int(macs["row"][mac]), delayed)
        if key not in cache:
            cache[key] = _indices(key, outputs, shape, delay)
        taps.append((key, cache[key]))
    return taps


def _indices(key, outputs, shape, delay):
    """Return the frame index of every output's sample, that of the zero where it is masked.

    None if the MAC would work on samples of another frame.
    """
    _, offset, column, row, delayed = key
    if delayed and delay < 2:
        return None
    sample = outputs + offset
    try:
        used = (_mask(column, outputs % shape.width, sample % shape.width)
                & _mask(row, outputs, sample % shape.frame))
    except FunctionalError:
        return None
    if (used & ((sample < 0) | (sample >= shape.frame))).any():
        return None
    return np.where(used, sample, shape.frame)


def used_samples(registers, macs, target, active, stream):
    """Return which samples of a frame the weights meet, for outputs that are drained.

    Parameters
    ----------
    registers, macs : dict
        Of the convolver and mac units.
    target : Target
        The machine.
    active : array of bool
        Sets of MACs whose weights are not 0: (sets, MACs of all lanes).
    stream : int
        0 for A, 1 for B.

    Returns
    -------
    array of bool
        (sets, rows, columns).

    Raises
    ------
    FunctionalError
        If the registers break the contract.
    """
    shape, drained = _shape(registers, target), _drain_order(registers)
    used = np.zeros((len(active), shape.frame + 1), bool)
    for mac, (key, index) in enumerate(_taps(registers, macs, shape, target)):
        if key[0] == stream and index is not None:
            used[np.ix_(active[:, mac], index[drained])] = True
    return used[:, :-1].reshape(-1, shape.height, shape.width)


def _gather(taps, shape, weights):
    """Return the distinct taps in use, and the weights by pass, entry, group, lane and tap."""
    active = weights.any(axis=(0, 1, 2)).ravel()
    keys = list(dict.fromkeys(key for (key, _), on in zip(taps, active, strict=True) if on))
    place = {key: index for index, key in enumerate(keys)}
    table = np.zeros((*weights.shape[:4], len(keys)))
    for mac, (key, _) in enumerate(taps):
        if active[mac]:
            lane, tap = divmod(mac, shape.length)
            table[..., lane, place[key]] += weights[..., lane, tap]
    indices = dict(taps)
    for key in keys:
        _require(indices[key] is not None,
                 f"a MAC with weights works on samples of another frame (offset {key[1]})")
    return [(key[0], indices[key]) for key in keys], table


def _sums(streams, taps, weights, outputs):
    """Return the accumulators (passes, groups, lanes, outputs, images) without bias.

    Parameters
    ----------
    streams : list of tuple
        Distinct frames and their numbers, for each stream.
    taps : list of tuple
        Stream and frame index of every output, for each distinct tap.
    weights : array of (passes, entries, groups, lanes, taps)
        Kernels.
    outputs : int
        Outputs of a lane.
    """
    passes, _, groups, lanes, _ = weights.shape
    sums = np.zeros((passes, groups, lanes, outputs, streams[0][0].shape[-1]))
    for stream, (frames, numbers) in enumerate(streams):
        used = [place for place, tap in enumerate(taps) if tap[0] == stream]
        if used:
            kernels = weights[..., used]
            index = np.array([taps[place][1] for place in used])
            chosen = np.flatnonzero(kernels.any(axis=(0, 1, 2, 4)))
            sums[:, :, chosen] += _stream_sums(frames, numbers, kernels[:, :, :, chosen], index)
    return sums


def _stream_sums(frames, numbers, kernels, index):
    """Return what one stream adds to the accumulators, shaped like them."""
    passes, entries, groups, lanes, taps = kernels.shape
    shape = (passes, groups, lanes, index.shape[1], frames.shape[-1])
    if len(frames) <= MOST_REPEATED * entries:
        # All outputs over all distinct frames at once; what a pass does not read weighs 0.
        spread = np.zeros((passes, groups, len(frames), lanes, taps))
        numbers = np.broadcast_to(numbers, (passes, entries, groups))
        place = np.ogrid[:passes, :groups]
        for entry in range(entries):
            spread[*place, numbers[:, entry]] += kernels[:, entry]
        rows = spread.transpose(0, 1, 3, 2, 4).reshape(-1, len(frames), taps)
        return _product(rows, frames, index).reshape(shape)
    sums = np.zeros(shape)
    for p, g in np.ndindex(numbers.shape[0], numbers.shape[2]):
        part = (slice(p, p + 1) if numbers.shape[0] > 1 else slice(None),
                slice(g, g + 1) if numbers.shape[2] > 1 else slice(None))
        rows = kernels[part[0], :, part[1]].transpose(0, 2, 3, 1, 4)
        sums[part] += _product(rows.reshape(-1, entries, taps), frames[numbers[p, :, g]],
                               index).reshape(*rows.shape[:3], *shape[3:])
    return sums


def _product(rows, frames, index):
    """Return sums over frames and taps: (rows, frames, taps) times (frames, samples, images)."""
    total = np.zeros((len(rows), index.shape[1] * frames.shape[-1]))
    step = min(len(frames), max(1, MOST_ELEMENTS // (index.size * frames.shape[-1])))
    # Made once: fresh pages would cost more than what is written to them.
    buffer = np.empty((step, *index.shape, frames.shape[-1]))
    for start in range(0, len(frames), step):
        part = frames[start:start + step]
        columns = buffer[:len(part)]
        # Clipping never happens; it keeps NumPy from buffering what it writes.
        np.take(part, index, axis=1, out=columns, mode="clip")
        total += rows[:, start:start + step].reshape(len(rows), -1) \
            @ columns.reshape(-1, total.shape[1])
    return total


def _drain_order(registers):
    """Return the words of a group's outputs in the order in which they are drained."""
    offsets = np.zeros(1, np.int64)
    for count, stride in zip(registers["drain_count"].tolist(),
                             registers["drain_stride"].tolist(), strict=True):
        offsets = (np.arange(count)[:, None] * stride + offsets).ravel()
    return offsets


def _drain(registers, shape, stream, sums, shift):
    """Return the samples of one drain stream, or None if it is off."""
    first, offsets = int(registers["drain_first"][stream]), _drain_order(registers)
    parts = []
    for name, chosen in (("drain_lanes", sums[:-1]), ("drain_last_lanes", sums[-1:])):
        lanes = int(registers[name][stream])
        if not lanes or not len(chosen):
            continue
        _require(first + lanes <= shape.lanes, f"drain stream {stream} has lanes that do not exist")
        _require(offsets.size and offsets.min() >= 0 and offsets.max() < registers["out_size"],
                 "drain order leaves a group's outputs")
        part = slice(first, first + lanes)
        values = chosen[:, :, part].transpose(0, 2, 1, 3, 4)[:, :, :, offsets]
        moves = (shift[:-1] if name == "drain_lanes" else shift[-1:])[:, :, part]
        moved = requantise(values, moves.transpose(0, 2, 1)[..., None, None])
        parts.append(moved.reshape(-1, sums.shape[-1]))
    return np.concatenate(parts).T if parts else None


def convolve(registers, macs, target, streams, weights):
    """Return the two drain streams, None for one that is off.

    Parameters
    ----------
    registers, macs : dict
        Of the convolver and mac units.
    target : Target
        The machine.
    streams : tuple of array
        Streams A and B, images first; B is None unless it is in use.
    weights : array of int16
        The weight stream: one for all images, or one for each.

    Returns
    -------
    tuple of array
        Samples (images, samples) of each drain stream, or None.

    Raises
    ------
    FunctionalError
        If the circuit would hang, or the registers break a rule of the contract.
    """
    if weights is not None and len(weights) > 1:
        apart = [convolve(registers, macs, target,
                          [stream if stream is None else stream[image:image + 1]
                           for stream in streams], weights[image:image + 1])
                 for image in range(len(weights))]
        return tuple(None if drains[0] is None else np.concatenate(drains)
                     for drains in zip(*apart, strict=True))
    shape = _shape(registers, target)
    used = streams if registers["two_streams"] else streams[:1]
    frames = [_frames(registers, shape, stream, name)
              for stream, name in zip(used, "AB", strict=False)]
    bias, shift, table = _weights(shape, weights)
    taps, table = _gather(_taps(registers, macs, shape, target), shape, table)
    sums = _sums(frames, taps, table, registers["out_size"]).astype(np.int64)
    sums += bias[..., None, None]
    _require(-(1 << 35) <= sums.min() and sums.max() < 1 << 35, "an accumulator overflows")
    return tuple(_drain(registers, shape, stream, sums, shift) for stream in (0, 1))

"""The convolver: what its chain of MACs adds up and its banks drain, on whole passes.

Follows docs/architecture.md, "Convolver": the offset of every MAC's tap from the output it works
on comes from bus, line delay, lead and skip, and its masks from the relation of its marks.
"""

from dataclasses import dataclass

import numpy as np

from hdl.registers import PARAMETER_SLOTS, RELATIONS

from .arithmetic import requantise
from .errors import FunctionalError

__all__ = ["convolve"]

#: Cycles from the last MAC of a lane to the accumulator that the head may read again.
SUM_LATENCY = 12

#: Contexts that no frame on the chain may need.
SPARE_CONTEXTS = 4

#: Words of bias and shift in front of the weights, for each group and lane.
PARAMETER_WORDS = 4

#: Most samples that are laid out for the multiplication at once: what a processor's cache holds.
MOST_ELEMENTS = 1 << 18


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
    """Return the frames as (passes, entries, groups, samples of a frame); axes may be views."""
    rows, columns = registers["data_height"], registers["data_width"]
    wanted = (shape.passes, shape.entries, shape.groups, rows, columns)
    _require(samples is not None and samples.size == np.prod(wanted),
             f"waits for {np.prod(wanted)} samples on stream {what}, "
             f"{0 if samples is None else samples.size} come")
    try:
        data = np.reshape(samples, wanted, copy=False)
    except ValueError:
        data = samples.reshape(wanted)
    # Axes along which every frame is the same are worked on once.
    for axis in (0, 2):
        if data.strides[axis] == 0:
            data = data.take([0], axis=axis)
    # One more word than the frame: the zero that masked samples point at.
    frames = np.zeros((*data.shape[:3], shape.frame + 1))
    view = frames[..., :-1].reshape(*data.shape[:3], shape.height, shape.width)
    kinds = registers["kinds"]
    for kind in range(min(kinds, shape.entries)):
        x, y = (int(registers[name][kind]) for name in ("kind_x", "kind_y"))
        _require(x + columns <= shape.width and y + rows <= shape.height,
                 f"data of kind {kind} leaves the frame")
        used = (min(rows, int(registers["kind_height"][kind])),
                min(columns, int(registers["kind_width"][kind])))
        view[:, kind::kinds, :, y:y + used[0], x:x + used[1]] = \
            data[:, kind::kinds, :, :used[0], :used[1]]
    return frames


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
    for mac in range(shape.lanes * shape.length):
        stream, tap = divmod(int(macs["bus"][mac]), target.kernel_rows)
        offset = mac % shape.length + registers["skip"] - registers["lead"] - tap * delay
        key = (stream, offset, int(macs["column"][mac]), int(macs["row"][mac]), min(tap, 1))
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


def _sums(frames, taps, weights):
    """Return the accumulators (passes, groups, lanes, outputs) without bias."""
    sums = np.zeros((*weights.shape[:1], *weights.shape[2:4], taps[0][1].size))
    for stream, data in enumerate(frames):
        chosen = [place for place, (source, _) in enumerate(taps) if source == stream]
        if not chosen:
            continue
        part = weights[..., chosen]
        # Lanes that take their samples from the other stream would multiply by zeros.
        lanes = np.flatnonzero(part.any(axis=(0, 1, 2, 4)))
        index = np.array([taps[place][1] for place in chosen])
        sums[:, :, lanes] += _stream_sums(data, index, part[:, :, :, lanes])
    return sums


def _stream_sums(data, index, weights):
    """Return what the samples of one stream add to the accumulators.

    Parameters
    ----------
    data : array of (passes or 1, entries, groups or 1, samples)
        Its frames.
    index : array of (taps, outputs)
        Sample that each tap meets.
    weights : array of (passes, entries, groups, lanes, taps)
    """
    passes, entries, groups, lanes, _ = weights.shape
    sums = np.zeros((passes, groups, lanes, index.shape[1]))
    step = min(entries, max(1, MOST_ELEMENTS // max(1, index.size)))
    # Made once: fresh pages would cost more than what is written to them.
    buffer = np.empty((step, *index.shape))
    for p, g in np.ndindex(data.shape[0], data.shape[2]):
        part = (slice(p, p + 1) if data.shape[0] > 1 else slice(None),
                slice(g, g + 1) if data.shape[2] > 1 else slice(None))
        for start in range(0, entries, step):
            span = slice(start, min(start + step, entries))
            columns = buffer[:span.stop - start]
            # Clipping never happens; it keeps NumPy from buffering what it writes.
            np.take(data[p, span, g], index, axis=1, out=columns, mode="clip")
            rows = weights[part[0], span, part[1]].transpose(0, 2, 3, 1, 4)
            factors = rows.reshape(-1, columns.shape[0] * columns.shape[1])
            sums[part] += (factors @ columns.reshape(-1, index.shape[1])).reshape(
                *rows.shape[:3], -1)
    return sums


def _drain(registers, shape, stream, sums, shift):
    """Return the samples of one drain stream, or None if it is off."""
    first = int(registers["drain_first"][stream])
    offsets = np.zeros(1, np.int64)
    for count, stride in zip(registers["drain_count"].tolist(),
                             registers["drain_stride"].tolist(), strict=True):
        offsets = (np.arange(count)[:, None] * stride + offsets).ravel()
    parts = []
    for name, chosen in (("drain_lanes", sums[:-1]), ("drain_last_lanes", sums[-1:])):
        lanes = int(registers[name][stream])
        if not lanes or not len(chosen):
            continue
        _require(first + lanes <= shape.lanes, f"drain stream {stream} has lanes that do not exist")
        _require(offsets.size and offsets.min() >= 0 and offsets.max() < registers["out_size"],
                 "drain order leaves a group's outputs")
        part = slice(first, first + lanes)
        values = chosen[:, :, part].transpose(0, 2, 1, 3)[..., offsets]
        moves = (shift[:-1] if name == "drain_lanes" else shift[-1:])[:, :, part]
        parts.append(requantise(values, moves.transpose(0, 2, 1)[..., None]).ravel())
    return np.concatenate(parts) if parts else None


def convolve(registers, macs, target, streams, weights):
    """Return the two drain streams, None for one that is off.

    Parameters
    ----------
    registers, macs : dict
        Of the convolver and mac units.
    target : Target
        The machine.
    streams : tuple of array
        Streams A and B; B is None unless it is in use.
    weights : array of int16
        The weight stream.

    Raises
    ------
    FunctionalError
        If the circuit would hang, or the registers break a rule of the contract.
    """
    shape = _shape(registers, target)
    used = streams if registers["two_streams"] else streams[:1]
    frames = [_frames(registers, shape, stream, name)
              for stream, name in zip(used, "AB", strict=False)]
    bias, shift, table = _weights(shape, weights)
    taps, table = _gather(_taps(registers, macs, shape, target), shape, table)
    _require(all(stream < len(frames) for stream, _ in taps), "a MAC uses stream B, which is off")
    sums = np.zeros((*bias.shape, registers["out_size"]), np.int64) + bias[..., None]
    if taps:
        sums += _sums(frames, taps, table).astype(np.int64)
    _require(-(1 << 35) <= sums.min() and sums.max() < 1 << 35, "an accumulator overflows")
    return tuple(_drain(registers, shape, stream, sums, shift) for stream in (0, 1))

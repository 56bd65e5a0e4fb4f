"""What the convolver must compute, and the registers and streams that make it do so.

`Step` describes work in the user's terms: kernels, padding, maps. It derives registers, input
streams and weight stream as docs/architecture.md says, and, from plain correlation and nothing
else, the samples that must come out.
"""


from dataclasses import dataclass, field

import numpy as np

from hdl.registers import tile_units

EQUAL, LESS, GREATER = 0, 1, 2


def requantise(value, shift):
    half = 1 << shift - 1 if shift else 0
    return min(max((int(value) + half) >> shift, -32768), 32767)


def correlate(frame, kernel, top, left):
    """Plain correlation of a zero-padded frame, as large as the frame."""
    rows, columns = kernel.shape
    height, width = frame.shape
    padded = np.zeros((height + rows, width + columns), dtype=np.int64)
    padded[top:top + height, left:left + width] = frame
    return sum(int(kernel[r, c]) * padded[r:r + height, c:c + width]
               for r in range(rows) for c in range(columns))


@dataclass(frozen=True)
class Kind:
    """Where the data lies in a frame, and how much of it counts."""

    x: int
    y: int
    width: int
    height: int


@dataclass
class Step:
    """One step of a convolver.

    Maps, kernels, biases and shifts are drawn from ``rng``; shapes are
    maps (passes, entries, groups, streams, data height, data width), kernels (passes, groups,
    lanes, entries, rows, columns), biases and shifts (passes, groups, lanes).
    """

    target: object
    rng: object
    rows: int
    columns: int
    top: int
    left: int
    frame: tuple  # width, height
    data: tuple  # width, height
    out: tuple  # width, height
    lanes: int = 1
    passes: int = 1
    entries: int = 1
    groups: int = 1
    kinds: list = None
    lane_streams: list = None  # of each lane: 0 for A, 1 for B
    drain: list = None  # (count, stride) of each loop, innermost first
    drain_first: tuple = (0, 0)
    drain_lanes: tuple = None
    drain_last: tuple = None
    limit: int = 1 << 15  # of samples and weights
    lead: int = 0  # cycles before the first sample
    shifts: tuple = (8, 20)
    maps: np.ndarray = field(init=False)
    kernels: np.ndarray = field(init=False)
    biases: np.ndarray = field(init=False)
    shift: np.ndarray = field(init=False)

    def __post_init__(self):
        assert self.rows <= self.target.lane_rows(self.lanes)
        assert self.columns <= self.target.row_length(self.lanes, self.rows)
        self.kinds = self.kinds or [Kind(0, 0, *self.data)]
        self.lane_streams = self.lane_streams or [0] * self.lanes
        self.two = max(self.lane_streams)
        self.drain = self.drain or [(self.out[0] * self.out[1], 1)]
        self.drain_lanes = self.drain_lanes or (self.lanes, 0)
        self.drain_last = self.drain_last or self.drain_lanes
        width, height = self.data
        draw = self.rng.integers
        self.maps = draw(-self.limit, self.limit, (
            self.passes, self.entries, self.groups, 1 + self.two, height, width))
        self.kernels = draw(-self.limit, self.limit, (
            self.passes, self.groups, self.lanes, self.entries, self.rows, self.columns))
        self.biases = draw(-(1 << 33), 1 << 33, (self.passes, self.groups, self.lanes))
        self.shift = draw(*self.shifts, (self.passes, self.groups, self.lanes))

    def frame_of(self, index, entry, group, stream):
        """Return the samples of a frame, zeros and masks inserted."""
        kind = self.kinds[entry % len(self.kinds)]
        width, height = self.frame
        frame = np.zeros((height, width), dtype=np.int64)
        data = self.maps[index, entry, group, stream]
        for y in range(min(self.data[1], kind.height)):
            for x in range(min(self.data[0], kind.width)):
                frame[kind.y + y, kind.x + x] = data[y, x]
        return frame

    def sums(self):
        """Return the sums, (passes, groups, lanes, out height, out width)."""
        width, height = self.out
        result = np.zeros((self.passes, self.groups, self.lanes, height, width), dtype=np.int64)
        for index in range(self.passes):
            for group in range(self.groups):
                for lane in range(self.lanes):
                    total = np.int64(self.biases[index, group, lane])
                    for entry in range(self.entries):
                        frame = self.frame_of(index, entry, group, self.lane_streams[lane])
                        total = total + correlate(
                            frame, self.kernels[index, group, lane, entry], self.top, self.left)
                    result[index, group, lane] = total[:height, :width]
        assert abs(result).max() < 1 << 35
        return result

    def outputs(self):
        """Return the samples of both drain streams."""
        sums = self.sums()
        streams = []
        (c0, s0), (c1, s1), (c2, s2), (c3, s3) = [*self.drain, *[(1, 0)] * 4][:4]
        order = [i0 * s0 + i1 * s1 + i2 * s2 + i3 * s3 for i3 in range(c3) for i2 in range(c2)
                 for i1 in range(c1) for i0 in range(c0)]
        for stream in range(2):
            samples = []
            for index in range(self.passes):
                last = index == self.passes - 1
                lanes = (self.drain_last if last else self.drain_lanes)[stream]
                for lane in range(self.drain_first[stream], self.drain_first[stream] + lanes):
                    for group in range(self.groups):
                        words = sums[index, group, lane].ravel()
                        shift = int(self.shift[index, group, lane])
                        samples += [requantise(words[at], shift) for at in order]
            streams.append(samples)
        return streams

    def inputs(self):
        """Return the samples of streams A and B."""
        return [self.maps[:, :, :, stream].ravel().tolist() for stream in range(1 + self.two)] \
            + [[]] * (1 - self.two)

    def weights(self):
        """Return the weight stream."""
        words = []
        length = self.target.lane_length(self.lanes)
        for index in range(self.passes):
            for group in range(self.groups):
                for lane in range(self.lanes):
                    bias = int(self.biases[index, group, lane])
                    words += [bias >> at & 0xFFFF for at in (0, 16, 32)]
                    words.append(int(self.shift[index, group, lane]))
            for entry in range(self.entries):
                for group in range(self.groups):
                    for lane in range(self.lanes):
                        taps = [0] * length
                        for mac, r, c in self.places():
                            taps[mac] = int(self.kernels[index, group, lane, entry, r, c])
                        words += taps
        return [word - (1 << 16) if word >= 1 << 15 else word for word in words]

    def places(self):
        """Return (MAC of a lane, kernel row, kernel column) of each tap: from last to first."""
        row_length = self.target.row_length(self.lanes, self.rows)
        return [((self.rows - 1 - r) * row_length + self.columns - 1 - c, r, c)
                for r in range(self.rows) for c in range(self.columns)]

    def registers(self):
        """Return the register values of units ``convolver`` and ``mac``."""
        width, height = self.frame
        offset = (self.rows - 1 - self.top) * width + self.columns - 1 - self.left
        loops = [*self.drain, *[(1, 0)] * 4][:4]
        convolver = {
            "enable": 1, "passes": self.passes, "entries": self.entries,
            "interleave": self.groups, "lanes": self.lanes, "two_streams": self.two,
            "frame_width": width, "frame_height": height,
            "data_width": self.data[0], "data_height": self.data[1],
            "line_delay": (width + self.target.row_length(self.lanes, self.rows)
                           if self.rows > 1 else 0),
            "lead": self.lead, "skip": offset + self.lead,
            "out_width": self.out[0], "out_height": self.out[1],
            "out_size": self.out[0] * self.out[1], "kinds": len(self.kinds),
            "kind_x": [kind.x for kind in self.kinds], "kind_y": [kind.y for kind in self.kinds],
            "kind_width": [kind.width for kind in self.kinds],
            "kind_height": [kind.height for kind in self.kinds],
            "drain_count": [count for count, _ in loops],
            "drain_stride": [stride for _, stride in loops],
            "drain_first": self.drain_first, "drain_lanes": self.drain_lanes,
            "drain_last_lanes": self.drain_last,
        }
        macs = {"bus": [0] * self.target.macs, "column": [EQUAL] * self.target.macs,
                "row": [EQUAL] * self.target.macs}
        length = self.target.lane_length(self.lanes)
        for lane, stream in enumerate(self.lane_streams):
            for place, r, c in self.places():
                mac = lane * length + place
                assert not self.two or stream == (mac >= self.target.macs // 2)
                if c == self.columns - 1:
                    macs["bus"][mac] = 1 + self.target.row_buses(mac).index(self.rows - 1 - r)
                macs["column"][mac] = relation(c, self.left)
                macs["row"][mac] = relation(r, self.top)
        return convolver, macs

    @property
    def frames(self):
        return self.passes * self.entries * self.groups


def relation(index, padding):
    return EQUAL if index == padding else LESS if index < padding else GREATER


def pack(unit, values):
    """Return the active registers of a unit as one integer."""
    packed, at = 0, 0
    for register, word in zip(unit.word_registers(), unit.encode(values), strict=True):
        packed |= (word & (1 << register.width) - 1) << at
        at += register.width
    return packed


def packed_registers(step):
    """Return (convolver, mac) registers of a step as integers."""
    units = tile_units(step.target, True)
    return [pack(units[name], values)
            for name, values in zip(("convolver", "mac"), step.registers(), strict=True)]


def random_step(target, seed, **fixed):
    """Return a step of random legal geometry."""
    rng = np.random.default_rng(seed)

    def pick(name, low, high):
        return fixed[name] if name in fixed else int(rng.integers(low, high + 1))

    lanes = pick("lanes", 1, target.banks)
    length = target.lane_length(lanes)
    rows = pick("rows", 1, target.lane_rows(lanes))
    columns = pick("columns", 1, length // rows)
    top, left = pick("top", 0, rows - 1), pick("left", 0, columns - 1)
    groups = pick("groups", 1, min(16 // lanes, 4))
    entries, passes = pick("entries", 1, 4), pick("passes", 1, 4)
    data_width = pick("data_width", 1, 16)
    data_height = pick("data_height", 1, 9)
    kinds = pick("kinds", 1, 3)
    slack = int(rng.integers(0, 3)) if kinds > 1 else 0
    width = max(data_width + slack, columns) + pick("wider", 0, 2)
    height = max(data_height + slack, rows) + pick("higher", 0, 2)
    if entries > 1:
        while groups * width * height < length + 12:
            height += 1
    windows = [Kind(x=int(rng.integers(0, width - data_width + 1)),
                    y=int(rng.integers(0, height - data_height + 1)),
                    width=int(rng.integers(1, data_width + 2)),
                    height=int(rng.integers(1, data_height + 2))) for _ in range(kinds)]
    if kinds == 1:
        windows = [Kind(0, 0, data_width, data_height)]
    room = target.lane_banks(lanes) * target.half_depth // groups
    out_width = int(rng.integers(1, width + 1))
    out_height = min(int(rng.integers(1, height + 1)), room // out_width)
    drain = [(out_width * out_height, 1)]
    if out_width >= 2 and out_height >= 2 and rng.random() < 0.5:  # order of 2x2 pooling
        drain = [(2, 1), (2, out_width), (out_width // 2, 2), (out_height // 2, 2 * out_width)]
    elif rng.random() < 0.3:  # backwards, a row at a time
        drain = [(out_width, 1), (out_height, -out_width)] if out_height == 1 else \
            [(out_width, 1), (out_height, out_width)]
    split = int(rng.integers(0, lanes + 1))
    # Two streams where no lane lies in both halves of the chain.
    halves = [lane * length >= target.macs // 2 for lane in range(lanes)]
    whole = all(half == ((lane + 1) * length > target.macs // 2)
                for lane, half in enumerate(halves))
    two = whole and rng.random() < 0.7
    return Step(
        target, rng, rows, columns, top, left, (width, height), (data_width, data_height),
        (out_width, out_height), lanes=lanes, passes=passes, entries=entries, groups=groups,
        kinds=windows, lane_streams=[int(half and two) for half in halves],
        drain=drain, drain_first=(0, split % lanes), drain_lanes=(split, lanes - split),
        drain_last=(int(rng.integers(0, split + 1)), int(rng.integers(0, lanes - split + 1))),
        limit=1 << 14, lead=int(rng.integers(0, 4)))



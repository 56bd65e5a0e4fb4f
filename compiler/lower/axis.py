"""One axis of a convolution: phases, pieces and where their samples stand in a frame.

A stride s makes s phases, each a convolution of stride 1 over every s-th sample; a kernel longer
than the chain allows is cut into pieces. Every (phase, piece) reads its own samples into frames
of one size, and the chain slides one kernel of ``taps`` taps over all of them.
"""

from dataclasses import dataclass
from functools import lru_cache

__all__ = ["Axis", "Piece", "plan_axis", "split_evenly"]


@dataclass(frozen=True)
class Piece:
    """Part of a kernel along one axis, and the samples it works on.

    Parameters
    ----------
    first : int
        Kernel index of its tap 0; tap r stands at ``first + r * stride``.
    taps : int
        Taps it has.
    start : int
        Input coordinate of its first sample; the next ones are ``stride`` apart.
    lead : int
        Zero positions of the frame before the first sample.
    extent : int
        Samples that count; what is taken beyond is masked.
    """

    first: int
    taps: int
    start: int
    lead: int
    extent: int

    def kernel_slice(self, stride):
        """Return where its taps stand in the kernel."""
        return slice(self.first, self.first + (self.taps - 1) * stride + 1, stride)


@dataclass(frozen=True)
class Axis:
    """The frames of one axis.

    Parameters
    ----------
    pieces : tuple of Piece
        In kernel order; those that touch nothing but padding are left out.
    stride : int
        Input coordinates from sample to sample.
    taps : int
        Kernel length of the chain.
    pad : int
        Zero positions before the frame that cost no cycle.
    frame : int
        Positions of the frame, at least.
    data : int
        Samples taken for every frame.
    count : int
        Outputs stored.
    """

    pieces: tuple[Piece, ...]
    stride: int
    taps: int
    pad: int
    frame: int
    data: int
    count: int


def split_evenly(total, parts):
    """Return ``parts`` (start, length) ranges that cover ``total``, lengths at most 1 apart."""
    edges = [total * part // parts for part in range(parts + 1)]
    return [(low, high - low) for low, high in zip(edges, edges[1:], strict=False)]


@lru_cache(maxsize=1 << 16)
def plan_axis(size, kernel, stride, before, first, count, taps):
    """Return the `Axis` that makes outputs ``first`` .. ``first + count - 1``.

    Parameters
    ----------
    size : int
        Input samples along the axis.
    kernel, stride, before : int
        Kernel length, stride and zero padding before the first sample.
    first, count : int
        Outputs wanted.
    taps : int
        Longest piece.

    Returns
    -------
    Axis
    """
    candidates = []
    for phase in range(min(stride, kernel)):
        length = -(-(kernel - phase) // stride)
        shift, offset = divmod(phase - before, stride)
        samples = max(0, -(-(size - offset) // stride))
        for cut in range(0, length, taps):
            used = min(taps, length - cut)
            # Output o (from `first`) uses samples origin + o .. origin + o + used - 1 of the phase.
            origin = first + cut + shift
            candidates.append((phase + stride * cut, used, origin, offset, samples))
    live = [item for item in candidates
            if item[4] and -(count + item[1] - 2) <= item[2] < item[4]]
    if not live:
        # All outputs come from padding: one piece whose samples are all masked.
        tap, used = candidates[0][:2]
        return Axis((Piece(tap, used, 0, 0, 0),), stride, taps, 0, max(count, taps), 1, count)
    # Padding in front is free when the frames of all pieces start in it.
    pad = min(taps - 1, *(max(0, -item[2]) for item in live))
    pieces = tuple(_place(item, stride, count, pad) for item in live)
    data = max(piece.extent for piece in pieces)
    frame = max(count, taps - pad, pad + 1, data + max(piece.lead for piece in pieces))
    # Where no output reaches past the samples that count, the mask is left open.
    pieces = tuple(
        piece if piece.lead + piece.extent < count + piece.taps - 1 - pad
        else Piece(piece.first, piece.taps, piece.start, piece.lead, data)
        for piece in pieces)
    return Axis(pieces, stride, taps, pad, frame, data, count)


def _place(item, stride, count, pad):
    first, used, origin, offset, samples = item
    begin, lead = max(0, origin + pad), max(0, -(origin + pad))
    extent = min(samples - begin, count + used - 1 - pad - lead)
    return Piece(first, used, begin * stride + offset, lead, extent)

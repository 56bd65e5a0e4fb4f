"""Weight streams: bias, shift and kernels of every pass in the order the convolver takes them."""

import numpy as np

__all__ = ["weight_stream"]


def _kernels(job, weights):
    """Return the weights of each entry as (maps, entries, lane length), zeros behind the taps."""
    work, frames = job.work, job.frames
    rows, columns = frames.kernel
    weights = weights.reshape(work.maps, work.inputs, *work.kernel)
    table = np.zeros((work.maps + 1, len(job.entries), job.lane_length), "<i2")
    for index, (source, y, x) in enumerate(job.entries):
        if y is None:
            continue
        taps = weights[:, source, _taps(y, work.stride[0]), _taps(x, work.stride[1])]
        piece = np.zeros((work.maps, rows, columns), "<i2")
        piece[:, :y.taps, :x.taps] = taps
        table[:-1, index, :rows * columns] = piece.reshape(work.maps, -1)
    return table


def _taps(piece, stride):
    return slice(piece.first, piece.first + (piece.taps - 1) * stride + 1, stride)


def weight_stream(job, conv):
    """Return the bytes of a job's weight stream.

    Parameters
    ----------
    job : Job
        The job.
    conv : Convolution
        Weights, bias and shift of all maps of the layer.
    """
    assignment = job.assignment
    order = [[[assignment.map_of(number, lane, group) for lane in range(assignment.lanes)]
              for group in range(assignment.interleave)] for number in range(assignment.passes)]
    # The row behind the last map is zero: for lanes that make no map.
    index = np.array([[[job.work.maps if item is None else item for item in lanes]
                       for lanes in groups] for groups in order])
    bias = np.append(np.asarray(conv.bias, np.int64), 0)[index]
    shift = np.append(np.asarray(conv.shift, np.int64), 0)[index]
    head = np.stack([bias & 0xFFFF, bias >> 16 & 0xFFFF, bias >> 32 & 0xFFFF, shift], axis=-1)
    head = head.astype("<u2").view("<i2").reshape(assignment.passes, -1)
    # (passes, groups, lanes, entries, MACs) -> (passes, entries, groups, lanes, MACs)
    body = _kernels(job, np.asarray(conv.weights))[index].transpose(0, 3, 1, 2, 4)
    return np.concatenate([head, body.reshape(assignment.passes, -1)], axis=1).tobytes()

"""Weight streams: bias, shift and kernels of every pass in the order the convolver takes them."""

import numpy as np

__all__ = ["weight_stream"]


def weight_stream(job, conv):
    """Return the bytes of a job's weight stream for one block.

    Parameters
    ----------
    job : Job
        The job.
    conv : Convolution
        Weights, bias and shift of all maps of the layer.
    """
    assignment = job.assignment
    passes = assignment.block_passes
    order = [[[assignment.map_of(number, lane, group) for lane in range(assignment.lanes)]
              for group in range(assignment.interleave)] for number in range(passes)]
    # The entry behind the last map is zero: for lanes that make no map.
    index = np.array([[[job.work.maps if item is None else item for item in lanes]
                       for lanes in groups] for groups in order])
    bias = np.append(np.asarray(conv.bias, np.int64), 0)[index]
    shift = np.append(np.asarray(conv.shift, np.int64), 0)[index]
    head = np.stack([bias & 0xFFFF, bias >> 16 & 0xFFFF, bias >> 32 & 0xFFFF, shift], axis=-1)
    head = head.astype("<u2").view("<i2").reshape(passes, -1)
    body = job.kernels(np.asarray(conv.weights), index)
    return np.concatenate([head, body.reshape(passes, -1)], axis=1).tobytes()

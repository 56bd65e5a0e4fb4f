"""What a convolution stage asks of a convolver, free of names and addresses."""

from dataclasses import dataclass, field

from ..errors import CompileError
from ..fixed import Pool, Upsample
from .stages import pool_outputs

__all__ = ["Work", "work_of"]


@dataclass(frozen=True)
class Work:
    """A convolution and the windows its outputs are drained in.

    Parameters
    ----------
    layer : str
        User's layer, for errors. Works that differ in nothing else are equal, and planned once.
    maps, groups, inputs : int
        Output maps, groups, and input maps of one group.
    size : tuple of int
        Rows and columns of an input map.
    kernel, stride, before : tuple of int
        Rows and columns of the kernel, of its stride, of the zero padding at top and left.
    outputs : tuple of int
        Rows and columns of an output map, pooled if the windows pool.
    window, step : tuple of int
        Window over the convolution's outputs that makes one output, and its stride; 1x1 without
        pooling.
    repeat : tuple of int
        Times each output is written along rows and columns; only without pooling.
    """

    layer: str = field(compare=False)
    maps: int
    groups: int
    inputs: int
    size: tuple[int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    before: tuple[int, int]
    outputs: tuple[int, int]
    window: tuple[int, int] = (1, 1)
    step: tuple[int, int] = (1, 1)
    repeat: tuple[int, int] = (1, 1)

    @property
    def maps_per_group(self):
        """Output maps that read the same input maps."""
        return self.maps // self.groups

    @property
    def map_size(self):
        """Samples of an input map."""
        return self.size[0] * self.size[1]

    @property
    def written(self):
        """Rows and columns of an output map in memory."""
        return self.outputs[0] * self.repeat[0], self.outputs[1] * self.repeat[1]

    def computed(self, axis, outputs):
        """Return how many convolution outputs ``outputs`` windows span along ``axis``."""
        return (outputs - 1) * self.step[axis] + self.window[axis]


def work_of(stage, graph):
    """Return the `Work` of a convolution stage.

    A kernel that covers whole maps is one long row of weights over contiguous samples.

    Raises
    ------
    CompileError
        If shapes of the graph contradict each other.
    """
    conv = stage.head
    channels, *size = graph.tensors[conv.inputs[0]].shape
    maps, inputs, *kernel = conv.weights.shape
    shape = graph.tensors[conv.output].shape
    expected = tuple((length + before + after - taps) // stride + 1
                     for length, before, after, taps, stride in zip(
                         size, conv.padding[:2], conv.padding[2:], kernel, conv.stride,
                         strict=True))
    if channels != inputs * conv.groups or maps % conv.groups or shape != (maps, *expected):
        raise CompileError(
            f"{conv.layer}: weights {conv.weights.shape} in {conv.groups} groups make no map of "
            f"{shape} from one of {graph.tensors[conv.inputs[0]].shape}")
    pool, enlarge = stage.post(Pool), stage.post(Upsample)
    repeat = (1, 1) if enlarge is None else tuple(enlarge.factors)
    if pool is None and enlarge is None and not any(conv.padding) and tuple(kernel) == tuple(size):
        taps = inputs * size[0] * size[1]
        return Work(conv.layer, maps, conv.groups, 1, (1, taps), (1, taps), (1, 1), (0, 0), (1, 1))
    window, step, outputs = (1, 1), (1, 1), expected
    if pool is not None:
        window, step, outputs = pool.window, pool.stride, pool_outputs(pool, shape)
    return Work(conv.layer, maps, conv.groups, inputs, tuple(size), tuple(kernel),
                tuple(conv.stride), tuple(conv.padding[:2]), tuple(outputs), tuple(window),
                tuple(step), repeat)

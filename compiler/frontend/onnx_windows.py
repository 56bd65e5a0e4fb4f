"""Windows that move over maps: ONNX's strides, padding and rounding for convolution and pooling."""

from dataclasses import dataclass

from compiler.graph import window_outputs

from .onnx_layer import LARGEST_SIDE

__all__ = ["Windows", "spatial", "windows_of"]

_MODES = ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")

#: Samples left over from which on onnxruntime's automatic padding cuts some off in front.
_LEAST_MISSING = -1

#: Spatial dimensions that windows may have.
MOST_SPATIAL = 3


@dataclass(frozen=True)
class Windows:
    """Windows over the spatial dimensions of a layer, one number a dimension.

    Parameters
    ----------
    size : tuple of int
        Samples of the input.
    window : tuple of int
        Samples from the first to the last tap.
    stride : tuple of int
        Samples from one window to the next.
    before, after : tuple of int
        Padding.
    stated : tuple of int
        Padding behind the map before it grew to hold incomplete windows.
    """

    size: tuple[int, ...]
    window: tuple[int, ...]
    stride: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    stated: tuple[int, ...]

    def axis(self, index):
        """Return the windows along one dimension."""
        return Windows(*((value[index],) for value in vars(self).values()))

    @property
    def outputs(self):
        """Number of windows along each dimension."""
        return tuple(map(window_outputs, self.size, self.window, self.stride, self.before,
                         self.after))

    @property
    def padding(self):
        """Padding (top, left, bottom, right) of the last two dimensions."""
        before, after = ((0, *pads)[-2:] for pads in (self.before, self.after))
        return (*before, *after)


def spatial(layer, what):
    """Return the shape of input 0, which must have one to three spatial dimensions.

    Returns
    -------
    tuple of int
        (samples, channels, sizes).
    """
    shape = layer.shape(0)
    if not 3 <= len(shape) <= 2 + MOST_SPATIAL:
        raise layer.fault(f"input {layer.inputs[0]!r} has shape {list(shape)}; supported is {what} "
                          f"over 1 to {MOST_SPATIAL} dimensions behind samples and channels")
    return shape


def windows_of(layer, size, window, stride, *, ceil=False):
    """Return the `Windows` of a layer.

    With ``ceil`` the padding behind the map grows to hold the last, incomplete windows.

    Parameters
    ----------
    layer : Layer
        Has the attributes pads and auto_pad.
    size, window, stride : tuple of int
        One number a spatial dimension.
    ceil : bool
        Round the number of windows up.

    Raises
    ------
    UnsupportedError
        If padding is negative, too large, or leaves no window.
    """
    mode = layer.attribute("auto_pad", "NOTSET") or "NOTSET"
    if mode not in _MODES:
        raise layer.fault(f"attribute auto_pad is {mode!r}; supported are {', '.join(_MODES)}")
    rank = len(size)
    pads = layer.sizes("pads", (0,) * 2 * rank, least=0)
    if mode == "NOTSET":
        before, after = pads[:rank], pads[rank:]
    else:
        before, after = zip(*(_automatic(mode, *axis) for axis in zip(size, window, stride,
                                                                      strict=True)), strict=True)
        for axis in zip(size, window, stride, strict=True):
            if mode != "VALID" and _missing(*axis) < _LEAST_MISSING:
                raise layer.fault(f"strides {list(stride)} of windows {list(window)} leave samples "
                                  "at the end without a window; with auto_pad ONNX takes the first "
                                  "ones, onnxruntime the middle: state pads instead")
        # Automatic padding says how many windows there are.
        ceil = False
    stated = after
    if ceil:
        after = tuple(map(_round_up, size, window, stride, before, after))
    for axis, name in enumerate(("depths", "rows", "columns")[-rank:]):
        padded = before[axis] + size[axis] + after[axis]
        if padded > LARGEST_SIDE:
            raise layer.fault(f"{padded} {name} with padding; supported are at most "
                              f"{LARGEST_SIDE}")
        if window_outputs(size[axis], window[axis], stride[axis], before[axis], after[axis]) < 1:
            raise layer.fault(f"the window has {window[axis]} {name}, the map with its padding "
                              f"only {padded}; there would be no output")
    return Windows(*map(tuple, (size, window, stride, before, after, stated)))


def _automatic(mode, length, taps, step):
    total = 0 if mode == "VALID" else max(_missing(length, taps, step), 0)
    small, large = total // 2, total - total // 2
    return (large, small) if mode == "SAME_LOWER" else (small, large)


def _missing(length, taps, step):
    """Return how many samples automatic padding adds; what is left over is negative."""
    return (-(-length // step) - 1) * step + taps - length


def _round_up(size, window, stride, before, after):
    """Return the trailing padding with which the windows rounded up are whole."""
    outputs = -(-(size + before + after - window) // stride) + 1
    # A window must not begin beyond the map and its leading padding.
    if (outputs - 1) * stride >= size + before:
        outputs -= 1
    return max(after, (outputs - 1) * stride + window - size - before)

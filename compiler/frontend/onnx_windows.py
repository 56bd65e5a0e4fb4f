"""Windows that move over maps: ONNX's strides, padding and rounding for convolution and pooling."""

from compiler.graph import window_outputs

from .onnx_layer import LARGEST_SIDE

__all__ = ["window_padding"]

_MODES = ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")


def window_padding(layer, size, window, stride, *, ceil=False):
    """Return the padding (top, left, bottom, right) of a layer's windows.

    With ``ceil`` the bottom and right padding grow to hold the last, incomplete windows.

    Parameters
    ----------
    layer : Layer
        Has the attributes pads and auto_pad.
    size, window, stride : tuple of int
        Rows and columns.
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
    pads = layer.sizes("pads", (0, 0, 0, 0), least=0)
    if mode == "NOTSET":
        before, after = list(pads[:2]), list(pads[2:])
    else:
        if ceil:
            raise layer.fault(f"attribute ceil_mode is 1 with auto_pad {mode}; supported is "
                              "ceil_mode with explicit pads")
        before, after = _automatic(mode, size, window, stride)
    if ceil:
        after = [_round_up(*axis) for axis in zip(size, window, stride, before, after,
                                                  strict=True)]
    for axis, name in enumerate(("rows", "columns")):
        padded = before[axis] + size[axis] + after[axis]
        if padded > LARGEST_SIDE:
            raise layer.fault(f"{padded} {name} with padding; supported are at most "
                              f"{LARGEST_SIDE}")
        if window_outputs(size[axis], window[axis], stride[axis], before[axis], after[axis]) < 1:
            raise layer.fault(f"the window has {window[axis]} {name}, the map with its padding "
                              f"only {padded}; there would be no output")
    return (before[0], before[1], after[0], after[1])


def _automatic(mode, size, window, stride):
    before, after = [], []
    for length, taps, step in zip(size, window, stride, strict=True):
        outputs = -(-length // step)
        total = 0 if mode == "VALID" else max((outputs - 1) * step + taps - length, 0)
        small, large = total // 2, total - total // 2
        before.append(large if mode == "SAME_LOWER" else small)
        after.append(small if mode == "SAME_LOWER" else large)
    return before, after


def _round_up(size, window, stride, before, after):
    """Return the trailing padding with which the windows rounded up are whole."""
    outputs = -(-(size + before + after - window) // stride) + 1
    # A window must not begin beyond the map and its leading padding.
    if (outputs - 1) * stride >= size + before:
        outputs -= 1
    return max(after, (outputs - 1) * stride + window - size - before)

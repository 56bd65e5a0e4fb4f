"""ONNX operators that bring samples to a common mean and spread."""

import numpy as np

from compiler.graph import Affine

from .onnx_operator import Operator

__all__ = ["NORMALISATION"]


def _batch_norm(layer):
    layer.require("training_mode", 0, 0, "0 (inference)")
    layer.require("spatial", 1, 1, "1 (statistics a map)")
    shape = layer.shape()
    channels = shape[1] if len(shape) > 1 else 1
    scale, offset, mean, variance = (
        layer.constant(index, what, shape=(channels,))
        for index, what in enumerate(("scales", "offsets", "means", "variances"), 1))
    spread = variance + layer.attribute("epsilon", 1e-5)
    if spread.min() <= 0:
        raise layer.malformed(f"a variance plus epsilon is {spread.min():g}; it must be positive")
    factor = scale / np.sqrt(spread)
    maps = layer.channels_first()
    samples = maps[0] // channels
    layer.emit(Affine, shape, [layer.view(maps)], maps, scale=np.tile(factor, samples),
               offset=np.tile(offset - mean * factor, samples))


#: Normalisation.
NORMALISATION = {
    "BatchNormalization": Operator(
        _batch_norm, ("epsilon", "momentum", "spatial", "training_mode"), constants=(1, 2, 3, 4)),
}

"""The scene-labelling network: its structure, its connection tables and its parameters.

A frame of Y, U and V goes through the same three stages at the scales 1, 1/2 and 1/4, with the same
kernels; the maps of the coarser scales are enlarged to those of the full one, and a linear
classifier names the class of every pixel from all of them.

=========  =======================  ==================================  ================
stage      maps                     connections                         then
=========  =======================  ==================================  ================
normalise  3, at each scale         local mean and contrast, 15x15
1          3 -> 16, kernels 7x7     10 maps from Y, 3 from U, 3 from V  tanh, 2x2 max
2          16 -> 64, kernels 7x7    each from 8 of 16, random table     tanh, 2x2 max
3          64 -> 256, kernels 7x7   each from 32 of 64, random table
classify   768 -> 8, kernels 1x1    all                                 arg max
=========  =======================  ==================================  ================

Parameters are NumPy arrays here; ``export.py`` writes them as ONNX, ``train.py`` finds them.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

HEIGHT, WIDTH = 240, 320
CHANNELS = 3
MAPS = (16, 64, 256)
KERNEL = 7
CLASS_COUNT = 8
SCALES = {"full": 1, "half": 2, "quarter": 4}
# Two 2x2 poolings: a pixel of the features stands for 4x4 of the frame.
STRIDE = 4
# A frame must halve twice to its coarsest scale and twice more to that scale's features.
SIZE_MULTIPLE = max(SCALES.values()) * STRIDE

NORM_SIZE = 15
NORM_SIGMA = 4.0
# Contrast below this is not amplified: a flat sky stays flat. Well above the steps of a 16-bit
# sample, so that the square root and the division keep their precision.
NORM_FLOOR = 0.05

WEIGHTS = Path(__file__).parent / "weights.npz"


@dataclass(frozen=True)
class Stage:
    """One convolution stage with a connection table.

    Parameters
    ----------
    input_maps : int
        How many maps the stage reads.
    table : numpy.ndarray
        Integers, output maps x fan-in: the input maps that each output map reads, ascending.
    kernels : numpy.ndarray
        float32, output maps x fan-in x 7 x 7: the kernel of each connection.
    bias : numpy.ndarray
        float32, one an output map.
    """

    input_maps: int
    table: np.ndarray
    kernels: np.ndarray
    bias: np.ndarray

    def dense(self):
        """Return the kernels of an ordinary convolution, zero where there is no connection.

        Returns
        -------
        numpy.ndarray
            float32, output maps x input maps x 7 x 7.
        """
        count, _, rows, columns = self.kernels.shape
        kernels = np.zeros((count, self.input_maps, rows, columns), np.float32)
        kernels[np.arange(count)[:, None], self.table] = self.kernels
        return kernels


@dataclass(frozen=True)
class Network:
    """Parameters of the whole network.

    Parameters
    ----------
    stages : tuple of Stage
        The three stages, shared by the scales.
    weights : numpy.ndarray
        float32, 8 x (3 * maps of stage 3): the classifier, columns in the order of the scales.
    bias : numpy.ndarray
        float32, one a class.
    """

    stages: tuple
    weights: np.ndarray
    bias: np.ndarray


def gaussian():
    """Return the 1-D kernel of the local normalisation.

    Returns
    -------
    numpy.ndarray
        float32, 15 values, sum 1; its outer product with itself is the 15x15 window.
    """
    offsets = np.arange(NORM_SIZE) - NORM_SIZE // 2
    kernel = np.exp(-0.5 * (offsets / NORM_SIGMA) ** 2)
    return (kernel / kernel.sum()).astype(np.float32)


def connection_tables(maps=MAPS, seed=1):
    """Return which maps each stage's output maps read.

    Parameters
    ----------
    maps : tuple of int
        Output maps of the three stages. Other numbers than 16, 64 and 256 keep the structure: 3 of
        16 maps from U and as many from V, half of the maps read in stages 2 and 3.
    seed : int
        Seed of the random tables.

    Returns
    -------
    list of numpy.ndarray
        One table a stage, output maps x fan-in, rows ascending.

    Raises
    ------
    ValueError
        If there are not three stages, or one is too small to have such connections.
    """
    if len(maps) != 3 or min(maps) < 3:
        raise ValueError(f"The network has three stages of 3 maps or more, not {maps!r}")
    colour = max(1, round(maps[0] * 3 / 16))
    first = np.repeat(range(CHANNELS), [maps[0] - 2 * colour, colour, colour])[:, None]
    # RandomState's stream is frozen by NumPy; that of default_rng may change.
    random = np.random.RandomState(seed)
    others = [
        np.stack([np.sort(random.permutation(inputs)[:inputs // 2]) for _ in range(outputs)])
        for inputs, outputs in zip(maps, maps[1:], strict=False)]
    return [first, *others]


def random_network(maps=MAPS, seed=1):
    """Return an untrained network.

    Parameters
    ----------
    maps : tuple of int
        Output maps of the three stages.
    seed : int
        Seed of tables and weights.

    Returns
    -------
    Network
        Weights that keep the size of a signal from stage to stage.
    """
    random = np.random.RandomState(seed + 1)

    def uniform(shape, fan_in):
        limit = np.sqrt(3 / fan_in)
        return random.uniform(-limit, limit, shape).astype(np.float32)

    stages = []
    for inputs, table in zip((CHANNELS, *maps), connection_tables(maps, seed), strict=False):
        fan_in = table.shape[1] * KERNEL**2
        stages.append(Stage(inputs, table, uniform((*table.shape, KERNEL, KERNEL), fan_in),
                            uniform((len(table),), 100)))
    features = maps[-1] * len(SCALES)
    return Network(tuple(stages), uniform((CLASS_COUNT, features), features),
                   uniform((CLASS_COUNT,), 100))


def save(path, network):
    """Write a network's tables and parameters, connected kernels only.

    Parameters
    ----------
    path : path-like
        File to write (.npz). Parameters are rounded to 16-bit floats.
    network : Network
        What to write.
    """
    arrays = {"classifier_weights": network.weights.astype(np.float16),
              "classifier_bias": network.bias.astype(np.float16)}
    for number, stage in enumerate(network.stages, 1):
        arrays[f"stage{number}_table"] = stage.table.astype(np.uint8)
        arrays[f"stage{number}_kernels"] = stage.kernels.astype(np.float16)
        arrays[f"stage{number}_bias"] = stage.bias.astype(np.float16)
    np.savez_compressed(path, **arrays)


def load(path=WEIGHTS):
    """Read a network that :func:`save` wrote.

    Parameters
    ----------
    path : path-like
        The file; by default the trained network beside this module.

    Returns
    -------
    Network
        Its parameters as float32.
    """
    with np.load(path) as arrays:
        stages, inputs = [], CHANNELS
        for number in range(1, len(MAPS) + 1):
            table, kernels, bias = (arrays[f"stage{number}_{part}"]
                                    for part in ("table", "kernels", "bias"))
            stages.append(Stage(inputs, table.astype(np.int64), kernels.astype(np.float32),
                                bias.astype(np.float32)))
            inputs = len(table)
        return Network(tuple(stages), arrays["classifier_weights"].astype(np.float32),
                       arrays["classifier_bias"].astype(np.float32))

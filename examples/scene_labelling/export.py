"""Write the scene-labelling network as an ONNX model.

::

    python -m examples.scene_labelling.export scene.onnx

Plain nodes of opset 17 with static shapes. A convolution with a connection table is an ordinary
dense Conv whose absent connections are kernels of zeros; the three scales share their initialisers.
"""

import argparse

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from examples.scene_labelling import network as scene

OPSET = 17
IR_VERSION = 8
INPUT_NAME = "yuv"
LABELS_NAME = "labels"
FEATURES_NAME = "features"


class _Graph:
    """Nodes and initialisers in the making; every node's output has the node's name."""

    def __init__(self):
        self.nodes = []
        self.initialisers = []

    def constant(self, name, array):
        self.initialisers.append(
            numpy_helper.from_array(np.asarray(array, np.float32), name))

    def add(self, op, name, *inputs, output=None, **attributes):
        output = output or name
        self.nodes.append(helper.make_node(op, inputs, [output], name=name, **attributes))
        return output


def _constants(graph, network):
    kernel = scene.gaussian()
    graph.constant("gauss_h", np.tile(kernel, (scene.CHANNELS, 1, 1, 1)))
    graph.constant("gauss_v", np.tile(kernel[:, None], (scene.CHANNELS, 1, 1, 1)))
    graph.constant("contrast_floor", scene.NORM_FLOOR)
    for number, stage in enumerate(network.stages, 1):
        graph.constant(f"stage{number}_kernels", stage.dense())
        graph.constant(f"stage{number}_bias", stage.bias)
    graph.constant("classifier_weights", network.weights[:, :, None, None])
    graph.constant("classifier_bias", network.bias)
    for name, factor in scene.SCALES.items():
        if factor > 1:
            graph.constant(f"enlarge_{name}", [1, 1, factor, factor])


def _blur(graph, x, name, scale):
    """Blur each channel: a row of the Gaussian, then a column of it."""
    shape = {"group": scene.CHANNELS, "strides": [1, 1], "dilations": [1, 1]}
    half, size = scene.NORM_SIZE // 2, scene.NORM_SIZE
    x = graph.add("Conv", f"lcn_{name}_h_{scale}", x, "gauss_h", kernel_shape=[1, size],
                  pads=[0, half, 0, half], **shape)
    return graph.add("Conv", f"lcn_{name}_v_{scale}", x, "gauss_v", kernel_shape=[size, 1],
                     pads=[half, 0, half, 0], **shape)


def _normalise(graph, x, scale):
    """Take off the local mean, then divide by the local contrast where there is some."""
    mean = _blur(graph, x, "mean", scale)
    centred = graph.add("Sub", f"lcn_subtract_{scale}", x, mean)
    square = graph.add("Mul", f"lcn_square_{scale}", centred, centred)
    power = _blur(graph, square, "power", scale)
    contrast = graph.add("Sqrt", f"lcn_root_{scale}", power)
    contrast = graph.add("Max", f"lcn_floor_{scale}", contrast, "contrast_floor")
    return graph.add("Div", f"lcn_divide_{scale}", centred, contrast)


def _stages(graph, x, scale):
    """Add the three convolution stages at one scale."""
    half = scene.KERNEL // 2
    window = {"kernel_shape": [2, 2], "strides": [2, 2]}
    for number in range(1, len(scene.MAPS) + 1):
        x = graph.add("Conv", f"stage{number}_conv_{scale}", x,
                      f"stage{number}_kernels", f"stage{number}_bias",
                      kernel_shape=[scene.KERNEL] * 2, pads=[half] * 4, strides=[1, 1],
                      dilations=[1, 1], group=1)
        if number < len(scene.MAPS):
            x = graph.add("Tanh", f"stage{number}_tanh_{scale}", x)
            x = graph.add("MaxPool", f"stage{number}_pool_{scale}", x, **window)
    return x


def to_onnx(network, height=scene.HEIGHT, width=scene.WIDTH):
    """Return a network as an ONNX model.

    Parameters
    ----------
    network : examples.scene_labelling.network.Network
        The parameters.
    height, width : int
        Rows and columns of a frame, multiples of 16.

    Returns
    -------
    onnx.ModelProto
        Input ``yuv``, 1 x 3 x height x width. Outputs ``labels``, int64, 1 x 1 x height/4 x
        width/4, the class of each pixel; and ``features``, 1 x 768 x height/4 x width/4 (three
        times the maps of stage 3). The same network always gives the same bytes.

    Raises
    ------
    ValueError
        If the frame's size is not a multiple of 16.
    """
    multiple = scene.SIZE_MULTIPLE
    if min(height, width) < multiple or height % multiple or width % multiple:
        raise ValueError(f"A frame's rows and columns must be multiples of {multiple}, "
                         f"not {height}x{width}")
    graph = _Graph()
    _constants(graph, network)

    frame, parts = INPUT_NAME, []
    for scale, factor in scene.SCALES.items():
        if factor > 1:
            frame = graph.add("AveragePool", f"frame_{scale}", frame, kernel_shape=[2, 2],
                              strides=[2, 2])
        maps = _stages(graph, _normalise(graph, frame, scale), scale)
        if factor > 1:
            maps = graph.add("Resize", f"upsample_{scale}", maps, "", f"enlarge_{scale}",
                             mode="nearest", nearest_mode="floor",
                             coordinate_transformation_mode="asymmetric")
        parts.append(maps)
    features = graph.add("Concat", "join", *parts, output=FEATURES_NAME, axis=1)
    scores = graph.add("Conv", "classifier", features, "classifier_weights", "classifier_bias",
                       kernel_shape=[1, 1], strides=[1, 1], dilations=[1, 1], group=1)
    graph.add("ArgMax", "choose", scores, output=LABELS_NAME, axis=1, keepdims=1)

    rows, columns = height // scene.STRIDE, width // scene.STRIDE

    def value(name, kind, *shape):
        return helper.make_tensor_value_info(name, kind, [1, *shape])

    model = helper.make_model(
        helper.make_graph(
            graph.nodes, "scene_labelling",
            [value(INPUT_NAME, TensorProto.FLOAT, scene.CHANNELS, height, width)],
            [value(LABELS_NAME, TensorProto.INT64, 1, rows, columns),
             value(FEATURES_NAME, TensorProto.FLOAT, network.weights.shape[1], rows, columns)],
            graph.initialisers),
        opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION,
        producer_name="neuflow")
    model = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    onnx.checker.check_model(model, full_check=True)
    return model


def build(height=scene.HEIGHT, width=scene.WIDTH, maps=scene.MAPS, seed=1):
    """Return an untrained model, whole or of the same structure but smaller.

    Parameters
    ----------
    height, width : int
        Rows and columns of a frame, multiples of 16.
    maps : tuple of int
        Output maps of the three stages.
    seed : int
        Seed of connection tables and weights.

    Returns
    -------
    onnx.ModelProto
        As from :func:`to_onnx`.
    """
    return to_onnx(scene.random_network(maps, seed), height, width)


def main():
    """Write the trained network, or an untrained one of another size."""
    parser = argparse.ArgumentParser(description="Write the scene-labelling network as ONNX.")
    parser.add_argument("output", help="file to write (.onnx)")
    parser.add_argument("--weights", default=scene.WEIGHTS,
                        help="trained parameters (default: weights.npz beside this program)")
    parser.add_argument("--height", type=int, default=scene.HEIGHT, help="rows of a frame")
    parser.add_argument("--width", type=int, default=scene.WIDTH, help="columns of a frame")
    parser.add_argument("--random", type=int, nargs=3, metavar="MAPS", help="write an untrained "
                        "network with this many maps in its three stages instead")
    arguments = parser.parse_args()
    if arguments.random:
        model = build(arguments.height, arguments.width, tuple(arguments.random))
    else:
        model = to_onnx(scene.load(arguments.weights), arguments.height, arguments.width)
    onnx.save(model, arguments.output)


if __name__ == "__main__":
    main()

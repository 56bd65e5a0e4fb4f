"""Full-size classifiers that the onnx package carries for its own tests, without their weights.

All weights of a layer are one number there, made by ConstantOfShape: the layers have their true
shapes, and nothing else about the numbers is like a trained network's.
"""

from pathlib import Path

import onnx

__all__ = ["LIGHT", "path"]

_FOLDER = Path(onnx.__file__).parent / "backend/test/data/light"

#: What people call each, by the name of its file.
LIGHT = {
    "bvlc_alexnet": "AlexNet", "zfnet512": "ZFNet-512", "vgg19": "VGG-19",
    "inception_v1": "Inception v1", "inception_v2": "Inception v2", "resnet50": "ResNet-50",
    "squeezenet": "SqueezeNet", "shufflenet": "ShuffleNet", "densenet121": "DenseNet-121"}


def path(name):
    """Return the path of a model's file.

    Parameters
    ----------
    name : str
        A key of `LIGHT`.
    """
    return _FOLDER / f"light_{name}.onnx"

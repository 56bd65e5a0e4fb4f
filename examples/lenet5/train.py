"""Train LeNet-5 on the digits of :mod:`examples.lenet5.data` and write it as ONNX.

Needs the extra ``train`` (torch). A few minutes on one core::

    python -m examples.lenet5.train examples/lenet5/lenet5.onnx

Same seed, same torch, same kind of processor: same file. Training sees the training split only,
and nothing is chosen by the test split: the network is the one of the last epoch.
"""

import argparse
import math

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn import functional

from examples.lenet5 import data

OPSET = 17
IR_VERSION = 8


class LeNet5(nn.Module):
    """LeNet-5 as in Y. LeCun's slides.

    1@32x32, convolution 5x5, 6@28x28, 2x2 max pooling, 6@14x14, convolution 5x5, 12@10x10, 2x2 max
    pooling, 12@5x5, convolution 5x5, 100@1x1, fully connected, 10. A tanh follows each convolution.
    """

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.conv2 = nn.Conv2d(6, 12, 5)
        self.conv3 = nn.Conv2d(12, 100, 5)
        self.fc = nn.Linear(100, 10)

    def forward(self, image):
        """Return the 10 logits of each image."""
        x = functional.max_pool2d(torch.tanh(self.conv1(image)), 2)
        x = functional.max_pool2d(torch.tanh(self.conv2(x)), 2)
        x = torch.tanh(self.conv3(x))
        return self.fc(x.flatten(1))


def distort(images, generator):
    """Return the images turned, scaled, sheared and shifted at random.

    Parameters
    ----------
    images : torch.Tensor
        N x 1 x 32 x 32, paper is -1.
    generator : torch.Generator
        Where the randomness comes from.

    Returns
    -------
    torch.Tensor
        Same shape: up to 12 degrees, 12 %, a shear of 0.15 and 2 pixels away.
    """
    def uniform(limit):
        return (2 * torch.rand(len(images), generator=generator) - 1) * limit

    angle, shear = uniform(math.radians(12)), uniform(0.15)
    across, down = 1 + uniform(0.12), 1 + uniform(0.12)
    shift = 2 / (data.IMAGE_SIZE / 2)
    theta = torch.stack([
        torch.stack([angle.cos() * across, -angle.sin() + shear, uniform(shift)], dim=1),
        torch.stack([angle.sin(), angle.cos() * down, uniform(shift)], dim=1),
    ], dim=1)
    grid = functional.affine_grid(theta, images.shape, align_corners=False)
    # Outside of the image there is paper: sampled as 0 there, hence the offset.
    return functional.grid_sample(images + 1, grid, align_corners=False) - 1


def train(*, epochs, seed):
    """Train a network on the training split.

    Parameters
    ----------
    epochs : int
        Passes over the training images, each time distorted anew.
    seed : int
        Seed of the weights, the order and the distortions.

    Returns
    -------
    LeNet5
        The network after the last epoch.
    """
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    generator = torch.Generator().manual_seed(seed)
    images, labels = (torch.tensor(array) for array in data.load_train())

    network = LeNet5()
    # The decay keeps weights and sums small: more of the 16 bits are left for the fraction.
    optimizer = torch.optim.AdamW(network.parameters(), lr=4e-3, weight_decay=2e-2)
    batch = 50
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=4e-3, epochs=epochs, steps_per_epoch=math.ceil(len(images) / batch))
    for epoch in range(epochs):
        total = 0.0
        for chosen in torch.randperm(len(images), generator=generator).split(batch):
            logits = network(distort(images[chosen], generator))
            loss = functional.cross_entropy(logits, labels[chosen], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(chosen)
        if (epoch + 1) % 10 == 0:
            print(f"epoch {epoch + 1}/{epochs}: loss {total / len(images):.4f}", flush=True)
    return network


def to_onnx(network):
    """Return the network as an ONNX model with static shapes, one image a run.

    Written node by node: the same weights always give the same bytes.

    Parameters
    ----------
    network : LeNet5
        The trained network.

    Returns
    -------
    onnx.ModelProto
        Input ``image``, 1 x 1 x 32 x 32; output ``logits``, 1 x 10; float32.
    """
    nodes, weights = [], []

    def add(op, name, source, parameters=(), output=None, **attributes):
        names = [f"{name}.{parameter}" for parameter in parameters]
        for parameter, full_name in zip(parameters, names, strict=True):
            array = getattr(getattr(network, name), parameter).detach().numpy()
            weights.append(numpy_helper.from_array(array.astype(np.float32), full_name))
        output = output or f"{name}_out"
        nodes.append(helper.make_node(op, [source, *names], [output], name=name, **attributes))
        return output

    window = {"kernel_shape": [2, 2], "strides": [2, 2]}
    both = ("weight", "bias")
    x = data.INPUT_NAME
    x = add("Conv", "conv1", x, both, kernel_shape=[5, 5])
    x = add("Tanh", "tanh1", x)
    x = add("MaxPool", "pool1", x, **window)
    x = add("Conv", "conv2", x, both, kernel_shape=[5, 5])
    x = add("Tanh", "tanh2", x)
    x = add("MaxPool", "pool2", x, **window)
    x = add("Conv", "conv3", x, both, kernel_shape=[5, 5])
    x = add("Tanh", "tanh3", x)
    x = add("Flatten", "flatten", x, axis=1)
    add("Gemm", "fc", x, both, output=data.OUTPUT_NAME, transB=1)

    size = data.IMAGE_SIZE
    graph = helper.make_graph(
        nodes, "lenet5",
        [helper.make_tensor_value_info(data.INPUT_NAME, TensorProto.FLOAT, [1, 1, size, size])],
        [helper.make_tensor_value_info(data.OUTPUT_NAME, TensorProto.FLOAT, [1, 10])],
        weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)],
                              ir_version=IR_VERSION, producer_name="neuflow")
    model = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    onnx.checker.check_model(model, full_check=True)
    return model


def main():
    """Train and write the network."""
    parser = argparse.ArgumentParser(description="Train LeNet-5 on digits, write it as ONNX.")
    parser.add_argument("output", help="file to write (.onnx)")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    network = train(epochs=arguments.epochs, seed=arguments.seed)
    onnx.save(to_onnx(network), arguments.output)


if __name__ == "__main__":
    main()

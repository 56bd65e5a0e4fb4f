"""Train the scene-labelling network and write its parameters.

Needs the extra ``train`` (torch)::

    python -m examples.scene_labelling.train examples/scene_labelling/weights.npz

It learns from synthetic scenes, or from the Stanford Background data set with ``--data FOLDER``.
Training sees the training frames only, and nothing is chosen by the test: the network is the one
after the last step. The convolutions run in 16-bit floats, which many processors do several times
faster; the parameters stay 32-bit until they are written.
"""

import argparse
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from examples.scene_labelling import data
from examples.scene_labelling import network as scene


class SceneNet(nn.Module):
    """The network with dense kernels, of which a mask leaves the connected ones.

    Parameters
    ----------
    network : examples.scene_labelling.network.Network
        Where connection tables and first weights come from.
    """

    def __init__(self, network):
        super().__init__()
        self.start = network
        self.kernels = nn.ParameterList(torch.tensor(stage.dense()) for stage in network.stages)
        self.biases = nn.ParameterList(torch.tensor(stage.bias) for stage in network.stages)
        self.masks = [(kernels.detach() != 0).any(3, keepdim=True).any(2, keepdim=True)
                      for kernels in self.kernels]
        self.weights = nn.Parameter(torch.tensor(network.weights[:, :, None, None]))
        self.bias = nn.Parameter(torch.tensor(network.bias))
        kernel = torch.tensor(scene.gaussian()).expand(scene.CHANNELS, 1, 1, -1)
        self.gauss = kernel, kernel.transpose(2, 3)

    def _normalise(self, x):
        def blur(x):
            for kernel in self.gauss:
                x = functional.conv2d(x, kernel, padding="same", groups=scene.CHANNELS)
            return x

        x = x - blur(x)
        return x / blur(x * x).sqrt().clamp(min=scene.NORM_FLOOR)

    def _stages(self, x):
        for last, (kernels, mask, bias) in enumerate(
                zip(self.kernels, self.masks, self.biases, strict=True), 1 - len(self.kernels)):
            x = functional.conv2d(x, kernels * mask, bias, padding="same")
            if last:
                x = functional.max_pool2d(torch.tanh(x), 2)
        return x

    def forward(self, yuv, dropped=0.0):
        """Return the scores of the classes, batch x 8 x rows/4 x columns/4."""
        with torch.no_grad():
            frames = [yuv]
            while len(frames) < len(scene.SCALES):
                frames.append(functional.avg_pool2d(frames[-1], 2))
            frames = [self._normalise(frame).contiguous(memory_format=torch.channels_last)
                      for frame in frames]
        with torch.autocast("cpu", torch.bfloat16):
            parts = [self._stages(frame) for frame in frames]
            size = parts[0].shape[2:]
            features = torch.cat([functional.interpolate(part, size) for part in parts], dim=1)
            features = functional.dropout2d(features, dropped)
            return functional.conv2d(features, self.weights, self.bias).float()

    def to_network(self):
        """Return the parameters as :class:`examples.scene_labelling.network.Network`."""
        stages = []
        for stage, kernels, bias in zip(self.start.stages, self.kernels, self.biases, strict=True):
            connected = kernels.detach().numpy()[np.arange(len(stage.table))[:, None], stage.table]
            stages.append(scene.Stage(stage.input_maps, stage.table, connected,
                                      bias.detach().numpy()))
        return scene.Network(tuple(stages), self.weights.detach().numpy()[:, :, 0, 0],
                             self.bias.detach().numpy())


def distort(rgb, labels, random):
    """Return a frame cut, mirrored and lit at random, with the same done to its labels.

    Parameters
    ----------
    rgb : numpy.ndarray
        uint8, rows x columns x 3.
    labels : numpy.ndarray
        int8, rows x columns.
    random : numpy.random.RandomState
        Where the randomness comes from.

    Returns
    -------
    yuv : torch.Tensor
        float32, 1 x 3 x rows x columns.
    shares : torch.Tensor
        float32, 1 x 8 x rows/4 x columns/4: the share of each class in 4x4 pixels; they add up to
        less than 1 where pixels are unknown.
    """
    height, width = labels.shape
    zoom = random.uniform(0.6, 1)
    rows, columns = round(zoom * height), round(zoom * width)
    top, left = random.randint(height - rows + 1), random.randint(width - columns + 1)
    cut = np.s_[top:top + rows, left:left + columns]
    rgb, labels = rgb[cut], labels[cut]
    if random.rand() < 0.5:
        rgb, labels = rgb[:, ::-1], labels[:, ::-1]
    light = rgb.astype(np.float32) / 255 * random.uniform(0.9, 1.1, 3)
    light = np.clip(light * random.uniform(0.7, 1.2), 0, 1) ** random.uniform(0.8, 1.25) * 255
    yuv = functional.interpolate(torch.tensor(data.to_yuv(light))[None].float(), (height, width),
                                 mode="bilinear", align_corners=False)
    classes = torch.arange(scene.CLASS_COUNT)[:, None, None]
    known = (torch.tensor(labels.copy())[None] == classes).float()[None]
    return yuv, functional.avg_pool2d(functional.interpolate(known, (height, width)), scene.STRIDE)


def train(rgb, labels, *, steps, batch, seed, report=50):
    """Train a network.

    Parameters
    ----------
    rgb, labels : numpy.ndarray
        The frames, as from :func:`examples.scene_labelling.data.load_train`.
    steps : int
        Updates of the parameters.
    batch : int
        Frames an update.
    seed : int
        Seed of the tables, the weights, the order and the distortions.
    report : int
        Steps between two lines on the screen.

    Returns
    -------
    examples.scene_labelling.network.Network
        The network after the last step.
    """
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    random = np.random.RandomState(seed)
    model = SceneNet(scene.random_network(seed=seed))
    # The decay keeps weights and sums small: more of the 16 bits are left for the fraction.
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=2e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps,
                                                   pct_start=0.15)
    order, total, right, begun = [], 0.0, 0.0, time.monotonic()
    for step in range(1, steps + 1):
        if len(order) < batch:
            order.extend(random.permutation(len(rgb)))
        chosen = [order.pop() for _ in range(batch)]
        yuv, shares = (torch.cat(parts) for parts in zip(
            *(distort(rgb[index], labels[index], random) for index in chosen), strict=True))
        scores = model(yuv, dropped=0.1)
        loss = -(shares * functional.log_softmax(scores, dim=1)).sum() / shares.sum()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        total += loss.item()
        right += (shares.gather(1, scores.argmax(1, keepdim=True)).sum() / shares.sum()).item()
        if step % report == 0 or step == steps:
            lines = (step - 1) % report + 1
            print(f"step {step}/{steps}: loss {total / lines:.3f}, {100 * right / lines:.1f} % of "
                  f"the training pixels, {time.monotonic() - begun:.0f} s", flush=True)
            total = right = 0.0
    return model.to_network()


def main():
    """Train and write the network."""
    parser = argparse.ArgumentParser(description="Train the scene-labelling network.")
    parser.add_argument("output", help="file to write (.npz)")
    parser.add_argument("--data", metavar="FOLDER",
                        help="the Stanford Background data set (default: synthetic scenes)")
    parser.add_argument("--frames", type=int, help="training frames (default: 800 synthetic "
                        "scenes, or all of the data set's)")
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rgb, labels = data.load_train(arguments.frames, arguments.data)
    network = train(rgb, labels, steps=arguments.steps, batch=arguments.batch,
                    seed=arguments.seed)
    scene.save(arguments.output, network)


if __name__ == "__main__":
    main()

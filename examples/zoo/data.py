"""Inputs for the zoo: what the libraries of the project have, or signals made to look like it.

Every function takes the ONNX shape of an input, a count and a seed, and returns float32 of shape
(count, *shape[1:]), about -1..1 unless it says otherwise. None of them needs a network.
"""

from functools import cache

import numpy as np
from scipy import ndimage, signal
from sklearn.datasets import load_sample_image

from examples.lenet5 import data as lenet5

__all__ = ["digits", "ellipses", "fields", "pictures", "sequences", "spectrograms", "video"]

#: Samples of a second of sound, and between two frames of a spectrogram.
SAMPLE_RATE, HOP = 16_000, 160

_NAMES = ("china.jpg", "flower.jpg")


@cache
def _photograph(name):
    """Return one of scikit-learn's photographs, 3 x rows x columns in 0..1."""
    return load_sample_image(name).astype(np.float32).transpose(2, 0, 1) / 255


def _planes(rgb, channels):
    """Return a colour picture in 1 (grey), 3 (colours) or more channels (grey besides)."""
    grey = rgb.mean(0, keepdims=True)
    return grey if channels == 1 else np.concatenate([rgb, *[grey] * (channels - 3)])


def _crop(random, channels, rows, columns):
    """Return a random part of a photograph, scaled down if a larger part has room."""
    rgb = _photograph(_NAMES[random.integers(len(_NAMES))])
    factor = max(1, int(min(rgb.shape[1] / rows, rgb.shape[2] / columns) * random.uniform(0.5, 1)))
    padding = [(0, 0), *((0, max(0, size * factor - have))
                         for size, have in zip((rows, columns), rgb.shape[1:], strict=True))]
    rgb = np.pad(rgb, padding, mode="symmetric")
    top, left = (random.integers(have - size * factor + 1)
                 for size, have in zip((rows, columns), rgb.shape[1:], strict=True))
    part = rgb[:, top:top + rows * factor, left:left + columns * factor]
    part = part.reshape(3, rows, factor, columns, factor).mean((2, 4))
    return 2 * _planes(part, channels) - 1


def pictures(shape, count, seed=0):
    """Return parts of photographs for (1, channels, rows, columns)."""
    random = np.random.default_rng(seed)
    return np.stack([_crop(random, *shape[1:]) for _ in range(count)])


def digits(shape, count, seed=0):
    """Return handwritten digits, side by side as many as fit, for (1, 1, 32, columns)."""
    images, _ = lenet5.load_train()
    random = np.random.default_rng(seed)
    side = shape[2]
    found = np.full((count, *shape[1:]), -1, np.float32)
    for sample in found:
        for left in range(0, shape[3] - side + 1, side):
            sample[:, :, left:left + side] = images[random.integers(len(images))]
    return found


def ellipses(shape, count, seed=0):
    """Return a blurred light ellipse on dark, a head of sorts, for (1, 1, rows, columns)."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[-1:1:shape[2] * 1j, -1:1:shape[3] * 1j]
    found = []
    for _ in range(count):
        (down, right), (high, wide) = random.uniform(-0.3, 0.3, 2), random.uniform(0.3, 0.7, 2)
        inside = ((y - down) / high) ** 2 + ((x - right) / wide) ** 2 < 1
        found.append(ndimage.gaussian_filter(np.where(inside, 1.0, -1.0), 1))
    return np.stack(found)[:, None].astype(np.float32)


def video(shape, count, seed=0):
    """Return a camera's way over a photograph for (1, 3, frames, rows, columns)."""
    random = np.random.default_rng(seed)
    _, channels, frames, rows, columns = shape
    found = np.empty((count, *shape[1:]), np.float32)
    for sample in found:
        picture = _planes(_photograph(_NAMES[random.integers(len(_NAMES))]), channels)
        step = random.integers(1, 4, 2)
        start = [random.integers(have - size - frames * pace + 1) for have, size, pace in
                 zip(picture.shape[1:], (rows, columns), step, strict=True)]
        for frame in range(frames):
            top, left = start + frame * step
            sample[:, frame] = 2 * picture[:, top:top + rows, left:left + columns] - 1
    return found


def fields(shape, count, seed=0):
    """Return smooth random maps or volumes for (1, channels, *sizes): tissue, seen from afar."""
    random = np.random.default_rng(seed)
    noise = random.standard_normal((count, *shape[1:]))
    smooth = ndimage.gaussian_filter(noise, (0, 0, *[2] * (len(shape) - 2)), mode="wrap")
    return np.tanh(smooth / smooth.std()).astype(np.float32)


def spectrograms(shape, count, seed=0):
    """Return the log energies of sound in mel bands, normalised, for (1, [1,] bands, frames).

    The sound is what a voice makes of vowels: pulses of a wandering pitch through three resonances
    that move. Bands and windows (25 ms every 10 ms) are those of speech recognition.
    """
    random = np.random.default_rng(seed)
    bands, frames = shape[-2:]
    found = [_log_mel(_voice(random, (frames + 3) * HOP), bands, frames) for _ in range(count)]
    return np.stack(found).reshape(count, *shape[1:]).astype(np.float32)


def _voice(random, length):
    pitch = 120 + 40 * random.standard_normal() / 3 + 20 * np.sin(np.linspace(0, 7, length))
    pulses = np.diff(np.floor(np.cumsum(pitch) / SAMPLE_RATE), prepend=0.0)
    pulses += 0.02 * random.standard_normal(length)
    parts = []
    state = [np.zeros(2) for _ in range(3)]
    for start in range(0, length, 8 * HOP):
        part = pulses[start:start + 8 * HOP]
        for number, (low, high) in enumerate(((300, 800), (900, 2300), (2400, 3200))):
            poles = 0.97 * np.exp(2j * np.pi * random.uniform(low, high) / SAMPLE_RATE)
            part, state[number] = signal.lfilter(
                [1.0], np.poly([poles, poles.conj()]).real, part, zi=state[number])
        parts.append(part)
    return np.concatenate(parts)


def _log_mel(sound, bands, frames):
    _, _, power = signal.stft(sound, SAMPLE_RATE, nperseg=400, noverlap=400 - HOP, nfft=1024,
                              boundary=None, padded=False)
    power = np.abs(power[:, :frames]) ** 2
    edges = 700 * (10 ** (np.linspace(0, _mel(SAMPLE_RATE / 2), bands + 2) / 2595) - 1)
    centre = np.fft.rfftfreq(1024, 1 / SAMPLE_RATE)
    rise = (centre - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - centre) / (edges[2:] - edges[1:-1])[:, None]
    energies = np.log(np.clip(np.minimum(rise, fall), 0, None) @ power + 1e-6)
    energies = np.pad(energies, ((0, 0), (0, frames - energies.shape[1])), mode="edge")
    return (energies - energies.mean()) / (2 * energies.std())


def _mel(frequency):
    return 2595 * np.log10(1 + frequency / 700)


def sequences(shape, count, seed=0):
    """Return random DNA, 1 at the place of each base and else 0, for (1, 4, bases)."""
    bases = np.random.default_rng(seed).integers(4, size=(count, shape[2]))
    return (bases[:, None] == np.arange(4)[:, None]).astype(np.float32)

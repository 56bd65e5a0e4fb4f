"""DMA ports: the samples that their channels move."""

import numpy as np

from .errors import FunctionalError

__all__ = ["read_addresses", "read_samples", "weight_samples", "write_addresses",
           "write_samples"]


def _walk(counts, strides):
    """Return the offsets of four nested loops, outermost first; loops of stride 0 have length 1."""
    if min(counts) < 1:
        raise FunctionalError(f"loop counts must be at least 1, not {list(counts)}")
    offsets = np.zeros((1,) * len(counts), np.int64)
    for level, (count, stride) in enumerate(zip(counts, strides, strict=True)):
        if stride:
            shape = [1] * len(counts)
            shape[-1 - level] = count
            offsets = offsets + (np.arange(count) * stride).reshape(shape)
    return offsets


def _check(addresses, memory, what):
    low, high = int(addresses.min()), int(addresses.max())
    if low < 0 or high >= memory.shape[-1]:
        raise FunctionalError(f"{what} channel goes to sample {low if low < 0 else high}, memory "
                              f"has {memory.shape[-1]}")


def _entries(table, entries, what):
    """Return the first entries of a table, one axis before the four loops'."""
    values, known = table
    if not known[:entries].all():
        raise FunctionalError(f"entry {int((~known).argmax())} of the {what} table was not "
                              f"written")
    return values[:entries].reshape(-1, 1, 1, 1, 1)


def read_addresses(registers, table):
    """Return the sample addresses that a read channel walks once, as (entries, four loops)."""
    counts = registers["count"].tolist()
    addresses = _entries(table, registers["entries"], "read") \
        + _walk(counts, registers["stride"].tolist())
    return np.broadcast_to(addresses, (registers["entries"], *counts[::-1]))


def read_samples(memory, registers, table):
    """Return what a read channel brings: (images, repeat, entries, four loops, outermost first).

    Axes along which the address does not change are views of one copy.

    Parameters
    ----------
    memory : array of int16
        Memory of each image, by sample address.
    registers : dict
        Of the read unit.
    table : tuple of array
        Base addresses, and which of them were written for this step.
    """
    entries, repeat = registers["entries"], registers["repeat"]
    if entries < 1 or repeat < 1:
        raise FunctionalError(f"read channel has {entries} entries and repeat {repeat}, both must "
                              f"be at least 1")
    counts = registers["count"].tolist()
    addresses = _entries(table, entries, "read") + _walk(counts, registers["stride"].tolist())
    _check(addresses, memory, "read")
    samples = memory[:, addresses][:, None]
    return np.broadcast_to(samples, (len(memory), repeat, entries, *counts[::-1]))


def weight_samples(memory, registers):
    """Return what a weight channel brings, once if it is the same for all images."""
    base, length = registers["base"], registers["length"]
    if length < 1 or registers["repeat"] < 1:
        raise FunctionalError("weight channel has length or repeat 0")
    if base + length > memory.shape[-1]:
        raise FunctionalError(f"weight channel goes to sample {base + length - 1}, memory has "
                              f"{memory.shape[-1]}")
    weights = memory[:, base:base + length]
    if (weights[1:] == weights[0]).all():
        weights = weights[:1]
    return np.tile(weights, registers["repeat"])


def write_addresses(registers, table):
    """Return the sample addresses that a write channel goes to, as (entries, four loops).

    Parameters
    ----------
    registers : dict
        Of the write unit.
    table : tuple of array
        Offsets, and which of them were written for this step.
    """
    counts, entries = registers["count"].tolist(), registers["entries"]
    offsets = _entries(table, entries, "write") if entries else np.zeros((1,) * 5, np.int64)
    addresses = registers["base"] + offsets + _walk(counts, registers["stride"].tolist())
    return np.broadcast_to(addresses, (max(entries, 1), *counts[::-1]))


def write_samples(memory, registers, table, samples, protected=()):
    """Write a stream to memory.

    Parameters
    ----------
    memory : array of int16
        Memory of each image, by sample address.
    registers : dict
        Of the write unit.
    table : tuple of array
        Offsets, and which of them were written for this step.
    samples : array of int16
        The stream of each image.
    protected : sequence of tuple
        Sample addresses, first and beyond the last, that the hardware reads ahead of time.

    Raises
    ------
    FunctionalError
        If the stream is not as long as the loops, or goes where it must not.
    """
    addresses = write_addresses(registers, table)
    if addresses.size != samples[0].size:
        raise FunctionalError(f"write channel waits for {addresses.size} samples, "
                              f"{samples[0].size} come")
    _check(addresses, memory, "write")
    addresses = addresses.ravel()
    for low, high in protected:
        if ((addresses >= low) & (addresses < high)).any():
            raise FunctionalError("write channel changes the program that runs")
    memory[:, addresses] = samples.reshape(len(samples), -1)

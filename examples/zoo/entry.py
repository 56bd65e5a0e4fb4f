"""What the zoo knows of a network."""

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Entry"]


@dataclass(frozen=True)
class Entry:
    """One network.

    Parameters
    ----------
    name : str
        What it is called on the command line.
    title : str
        What people call it.
    source : str
        Where its layers' shapes come from.
    shows : str
        What it asks of compiler and machine that others do not.
    build : callable
        ``build(reduced=False)`` makes it as an onnx.ModelProto. The reduced one has all kinds of
        layers that the whole has, and fewer or smaller maps. The same call gives the same bytes.
    samples : callable
        ``samples(shape, count, seed)`` makes input data, float32 (count, *shape[1:]), for an input
        of that ONNX shape.
    host : str
        What the host does before or after, "" for nothing.
    """

    name: str
    title: str
    source: str
    shows: str
    build: Callable
    samples: Callable
    host: str = ""

    def inputs(self, model, count=1, seed=0):
        """Return data for every input of a model that `build` made.

        Parameters
        ----------
        model : onnx.ModelProto
            The network.
        count : int
            How many samples.
        seed : int
            Other seeds give other samples.

        Returns
        -------
        dict of str to numpy.ndarray
            float32, samples first, by input name: what the compiler takes as calibration data.
        """
        return {info.name: self.samples(
            tuple(size.dim_value for size in info.type.tensor_type.shape.dim), count,
            1000 * seed + number) for number, info in enumerate(model.graph.input)}

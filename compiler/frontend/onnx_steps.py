"""Nodes of the float graph on the way to an output: what compositions of operators are made of."""

from compiler.graph import Activation, Affine, Elementwise, Pool

__all__ = ["Steps"]


class Steps:
    """Adds nodes for one layer; tensors go by name and keep their ONNX shapes.

    Parameters
    ----------
    layer : Layer
        Whose nodes they are.
    """

    def __init__(self, layer):
        self.layer, self.importer = layer, layer.importer

    def shape(self, name):
        """Return a tensor's ONNX shape."""
        return self.importer.shapes[name]

    def _like(self, name, node_class, inputs=None, **fields):
        """Return the name of what a node makes that keeps a tensor's shapes."""
        return self.layer.step(node_class, self.shape(name), inputs or [name],
                               self.importer.maps[name], **fields)

    def function(self, name, function, *parameters):
        """Return a function of `compiler.functions` of each sample."""
        return self._like(name, Activation, function=function, parameters=parameters)

    def line(self, name, scale, offset=0.0):
        """Return ``scale`` times a tensor plus ``offset``, both numbers."""
        return self.function(name, "linear", float(scale), float(offset))

    def affine(self, name, scale, offset):
        """Return a tensor with a factor and an offset a map."""
        return self._like(name, Affine, scale=scale, offset=offset)

    def limit(self, name, operation, bound):
        """Return the "max" or "min" of a tensor and a number."""
        return self._like(name, Elementwise, operation=operation, constant=float(bound))

    def join(self, operation, first, second):
        """Return an operation on two tensors of one ONNX shape."""
        second = self.layer.reshaped(second, self.importer.maps[first])
        return self._like(first, Elementwise, [first, second], operation=operation)

    def square(self, name):
        """Return the squares of a tensor's samples."""
        return self.join("mul", name, name)

    def pool(self, name, maps, shape, outputs, **fields):
        """Return a `Pool` of a tensor under a shape of (channels, rows, columns).

        ``shape`` is the result's ONNX shape, ``outputs`` its (channels, rows, columns).
        """
        return self.layer.step(Pool, shape, [self.layer.reshaped(name, maps)], outputs, **fields)

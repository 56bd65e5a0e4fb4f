"""What the compiler refuses, and what it says about it.

Every message names where (file, layer, tensor), what is at fault, and what would be right.
"""

__all__ = ["CalibrationError", "CompileError", "ModelError", "ProgramError", "QuantisationError",
           "UnsupportedError"]


class CompileError(ValueError):
    """A network that cannot be compiled."""


class ModelError(CompileError):
    """A file that is not a well-formed ONNX model."""


class UnsupportedError(CompileError):
    """A well-formed model that uses what NeuFlow does not support.

    Parameters
    ----------
    faults : iterable of str
        One line a fault: layer, operator, what is at fault, what is supported.
    """

    def __init__(self, faults):
        self.faults = tuple(faults)
        if len(self.faults) == 1:
            super().__init__(self.faults[0])
        else:
            super().__init__("\n  ".join(
                [f"{len(self.faults)} parts of the model are not supported:", *self.faults]))


class CalibrationError(CompileError):
    """Calibration data that does not fit the network."""


class QuantisationError(CompileError):
    """A layer whose numbers do not fit the machine's arithmetic."""


class ProgramError(ValueError):
    """A program file that cannot be used: not one, damaged, or for another machine."""

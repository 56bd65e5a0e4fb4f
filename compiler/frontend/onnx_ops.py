"""The ONNX operators that the front end takes."""

from .onnx_convolution import CONVOLUTION
from .onnx_elementwise import ELEMENTWISE
from .onnx_functions import FUNCTIONS
from .onnx_matrix import MATRIX
from .onnx_moves import MOVES
from .onnx_normalisation import NORMALISATION
from .onnx_pooling import POOLING
from .onnx_quantised import QUANTISED
from .onnx_reduction import REDUCTION
from .onnx_resize import RESIZE
from .onnx_shapes import SHAPES

__all__ = ["OPERATORS"]

#: `Operator` by name.
OPERATORS = dict(sorted({
    **CONVOLUTION, **ELEMENTWISE, **FUNCTIONS, **MATRIX, **MOVES, **NORMALISATION, **POOLING,
    **QUANTISED, **REDUCTION, **RESIZE, **SHAPES,
}.items()))

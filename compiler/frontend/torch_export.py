"""PyTorch modules to ONNX."""

import inspect
import io
import os
import warnings

import onnx

from compiler.errors import CompileError

__all__ = ["export_torch", "is_onnx"]

#: Operator set of the exported model.
OPSET = 17


def is_onnx(model):
    """Return whether a model is given as ONNX: a path, a file's bytes or a proto."""
    return isinstance(model, (str, os.PathLike, bytes, bytearray, onnx.ModelProto))


def export_torch(module, example_input):
    """Export a PyTorch module to ONNX.

    Parameters
    ----------
    module : torch.nn.Module
        The network; it is exported as in evaluation, and left in the mode it was in.
    example_input : torch.Tensor, array, tuple of them, or dict of them by name
        An input with a batch of 1; it fixes the shapes. A dict's names become the inputs' names,
        otherwise these are the parameters' names of ``forward``.

    Returns
    -------
    bytes
        The ONNX model.

    Raises
    ------
    CompileError
        If torch is missing, the module is none, there is no example input, or torch cannot
        export the module.
    """
    kind = type(module).__name__
    try:
        import torch
    except ModuleNotFoundError:
        raise CompileError(f"the model is of type {kind}: not an ONNX file, its bytes or a proto; "
                           "a PyTorch module needs torch: pip install 'neuflow[torch]'") from None
    if not isinstance(module, torch.nn.Module):
        raise CompileError(f"the model is of type {kind}; it must be a PyTorch module, the path or "
                           "the bytes of an ONNX file, or an onnx.ModelProto")
    if example_input is None:
        raise CompileError(f"{kind}: a PyTorch module needs an example_input with a batch of 1, "
                           "which fixes the shapes")
    names, inputs = _inputs(torch, module, example_input)
    buffer, training = io.BytesIO(), module.training
    module.eval()
    try:
        with torch.no_grad(), warnings.catch_warnings():
            # They are about torch's own exporters.
            warnings.simplefilter("ignore")
            torch.onnx.export(module, inputs, buffer, input_names=names, opset_version=OPSET,
                              dynamo=False)
    except Exception as error:  # torch raises many kinds
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CompileError(f"{kind}: torch cannot export the module to ONNX: {reason}") from error
    finally:
        module.train(training)
    return buffer.getvalue()


def _inputs(torch, module, example):
    """Return names and tensors of the example input."""
    if isinstance(example, dict):
        names, values = list(example), list(example.values())
    else:
        values = list(example) if isinstance(example, (tuple, list)) else [example]
        parameters = list(inspect.signature(module.forward).parameters)
        names = parameters[:len(values)]
        if len(names) < len(values):
            raise CompileError(f"{type(module).__name__}: {len(values)} example inputs for a "
                               f"forward of {len(parameters)} parameters")
    return names, tuple(torch.as_tensor(value) for value in values)

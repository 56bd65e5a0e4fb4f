"""NeuFlow: compile convolutional networks and run them on the machine, in a few calls.

>>> program = neuflow.compile("lenet5.onnx", target="tiny", calibration={"image": images})
>>> with neuflow.open_device(program) as device:
...     outputs = device.run({"image": images[:1]})

Everything is imported on first use.
"""

import importlib

#: Where each public name lives, and what it is called there.
_NAMES = {
    "BatchError": ("host.batch", "BatchError"),
    "CompileError": ("compiler.errors", "CompileError"),
    "DeviceError": ("host.driver", "DeviceError"),
    "InputError": ("host.samples", "InputError"),
    "Program": ("compiler.program", "Program"),
    "ProgramError": ("compiler.errors", "ProgramError"),
    "TARGETS": ("hdl.target", "TARGETS"),
    "Target": ("hdl.target", "Target"),
    "TargetMismatchError": ("host.driver", "TargetMismatchError"),
    "compile": ("compiler.compile", "compile_network"),
    "evaluate": ("host.batch", "evaluate"),
    "first_difference": ("host.compare", "first_difference"),
    "get_target": ("hdl.target", "get_target"),
    "open_device": ("host.device", "open_device"),
}

__all__ = list(_NAMES)


def __getattr__(name):
    if name not in _NAMES:
        raise AttributeError(f"module 'neuflow' has no attribute {name!r}")
    module, attribute = _NAMES[name]
    value = getattr(importlib.import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *_NAMES})

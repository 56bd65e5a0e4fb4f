"""The compiler: ONNX models to programs for the machine.

`compiler.compile.compile_model` runs all of it; `compiler.program.Program` is what it makes.
"""

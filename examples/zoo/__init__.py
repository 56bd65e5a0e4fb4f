"""The zoo: the networks that ConvNets are known for, each made as ONNX by a short module.

`registry.NETWORKS` has them by name; ``python -m examples.zoo.table`` compiles them for the
Virtex-6 and writes ``docs/zoo.md``; ``python -m examples.zoo.export NAME`` writes one as a file.
"""

"""Layers of VGG-16 and AlexNet on the RTL of `virtex6-lx240t`, as `neuflow bench layers`.

::

    python benchmarks/layers.py [options of `neuflow bench layers`]
"""

import sys

from host.cli import app

if __name__ == "__main__":
    app(["bench", "layers", *sys.argv[1:]], prog_name="neuflow")

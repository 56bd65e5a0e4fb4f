"""A frame of the scene-labelling network on the RTL of `virtex6-lx240t`, as `neuflow bench scene`.

::

    python benchmarks/scene.py [options of `neuflow bench scene`]
"""

import sys

from host.cli import app

if __name__ == "__main__":
    app(["bench", "scene", *sys.argv[1:]], prog_name="neuflow")

"""One Verilog module per distinct component, instantiated many times.

Amaranth writes a module for every instance; a grid of equal tiles would be written, and compiled
by simulators and synthesis tools, once a tile. Components that contain others therefore ask a
`Library` for them: `Inline` hands out the component itself (for Amaranth's simulator), `Modules`
an instance of a module that it remembers and writes once.
"""

import abc

from amaranth.hdl import ClockSignal, Instance, ResetSignal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In

__all__ = ["PREFIX", "Inline", "Library", "ModuleInstance", "Modules"]

#: What the names of modules begin with.
PREFIX = "neuflow_"


class Library(abc.ABC):
    """Where a component gets the components it contains."""

    @abc.abstractmethod
    def get(self, name, make):
        """Return a component equal to ``make()``.

        Parameters
        ----------
        name : str
            What the component is; the same for equal components only.
        make : callable
            Makes the component.
        """


class Inline(Library):
    """Hands out the components themselves."""

    def get(self, name, make):
        return make()


class Modules(Library):
    """Hands out instances and keeps one component a module name, in ``components``.

    Module names are the components' with `PREFIX`, lest they meet others or a keyword.
    """

    def __init__(self):
        self.components = {}

    def get(self, name, make):
        module = PREFIX + name
        if module not in self.components:
            self.components[module] = make()
        return ModuleInstance(module, self.components[module].signature)


class ModuleInstance(wiring.Component):
    """An instance of a module that is written elsewhere, with the ports of a component.

    Parameters
    ----------
    name : str
        Module name.
    signature : wiring.Signature
        The component's; port names are its paths joined by ``__``, as Amaranth writes them.
    """

    def __init__(self, name, signature):
        self.module = name
        super().__init__(signature)

    def elaborate(self, platform):
        ports = {"i_clk": ClockSignal(), "i_rst": ResetSignal()}
        for path, member, value in self.signature.flatten(self):
            direction = "i" if member.flow is In else "o"
            ports[f"{direction}_{'__'.join(map(str, path))}"] = Value.cast(value)
        return Instance(self.module, **ports)

"""The write port through which the configuration network fills a unit's shadow memory."""

import operator

from amaranth.lib.wiring import Out, Signature

__all__ = ["MemoryWrite"]


class MemoryWrite(Signature):
    """A word write: never waits, one word a cycle.

    `Out` at the configuration node, `In` at the unit that owns the memory. The word goes to the
    shadow bank, which the unit's next ``start`` makes the active one; a word written in the very
    cycle of ``start`` is one of the step after it.

    Parameters
    ----------
    address_width : int
        Bits of a word address, at least 1.
    data_width : int
        Bits of a word, at least 1.

    Members
    -------
    en : Out(1)
        Write in this cycle.
    addr : Out(address_width)
        Word offset within the memory unit, as in `hdl.registers`.
    data : Out(data_width)
        The word.

    Raises
    ------
    TypeError
        If a parameter is not an integer.
    ValueError
        If a parameter is out of range.

    Source: docs/architecture.md, "Units, configuration and commit".
    """

    def __init__(self, address_width, data_width=32):
        self._address_width = operator.index(address_width)
        self._data_width = operator.index(data_width)
        for name, value in (("address_width", self._address_width),
                            ("data_width", self._data_width)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, not {value}")
        super().__init__({
            "en": Out(1),
            "addr": Out(self._address_width),
            "data": Out(self._data_width),
        })

    @property
    def address_width(self):
        """Bits of a word address."""
        return self._address_width

    @property
    def data_width(self):
        """Bits of a word."""
        return self._data_width

    def __repr__(self):
        return f"MemoryWrite({self._address_width}, {self._data_width})"

import pytest
from amaranth.lib.wiring import Out

from hdl.memory_write import MemoryWrite


def test_members():
    port = MemoryWrite(9)
    assert port.address_width == 9
    assert port.data_width == 32
    assert repr(port) == "MemoryWrite(9, 32)"
    assert port.members["en"] == Out(1)
    assert port.members["addr"] == Out(9)
    assert port.members["data"] == Out(32)


@pytest.mark.parametrize("widths, message", [
    ((0, 32), "^address_width must be at least 1, not 0$"),
    ((9, 0), "^data_width must be at least 1, not 0$"),
])
def test_rejects_empty_words(widths, message):
    with pytest.raises(ValueError, match=message):
        MemoryWrite(*widths)

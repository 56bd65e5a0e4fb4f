"""What the cells of the two families cost, and which of their pins pass a signal through."""

import re
from dataclasses import dataclass

__all__ = ["DEVICES", "RESOURCES", "arcs", "resources", "timed_as"]


@dataclass(frozen=True)
class Device:
    """A device: its name and how much it has of each resource."""

    name: str
    capacity: dict


#: Resources that are counted in each family, in the order in which they are shown.
RESOURCES = {
    "xc6v": ("LUT", "LUTRAM", "FF", "DSP48E1", "RAMB18"),
    "ecp5": ("LUT4", "LUTRAM", "DFF", "MULT18", "EBR"),
}

#: Devices that targets are made for. LUTs include those that serve as memory, and DSP48E1 and
#: RAMB18 are whole blocks and halves of blocks (Xilinx DS150; Lattice FPGA-DS-02012).
DEVICES = {
    "virtex6-lx240t": ("xc6v", Device("XC6VLX240T", {
        "LUT": 150_720, "LUTRAM": 58_400, "FF": 301_440, "DSP48E1": 768, "RAMB18": 832})),
    "ecp5-85k": ("ecp5", Device("LFE5U-85F", {
        "LUT4": 83_640, "LUTRAM": 41_820, "DFF": 83_640, "MULT18": 156, "EBR": 208})),
}

#: LUTs of a cell that uses them as memory or shift register (Xilinx UG364).
_LUT_MEMORY = {"RAM32M": 4, "RAM64M": 4, "RAM32X1D": 2, "RAM64X1D": 2, "RAM128X1D": 4,
               "RAM32X1S": 1, "RAM64X1S": 1, "RAM256X1S": 4, "SRL16E": 1, "SRLC32E": 1}

_RAMB18 = {"RAMB18E1": 1, "RAMB36E1": 2}


def resources(kind, family):
    """Return what a cell takes, as a dict of resource to number.

    An inverter is a LUT of one input; LUT memory counts as LUT, too, since it takes the place.
    """
    if family == "ecp5":
        return _ecp5(kind)
    if re.fullmatch(r"LUT\d|INV", kind):
        return {"LUT": 1, f"{'LUT1' if kind == 'INV' else kind}": 1}
    if kind in _LUT_MEMORY:
        return {"LUT": _LUT_MEMORY[kind], "LUTRAM": _LUT_MEMORY[kind]}
    if kind.startswith("FD"):
        return {"FF": 1}
    if kind == "DSP48E1":
        return {"DSP48E1": 1}
    return {"RAMB18": _RAMB18[kind]} if kind in _RAMB18 else {}


def _ecp5(kind):
    if kind == "LUT4":
        return {"LUT4": 1}
    if kind == "CCU2C":  # the carry chain of two LUTs
        return {"LUT4": 2}
    if kind == "TRELLIS_DPR16X4":
        return {"LUT4": 6, "LUTRAM": 6}  # four LUTs of memory, two for the write port
    return {"TRELLIS_FF": {"DFF": 1}, "MULT18X18D": {"MULT18": 1}, "DP16KD": {"EBR": 1}}.get(
        kind, {})


#: Cells that pass signals through: (inputs, outputs, levels). Pins match whole.
_THROUGH = [
    (r"LUT\d|INV", ".*", ".*", 1),
    # Dedicated multiplexers, beside their LUTs.
    (r"MUXF[78]|PFUMX|L6MUX21", ".*", ".*", 0),
    # A carry chain is one level, however long; along the chain it costs none.
    ("CARRY4", "CI", ".*", 0),
    ("CARRY4", "CYINIT|S|DI", ".*", 1),
    ("CCU2C", "CIN", ".*", 0),
    ("CCU2C", "[ABCD][01]", ".*", 1),
    (r"RAM\d+M", "ADDR[A-D]", "DO[A-D]", 1),
    (r"RAM\d+X1D", "A|A\\d", "SPO", 1),
    (r"RAM\d+X1D", "DPRA|DPRA\\d", "DPO", 1),
    (r"RAM\d+X1S", "A|A\\d", "O", 1),
    ("SRL16E", r"A\d", "Q", 1),
    ("SRLC32E", "A", "Q", 1),
    ("TRELLIS_DPR16X4", "RAD", "DO", 1),
    ("MULT18X18D", r"[AB]\d+", r"P\d+", 2),
]


def timed_as(kind, parameters):
    """Return the name by which `arcs` knows a cell with its parameters.

    No signal passes a multiplier that registers its product.
    """
    registered = parameters.get("REG_OUTPUT_CLK", "NONE") != "NONE"
    return f"{kind} with registers" if kind == "MULT18X18D" and registered else kind


def arcs(kind, pin_in, pin_out):
    """Return the levels from an input pin of a cell to an output pin, or None for no way."""
    for cell, inputs, outputs, levels in _THROUGH:
        if (re.fullmatch(cell, kind) and re.fullmatch(inputs, pin_in)
                and re.fullmatch(outputs, pin_out)):
            return levels
    return None

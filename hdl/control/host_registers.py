"""The host's register map: what stands where on the AXI4-Lite port, and what the codes mean.

Addresses are byte addresses, every register is one 32-bit word. The hardware, the driver and the
documents read this one description.
"""

import enum
from dataclasses import dataclass

__all__ = ["COUNTER_BASE", "ERROR_TEXTS", "HOST_ADDRESS_WIDTH", "HOST_REGISTER", "HOST_REGISTERS",
           "MAX_COUNTERS", "ErrorCode", "HostRegister", "Status", "counter_address"]

#: Bits of a byte address on the host port.
HOST_ADDRESS_WIDTH = 12

#: Byte address of counter 0; counter i is i words further.
COUNTER_BASE = 0x100

#: Most counters that the map has room for.
MAX_COUNTERS = ((1 << HOST_ADDRESS_WIDTH) - COUNTER_BASE) // 4


class Status(enum.IntEnum):
    """Values of STATUS."""

    IDLE = 0
    RUNNING = 1
    DONE = 2
    ERROR = 3


class ErrorCode(enum.IntEnum):
    """Values of ERROR; those of the configuration loader are 16 and more."""

    NONE = 0
    BAD_MAGIC = 1
    BAD_VERSION = 2
    BAD_FINGERPRINT = 3
    BAD_HEADER = 4
    BAD_RECORD = 5
    TIME_OUT = 6
    BUS_ERROR = 7
    STOPPED = 8
    MEMORY_ERROR = 9
    ABORT_FAILED = 10
    FIRMWARE_FAULT = 11
    LOADER_LENGTH = 16
    LOADER_CRC = 17
    LOADER_SEQUENCE = 18
    LOADER_NODE = 19
    LOADER_UNIT = 20
    LOADER_OFFSET = 21
    LOADER_VALUE = 22
    LOADER_MEMORY = 23


#: What each error means, with the meaning of ERROR_INFO0 and ERROR_INFO1 where they are used.
ERROR_TEXTS = {
    ErrorCode.NONE: "no error",
    ErrorCode.BAD_MAGIC: "no program at that address: wrong magic (info 0: the word read)",
    ErrorCode.BAD_VERSION: "program of another format version (info 0: the version read)",
    ErrorCode.BAD_FINGERPRINT: "program for another target "
                               "(info 0, 1: the program's fingerprint, low and high word)",
    ErrorCode.BAD_HEADER: "bad word in the program header "
                          "(info 0: index of the word, info 1: its value)",
    ErrorCode.BAD_RECORD: "bad word in the step record "
                          "(info 0: index of the word, info 1: its value)",
    ErrorCode.TIME_OUT: "step did not end in time (info 0: nodes still waited for, "
                        "info 1: the time-out in cycles)",
    ErrorCode.BUS_ERROR: "memory refused a transfer of a DMA port (info 0: mask of ports)",
    ErrorCode.STOPPED: "stopped by the host",
    ErrorCode.MEMORY_ERROR: "memory refused or never answered an access of the control processor "
                            "(info 0: byte address of a read, 0 for a write)",
    ErrorCode.ABORT_FAILED: "DMA ports did not come to rest; reset the machine "
                            "(info 0: nodes still busy)",
    ErrorCode.FIRMWARE_FAULT: "exception in the control processor "
                              "(info 0: its cause, info 1: program counter)",
    ErrorCode.LOADER_LENGTH: "configuration packet with an impossible length "
                             "(info 0: packet, info 1: word)",
    ErrorCode.LOADER_CRC: "CRC error in a configuration packet (info 0: packet, info 1: word)",
    ErrorCode.LOADER_SEQUENCE: "configuration packet out of sequence "
                               "(info 0: packet, info 1: word)",
    ErrorCode.LOADER_NODE: "configuration packet for no node, an unknown node, or tiles and "
                           "DMA ports at once (info 0: packet, info 1: word)",
    ErrorCode.LOADER_UNIT: "configuration packet for a unit that a node does not have "
                           "(info 0: packet, info 1: word)",
    ErrorCode.LOADER_OFFSET: "configuration packet beyond the end of its unit "
                             "(info 0: packet, info 1: word)",
    ErrorCode.LOADER_VALUE: "illegal value in a configuration packet "
                            "(info 0: packet, info 1: word)",
    ErrorCode.LOADER_MEMORY: "memory refused or never answered a read of the configuration "
                             "loader (info 0: packet, info 1: word)",
}


@dataclass(frozen=True)
class HostRegister:
    """One register of the host.

    Parameters
    ----------
    name : str
        Name in capitals.
    address : int
        Byte address.
    access : str
        "r" or "rw"; a write to a register that is only read is refused.
    doc : str
        Meaning.
    """

    name: str
    address: int
    access: str
    doc: str


HOST_REGISTERS = (
    HostRegister("ID_LOW", 0x00, "r", "fingerprint of the target, low word"),
    HostRegister("ID_HIGH", 0x04, "r", "fingerprint of the target, high word"),
    HostRegister("VERSION", 0x08, "r", "version of the design"),
    HostRegister("SHAPE", 0x0C, "r", "tiles (bits 16-31), DMA ports (8-15), convolvers (0-7)"),
    HostRegister("CONTROL", 0x10, "rw", "write bit 0: start the program, unless one is running; "
                                        "bit 1: stop the running one; reads as 0"),
    HostRegister("PROGRAM", 0x14, "rw", "byte address of the program header"),
    HostRegister("STATUS", 0x18, "r",
                 ", ".join(f"{status.value}: {status.name.lower()}" for status in Status)),
    HostRegister("ERROR", 0x1C, "r", "code of the error; 0 from the start of a program on"),
    HostRegister("ERROR_STEP", 0x20, "r", "step that the error names"),
    HostRegister("ERROR_INFO0", 0x24, "r", "more about the error, as its code says"),
    HostRegister("ERROR_INFO1", 0x28, "r", "more about the error, as its code says"),
    HostRegister("STEP", 0x2C, "r", "step that runs, or ran last"),
    HostRegister("BUSY", 0x30, "r", "mask of busy nodes"),
    HostRegister("SATURATED", 0x34, "r", "mask of tiles that saturated a sample since the start"),
    HostRegister("BUS_ERROR", 0x38, "r", "mask of DMA ports with a bus error since the start"),
    HostRegister("COUNTERS", 0x3C, "r", "number of counters"),
)

#: Every register by name.
HOST_REGISTER = {register.name: register for register in HOST_REGISTERS}


def counter_address(index):
    """Return the byte address of counter ``index``.

    Raises
    ------
    ValueError
        If the map has no room for it.
    """
    if not 0 <= index < MAX_COUNTERS:
        raise ValueError(f"counter index must be in 0..{MAX_COUNTERS - 1}, not {index}")
    return COUNTER_BASE + 4 * index

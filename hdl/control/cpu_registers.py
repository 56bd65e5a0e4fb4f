"""The firmware's register map: hardware and C header are made from this description."""

import enum
from dataclasses import dataclass

from .host_registers import ErrorCode, Status

__all__ = ["CPU_REGISTER", "CPU_REGISTERS", "FORMAT_VERSION", "LOG_WORDS", "MAGIC",
           "REGISTER_ADDRESS_WIDTH", "REGISTER_BASE", "CpuRegister", "Event", "c_header"]

#: Byte address of the registers in the CPU's address space, and bits of an address within them.
REGISTER_BASE, REGISTER_ADDRESS_WIDTH = 0x1000_0000, 8

#: First words of a program's header, see docs/architecture.md, "Programs".
MAGIC, FORMAT_VERSION = 0x574C464E, 1

#: Words of a log record before the counters.
LOG_WORDS = 3


class Event(enum.IntEnum):
    """Bits of EVENTS. A step can be committed when exactly DONE and RUNNING are set."""

    DONE = 0
    LOADING = 1
    LOADER_ERROR = 2
    TIME_OUT = 3
    BUS_ERROR = 4
    STOP = 5
    MEMORY_ERROR = 6
    RUNNING = 7


@dataclass(frozen=True)
class CpuRegister:
    """One register of the firmware.

    Parameters
    ----------
    name : str
        Name in capitals.
    address : int
        Byte address from REGISTER_BASE.
    access : str
        "r", "w" or "rw".
    doc : str
        Meaning.
    """

    name: str
    address: int
    access: str
    doc: str


CPU_REGISTERS = tuple(CpuRegister(name, 4 * index, access, doc) for index, (name, access, doc) in
                      enumerate((
    ("EVENTS", "r", "what has happened, see the EVENT masks"),
    ("COMMIT", "w", "mask of nodes: commit them; starts the clock of the step, and a snapshot"),
    ("WAIT", "w", "nodes that the next commit's step waits for"),
    ("TIME_OUT", "w", "cycles the next commit's step may take"),
    ("WAITING", "r", "nodes that the running step still waits for"),
    ("BUSY", "r", "busy nodes"),
    ("BUS_ERROR", "r", "DMA ports that had a bus error since the start of the program"),
    ("LOADER_ADDRESS", "w", "byte address of the packets of a step"),
    ("LOADER_WORDS", "w", "words of these packets; starts the loader"),
    ("LOADER_ERROR", "r", "error code of the loader"),
    ("LOADER_PACKET", "r", "packet that failed"),
    ("LOADER_WORD", "r", "word of that packet that failed"),
    ("CLEAR", "w", "any value: the loader sets all shadow registers to 0"),
    ("ABORT", "w", "bit 0: hold the grid in reset, end all transfers, stop the loader"),
    ("SNAPSHOT", "w", "any value: copy counters and times of the running step"),
    ("COMMIT_CYCLE", "r", "of the snapshot: cycle of the last commit"),
    ("END_CYCLE", "r", "of the snapshot: cycle in which that step ended"),
    ("COUNTER", "rw", "write: index; read: that counter of the snapshot, then the index is raised"),
    ("MEMORY_ADDRESS", "rw", "byte address in external memory, a multiple of 4"),
    ("MEMORY_DATA", "rw", "word at that address, which then is raised by 4; writes are posted"),
    ("MEMORY_IDLE", "r", "1 when memory has answered all writes"),
    ("PROGRAM", "r", "byte address of the program, from the host"),
    ("ID_LOW", "r", "fingerprint of the target, low word"),
    ("ID_HIGH", "r", "fingerprint of the target, high word"),
    ("NODES", "r", "mask of all nodes"),
    ("PORTS", "r", "mask of the nodes that are DMA ports"),
    ("COUNTERS", "r", "number of counters"),
    ("STEP", "w", "for the host: step that runs"),
    ("ERROR", "w", "for the host: error code"),
    ("ERROR_STEP", "w", "for the host: step that the error names"),
    ("ERROR_INFO0", "w", "for the host: more about the error"),
    ("ERROR_INFO1", "w", "for the host: more about the error"),
    ("FINISH", "w", "status code: the program has ended, the host may start the next"),
)))

#: Every register by name.
CPU_REGISTER = {register.name: register for register in CPU_REGISTERS}


def c_header():
    """Return the text of the C header that the firmware includes."""
    lines = [
        "/* Made by hdl.control.firmware.build from hdl/control/cpu_registers.py. */",
        "#ifndef REGISTERS_H", "#define REGISTERS_H", "#include <stdint.h>", "",
        "#define REGISTER(address) (*(volatile uint32_t *)(address))", "",
    ]
    for register in CPU_REGISTERS:
        address = REGISTER_BASE + register.address
        lines += [f"/* {register.access}: {register.doc} */",
                  f"#define REG_{register.name} REGISTER({address:#010x}u)"]
    for title, prefix, values in (
            ("Bits of EVENTS", "EVENT", [(event.name, f"0x{1 << event:02x}u") for event in Event]),
            ("Values of FINISH", "STATUS", [(status.name, f"{status}u") for status in Status]),
            ("Values of ERROR", "ERROR", [(code.name, f"{code}u") for code in ErrorCode]),
            ("Programs", "PROGRAM", [
                ("MAGIC", f"0x{MAGIC:08x}u"), ("FORMAT", f"{FORMAT_VERSION}u"),
                ("LOG_WORDS", f"{LOG_WORDS}u")])):
        lines += ["", f"/* {title} */"]
        lines += [f"#define {prefix}_{name} {value}" for name, value in values]
    return "\n".join([*lines, "", "#endif", ""])

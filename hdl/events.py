"""Names of the events that nodes report, cycle by cycle, and that control counts."""

__all__ = ["CONVOLVER_EVENTS", "PORT_EVENTS"]

#: Event wires of a convolver, in the order of a tile's ``events``.
CONVOLVER_EVENTS = ("active", "stall_input", "stall_weights", "stall_output")

#: Event wires of a DMA port, in the order of a DMA node's ``events``.
PORT_EVENTS = ("read_active", "read_stall", "write_active", "write_stall")

"""Timing model: a step's circuit, cycle by cycle, in counts of words instead of values.

Every unit that can hold up another is modelled as the hardware is built: address generators and
coalescers, arbitration, precedence and memory, links with their buffers, frames, weights, chain,
accumulator halves and drains; beside them what control reads and writes meanwhile. Samples have no
values here, so a cycle takes a microsecond. `steps.time_program` is what the compiler uses.

The loop is compiled by numba on first use and kept beside the source, or in the user's cache.
"""

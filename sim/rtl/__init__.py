"""Simulation of the generated Verilog: build cache, compiled machine, cocotb runner, lint."""

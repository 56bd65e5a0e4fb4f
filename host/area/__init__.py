"""Area of a target's hardware: synthesis by Yosys, cells counted, logic levels measured."""

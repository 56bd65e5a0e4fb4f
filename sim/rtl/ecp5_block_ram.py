"""A Verilog model of the ECP5's block RAM, for which Yosys' own is empty.

It covers the modes that Yosys' mapping uses: widths 1 to 36 without output registers and chip
selects.

Source: Lattice FPGA-TN-02204; contents are laid out as Yosys' mapping does: 2,048 bytes of nine
bits, the ninth unused in words of less than nine.
"""

__all__ = ["block_ram_model"]

_LINT = "".join(f"/* verilator lint_off {rule} */\n" for rule in (
    "UNUSEDPARAM", "UNUSEDSIGNAL", "MULTIDRIVEN", "DECLFILENAME"))

#: One side of a block RAM. In words of 36 bits the other side's pins carry the upper half.
_RAM_SIDE = """
  wire [13:0] at_{x} = {{{address}}};
  wire [35:0] write_{x} = {{DATA_WIDTH_{x} == 36 ? {{{high}}} : 18'b0, {low}}};
  wire [10:0] first_{x} = DATA_WIDTH_{x} == 36 ? {{at_{x}[13:5], 2'b0}} :
    DATA_WIDTH_{x} == 18 ? {{at_{x}[13:4], 1'b0}} : at_{x}[13:3];
  wire [3:0] bytes_{x} = !WE{x} ? 4'b0 : DATA_WIDTH_{x} == 36 ? at_{x}[3:0] :
    DATA_WIDTH_{x} == 18 ? {{2'b0, at_{x}[1:0]}} : 4'b1;
  wire [3:0] shift_{x} = DATA_WIDTH_{x} == 4 ? {{1'b0, at_{x}[2], 2'b0}} :
    DATA_WIDTH_{x} == 2 ? {{1'b0, at_{x}[2:1], 1'b0}} :
    DATA_WIDTH_{x} == 1 ? {{1'b0, at_{x}[2:0]}} : 0;
  localparam [8:0] MASK_{x} = DATA_WIDTH_{x} >= 9 ? 9'h1FF : (9'b1 << DATA_WIDTH_{x}) - 1;
  reg [35:0] read_{x} = 0;
  reg [35:0] old_{x};
  always @(posedge CLK{x}) begin
    if (CE{x}) begin
      for (k_{x} = 0; k_{x} < 4; k_{x} = k_{x} + 1)
        old_{x}[9 * k_{x} +: 9] = memory[first_{x} + k_{x}];
      if (DATA_WIDTH_{x} < 9) old_{x}[8:0] = (old_{x}[8:0] >> shift_{x}) & MASK_{x};
      if (bytes_{x} == 0 || WRITEMODE_{x} == "READBEFOREWRITE") read_{x} <= old_{x};
      else if (WRITEMODE_{x} == "WRITETHROUGH") read_{x} <= write_{x};
      for (k_{x} = 0; k_{x} < 4; k_{x} = k_{x} + 1)
        if (bytes_{x}[k_{x}])
          memory[first_{x} + k_{x}] <= DATA_WIDTH_{x} >= 9 ? write_{x}[9 * k_{x} +: 9] :
            memory[first_{x} + k_{x}] & ~(MASK_{x} << shift_{x}) |
            (write_{x}[8:0] & MASK_{x}) << shift_{x};
    end
    if (RST{x}) read_{x} <= 0;
  end
"""

_RAM = """
module DP16KD (
  input {inputs},
  output {outputs}
);
  parameter DATA_WIDTH_A = 18, DATA_WIDTH_B = 18;
  parameter REGMODE_A = "NOREG", REGMODE_B = "NOREG", RESETMODE = "SYNC";
  parameter ASYNC_RESET_RELEASE = "SYNC", CSDECODE_A = "0b000", CSDECODE_B = "0b000";
  parameter WRITEMODE_A = "NORMAL", WRITEMODE_B = "NORMAL", CLKAMUX = "CLKA", CLKBMUX = "CLKB";
  parameter WEAMUX = "WEA", WEBMUX = "WEB", CEAMUX = "CEA", CEBMUX = "CEB", GSR = "ENABLED";
  parameter RSTAMUX = "RSTA", RSTBMUX = "RSTB", OCEAMUX = "OCEA", OCEBMUX = "OCEB";
  parameter WID = 0, INIT_DATA = "STATIC";
{parameters}
  reg [8:0] memory [0:2047];
  integer k_A, k_B, k;
  wire [20479:0] init = {{{init}}};
  initial for (k = 0; k < 2048; k = k + 1)
    memory[k] = init[20 * (k / 2) + 9 * (k % 2) +: 9];
{sides}
  assign {{{doa}}} = DATA_WIDTH_B == 36 ? read_B[17:0] : read_A[17:0];
  assign {{{dob}}} = DATA_WIDTH_B == 36 ? read_B[35:18] : read_B[17:0];
endmodule
"""


def _pins(name, number):
    """Return the names of a bus' pins, the highest first."""
    return ", ".join(f"{name}{index}" for index in reversed(range(number)))


def block_ram_model():
    """Return the Verilog of the module ``DP16KD``."""
    data = {side: _pins(f"DI{side}", 18) for side in "AB"}
    sides = "".join(
        _RAM_SIDE.format(x=side, address=_pins(f"AD{side}", 14), low=low, high=data["B"])
        for side, low in (("A", f"{{{data['A']}}}"), ("B", f"{{{data['B']}}}")))
    names = [f"INITVAL_{index:02X}" for index in range(64)]
    inputs = [text for side in "AB" for text in (
        data[side], _pins(f"AD{side}", 14), _pins(f"CS{side}", 3),
        *(f"{pin}{side}" for pin in ("CE", "OCE", "CLK", "WE", "RST")))]
    return _LINT + _RAM.format(
        inputs=", ".join(inputs), outputs=", ".join(_pins(f"DO{side}", 18) for side in "AB"),
        parameters="".join(f"  parameter [319:0] {name} = 0;\n" for name in names),
        init=", ".join(reversed(names)), sides=sides,
        doa=_pins("DOA", 18), dob=_pins("DOB", 18))

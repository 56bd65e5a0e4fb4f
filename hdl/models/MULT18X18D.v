// The cell MULT18X18D as NeuFlow and Yosys use it, for tools that do not bring the devices' cells:
// simulators and linters. Synthesis for a Lattice device leaves this file out.
//
// P = A * B, signed or not, with a register for A, B and P each or none. Registers take CLK0, CE0
// and, cleared in step with the clock, RST0; those of A and B may take RST1. All else of the cell
// is not there, and refused.
//
// Source: Lattice FPGA-TN-02205, "ECP5 and ECP5-5G sysDSP Usage Guide".

/* verilator lint_off UNUSEDSIGNAL */  // registers that are left out use no clock
module MULT18X18D #(
  parameter REG_INPUTA_CLK = "NONE", REG_INPUTA_CE = "CE0", REG_INPUTA_RST = "RST0",
            REG_INPUTB_CLK = "NONE", REG_INPUTB_CE = "CE0", REG_INPUTB_RST = "RST0",
            REG_PIPELINE_CLK = "NONE",
            REG_OUTPUT_CLK = "NONE", REG_OUTPUT_CE = "CE0", REG_OUTPUT_RST = "RST0",
            RESETMODE = "SYNC", GSR = "ENABLED"
) (
  input CLK0, CE0, RST0, RST1, SIGNEDA, SIGNEDB, SOURCEA, SOURCEB,
  input A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2, A1, A0,
  input B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2, B1, B0,
  input C17, C16, C15, C14, C13, C12, C11, C10, C9, C8, C7, C6, C5, C4, C3, C2, C1, C0,
  output P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19, P18,
  output P17, P16, P15, P14, P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0
);
  initial
    if ((REG_INPUTA_CLK != "NONE" && REG_INPUTA_CLK != "CLK0")
        || (REG_INPUTB_CLK != "NONE" && REG_INPUTB_CLK != "CLK0")
        || (REG_OUTPUT_CLK != "NONE" && REG_OUTPUT_CLK != "CLK0")
        || (REG_INPUTA_RST != "RST0" && REG_INPUTA_RST != "RST1")
        || (REG_INPUTB_RST != "RST0" && REG_INPUTB_RST != "RST1")
        || REG_INPUTA_CE != "CE0" || REG_INPUTB_CE != "CE0" || REG_OUTPUT_CE != "CE0"
        || REG_OUTPUT_RST != "RST0" || REG_PIPELINE_CLK != "NONE" || RESETMODE != "SYNC"
        || (GSR != "DISABLED" && REG_OUTPUT_CLK != "NONE")) begin
      $display("%m: this setting of MULT18X18D is not modelled");
      $finish;
    end

  wire [17:0] a = {A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2, A1, A0};
  wire [17:0] b = {B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2, B1, B0};
  wire reset_a = REG_INPUTA_RST == "RST1" ? RST1 : RST0;
  wire reset_b = REG_INPUTB_RST == "RST1" ? RST1 : RST0;
  reg [17:0] a_register, b_register;
  wire [17:0] a_used = REG_INPUTA_CLK == "NONE" ? a : a_register;
  wire [17:0] b_used = REG_INPUTB_CLK == "NONE" ? b : b_register;
  wire signed [35:0] a_wide = {{18{SIGNEDA & a_used[17]}}, a_used};
  wire signed [35:0] b_wide = {{18{SIGNEDB & b_used[17]}}, b_used};
  wire [35:0] product = a_wide * b_wide;
  reg [35:0] product_register;

  initial begin
    a_register = 0;
    b_register = 0;
    product_register = 0;
  end

  always @(posedge CLK0) begin
    if (reset_a) a_register <= 0; else if (CE0) a_register <= a;
    if (reset_b) b_register <= 0; else if (CE0) b_register <= b;
    if (RST0) product_register <= 0; else if (CE0) product_register <= product;
  end

  assign {P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19, P18,
          P17, P16, P15, P14, P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0} =
    REG_OUTPUT_CLK == "NONE" ? product : product_register;
endmodule
/* verilator lint_on UNUSEDSIGNAL */

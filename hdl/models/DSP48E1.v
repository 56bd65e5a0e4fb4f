// The cell DSP48E1 as NeuFlow uses it, for tools that do not bring the devices' cells: simulators
// and linters. Synthesis for a Xilinx device leaves this file out.
//
// P = A * B + (C or PCIN), one register each for A, B, the product, P and OPMODE, and one for C if
// CREG is 1. Bit 5 of OPMODE takes C. All else of the cell is not there, and refused.
//
// Source: Xilinx UG369, "DSP48E1 Slice".

/* verilator lint_off UNUSEDSIGNAL */  // what is not used is constant
module DSP48E1 #(
  parameter integer AREG = 1, ACASCREG = 1, BREG = 1, BCASCREG = 1, CREG = 1, MREG = 1, PREG = 1,
                    OPMODEREG = 1, ADREG = 1, DREG = 1, ALUMODEREG = 1, CARRYINREG = 1,
                    CARRYINSELREG = 1, INMODEREG = 1,
  parameter USE_DPORT = "FALSE",
  parameter USE_MULT = "MULTIPLY"
) (
  input CLK,
  input signed [29:0] A, input signed [17:0] B, input [47:0] C, input [24:0] D,
  input [29:0] ACIN, input [17:0] BCIN, input [47:0] PCIN,
  input CARRYCASCIN, input CARRYIN, input [2:0] CARRYINSEL, input MULTSIGNIN,
  input [3:0] ALUMODE, input [4:0] INMODE, input [6:0] OPMODE,
  input CEA1, input CEA2, input CEAD, input CEALUMODE, input CEB1, input CEB2, input CEC,
  input CECARRYIN, input CECTRL, input CED, input CEINMODE, input CEM, input CEP,
  input RSTA, input RSTALLCARRYIN, input RSTALUMODE, input RSTB, input RSTC, input RSTCTRL,
  input RSTD, input RSTINMODE, input RSTM, input RSTP,
  output [47:0] P, output [47:0] PCOUT, output [29:0] ACOUT, output [17:0] BCOUT,
  output CARRYCASCOUT, output [3:0] CARRYOUT, output MULTSIGNOUT, output OVERFLOW,
  output UNDERFLOW, output PATTERNDETECT, output PATTERNBDETECT
);
  initial
    if (AREG != 1 || BREG != 1 || MREG != 1 || PREG != 1 || OPMODEREG != 1 || ADREG != 0
        || DREG != 0 || ALUMODEREG != 0 || CARRYINREG != 0 || CARRYINSELREG != 0
        || INMODEREG != 0 || ACASCREG != 1 || BCASCREG != 1
        || USE_DPORT != "FALSE" || USE_MULT != "MULTIPLY") begin
      $display("%m: this setting of DSP48E1 is not modelled");
      $finish;
    end

  reg signed [24:0] a;
  reg signed [17:0] b;
  reg signed [42:0] product;
  reg [47:0] c, sum;
  reg from_c;

  wire [47:0] held = CREG == 1 ? c : C;
  wire [47:0] extended = {{5{product[42]}}, product};

  always @(posedge CLK) begin
    if (CEA2) a <= A[24:0];
    if (CEB2) b <= B;
    if (RSTC) c <= 48'd0;
    else if (CEC) c <= C;
    if (CECTRL) from_c <= OPMODE[5];
    if (RSTM) product <= 43'sd0;
    else if (CEM) product <= a * b;
    if (CEP) sum <= (from_c ? held : PCIN) + extended;
  end

  assign P = sum;
  assign PCOUT = sum;
  assign ACOUT = 30'd0;
  assign BCOUT = 18'd0;
  assign CARRYCASCOUT = 1'b0;
  assign CARRYOUT = 4'd0;
  assign MULTSIGNOUT = 1'b0;
  assign OVERFLOW = 1'b0;
  assign UNDERFLOW = 1'b0;
  assign PATTERNDETECT = 1'b0;
  assign PATTERNBDETECT = 1'b0;
endmodule

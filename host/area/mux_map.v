// Wide multiplexers: a look-up table for each four inputs, joined by the slice's own multiplexers.

module \$_MUX4_ (A, B, C, D, S, T, Y);
  input A, B, C, D, S, T;
  output Y;
  assign Y = T ? (S ? D : C) : (S ? B : A);
endmodule

module \$_MUX8_ (A, B, C, D, E, F, G, H, S, T, U, Y);
  input A, B, C, D, E, F, G, H, S, T, U;
  output Y;
  wire low = T ? (S ? D : C) : (S ? B : A);
  wire high = T ? (S ? H : G) : (S ? F : E);
  MUXF7 mux (.I0(low), .I1(high), .S(U), .O(Y));
endmodule

module \$_MUX16_ (A, B, C, D, E, F, G, H, I, J, K, L, M, N, O, P, S, T, U, V, Y);
  input A, B, C, D, E, F, G, H, I, J, K, L, M, N, O, P, S, T, U, V;
  output Y;
  wire low, high;
  \$_MUX8_ first (.A(A), .B(B), .C(C), .D(D), .E(E), .F(F), .G(G), .H(H),
                  .S(S), .T(T), .U(U), .Y(low));
  \$_MUX8_ second (.A(I), .B(J), .C(K), .D(L), .E(M), .F(N), .G(O), .H(P),
                   .S(S), .T(T), .U(U), .Y(high));
  MUXF8 mux (.I0(low), .I1(high), .S(V), .O(Y));
endmodule

/* Reset and exceptions. The whole image is in memory after reset; only the stack pointer is not. */

    .section .text.start, "ax"
    .globl _start
_start:
    la t0, trap
    csrw mtvec, t0
    la sp, stack_top
    call main

    .balign 4
trap:
    la sp, stack_top
    csrr a0, mcause
    csrr a1, mepc
    call fault
    j _start

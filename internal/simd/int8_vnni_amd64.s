#include "go_asm.h"
#include "textflag.h"

// VPDPBUSD multiplies bytes without a sign by bytes with one. So rows are moved
// up by 128 (one XOR), and 128 times the sum of x is taken off at the start: Z20
// holds it, negative, lane by lane. All sums are exact.

// PREPARE fills Z20 and Z21; it uses CX and Z4.
#define PREPARE \
	MOVL           $0x80808080, AX \
	VPBROADCASTD   AX, Z21         \
	VPXORD         Z20, Z20, Z20   \
	VPXORD         Z5, Z5, Z5      \
	XORQ           CX, CX          \
prepare: \
	VMOVDQU32      (SI)(CX*1), Z4  \
	VPDPBUSD       Z4, Z21, Z5     \
	ADDQ           $64, CX         \
	CMPQ           CX, R15         \
	JLT            prepare         \
	VPSUBD         Z5, Z20, Z20

// DOT4 sets X0 to the products of x (SI) and the rows R8, R9, R10 and R11.
#define ROW(at, sum) VPXORD (at)(CX*1), Z21, Z5; VPDPBUSD Z4, Z5, sum
#define HALVE(z, y) VEXTRACTI64X4 $1, z, Y5; VPADDD Y5, y, y
#define DOT4(here) \
	VMOVDQA32    Z20, Z0        \
	VMOVDQA32    Z20, Z1        \
	VMOVDQA32    Z20, Z2        \
	VMOVDQA32    Z20, Z3        \
	XORQ         CX, CX         \
here: \
	VMOVDQU32    (SI)(CX*1), Z4 \
	ROW(R8, Z0)                 \
	ROW(R9, Z1)                 \
	ROW(R10, Z2)                \
	ROW(R11, Z3)                \
	ADDQ         $64, CX        \
	CMPQ         CX, R15        \
	JLT          here           \
	HALVE(Z0, Y0)               \
	HALVE(Z1, Y1)               \
	HALVE(Z2, Y2)               \
	HALVE(Z3, Y3)               \
	VPHADDD      Y1, Y0, Y0     \
	VPHADDD      Y3, Y2, Y2     \
	VPHADDD      Y2, Y0, Y0     \
	VEXTRACTI128 $1, Y0, X1     \
	VPADDD       X1, X0, X0

// DOT1 does the same for the row R8 alone.
#define DOT1(here) \
	VMOVDQA32    Z20, Z0        \
	XORQ         CX, CX         \
here: \
	VMOVDQU32    (SI)(CX*1), Z4 \
	ROW(R8, Z0)                 \
	ADDQ         $64, CX        \
	CMPQ         CX, R15        \
	JLT          here           \
	HALVE(Z0, Y0)               \
	VEXTRACTI128 $1, Y0, X1     \
	VPADDD       X1, X0, X0     \
	VPHADDD      X0, X0, X0     \
	VPHADDD      X0, X0, X0

// func dotsVNNI(d *int8Dots)
TEXT ·dotsVNNI(SB), NOSPLIT, $0-8
	MOVQ d+0(FP), AX
	MOVQ int8Dots_dst(AX), DI
	MOVQ int8Dots_x(AX), SI
	MOVQ int8Dots_values(AX), R8
	MOVQ int8Dots_scales(AX), DX
	MOVQ int8Dots_count(AX), R12
	MOVQ int8Dots_width(AX), R15
	PREPARE

four:
	CMPQ      R12, $4
	JLT       rest
	LEAQ      (R8)(R15*1), R9
	LEAQ      (R8)(R15*2), R10
	LEAQ      (R9)(R15*2), R11
	DOT4(step)
	VCVTDQ2PS X0, X0
	VMULPS    (DX), X0, X0
	VMOVUPS   X0, (DI)
	LEAQ      (R8)(R15*4), R8
	ADDQ      $16, DX
	ADDQ      $16, DI
	SUBQ      $4, R12
	JMP       four

rest:
	TESTQ     R12, R12
	JEQ       done

one:
	DOT1(single)
	VCVTDQ2PS X0, X0
	VMULSS    (DX), X0, X0
	VMOVSS    X0, (DI)
	ADDQ      R15, R8
	ADDQ      $4, DX
	ADDQ      $4, DI
	DECQ      R12
	JNZ       one

done:
	VZEROUPPER
	RET

// func dotsAtVNNI(d *int8Dots)
TEXT ·dotsAtVNNI(SB), NOSPLIT, $0-8
	MOVQ d+0(FP), AX
	MOVQ int8Dots_dst(AX), DI
	MOVQ int8Dots_x(AX), SI
	MOVQ int8Dots_values(AX), BX
	MOVQ int8Dots_scales(AX), DX
	MOVQ int8Dots_at(AX), R13
	MOVQ int8Dots_count(AX), R12
	MOVQ int8Dots_width(AX), R15
	PREPARE

// AT finds the row that number i of the list names, and its scale.
#define AT(i, row, scale) \
	MOVLQSX i*4(R13), row  \
	VMOVSS  (DX)(row*4), scale \
	IMULQ   R15, row       \
	ADDQ    BX, row

four:
	CMPQ      R12, $4
	JLT       rest
	AT(0, R8, X16)
	AT(1, R9, X17)
	AT(2, R10, X18)
	AT(3, R11, X19)
	VUNPCKLPS X17, X16, X16
	VUNPCKLPS X19, X18, X18
	VMOVLHPS  X18, X16, X16
	DOT4(step)
	VCVTDQ2PS X0, X0
	VMULPS    X16, X0, X0
	VMOVUPS   X0, (DI)
	ADDQ      $16, R13
	ADDQ      $16, DI
	SUBQ      $4, R12
	JMP       four

rest:
	TESTQ     R12, R12
	JEQ       done

one:
	AT(0, R8, X16)
	DOT1(single)
	VCVTDQ2PS X0, X0
	VMULSS    X16, X0, X0
	VMOVSS    X0, (DI)
	ADDQ      $4, R13
	ADDQ      $4, DI
	DECQ      R12
	JNZ       one

done:
	VZEROUPPER
	RET

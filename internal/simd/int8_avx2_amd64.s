#include "go_asm.h"
#include "textflag.h"

// VPMADDUBSW multiplies bytes without a sign by bytes with one and adds pairs:
// |x| times the row with the signs of x. Two such products are at most 2 * 127 *
// 127, which 16 bits hold, so all sums are exact.

// DOT4 sets X0 to the products of x (SI) and the rows R8, R9, R10 and R11. Y15
// holds sixteen ones.
#define ROW(at, sum) \
	VMOVDQU    (at)(CX*1), Y6 \
	VPSIGNB    Y4, Y6, Y6     \
	VPMADDUBSW Y6, Y5, Y6     \
	VPMADDWD   Y15, Y6, Y6    \
	VPADDD     Y6, sum, sum
#define DOT4(here) \
	VPXOR        Y0, Y0, Y0     \
	VPXOR        Y1, Y1, Y1     \
	VPXOR        Y2, Y2, Y2     \
	VPXOR        Y3, Y3, Y3     \
	XORQ         CX, CX         \
here: \
	VMOVDQU      (SI)(CX*1), Y4 \
	VPABSB       Y4, Y5         \
	ROW(R8, Y0)                 \
	ROW(R9, Y1)                 \
	ROW(R10, Y2)                \
	ROW(R11, Y3)                \
	ADDQ         $32, CX        \
	CMPQ         CX, R15        \
	JLT          here           \
	VPHADDD      Y1, Y0, Y0     \
	VPHADDD      Y3, Y2, Y2     \
	VPHADDD      Y2, Y0, Y0     \
	VEXTRACTI128 $1, Y0, X1     \
	VPADDD       X1, X0, X0

// DOT1 does the same for the row R8 alone.
#define DOT1(here) \
	VPXOR        Y0, Y0, Y0     \
	XORQ         CX, CX         \
here: \
	VMOVDQU      (SI)(CX*1), Y4 \
	VPABSB       Y4, Y5         \
	ROW(R8, Y0)                 \
	ADDQ         $32, CX        \
	CMPQ         CX, R15        \
	JLT          here           \
	VEXTRACTI128 $1, Y0, X1     \
	VPADDD       X1, X0, X0     \
	VPHADDD      X0, X0, X0     \
	VPHADDD      X0, X0, X0

#define ONES VPCMPEQW Y15, Y15, Y15; VPSRLW $15, Y15, Y15

// func dotsAVX2(d *int8Dots)
TEXT ·dotsAVX2(SB), NOSPLIT, $0-8
	MOVQ d+0(FP), AX
	MOVQ int8Dots_dst(AX), DI
	MOVQ int8Dots_x(AX), SI
	MOVQ int8Dots_values(AX), R8
	MOVQ int8Dots_scales(AX), DX
	MOVQ int8Dots_count(AX), R12
	MOVQ int8Dots_width(AX), R15
	ONES

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

// func dotsAtAVX2(d *int8Dots)
TEXT ·dotsAtAVX2(SB), NOSPLIT, $0-8
	MOVQ d+0(FP), AX
	MOVQ int8Dots_dst(AX), DI
	MOVQ int8Dots_x(AX), SI
	MOVQ int8Dots_values(AX), BX
	MOVQ int8Dots_scales(AX), DX
	MOVQ int8Dots_at(AX), R13
	MOVQ int8Dots_count(AX), R12
	MOVQ int8Dots_width(AX), R15
	ONES

// AT finds the row that number i of the list names, and its scale.
#define AT(i, row, scale) \
	MOVLQSX i*4(R13), row      \
	VMOVSS  (DX)(row*4), scale \
	IMULQ   R15, row           \
	ADDQ    BX, row

four:
	CMPQ      R12, $4
	JLT       rest
	AT(0, R8, X11)
	AT(1, R9, X12)
	AT(2, R10, X13)
	AT(3, R11, X14)
	VUNPCKLPS X12, X11, X11
	VUNPCKLPS X14, X13, X13
	VMOVLHPS  X13, X11, X11
	DOT4(step)
	VCVTDQ2PS X0, X0
	VMULPS    X11, X0, X0
	VMOVUPS   X0, (DI)
	ADDQ      $16, R13
	ADDQ      $16, DI
	SUBQ      $4, R12
	JMP       four

rest:
	TESTQ     R12, R12
	JEQ       done

one:
	AT(0, R8, X11)
	DOT1(single)
	VCVTDQ2PS X0, X0
	VMULSS    X11, X0, X0
	VMOVSS    X0, (DI)
	ADDQ      $4, R13
	ADDQ      $4, DI
	DECQ      R12
	JNZ       one

done:
	VZEROUPPER
	RET

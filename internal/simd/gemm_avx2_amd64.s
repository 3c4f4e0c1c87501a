#include "go_asm.h"
#include "textflag.h"

// dst (rows x 32) += x (rows x depth) · panel (depth x 32), rows being 1 to 6:
// once for the columns 0 to 15 and once for the others.
//
// Row i of dst is in Y(2i) and Y(2i+1). Rows are reached from two pointers,
// each for three rows: AX, BX in x, DI, R10 in dst. Those of rows that are not
// there are never followed.

#define MUL(at, left, right) VBROADCASTSS at, Y14; VFMADD231PS Y12, Y14, left; VFMADD231PS Y13, Y14, right
#define MUL1 MUL((AX), Y0, Y1)
#define MUL2 MUL1; MUL((AX)(R8*1), Y2, Y3)
#define MUL3 MUL2; MUL((AX)(R8*2), Y4, Y5)
#define MUL4 MUL3; MUL((BX), Y6, Y7)
#define MUL5 MUL4; MUL((BX)(R8*1), Y8, Y9)
#define MUL6 MUL5; MUL((BX)(R8*2), Y10, Y11)

#define LOAD(left, right, at, scale) VMOVUPS (at)(R13*scale), left; VMOVUPS 32(at)(R13*scale), right
#define LOAD1 VMOVUPS (DI), Y0; VMOVUPS 32(DI), Y1
#define LOAD2 LOAD1; LOAD(Y2, Y3, DI, 1)
#define LOAD3 LOAD2; LOAD(Y4, Y5, DI, 2)
#define LOAD4 LOAD3; VMOVUPS (R10), Y6; VMOVUPS 32(R10), Y7
#define LOAD5 LOAD4; LOAD(Y8, Y9, R10, 1)
#define LOAD6 LOAD5; LOAD(Y10, Y11, R10, 2)

#define STORE(left, right, at, scale) VMOVUPS left, (at)(R13*scale); VMOVUPS right, 32(at)(R13*scale)
#define STORE1 VMOVUPS Y0, (DI); VMOVUPS Y1, 32(DI)
#define STORE2 STORE1; STORE(Y2, Y3, DI, 1)
#define STORE3 STORE2; STORE(Y4, Y5, DI, 2)
#define STORE4 STORE3; VMOVUPS Y6, (R10); VMOVUPS Y7, 32(R10)
#define STORE5 STORE4; STORE(Y8, Y9, R10, 1)
#define STORE6 STORE5; STORE(Y10, Y11, R10, 2)

// ROWS is the kernel for one number of rows.
#define ROWS(here, step, load, mul, store) \
here:  \
	load                \
	step:               \
	VMOVUPS (SI), Y12   \
	VMOVUPS 32(SI), Y13 \
	mul                 \
	ADDQ    $128, SI    \
	ADDQ    $4, AX      \
	ADDQ    $4, BX      \
	DECQ    R9          \
	JNZ     step        \
	store               \
	JMP     done

// func mulAddAVX2(p *product)
TEXT ·mulAddAVX2(SB), NOSPLIT, $0-8
	MOVQ p+0(FP), DX
	MOVQ product_dst(DX), DI
	MOVQ product_panel(DX), R11
	MOVQ product_dstStride(DX), R13
	MOVQ product_xStride(DX), R8
	MOVQ product_rows(DX), R15
	SHLQ $2, R13
	SHLQ $2, R8
	LEAQ (R13)(R13*2), CX
	LEAQ (DI)(CX*1), R10
	MOVQ $2, R12

half:
	MOVQ R11, SI
	MOVQ product_depth(DX), R9
	MOVQ product_x(DX), AX
	LEAQ (R8)(R8*2), CX
	LEAQ (AX)(CX*1), BX

	CMPQ R15, $6
	JEQ  rows6
	CMPQ R15, $5
	JEQ  rows5
	CMPQ R15, $4
	JEQ  rows4
	CMPQ R15, $3
	JEQ  rows3
	CMPQ R15, $2
	JEQ  rows2

	ROWS(rows1, step1, LOAD1, MUL1, STORE1)
	ROWS(rows2, step2, LOAD2, MUL2, STORE2)
	ROWS(rows3, step3, LOAD3, MUL3, STORE3)
	ROWS(rows4, step4, LOAD4, MUL4, STORE4)
	ROWS(rows5, step5, LOAD5, MUL5, STORE5)
	ROWS(rows6, step6, LOAD6, MUL6, STORE6)

done:
	ADDQ $64, R11
	ADDQ $64, DI
	ADDQ $64, R10
	DECQ R12
	JNZ  half
	VZEROUPPER
	RET

// dst = values * scales, len(scales)/32 times 32 rows of 32; a row of scales
// each. As many bytes from next on are fetched into the cache: they may well lie
// past its end, where fetching does nothing.
//
// func widenAVX2(dst []float32, values []int8, scales []float32, next []int8)
TEXT ·widenAVX2(SB), NOSPLIT, $0-96
	MOVQ dst_base+0(FP), DI
	MOVQ values_base+24(FP), SI
	MOVQ scales_base+48(FP), BX
	MOVQ scales_len+56(FP), CX
	MOVQ next_base+72(FP), R8
	SHRQ $5, CX

block:
	VMOVUPS (BX), Y0
	VMOVUPS 32(BX), Y1
	VMOVUPS 64(BX), Y2
	VMOVUPS 96(BX), Y3
	ADDQ    $128, BX
	MOVQ    $32, DX

row:
	PREFETCHT0 (R8)
	VPMOVSXBD  (SI), Y4
	VPMOVSXBD  8(SI), Y5
	VPMOVSXBD  16(SI), Y6
	VPMOVSXBD  24(SI), Y7
	VCVTDQ2PS  Y4, Y4
	VCVTDQ2PS  Y5, Y5
	VCVTDQ2PS  Y6, Y6
	VCVTDQ2PS  Y7, Y7
	VMULPS     Y0, Y4, Y4
	VMULPS     Y1, Y5, Y5
	VMULPS     Y2, Y6, Y6
	VMULPS     Y3, Y7, Y7
	VMOVUPS    Y4, (DI)
	VMOVUPS    Y5, 32(DI)
	VMOVUPS    Y6, 64(DI)
	VMOVUPS    Y7, 96(DI)
	ADDQ       $32, SI
	ADDQ       $32, R8
	ADDQ       $128, DI
	DECQ       DX
	JNZ        row
	DECQ       CX
	JNZ        block
	VZEROUPPER
	RET

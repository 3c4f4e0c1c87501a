#include "go_asm.h"
#include "textflag.h"

// dst (rows x 32) += x (rows x depth) · panel (depth x 32), rows being 1 to 12.
//
// Row i of dst is in Z(2i) and Z(2i+1). Rows are reached from four pointers,
// each for three rows: AX, BX, CX, DX in x, DI, R10, R11, R12 in dst. Those of
// rows that are not there are never followed.

#define MUL(at, left, right) VBROADCASTSS at, Z30; VFMADD231PS Z28, Z30, left; VFMADD231PS Z29, Z30, right
#define MUL1  MUL((AX), Z0, Z1)
#define MUL2  MUL1; MUL((AX)(R8*1), Z2, Z3)
#define MUL3  MUL2; MUL((AX)(R8*2), Z4, Z5)
#define MUL4  MUL3; MUL((BX), Z6, Z7)
#define MUL5  MUL4; MUL((BX)(R8*1), Z8, Z9)
#define MUL6  MUL5; MUL((BX)(R8*2), Z10, Z11)
#define MUL7  MUL6; MUL((CX), Z12, Z13)
#define MUL8  MUL7; MUL((CX)(R8*1), Z14, Z15)
#define MUL9  MUL8; MUL((CX)(R8*2), Z16, Z17)
#define MUL10 MUL9; MUL((DX), Z18, Z19)
#define MUL11 MUL10; MUL((DX)(R8*1), Z20, Z21)
#define MUL12 MUL11; MUL((DX)(R8*2), Z22, Z23)

#define LOAD(left, right, at, scale) VMOVUPS (at)(R13*scale), left; VMOVUPS 64(at)(R13*scale), right
#define LOAD1  VMOVUPS (DI), Z0; VMOVUPS 64(DI), Z1
#define LOAD2  LOAD1; LOAD(Z2, Z3, DI, 1)
#define LOAD3  LOAD2; LOAD(Z4, Z5, DI, 2)
#define LOAD4  LOAD3; VMOVUPS (R10), Z6; VMOVUPS 64(R10), Z7
#define LOAD5  LOAD4; LOAD(Z8, Z9, R10, 1)
#define LOAD6  LOAD5; LOAD(Z10, Z11, R10, 2)
#define LOAD7  LOAD6; VMOVUPS (R11), Z12; VMOVUPS 64(R11), Z13
#define LOAD8  LOAD7; LOAD(Z14, Z15, R11, 1)
#define LOAD9  LOAD8; LOAD(Z16, Z17, R11, 2)
#define LOAD10 LOAD9; VMOVUPS (R12), Z18; VMOVUPS 64(R12), Z19
#define LOAD11 LOAD10; LOAD(Z20, Z21, R12, 1)
#define LOAD12 LOAD11; LOAD(Z22, Z23, R12, 2)

#define STORE(left, right, at, scale) VMOVUPS left, (at)(R13*scale); VMOVUPS right, 64(at)(R13*scale)
#define STORE1  VMOVUPS Z0, (DI); VMOVUPS Z1, 64(DI)
#define STORE2  STORE1; STORE(Z2, Z3, DI, 1)
#define STORE3  STORE2; STORE(Z4, Z5, DI, 2)
#define STORE4  STORE3; VMOVUPS Z6, (R10); VMOVUPS Z7, 64(R10)
#define STORE5  STORE4; STORE(Z8, Z9, R10, 1)
#define STORE6  STORE5; STORE(Z10, Z11, R10, 2)
#define STORE7  STORE6; VMOVUPS Z12, (R11); VMOVUPS Z13, 64(R11)
#define STORE8  STORE7; STORE(Z14, Z15, R11, 1)
#define STORE9  STORE8; STORE(Z16, Z17, R11, 2)
#define STORE10 STORE9; VMOVUPS Z18, (R12); VMOVUPS Z19, 64(R12)
#define STORE11 STORE10; STORE(Z20, Z21, R12, 1)
#define STORE12 STORE11; STORE(Z22, Z23, R12, 2)

// ROWS is the kernel for one number of rows, RDEPTH the steps left.
#define RDEPTH R9
#define ROWS(here, step, load, mul, store) \
here:  \
	load                \
	step:               \
	VMOVUPS (SI), Z28   \
	VMOVUPS 64(SI), Z29 \
	mul                 \
	ADDQ    $128, SI    \
	ADDQ    $4, AX      \
	ADDQ    $4, BX      \
	ADDQ    $4, CX      \
	ADDQ    $4, DX      \
	DECQ    RDEPTH      \
	JNZ     step        \
	store               \
	VZEROUPPER          \
	RET

// func mulAddAVX512(p *product)
TEXT ·mulAddAVX512(SB), NOSPLIT, $0-8
	MOVQ p+0(FP), DX
	MOVQ product_dst(DX), DI
	MOVQ product_x(DX), AX
	MOVQ product_panel(DX), SI
	MOVQ product_dstStride(DX), R13
	MOVQ product_xStride(DX), R8
	MOVQ product_depth(DX), RDEPTH
	MOVQ product_rows(DX), R15
	SHLQ $2, R13
	SHLQ $2, R8
	LEAQ (R13)(R13*2), CX
	LEAQ (DI)(CX*1), R10
	LEAQ (R10)(CX*1), R11
	LEAQ (R11)(CX*1), R12
	LEAQ (R8)(R8*2), DX
	LEAQ (AX)(DX*1), BX
	LEAQ (BX)(DX*1), CX
	ADDQ CX, DX

	CMPQ R15, $12
	JEQ  rows12
	CMPQ R15, $11
	JEQ  rows11
	CMPQ R15, $10
	JEQ  rows10
	CMPQ R15, $9
	JEQ  rows9
	CMPQ R15, $8
	JEQ  rows8
	CMPQ R15, $7
	JEQ  rows7
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
	ROWS(rows7, step7, LOAD7, MUL7, STORE7)
	ROWS(rows8, step8, LOAD8, MUL8, STORE8)
	ROWS(rows9, step9, LOAD9, MUL9, STORE9)
	ROWS(rows10, step10, LOAD10, MUL10, STORE10)
	ROWS(rows11, step11, LOAD11, MUL11, STORE11)
	ROWS(rows12, step12, LOAD12, MUL12, STORE12)

// dst = values * scales, len(scales)/32 times 32 rows of 32; a row of scales
// each. As many bytes from next on are fetched into the cache: they may well lie
// past its end, where fetching does nothing.
//
// func widenAVX512(dst []float32, values []int8, scales []float32, next []int8)
TEXT ·widenAVX512(SB), NOSPLIT, $0-96
	MOVQ dst_base+0(FP), DI
	MOVQ values_base+24(FP), SI
	MOVQ scales_base+48(FP), BX
	MOVQ scales_len+56(FP), CX
	MOVQ next_base+72(FP), R8
	SHRQ $5, CX

block:
	VMOVUPS (BX), Z0
	VMOVUPS 64(BX), Z1
	ADDQ    $128, BX
	MOVQ    $32, DX

row:
	PREFETCHT0 (R8)
	VPMOVSXBD  (SI), Z2
	VPMOVSXBD  16(SI), Z3
	VCVTDQ2PS  Z2, Z2
	VCVTDQ2PS  Z3, Z3
	VMULPS     Z0, Z2, Z2
	VMULPS     Z1, Z3, Z3
	VMOVUPS    Z2, (DI)
	VMOVUPS    Z3, 64(DI)
	ADDQ       $32, SI
	ADDQ       $32, R8
	ADDQ       $128, DI
	DECQ       DX
	JNZ        row
	DECQ       CX
	JNZ        block
	VZEROUPPER
	RET

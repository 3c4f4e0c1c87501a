#include "go_asm.h"
#include "textflag.h"

// The same as vector_avx512_amd64.s, 8 numbers at a time. There are not enough
// registers for the constants: they come from memory as they are needed.

// CONST fills y with one of the constants of vector.go.
#define CONST(number, y) VBROADCASTSS ·constants+4*(number)(SB), y

// STEP is one step of a polynomial in x; it uses Y15.
#define STEP(number, x, p) CONST(number, Y15); VFMADD213PS Y15, x, p

// EXP replaces Y0 by its exponential; it uses Y1, Y2, Y3, Y12 and Y15.
#define EXP \
	CONST(const_expLeast, Y15)  \
	VMAXPS      Y15, Y0, Y0     \
	CONST(const_rounder, Y12)   \
	CONST(const_log2E, Y15)     \
	VMOVAPS     Y12, Y1         \
	VFMADD231PS Y15, Y0, Y1     \
	VSUBPS      Y12, Y1, Y2     \
	CONST(const_ln2High, Y15)   \
	VFMADD231PS Y15, Y2, Y0     \
	CONST(const_ln2Low, Y15)    \
	VFMADD231PS Y15, Y2, Y0     \
	CONST(const_expAt+0, Y3)    \
	STEP(const_expAt+1, Y0, Y3) \
	STEP(const_expAt+2, Y0, Y3) \
	STEP(const_expAt+3, Y0, Y3) \
	STEP(const_expAt+4, Y0, Y3) \
	STEP(const_expAt+5, Y0, Y3) \
	STEP(const_expAt+6, Y0, Y3) \
	VPSLLD      $23, Y1, Y1     \
	VPADDD      Y1, Y3, Y0

// FOLD reduces the 16 numbers of low and high to one in all lanes of x, which
// is the first part of low.
#define FOLD(op, low, high, x) \
	op           high, low, low \
	VEXTRACTF128 $1, low, X1    \
	op           X1, x, x       \
	VPERMILPS    $0x4E, x, X1   \
	op           X1, x, x       \
	VPERMILPS    $0xB1, x, X1   \
	op           X1, x, x

// func softmaxAVX2(x []float32, scale float32)
TEXT ·softmaxAVX2(SB), NOSPLIT, $0-28
	MOVQ         x_base+0(FP), SI
	MOVQ         x_len+8(FP), CX
	VBROADCASTSS scale+24(FP), Y9

	VMOVUPS (SI), Y8
	VMOVUPS Y8, Y7
	MOVQ    SI, DI
	MOVQ    CX, DX

most:
	VMAXPS       (DI), Y8, Y8
	VMAXPS       32(DI), Y7, Y7
	ADDQ         $64, DI
	SUBQ         $16, DX
	JNZ          most
	FOLD(VMAXPS, Y8, Y7, X8)
	VBROADCASTSS X8, Y8

	VXORPS Y6, Y6, Y6
	VXORPS Y7, Y7, Y7
	MOVQ   SI, DI
	MOVQ   CX, DX

power:
	VMOVUPS      (DI), Y0
	VSUBPS       Y8, Y0, Y0
	VMULPS       Y9, Y0, Y0
	EXP
	VADDPS       Y0, Y7, Y7
	VMOVUPS      Y0, (DI)
	VMOVUPS      32(DI), Y0
	VSUBPS       Y8, Y0, Y0
	VMULPS       Y9, Y0, Y0
	EXP
	VADDPS       Y0, Y6, Y6
	VMOVUPS      Y0, 32(DI)
	ADDQ         $64, DI
	SUBQ         $16, DX
	JNZ          power
	FOLD(VADDPS, Y7, Y6, X7)
	CONST(const_one, X0)
	VDIVSS       X7, X0, X0
	VBROADCASTSS X0, Y0

share:
	VMULPS  (SI), Y0, Y1
	VMOVUPS Y1, (SI)
	ADDQ    $32, SI
	SUBQ    $8, CX
	JNZ     share
	VZEROUPPER
	RET

// func geluAVX2(x []float32)
TEXT ·geluAVX2(SB), NOSPLIT, $0-24
	MOVQ   x_base+0(FP), SI
	MOVQ   x_len+8(FP), CX
	VXORPS Y9, Y9, Y9
	CONST(const_geluLimit, Y8)

next:
	VMOVUPS      (SI), Y5
	VSUBPS       Y5, Y9, Y4 // a = min(|x|, limit)
	VMAXPS       Y5, Y4, Y4
	VMINPS       Y8, Y4, Y4
	CONST(const_geluAt+0, Y0)// ln Phi(-a)
	STEP(const_geluAt+1, Y4, Y0)
	STEP(const_geluAt+2, Y4, Y0)
	STEP(const_geluAt+3, Y4, Y0)
	STEP(const_geluAt+4, Y4, Y0)
	STEP(const_geluAt+5, Y4, Y0)
	STEP(const_geluAt+6, Y4, Y0)
	STEP(const_geluAt+7, Y4, Y0)
	STEP(const_geluAt+8, Y4, Y0)
	EXP
	VMAXPS       Y9, Y5, Y5
	VFNMADD231PS Y0, Y4, Y5
	VMOVUPS      Y5, (SI)
	ADDQ         $32, SI
	SUBQ         $8, CX
	JNZ          next
	VZEROUPPER
	RET

// func layerNormAVX2(x, add, weight, bias []float32, epsilon float32)
TEXT ·layerNormAVX2(SB), NOSPLIT, $0-100
	MOVQ       x_base+0(FP), SI
	MOVQ       x_len+8(FP), CX
	MOVQ       add_base+24(FP), R9
	MOVQ       weight_base+48(FP), BX
	MOVQ       bias_base+72(FP), R8
	VXORPS     X9, X9, X9
	VCVTSI2SSQ CX, X9, X9

	VXORPS Y7, Y7, Y7
	VXORPS Y8, Y8, Y8
	MOVQ   SI, DI
	MOVQ   CX, DX

sum:
	VMOVUPS      (DI), Y0
	VMOVUPS      32(DI), Y1
	VADDPS       (R9), Y0, Y0
	VADDPS       32(R9), Y1, Y1
	VMOVUPS      Y0, (DI)
	VMOVUPS      Y1, 32(DI)
	VADDPS       Y0, Y8, Y8
	VADDPS       Y1, Y7, Y7
	ADDQ         $64, DI
	ADDQ         $64, R9
	SUBQ         $16, DX
	JNZ          sum
	FOLD(VADDPS, Y8, Y7, X8)
	VDIVSS       X9, X8, X8
	VBROADCASTSS X8, Y8         // mean

	VXORPS Y6, Y6, Y6
	VXORPS Y7, Y7, Y7
	MOVQ   SI, DI
	MOVQ   CX, DX

square:
	VMOVUPS      (DI), Y0
	VMOVUPS      32(DI), Y1
	VSUBPS       Y8, Y0, Y0
	VSUBPS       Y8, Y1, Y1
	VFMADD231PS  Y0, Y0, Y7
	VFMADD231PS  Y1, Y1, Y6
	ADDQ         $64, DI
	SUBQ         $16, DX
	JNZ          square
	FOLD(VADDPS, Y7, Y6, X7)
	VDIVSS       X9, X7, X7             // variance
	VADDSS       epsilon+96(FP), X7, X7
	VSQRTSS      X7, X7, X7
	CONST(const_one, X0)
	VDIVSS       X7, X0, X0
	VBROADCASTSS X0, Y7

scale:
	VMOVUPS     (SI), Y0
	VSUBPS      Y8, Y0, Y0
	VMULPS      Y7, Y0, Y0
	VMOVUPS     (R8), Y1
	VFMADD231PS (BX), Y0, Y1
	VMOVUPS     Y1, (SI)
	ADDQ        $32, SI
	ADDQ        $32, BX
	ADDQ        $32, R8
	SUBQ        $8, CX
	JNZ         scale
	VZEROUPPER
	RET

#include "go_asm.h"
#include "textflag.h"

// CONST fills z with one of the constants of vector.go.
#define CONST(number, z) VBROADCASTSS ·constants+4*(number)(SB), z

// EXPCONSTS fills Z10 to Z21 with what EXP needs.
#define EXPCONSTS \
	CONST(const_expLeast, Z10) \
	CONST(const_log2E, Z11)    \
	CONST(const_rounder, Z12)  \
	CONST(const_ln2High, Z13)  \
	CONST(const_ln2Low, Z14)   \
	CONST(const_expAt+0, Z15)  \
	CONST(const_expAt+1, Z16)  \
	CONST(const_expAt+2, Z17)  \
	CONST(const_expAt+3, Z18)  \
	CONST(const_expAt+4, Z19)  \
	CONST(const_expAt+5, Z20)  \
	CONST(const_expAt+6, Z21)

// EXP replaces Z0 by its exponential; it uses Z1, Z2, Z3. vector.go says how.
#define EXP \
	VMAXPS      Z10, Z0, Z0 \
	VMOVAPS     Z12, Z1     \
	VFMADD231PS Z11, Z0, Z1 \
	VSUBPS      Z12, Z1, Z2 \
	VFMADD231PS Z13, Z2, Z0 \
	VFMADD231PS Z14, Z2, Z0 \
	VMOVAPS     Z15, Z3     \
	VFMADD213PS Z16, Z0, Z3 \
	VFMADD213PS Z17, Z0, Z3 \
	VFMADD213PS Z18, Z0, Z3 \
	VFMADD213PS Z19, Z0, Z3 \
	VFMADD213PS Z20, Z0, Z3 \
	VFMADD213PS Z21, Z0, Z3 \
	VPSLLD      $23, Z1, Z1 \
	VPADDD      Z1, Z3, Z0

// FOLD reduces z, of which y and x are the parts, to one number in all lanes of
// x: the halves first, as AVX2 does.
#define FOLD(op, z, y, x) \
	VEXTRACTF64X4 $1, z, Y1    \
	op            Y1, y, y     \
	VEXTRACTF128  $1, y, X1    \
	op            X1, x, x     \
	VPERMILPS     $0x4E, x, X1 \
	op            X1, x, x     \
	VPERMILPS     $0xB1, x, X1 \
	op            X1, x, x

// func softmaxAVX512(x []float32, scale float32)
TEXT ·softmaxAVX512(SB), NOSPLIT, $0-28
	MOVQ         x_base+0(FP), SI
	MOVQ         x_len+8(FP), CX
	VBROADCASTSS scale+24(FP), Z9
	EXPCONSTS

	VMOVUPS (SI), Z8
	MOVQ    SI, DI
	MOVQ    CX, DX

most:
	VMAXPS       (DI), Z8, Z8
	ADDQ         $64, DI
	SUBQ         $16, DX
	JNZ          most
	FOLD(VMAXPS, Z8, Y8, X8)
	VBROADCASTSS X8, Z8

	VPXORD Z7, Z7, Z7
	MOVQ   SI, DI
	MOVQ   CX, DX

power:
	VMOVUPS      (DI), Z0
	VSUBPS       Z8, Z0, Z0
	VMULPS       Z9, Z0, Z0
	EXP
	VADDPS       Z0, Z7, Z7
	VMOVUPS      Z0, (DI)
	ADDQ         $64, DI
	SUBQ         $16, DX
	JNZ          power
	FOLD(VADDPS, Z7, Y7, X7)
	CONST(const_one, X0)
	VDIVSS       X7, X0, X0
	VBROADCASTSS X0, Z0

share:
	VMULPS  (SI), Z0, Z1
	VMOVUPS Z1, (SI)
	ADDQ    $64, SI
	SUBQ    $16, CX
	JNZ     share
	VZEROUPPER
	RET

// func geluAVX512(x []float32)
TEXT ·geluAVX512(SB), NOSPLIT, $0-24
	MOVQ   x_base+0(FP), SI
	MOVQ   x_len+8(FP), CX
	EXPCONSTS
	CONST(const_geluLimit, Z22)
	CONST(const_geluAt+0, Z23)
	CONST(const_geluAt+1, Z24)
	CONST(const_geluAt+2, Z25)
	CONST(const_geluAt+3, Z26)
	CONST(const_geluAt+4, Z27)
	CONST(const_geluAt+5, Z28)
	CONST(const_geluAt+6, Z29)
	CONST(const_geluAt+7, Z30)
	CONST(const_geluAt+8, Z31)
	VPXORD Z9, Z9, Z9

next:
	VMOVUPS      (SI), Z5
	VSUBPS       Z5, Z9, Z4  // a = min(|x|, limit)
	VMAXPS       Z5, Z4, Z4
	VMINPS       Z22, Z4, Z4
	VMOVAPS      Z23, Z0     // ln Phi(-a)
	VFMADD213PS  Z24, Z4, Z0
	VFMADD213PS  Z25, Z4, Z0
	VFMADD213PS  Z26, Z4, Z0
	VFMADD213PS  Z27, Z4, Z0
	VFMADD213PS  Z28, Z4, Z0
	VFMADD213PS  Z29, Z4, Z0
	VFMADD213PS  Z30, Z4, Z0
	VFMADD213PS  Z31, Z4, Z0
	EXP
	VMAXPS       Z9, Z5, Z5
	VFNMADD231PS Z0, Z4, Z5
	VMOVUPS      Z5, (SI)
	ADDQ         $64, SI
	SUBQ         $16, CX
	JNZ          next
	VZEROUPPER
	RET

// func layerNormAVX512(x, add, weight, bias []float32, epsilon float32)
TEXT ·layerNormAVX512(SB), NOSPLIT, $0-100
	MOVQ       x_base+0(FP), SI
	MOVQ       x_len+8(FP), CX
	MOVQ       add_base+24(FP), R9
	MOVQ       weight_base+48(FP), BX
	MOVQ       bias_base+72(FP), R8
	VXORPS     X9, X9, X9
	VCVTSI2SSQ CX, X9, X9

	VPXORD Z8, Z8, Z8
	MOVQ   SI, DI
	MOVQ   CX, DX

sum:
	VMOVUPS      (DI), Z0
	VADDPS       (R9), Z0, Z0
	VMOVUPS      Z0, (DI)
	VADDPS       Z0, Z8, Z8
	ADDQ         $64, DI
	ADDQ         $64, R9
	SUBQ         $16, DX
	JNZ          sum
	FOLD(VADDPS, Z8, Y8, X8)
	VDIVSS       X9, X8, X8
	VBROADCASTSS X8, Z8       // mean

	VPXORD Z7, Z7, Z7
	MOVQ   SI, DI
	MOVQ   CX, DX

square:
	VMOVUPS      (DI), Z0
	VSUBPS       Z8, Z0, Z0
	VFMADD231PS  Z0, Z0, Z7
	ADDQ         $64, DI
	SUBQ         $16, DX
	JNZ          square
	FOLD(VADDPS, Z7, Y7, X7)
	VDIVSS       X9, X7, X7             // variance
	VADDSS       epsilon+96(FP), X7, X7
	VSQRTSS      X7, X7, X7
	CONST(const_one, X0)
	VDIVSS       X7, X0, X0
	VBROADCASTSS X0, Z7

scale:
	VMOVUPS     (SI), Z0
	VSUBPS      Z8, Z0, Z0
	VMULPS      Z7, Z0, Z0
	VMOVUPS     (R8), Z1
	VFMADD231PS (BX), Z0, Z1
	VMOVUPS     Z1, (SI)
	ADDQ        $64, SI
	ADDQ        $64, BX
	ADDQ        $64, R8
	SUBQ        $16, CX
	JNZ         scale
	VZEROUPPER
	RET

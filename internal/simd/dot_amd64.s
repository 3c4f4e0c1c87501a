#include "go_asm.h"
#include "textflag.h"

// A product of two float32 is exact in float64, so that fusing it with the
// addition changes no bit.

// func dotAVX512(sums *[16]float64, a, b, next []float32)
TEXT ·dotAVX512(SB), NOSPLIT, $0-80
	MOVQ sums+0(FP), DI
	MOVQ a_base+8(FP), SI
	MOVQ a_len+16(FP), CX
	MOVQ b_base+32(FP), BX
	MOVQ next_base+56(FP), DX

	VPXORD Z0, Z0, Z0
	VPXORD Z1, Z1, Z1

step:
	PREFETCHT0  (DX)
	VCVTPS2PD   (SI), Z2
	VCVTPS2PD   (BX), Z3
	VCVTPS2PD   32(SI), Z4
	VCVTPS2PD   32(BX), Z5
	VFMADD231PD Z2, Z3, Z0
	VFMADD231PD Z4, Z5, Z1
	ADDQ        $64, SI
	ADDQ        $64, BX
	ADDQ        $64, DX
	SUBQ        $16, CX
	JNZ         step
	VMOVUPD     Z0, (DI)
	VMOVUPD     Z1, 64(DI)
	VZEROUPPER
	RET

// func dotAVX2(sums *[16]float64, a, b, next []float32)
TEXT ·dotAVX2(SB), NOSPLIT, $0-80
	MOVQ sums+0(FP), DI
	MOVQ a_base+8(FP), SI
	MOVQ a_len+16(FP), CX
	MOVQ b_base+32(FP), BX
	MOVQ next_base+56(FP), DX

	VXORPD Y0, Y0, Y0
	VXORPD Y1, Y1, Y1
	VXORPD Y2, Y2, Y2
	VXORPD Y3, Y3, Y3

step:
	PREFETCHT0  (DX)
	VCVTPS2PD   (SI), Y4
	VCVTPS2PD   (BX), Y5
	VFMADD231PD Y4, Y5, Y0
	VCVTPS2PD   16(SI), Y6
	VCVTPS2PD   16(BX), Y7
	VFMADD231PD Y6, Y7, Y1
	VCVTPS2PD   32(SI), Y4
	VCVTPS2PD   32(BX), Y5
	VFMADD231PD Y4, Y5, Y2
	VCVTPS2PD   48(SI), Y6
	VCVTPS2PD   48(BX), Y7
	VFMADD231PD Y6, Y7, Y3
	ADDQ        $64, SI
	ADDQ        $64, BX
	ADDQ        $64, DX
	SUBQ        $16, CX
	JNZ         step
	VMOVUPD     Y0, (DI)
	VMOVUPD     Y1, 32(DI)
	VMOVUPD     Y2, 64(DI)
	VMOVUPD     Y3, 96(DI)
	VZEROUPPER
	RET

#include "textflag.h"

// SDOT adds to each of the 4 sums of d the products of 4 bytes of n and m. The
// assembler does not know it.
#define SDOT(m, n, d) WORD $(0x4E809400 | (m)<<16 | (n)<<5 | (d))

// ROW adds the products of V16 to V19 and the next 64 bytes of a row to a sum.
#define ROW(at, sum) \
	VLD1.P 64(at), [V20.B16, V21.B16, V22.B16, V23.B16] \
	SDOT(16, 20, sum)                                    \
	SDOT(17, 21, sum)                                    \
	SDOT(18, 22, sum)                                    \
	SDOT(19, 23, sum)

// func dot4NEON(sums *[4]int32, x, values []int8, at *[4]int64)
TEXT ·dot4NEON(SB), NOSPLIT, $0-64
	MOVD sums+0(FP), R0
	MOVD x_base+8(FP), R1
	MOVD x_len+16(FP), R2
	MOVD values_base+32(FP), R3
	MOVD at+56(FP), R4
	LDP  (R4), (R5, R6)
	LDP  16(R4), (R7, R8)
	ADD  R3, R5
	ADD  R3, R6
	ADD  R3, R7
	ADD  R3, R8
	VEOR V0.B16, V0.B16, V0.B16
	VEOR V1.B16, V1.B16, V1.B16
	VEOR V2.B16, V2.B16, V2.B16
	VEOR V3.B16, V3.B16, V3.B16

step:
	VLD1.P 64(R1), [V16.B16, V17.B16, V18.B16, V19.B16]
	ROW(R5, 0)
	ROW(R6, 1)
	ROW(R7, 2)
	ROW(R8, 3)
	SUBS   $64, R2
	BNE    step

	VADDP V1.S4, V0.S4, V0.S4
	VADDP V3.S4, V2.S4, V2.S4
	VADDP V2.S4, V0.S4, V0.S4
	VST1  [V0.S4], (R0)
	RET

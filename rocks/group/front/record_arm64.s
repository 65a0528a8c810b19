#include "textflag.h"

// func record(sig, info, context)
//
// A signal handler with the calling convention of C: R0 is the signal, R1 points to
// its siginfo_t. It writes the siginfo_t to the pipe. The kernel restores all
// registers when the handler has returned, through the vDSO.
TEXT ·record(SB),NOSPLIT|NOFRAME,$0
	MOVW	·recordFD(SB), R0
	MOVD	$128, R2
	MOVD	$64, R8 // write
	SVC
	RET

// func restore()
//
// Not needed: the address given is 0.
TEXT ·restore(SB),NOSPLIT|NOFRAME,$0
	RET

// func handlerAddresses() (handler, restorer uintptr)
TEXT ·handlerAddresses(SB),NOSPLIT,$0-16
	MOVD	$·record(SB), R0
	MOVD	R0, handler+0(FP)
	MOVD	ZR, restorer+8(FP)
	RET

#include "textflag.h"

// func record(sig, info, context)
//
// A signal handler with the calling convention of C: DI is the signal, SI points to
// its siginfo_t. It writes the siginfo_t to the pipe. The kernel restores all
// registers when the handler has returned, through restore.
TEXT ·record(SB),NOSPLIT|NOFRAME,$0
	MOVL	·recordFD(SB), DI
	MOVL	$128, DX
	MOVL	$1, AX // write
	SYSCALL
	RET

// func restore()
TEXT ·restore(SB),NOSPLIT|NOFRAME,$0
	MOVL	$15, AX // rt_sigreturn
	SYSCALL
	INT	$3

// func handlerAddresses() (handler, restorer uintptr)
TEXT ·handlerAddresses(SB),NOSPLIT,$0-16
	LEAQ	·record(SB), AX
	MOVQ	AX, handler+0(FP)
	LEAQ	·restore(SB), AX
	MOVQ	AX, restorer+8(FP)
	RET

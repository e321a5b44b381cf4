# The first process of a sandbox on x86-64: see functory/sandbox/first_process.py for what it does and why.
#
#     init FD PROGRAM ARGUMENT...
#
# Assembled with `scripts/init/assemble.py` into the bytes of init_program.py; needs nothing but the kernel.
# Registers: r12 = &argv[2], r13 = FD, r14 = environment, r15 = the program's process id.
# Below the stack's top: 0 signal mask, 8 wait status or error, 16 siginfo (128 bytes).

        .set    READ_EXECUTE, 5
        .set    READ_WRITE, 6
        .set    FRAME, 160
        .set    MASK, 0
        .set    STATUS, 8
        .set    INFO, 16
        .set    SI_PID, 16              # within siginfo: 0 when the sender is outside of the namespace
        .set    SIGTERM, 15
        .set    SIGCHLD, 17

        .code64
        .org    0
base:   .byte   0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0
        .word   2, 62                   # an executable for x86-64
        .long   1
        .quad   0x400000 + start - base
        .quad   segments - base
        .quad   0
        .long   0
        .word   64, 56, 2, 0, 0, 0
segments:
        .long   1, READ_EXECUTE         # PT_LOAD
        .quad   0, 0x400000, 0x400000, end - base, end - base, 4096
        .long   0x6474e551, READ_WRITE  # PT_GNU_STACK: not executable
        .quad   0, 0, 0, 0, 0, 16

start:  mov     (%rsp), %rax            # argc
        mov     16(%rsp), %rcx          # argv[1]
        movzbl  (%rcx), %r13d
        sub     $'0', %r13d
        lea     24(%rsp), %r12
        lea     16(%rsp,%rax,8), %r14
        sub     $FRAME, %rsp

        mov     $14, %eax               # rt_sigprocmask(SIG_SETMASK, all, old, 8)
        mov     $2, %edi
        lea     all(%rip), %rsi
        lea     MASK(%rsp), %rdx
        mov     $8, %r10d
        syscall
        movl    $0, STATUS(%rsp)
        mov     $72, %eax               # fcntl(FD, F_SETFD, FD_CLOEXEC)
        mov     %r13d, %edi
        mov     $2, %esi
        mov     $1, %edx
        syscall

        mov     $58, %eax               # vfork: on the same stack, which the child leaves as it is
        syscall
        test    %eax, %eax
        jnz     parent
        mov     $109, %eax              # setpgid(0, 0)
        xor     %edi, %edi
        xor     %esi, %esi
        syscall
        mov     $14, %eax               # rt_sigprocmask(SIG_SETMASK, old, NULL, 8)
        mov     $2, %edi
        lea     MASK(%rsp), %rsi
        xor     %edx, %edx
        mov     $8, %r10d
        syscall
        mov     $59, %eax               # execve(argv[2], argv + 2, environment)
        mov     (%r12), %rdi
        mov     %r12, %rsi
        mov     %r14, %rdx
        syscall
        neg     %eax
        mov     %eax, STATUS(%rsp)      # memory is the parent's until here
        mov     $127, %edi
        jmp     exit

parent: mov     %eax, %r15d
        call    tell
        mov     $436, %eax              # close_range(0, FD - 1): what the program has is none of ours
        xor     %edi, %edi
        lea     -1(%r13), %esi
        xor     %edx, %edx
        syscall

wait:   mov     $128, %eax              # rt_sigtimedwait(all, info, NULL, 8)
        lea     all(%rip), %rdi
        lea     INFO(%rsp), %rsi
        xor     %edx, %edx
        mov     $8, %r10d
        syscall
        cmp     $SIGCHLD, %eax
        je      reap
        cmp     $SIGTERM, %eax
        jne     wait
        cmpl    $0, INFO+SI_PID(%rsp)
        jne     wait
        mov     $62, %eax               # kill(program, SIGTERM)
        mov     %r15d, %edi
        mov     $SIGTERM, %esi
        syscall
        jmp     wait

reap:   mov     $61, %eax               # wait4(-1, status, WNOHANG, NULL)
        mov     $-1, %rdi
        lea     STATUS(%rsp), %rsi
        mov     $1, %edx
        xor     %r10d, %r10d
        syscall
        test    %eax, %eax
        jle     wait
        cmp     %r15d, %eax
        jne     reap

        call    tell                    # the program has ended, and with us everything else
        mov     STATUS(%rsp), %eax
        mov     %eax, %edi
        shr     $8, %edi
        and     $0x7f, %eax
        jz      exit
        lea     128(%rax), %edi
exit:   mov     $231, %eax              # exit_group
        syscall

tell:   mov     $1, %eax                # write(FD, status, 4)
        mov     %r13d, %edi
        lea     STATUS+8(%rsp), %rsi    # the return address lies between
        mov     $4, %edx
        syscall
        ret

        .balign 8, 0
all:    .quad   -1
end:

// The first process of a sandbox on 64-bit ARM: see functory/sandbox/first_process.py for what it does and why.
//
//     init FD PROGRAM ARGUMENT...
//
// Assembled with `scripts/init/assemble.py` into the bytes of init_program.py; needs nothing but the kernel.
// Registers: x19 = FD, x20 = &argv[2], x21 = environment, x22 = the program's process id.
// On the stack: 0 signal mask, 8 wait status or error, 16 siginfo (128 bytes).

        .set    READ_EXECUTE, 5
        .set    READ_WRITE, 6
        .set    FRAME, 160
        .set    MASK, 0
        .set    STATUS, 8
        .set    INFO, 16
        .set    SI_PID, 16              // within siginfo: 0 when the sender is outside of the namespace
        .set    SIGTERM, 15
        .set    SIGCHLD, 17

        .org    0
base:   .byte   0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0
        .hword  2, 183                  // an executable for AArch64
        .word   1
        .xword  0x400000 + start - base
        .xword  segments - base
        .xword  0
        .word   0
        .hword  64, 56, 2, 0, 0, 0
segments:
        .word   1, READ_EXECUTE         // PT_LOAD
        .xword  0, 0x400000, 0x400000, end - base, end - base, 65536
        .word   0x6474e551, READ_WRITE  // PT_GNU_STACK: not executable
        .xword  0, 0, 0, 0, 0, 16

start:  ldr     x0, [sp]                // argc
        ldr     x1, [sp, 16]            // argv[1]
        ldrb    w19, [x1]
        sub     w19, w19, '0'
        add     x20, sp, 24
        add     x21, sp, 16
        add     x21, x21, x0, lsl 3
        sub     sp, sp, FRAME

        mov     x8, 135                 // rt_sigprocmask(SIG_SETMASK, all, old, 8)
        mov     x0, 2
        adr     x1, all
        add     x2, sp, MASK
        mov     x3, 8
        svc     0
        str     wzr, [sp, STATUS]
        mov     x8, 25                  // fcntl(FD, F_SETFD, FD_CLOEXEC)
        mov     w0, w19
        mov     x1, 2
        mov     x2, 1
        svc     0

        mov     x8, 220                 // clone(CLONE_VM | CLONE_VFORK | SIGCHLD, 0): on the same stack
        mov     x0, 0x4111
        mov     x1, 0
        mov     x2, 0
        mov     x3, 0
        mov     x4, 0
        svc     0
        cbnz    x0, parent
        mov     x8, 154                 // setpgid(0, 0)
        mov     x0, 0
        mov     x1, 0
        svc     0
        mov     x8, 135                 // rt_sigprocmask(SIG_SETMASK, old, NULL, 8)
        mov     x0, 2
        add     x1, sp, MASK
        mov     x2, 0
        mov     x3, 8
        svc     0
        mov     x8, 221                 // execve(argv[2], argv + 2, environment)
        ldr     x0, [x20]
        mov     x1, x20
        mov     x2, x21
        svc     0
        neg     w0, w0
        str     w0, [sp, STATUS]        // memory is the parent's until here
        mov     w0, 127
        b       exit

parent: mov     w22, w0
        bl      tell
        mov     x8, 436                 // close_range(0, FD - 1): what the program has is none of ours
        mov     x0, 0
        sub     w1, w19, 1
        mov     x2, 0
        svc     0

wait:   mov     x8, 137                 // rt_sigtimedwait(all, info, NULL, 8)
        adr     x0, all
        add     x1, sp, INFO
        mov     x2, 0
        mov     x3, 8
        svc     0
        cmp     w0, SIGCHLD
        b.eq    reap
        cmp     w0, SIGTERM
        b.ne    wait
        ldr     w1, [sp, INFO + SI_PID]
        cbnz    w1, wait
        mov     x8, 129                 // kill(program, SIGTERM)
        mov     w0, w22
        mov     x1, SIGTERM
        svc     0
        b       wait

reap:   mov     x8, 260                 // wait4(-1, status, WNOHANG, NULL)
        mov     x0, -1
        add     x1, sp, STATUS
        mov     x2, 1
        mov     x3, 0
        svc     0
        cmp     w0, 0
        b.le    wait
        cmp     w0, w22
        b.ne    reap

        bl      tell                    // the program has ended, and with us everything else
        ldr     w1, [sp, STATUS]
        ubfx    w0, w1, 8, 8
        ands    w1, w1, 0x7f
        b.eq    exit
        add     w0, w1, 128
exit:   mov     x8, 94                  // exit_group
        svc     0

tell:   mov     x8, 64                  // write(FD, status, 4)
        mov     w0, w19
        add     x1, sp, STATUS
        mov     x2, 4
        svc     0
        ret

        .balign 8
all:    .xword  -1
end:

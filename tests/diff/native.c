// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "native.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/bits.h"

_Static_assert(offsetof(struct user_state, rflags) == 128 &&
                   offsetof(struct user_state, fs_base) == 144 &&
                   offsetof(struct user_state, fx) == 160 && sizeof(struct user_state) == 672,
               "native_switch.S knows these");

enum { HWCAP2_FSGSBASE_BIT = 1 << 1, JUMP_BYTES = 6, PATIENCE_MS = 60000, ALT_STACK = 1 << 16 };

/* native_switch.S */
void native_enter(const struct user_state *in, uint64_t first);
void native_leave(void);
void native_resume(void);
void native_signal(int signal, siginfo_t *info, void *context);
void native_fault(int signal, siginfo_t *info, void *context);
extern struct user_state native_out;
extern uint64_t host_rsp;

/* What the handler tells about the fault: the process runs one case at a time. */
static struct { uint32_t vector, error; uint64_t address; } fault;

/* Called by native_signal.  Continues in native_resume, on the stack of native_enter. */
void native_fault(int signal, siginfo_t *info, void *context)
{
    static const int order[16] = {
        REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
        REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
    };
    ucontext_t *u = context;
    greg_t *g = u->uc_mcontext.gregs;
    for (unsigned k = 0; k < 16; k++)
        native_out.gpr[k] = (uint64_t)g[order[k]];
    native_out.rip = (uint64_t)g[REG_RIP];
    native_out.rflags = (uint64_t)g[REG_EFL];
    memcpy(native_out.fx, u->uc_mcontext.fpregs, sizeof native_out.fx);
    fault.vector = (uint32_t)g[REG_TRAPNO];
    fault.error = (uint32_t)g[REG_ERR];
    fault.address = (uint64_t)g[REG_CR2];
    g[REG_RIP] = (greg_t)(uintptr_t)native_resume;
    g[REG_RSP] = (greg_t)host_rsp;
    g[REG_EFL] = 0x202;
}

static void catch_faults(void)
{
    static const int signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP };
    static uint8_t stack[ALT_STACK];
    stack_t alternate = { .ss_sp = stack, .ss_size = sizeof stack };
    struct sigaction action = { .sa_sigaction = native_signal,
                                .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
    sigaltstack(&alternate, NULL);
    for (unsigned k = 0; k < ARRAY_SIZE(signals); k++)
        sigaction(signals[k], &action, NULL);
}

/* The areas at their fixed addresses, and a second, writable view of the code. */
struct areas { uint8_t *code, *data; };
static bool map_areas(struct areas *a)
{
    int fd = memfd_create("code", MFD_CLOEXEC);
    void *code = (void *)(uintptr_t)CODE_BASE, *data = (void *)(uintptr_t)DATA_BASE;
    if (fd < 0 || ftruncate(fd, CODE_SIZE))
        return false;
    void *run = mmap(code, CODE_SIZE, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED_NOREPLACE, fd,
                     0);
    a->code = mmap(NULL, CODE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    a->data = mmap(data, DATA_SIZE, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    close(fd);
    return run == code && a->code != MAP_FAILED && a->data == data;
}

/* JMP [RIP + n] through an aligned word (RFLAGS.AC may be set), which changes no register. */
static void append_jump(uint8_t *code)
{
    uint64_t leave = (uintptr_t)native_leave;
    uint32_t gap = (uint32_t)(-(uintptr_t)(code + JUMP_BYTES) & 7);
    code[0] = 0xff;
    code[1] = 0x25;
    memcpy(code + 2, &gap, sizeof gap);
    memcpy(code + JUMP_BYTES + gap, &leave, sizeof leave);
}

static void run_case(const struct areas *a, const uint8_t *pattern, const struct test_case *t,
                     struct result *r)
{
    memcpy(a->code + t->start, t->code, t->length);
    append_jump(a->code + t->start + t->length);
    memcpy(a->data, pattern + t->pattern, DATA_SIZE);
    fault.vector = NO_EXCEPTION;
    fault.error = 0;
    fault.address = 0;
    native_out.rip = case_end(t);
    native_enter(&t->in, (uint64_t)CODE_BASE + t->start);
    r->out = native_out;
    r->vector = fault.vector;
    r->error = fault.error;
    r->address = fault.address;
    memcpy(r->data, a->data, DATA_SIZE);
}

static void child_main(const struct native *n, int in, int out)
{
    struct areas a;
    uint8_t which;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (!map_areas(&a))
        _exit(EXIT_FAILURE);
    catch_faults();
    while (read(in, &which, 1) == 1) {
        struct batch *b = &n->batch[which & 1];
        for (b->done = 0; b->done < b->count; b->done++)
            run_case(&a, n->pattern, &b->cases[b->done], &b->results[b->done]);
        if (write(out, &which, 1) != 1)
            break;
    }
    _exit(EXIT_SUCCESS);
}

bool native_create(struct native *n)
{
    *n = (struct native){ .to_child = -1, .from_child = -1 };
    if (!(getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE_BIT)) {
        fprintf(stderr, "the host lacks FSGSBASE\n");
        return false;
    }
    const int rights = PROT_READ | PROT_WRITE, flags = MAP_SHARED | MAP_ANONYMOUS;
    n->batch = mmap(NULL, 2 * sizeof *n->batch, rights, flags, -1, 0);
    n->pattern = mmap(NULL, PATTERN_SIZE, rights, flags, -1, 0);
    return n->batch != MAP_FAILED && n->pattern != MAP_FAILED;
}

static void stop_child(struct native *n)
{
    if (n->child <= 0)
        return;
    kill(n->child, SIGKILL);
    waitpid(n->child, NULL, 0);
    close(n->to_child);
    close(n->from_child);
    n->child = 0;
}

void native_destroy(struct native *n)
{
    stop_child(n);
    munmap(n->batch, 2 * sizeof *n->batch);
    munmap(n->pattern, PATTERN_SIZE);
}

bool native_start(struct native *n)
{
    int down[2], up[2];
    stop_child(n);
    if (pipe(down) || pipe(up))
        return false;
    n->child = fork();
    if (n->child == 0) {
        close(down[1]);
        close(up[0]);
        child_main(n, down[0], up[1]);
    }
    close(down[0]);
    close(up[1]);
    n->to_child = down[1];
    n->from_child = up[0];
    return n->child > 0;
}

void native_run(struct native *n, unsigned which)
{
    uint8_t byte = (uint8_t)which;
    if (write(n->to_child, &byte, 1) != 1)
        fprintf(stderr, "the native child is gone\n");
}

bool native_wait(struct native *n)
{
    struct pollfd p = { .fd = n->from_child, .events = POLLIN };
    uint8_t which;
    return poll(&p, 1, PATIENCE_MS) == 1 && read(n->from_child, &which, 1) == 1;
}

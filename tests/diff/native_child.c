// SPDX-License-Identifier: Apache-2.0
// The program that runs cases on the host's processor.  It is a program of its own so that nothing
// lies at low addresses but the case's areas (the shadow memory of a sanitizer would).
//
//   host-diff-child: shared memory is file descriptor 3, requests come on 0, answers go to 1.
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/bits.h"
#include "cpu/state.h"
#include "native.h"
#include "native_low.h"

_Static_assert(offsetof(struct user_state, rflags) == 128 &&
                   offsetof(struct user_state, fs_base) == 144 &&
                   offsetof(struct user_state, fx) == 160 &&
                   offsetof(struct user_state, selector) == 672,
               "native_switch.S knows these");

enum { HLT = 0xf4, ALT_STACK = 1 << 16 };

/* native_switch.S */
void native_enter(const struct user_state *in, uint64_t first);
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
    native_save_selectors(native_out.selector, (uint64_t)g[REG_CSGSFS]);
    fault.vector = (uint32_t)g[REG_TRAPNO];
    fault.error = (uint32_t)g[REG_ERR];
    fault.address = (uint64_t)g[REG_CR2];
    g[REG_RIP] = (greg_t)(uintptr_t)native_resume;
    g[REG_RSP] = (greg_t)host_rsp;
    g[REG_CSGSFS] = NATIVE_CS | (greg_t)NATIVE_SS << 48;
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

/* All of the code area but the case is HLT, which ends it with #GP(0). */
static void run_case(const struct areas *a, const uint8_t *pattern, const struct test_case *t,
                     struct result *r)
{
    memcpy(a->code + t->start, t->code, t->length);
    case_data(t, pattern, a->data);
    fault.vector = NO_EXCEPTION;
    fault.error = 0;
    fault.address = 0;
    if (t->bits < 64)
        native_run_low(t, &native_out);
    else
        native_enter(&t->in, (uint64_t)CODE_BASE + t->start);
    memset(a->code + t->start, HLT, t->length);
    bool end = fault.vector == EXC_GP && native_out.rip == case_end(t);
    r->out = native_out;
    r->vector = end ? NO_EXCEPTION : fault.vector;
    r->error = fault.error;
    r->address = fault.address;
    memcpy(r->data, a->data, DATA_SIZE);
}

int main(void)
{
    const int rights = PROT_READ | PROT_WRITE;
    struct areas a;
    uint8_t which;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct native_shared *s = mmap(NULL, sizeof *s, rights, MAP_SHARED, NATIVE_FD, 0);
    if (s == MAP_FAILED || !map_areas(&a))
        return EXIT_FAILURE;
    if (s->bits < 64) {
        native_pin(s->per_cpu);
        if (!native_ldt())
            return EXIT_FAILURE;
    }
    memset(a.code, HLT, CODE_SIZE);
    catch_faults();
    while (read(STDIN_FILENO, &which, 1) == 1) {
        struct batch *b = &s->batch[which & 1];
        for (b->done = 0; b->done < b->count; b->done++)
            run_case(&a, s->pattern, &b->cases[b->done], &b->results[b->done]);
        if (write(STDOUT_FILENO, &which, 1) != 1)
            break;
    }
    return EXIT_SUCCESS;
}

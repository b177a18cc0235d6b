// SPDX-License-Identifier: Apache-2.0
// The VMX instructions of the host, each allowed to fault.
#include "fault.h"
#include "vmx.h"

enum outcome outcome(struct result r)
{
    if (r.fault != NO_FAULT)
        return FAULTED;
    switch (r.flags & FLAGS_STATUS) {
    case 0: return SUCCEEDED;
    case FLAG_CF: return FAIL_INVALID;
    case FLAG_ZF: return FAIL_VALID;
    default: return OTHER_FLAGS;
    }
}

/* All status flags are set before the instruction, so that it has to clear them. */
#define SET_FLAGS "pushq $0x8d7\n\tpopfq\n\t"
#define GET_FLAGS "\n\tpushfq\n\tpopq %[flags]"

#define ATTEMPT(instruction, ...)                                                                  \
    struct result r = { 0 };                                                                       \
    fault.vector = NO_FAULT;                                                                       \
    fault.error = 0;                                                                               \
    __asm__ volatile(GUARD SET_FLAGS instruction UNGUARD GET_FLAGS                                 \
                     : [flags] "=&r"(r.flags) __VA_ARGS__ : "cc", "memory");                       \
    r.fault = fault.vector;                                                                        \
    r.error = fault.error

/* The arguments that follow the output of flags: outputs after a comma, then inputs. */
#define NOTHING :
#define IN(...) : __VA_ARGS__

struct result try_vmxon(uint64_t address)
{
    ATTEMPT("vmxon %[a]", IN([a] "m"(address)));
    return r;
}
struct result try_vmxoff(void)
{
    ATTEMPT("vmxoff", NOTHING);
    return r;
}
struct result try_vmclear(uint64_t address)
{
    ATTEMPT("vmclear %[a]", IN([a] "m"(address)));
    return r;
}
struct result try_vmptrld(uint64_t address)
{
    ATTEMPT("vmptrld %[a]", IN([a] "m"(address)));
    return r;
}
struct result try_vmptrst(uint64_t *address)
{
    ATTEMPT("vmptrst (%[a])", IN([a] "r"(address)));
    return r;
}
struct result try_vmread(uint64_t encoding, uint64_t *value)
{
    uint64_t v = *value;
    ATTEMPT("vmread %[e], %[v]", , [v] "+r"(v) : [e] "r"(encoding));
    *value = v;
    return r;
}
struct result try_vmwrite(uint64_t encoding, uint64_t value)
{
    ATTEMPT("vmwrite %[v], %[e]", IN([e] "r"(encoding), [v] "r"(value)));
    return r;
}
struct result try_vmcall(void)
{
    ATTEMPT("vmcall", NOTHING);
    return r;
}
struct result try_vmfunc(void)
{
    ATTEMPT("vmfunc", IN("a"(0), "c"(0)));
    return r;
}
struct result try_invept(uint64_t type, const uint64_t descriptor[2])
{
    ATTEMPT("invept (%[d]), %[t]", IN([t] "r"(type), [d] "r"(descriptor)));
    return r;
}
struct result try_invvpid(uint64_t type, const uint64_t descriptor[2])
{
    ATTEMPT("invvpid (%[d]), %[t]", IN([t] "r"(type), [d] "r"(descriptor)));
    return r;
}
struct result try_rdmsr(uint32_t index, uint64_t *value)
{
    uint32_t low = 0, high = 0;
    ATTEMPT("rdmsr", , "=&a"(low), "=&d"(high) : "c"(index));
    *value = (uint64_t)high << 32 | low;
    return r;
}
struct result try_wrmsr(uint32_t index, uint64_t value)
{
    ATTEMPT("wrmsr", IN("c"(index), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))));
    return r;
}

struct result try_vmlaunch(void)
{
    ATTEMPT("vmlaunch", NOTHING);
    return r;
}
struct result try_vmresume(void)
{
    ATTEMPT("vmresume", NOTHING);
    return r;
}
/* In the shadow of MOV SS. */
struct result try_vmlaunch_shadowed(void)
{
    ATTEMPT("mov %[s], %%ss\n\tvmlaunch", IN([s] "r"(16)));
    return r;
}
struct result try_vmresume_shadowed(void)
{
    ATTEMPT("mov %[s], %%ss\n\tvmresume", IN([s] "r"(16)));
    return r;
}
struct result try_mov_cr0(uint64_t value)
{
    ATTEMPT("mov %[v], %%cr0", IN([v] "r"(value)));
    return r;
}
struct result try_mov_cr4(uint64_t value)
{
    ATTEMPT("mov %[v], %%cr4", IN([v] "r"(value)));
    return r;
}

// SPDX-License-Identifier: Apache-2.0
// The public API: registers, memory.  Registers are found by name in a table; those
// whose change has consequences have a function that writes them.
#include <string.h>

#include "api/internal.h"
#include "cpu/access.h"
#include "cpu/cpu.h"
#include "cpu/x87.h"
#include "cpu/xstate.h"

struct reg_row {
    const char *name;
    size_t offset;             /* in struct cpu */
    uint8_t size;              /* in bytes */
    void (*write)(struct cpu *c, uint64_t v);     /* NULL: stored, then cpu_mode_changed() */
};

static void write_rflags(struct cpu *c, uint64_t v) { cpu_set_rflags(c, v); }
/* Other bits than those of the components that exist never stand in XCR0. */
static void write_xcr0(struct cpu *c, uint64_t v) { c->xcr0 = (v & xstate_user(c)) | STATE_X87; }
static void write_fsw(struct cpu *c, uint64_t v) { fpu_set_status_word(&c->fpu, (uint16_t)v); }

#define REG(name, member)                                                                          \
    {                                                                                              \
        name, offsetof(struct cpu, member), sizeof(((struct cpu *)0)->member), NULL                \
    }
#define REG_BY(name, member, write) \
    { name, offsetof(struct cpu, member), sizeof(((struct cpu *)0)->member), write }
#define SEG(name, s) \
    REG(name, seg[s].selector), REG(name ".base", seg[s].base), REG(name ".limit", seg[s].limit), \
    REG(name ".access", seg[s].access)
#define FPR(n) REG("fpr" #n ".fraction", fpu.st[n].frac), REG("fpr" #n ".exponent", fpu.st[n].sexp)
#define XMM(n) REG("xmm" #n ".low", fpu.xmm[n].q[0]), REG("xmm" #n ".high", fpu.xmm[n].q[1])

static const struct reg_row rows[] = {
    REG("rax", gpr[RAX]), REG("rcx", gpr[RCX]), REG("rdx", gpr[RDX]), REG("rbx", gpr[RBX]),
    REG("rsp", gpr[RSP]), REG("rbp", gpr[RBP]), REG("rsi", gpr[RSI]), REG("rdi", gpr[RDI]),
    REG("r8", gpr[R8]), REG("r9", gpr[R9]), REG("r10", gpr[R10]), REG("r11", gpr[R11]),
    REG("r12", gpr[R12]), REG("r13", gpr[R13]), REG("r14", gpr[R14]), REG("r15", gpr[R15]),
    REG("rip", rip), REG_BY("rflags", rflags, write_rflags),
    REG_BY("cr0", cr0, cpu_load_cr0), REG("cr2", cr2), REG_BY("cr3", cr3, cpu_load_cr3),
    REG_BY("cr4", cr4, cpu_load_cr4), REG("cr8", cr8), REG_BY("efer", msr.efer, cpu_load_efer),
    REG_BY("xcr0", xcr0, write_xcr0), REG("pkru", pkru),
    REG("dr0", dr[0]), REG("dr1", dr[1]), REG("dr2", dr[2]), REG("dr3", dr[3]),
    REG("dr6", dr[6]), REG("dr7", dr[7]),
    SEG("es", ES), SEG("cs", CS), SEG("ss", SS), SEG("ds", DS), SEG("fs", FS), SEG("gs", GS),
    SEG("ldtr", LDTR), SEG("tr", TR),
    REG("gdtr.base", gdtr.base), REG("gdtr.limit", gdtr.limit), REG("idtr.base", idtr.base),
    REG("idtr.limit", idtr.limit), REG("cpl", cpl),
    REG("fcw", fpu.control), REG_BY("fsw", fpu.status, write_fsw), REG("ftw", fpu.tag),
    FPR(0), FPR(1), FPR(2), FPR(3), FPR(4), FPR(5), FPR(6), FPR(7),
    REG("mxcsr", fpu.mxcsr), XMM(0), XMM(1), XMM(2), XMM(3), XMM(4), XMM(5), XMM(6), XMM(7),
    XMM(8), XMM(9), XMM(10), XMM(11), XMM(12), XMM(13), XMM(14), XMM(15),
};

static const struct reg_row *find(struct sp_machine *m, const char *name)
{
    for (size_t k = 0; k < ARRAY_SIZE(rows); k++)
        if (!strcmp(rows[k].name, name))
            return &rows[k];
    api_fail(m, "there is no register \"%s\"", name);
    return NULL;
}

bool sp_reg_read(struct sp_machine *m, unsigned cpu, const char *name, uint64_t *value)
{
    if (m->ipf)
        return api_ipf_reg_read(m, cpu, name, value);
    struct cpu *c = api_cpu(m, cpu);
    const struct reg_row *r = c ? find(m, name) : NULL;
    if (!r)
        return false;
    *value = 0;
    memcpy(value, (const uint8_t *)c + r->offset, r->size);
    if (r->write == write_rflags)
        *value = cpu_rflags(c);
    else if (r->write == write_fsw)
        *value = fpu_status_word(&c->fpu);
    else if (!strcmp(name, "rip") && c->current)
        *value = insn_rip(c, c->current);        /* called by a hook, in the middle of a block */
    return true;
}

bool sp_reg_write(struct sp_machine *m, unsigned cpu, const char *name, uint64_t value)
{
    if (m->ipf)
        return api_ipf_reg_write(m, cpu, name, value);
    struct cpu *c = api_cpu(m, cpu);
    const struct reg_row *r = c ? find(m, name) : NULL;
    if (!r)
        return false;
    if (value & ~size_mask(r->size))
        return api_fail(m, "%s has only %u bits", name, 8 * r->size);
    if (r->write)
        r->write(c, value);
    else
        memcpy((uint8_t *)c + r->offset, &value, r->size);
    cpu_mode_changed(c);
    return true;
}

bool sp_msr_read(struct sp_machine *m, unsigned cpu, uint32_t index, uint64_t *value)
{
    struct cpu *c = api_cpu(m, cpu);
    return c && (msr_read(c, index, value) || api_fail(m, "MSR %#x cannot be read", index));
}

bool sp_msr_write(struct sp_machine *m, unsigned cpu, uint32_t index, uint64_t value)
{
    struct cpu *c = api_cpu(m, cpu);
    return c && (msr_write(c, index, value) ||
                 api_fail(m, "MSR %#x does not take %#llx", index, (unsigned long long)value));
}

static struct mem *memory(struct sp_machine *m)
{
    return m->ipf ? ipf_machine_mem(m->ipf) : machine_mem(m->machine);
}

bool sp_mem_read(struct sp_machine *m, uint64_t address, void *bytes, size_t size)
{
    mem_read(memory(m), address, bytes, size);
    return true;
}

bool sp_mem_write(struct sp_machine *m, uint64_t address, const void *bytes, size_t size)
{
    mem_write(memory(m), address, bytes, size);
    return true;
}

/* Bytes from `address` to the end of its page, at most `size`. */
static size_t in_page(uint64_t address, size_t size)
{
    size_t n = PAGE_SIZE - (address & (PAGE_SIZE - 1));
    return n < size ? n : size;
}

static bool peek(struct sp_machine *m, unsigned cpu, uint64_t address, uint64_t *pa)
{
    if (m->ipf)
        return api_ipf_peek(m, cpu, address, pa);
    struct cpu *c = api_cpu(m, cpu);
    return c && (linear_peek(c, address, pa) ||
                 api_fail(m, "linear address %#llx is not mapped", (unsigned long long)address));
}
static bool is_mapped(struct sp_machine *m, unsigned cpu, uint64_t address, size_t size)
{
    uint64_t pa;
    for (size_t done = 0; done < size; done += in_page(address + done, size - done))
        if (!peek(m, cpu, address + done, &pa))
            return false;
    return m->ipf ? api_ipf_cpu(m, cpu) != NULL : api_cpu(m, cpu) != NULL;
}

bool sp_mem_read_linear(struct sp_machine *m, unsigned cpu, uint64_t address, void *bytes,
                        size_t size)
{
    uint64_t pa;
    if (!is_mapped(m, cpu, address, size))
        return false;
    for (size_t done = 0, n; done < size; done += n) {
        n = in_page(address + done, size - done);
        if (peek(m, cpu, address + done, &pa))
            mem_read(memory(m), pa, (uint8_t *)bytes + done, n);
    }
    return true;
}

bool sp_mem_write_linear(struct sp_machine *m, unsigned cpu, uint64_t address, const void *bytes,
                         size_t size)
{
    uint64_t pa;
    if (!is_mapped(m, cpu, address, size))
        return false;
    for (size_t done = 0, n; done < size; done += n) {
        n = in_page(address + done, size - done);
        if (peek(m, cpu, address + done, &pa))
            mem_write(memory(m), pa, (const uint8_t *)bytes + done, n);
    }
    return true;
}

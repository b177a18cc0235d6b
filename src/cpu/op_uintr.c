// SPDX-License-Identifier: Apache-2.0
// CLUI, STUI, TESTUI, UIRET, SENDUIPI.  That CR4.UINTR is 1, and for SENDUIPI IA32_UINTR_TT[0], is
// known when they are decoded.
#include "cpu/cet.h"
#include "cpu/ops.h"
#include "cpu/stack.h"
#include "cpu/uintr.h"
#include "cpu/vmx_ops.h"
#include "mem/phys.h"

static enum outcome gp0(struct cpu *c) { return cpu_raise_code(c, EXC_GP, 0); }

enum outcome op_clui(struct cpu *c, const struct insn *i)
{
    c->uif = false;
    return RETIRED;
}

enum outcome op_stui(struct cpu *c, const struct insn *i)
{
    c->uif = true;
    c->attention |= ATTENTION_BOUNDARY;
    return RETIRED;
}

enum outcome op_testui(struct cpu *c, const struct insn *i)
{
    flags_set_status(c, c->uif ? FLAG_CF : 0);
    return RETIRED;
}

enum outcome op_uiret(struct cpu *c, const struct insn *i)
{
    const uint64_t loaded = FLAGS_STATUS | FLAG_TF | FLAG_DF | FLAG_NT | FLAG_RF | FLAG_AC |
                            FLAG_ID;
    uint64_t rip, flags, rsp, shadow_rip;
    FAULT_IF(!stack_peek(c, 0, 8, &rip) || !stack_peek(c, 8, 8, &flags) ||
             !stack_peek(c, 16, 8, &rsp));
    if (!is_canonical(c, rip))
        return gp0(c);
    if (shadow_stack_enabled(c, c->cpl)) {
        FAULT_IF(!shadow_load(c, shadow_view(c), c->ssp, 8, &shadow_rip));
        if (shadow_rip != rip)
            return cpu_raise_code(c, EXC_CP, CP_FAR_RET_IRET);
        c->ssp += 8;
    }
    cpu_set_rflags(c, (cpu_rflags(c) & ~loaded) | (flags & loaded));
    c->rip = rip;
    c->gpr[RSP] = rsp;
    c->uif = true;
    c->monitor_armed = false;
    c->attention |= ATTENTION_BOUNDARY;
    return JUMPED;
}

/* ---- SENDUIPI ---- */

/* An entry of the user-interrupt target table (UITT). */
struct target { uint64_t low, upid; };
enum { TARGET_VALID = 1 << 0, TARGET_UV_SHIFT = 8, TARGET_UPID_RESERVED = 0x3f };
#define TARGET_RESERVED (~UINT64_C(0x3f01))

static enum outcome find_target(struct cpu *c, uint64_t index, struct target *t)
{
    uint64_t at = (c->msr.uintr_tt & ~UINT64_C(15)) + (index << 4);
    if (index > (uint32_t)c->msr.uintr_misc || !is_canonical(c, at))
        return gp0(c);
    FAULT_IF(!linear_read_system(c, at, t, sizeof *t));
    if (!(t->low & TARGET_VALID) || t->low & TARGET_RESERVED || t->upid & TARGET_UPID_RESERVED ||
        !is_canonical(c, t->upid))
        return gp0(c);
    return RETIRED;
}

static void send_notification(struct cpu *c, uint32_t ndst, uint8_t vector)
{
    if (c->vmx_nonroot && c->vmx_ops->user_ipi(c, ndst, vector))
        return;
    if (c->bus && c->bus->apic_notify)
        c->bus->apic_notify(c->machine, c, ndst, vector);
}

/* The update of the UPID is locked; it does not cross a line. */
enum outcome op_senduipi(struct cpu *c, const struct insn *i)
{
    struct target t;
    uint64_t pa;
    enum outcome o = find_target(c, c->gpr[i->rm], &t);
    if (o != RETIRED)
        return o;
    c->access_bytes = 8;
    FAULT_IF(!linear_translate(c, t.upid, ACCESS_WRITE, false, true, &pa));
    uint64_t upid = located_load(c, t.upid, pa, 8);
    if (upid & UPID_RESERVED)
        return gp0(c);
    bool notifies = !(upid & (UPID_ON | UPID_SN));
    uint64_t requests = located_load(c, t.upid + 8, pa + 8, 8);
    located_store(c, t.upid + 8, pa + 8, 8, requests | BIT(t.low >> TARGET_UV_SHIFT));
    if (!notifies)
        return RETIRED;
    located_store(c, t.upid, pa, 8, upid | UPID_ON);
    send_notification(c, (uint32_t)(upid >> UPID_NDST_SHIFT), (uint8_t)(upid >> UPID_NV_SHIFT));
    return RETIRED;
}

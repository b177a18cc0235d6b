// SPDX-License-Identifier: Apache-2.0
// SDM vol. 3, chapter "APIC Virtualization and Virtual Interrupts": the virtual-APIC page, accesses
// to it by CR8, memory and MSRs, virtual interrupts and posted interrupts.
#include "cpu/interrupt.h"
#include "cpu/uintr.h"
#include "mem/phys.h"
#include "vmx/internal.h"

enum {
    REASON_TPR = 43,
    REASON_APIC_ACCESS = 44,
    REASON_VIRTUALIZED_EOI = 45,
    REASON_APIC_WRITE = 56,
};
/* Access types of an APIC-access exit. */
enum {
    TYPE_READ = 0,
    TYPE_WRITE = 1,
    TYPE_FETCH = 2,
    TYPE_DELIVERY = 3,
    TYPE_PHYSICAL_DELIVERY = 10,
    TYPE_PHYSICAL = 15,
};
enum { QUAL_ASYNCHRONOUS = 1 << 16 }; /* an access of user-interrupt delivery */
/* Page offsets of registers. */
enum {
    REG_TPR = 0x80,
    REG_PPR = 0xa0,
    REG_EOI = 0xb0,
    REG_ISR = 0x100,
    REG_IRR = 0x200,
    REG_ICR = 0x300,
    REG_ICR_HIGH = 0x310,
    REG_SELF_IPI = 0x3f0,
};
enum {
    X2APIC_FIRST = 0x800,
    X2APIC_TPR = 0x808,
    X2APIC_EOI = 0x80b,
    X2APIC_ICR = 0x830,
    X2APIC_SELF_IPI = 0x83f,
};
#define NO_WRITE UINT32_MAX

/* ---- the virtual-APIC page ---- */

static uint64_t page_at(const struct cpu *c, unsigned offset)
{
    return vmcs_field(c, VIRTUAL_APIC_PAGE_ADDR) + offset;
}
static uint32_t get_register(struct cpu *c, unsigned offset)
{
    return (uint32_t)mem_read_le(c->mem, page_at(c, offset), 4);
}
static void set_register(struct cpu *c, unsigned offset, uint32_t value)
{
    mem_write_le(c->mem, page_at(c, offset), 4, value);
}

/* VIRR and VISR: 256 bits, 32 of them at each multiple of 16 bytes. */
static void set_vector(struct cpu *c, unsigned bitmap, unsigned vector, bool on)
{
    unsigned at = bitmap + (vector >> 5) * 16;
    uint32_t bit = UINT32_C(1) << (vector & 31), old = get_register(c, at);
    set_register(c, at, on ? old | bit : old & ~bit);
}
static unsigned highest_vector(struct cpu *c, unsigned bitmap)
{
    for (int k = 7; k >= 0; k--) {
        uint32_t word = get_register(c, bitmap + (unsigned)k * 16);
        if (word)
            return (unsigned)(32 * k + 31 - __builtin_clz(word));
    }
    return 0;
}

/* "Guest interrupt status": the vectors that are requested and in service. */
static unsigned rvi(const struct cpu *c) { return vmcs_field(c, GUEST_INTR_STATUS) & 0xff; }
static unsigned svi(const struct cpu *c) { return vmcs_field(c, GUEST_INTR_STATUS) >> 8; }
static void set_status(struct cpu *c, unsigned requested, unsigned serving)
{
    c->vmx->vmcs.f[GUEST_INTR_STATUS] = requested | serving << 8;
}
static bool delivers(const struct cpu *c)
{
    return c->vmx->proc2 & PROC2_VIRTUAL_INTERRUPT_DELIVERY;
}
static bool virtualizes_ipis(const struct cpu *c)
{
    return c->vmx->proc3 & PROC3_IPI_VIRTUALIZATION;
}

/* ---- "Virtual-Interrupt Delivery" ---- */

static void evaluate(struct cpu *c)
{
    bool window = c->vmx->proc & PROC_INTERRUPT_WINDOW_EXITING;
    if (!window && (rvi(c) & 0xf0) > (get_register(c, REG_PPR) & 0xf0))
        cpu_set_pending(c, PEND_VIRTUAL);
    else
        cpu_clear_pending(c, PEND_VIRTUAL);
}

static void virtualize_ppr(struct cpu *c)
{
    unsigned tpr = get_register(c, REG_TPR) & 0xff, serving = svi(c);
    set_register(c, REG_PPR, (tpr & 0xf0) >= (serving & 0xf0) ? tpr : serving & 0xf0);
}

/* What comes after the instruction: an exit with this reason. */
static void trap(struct cpu *c, uint32_t reason, uint64_t qualification)
{
    c->vmx->apic_exit = reason;
    c->vmx->apic_qualification = qualification;
    cpu_set_pending(c, PEND_VMX_APIC);
}

/* "TPR Virtualization" */
static void virtualize_tpr(struct cpu *c)
{
    if (delivers(c)) {
        virtualize_ppr(c);
        evaluate(c);
    } else if (get_register(c, REG_TPR) >> 4 < (vmcs_field(c, TPR_THRESHOLD) & 0xf)) {
        trap(c, REASON_TPR, 0);
    }
}

static void dismiss(struct cpu *c, unsigned vector)
{
    set_vector(c, REG_ISR, vector, false);
    set_status(c, rvi(c), highest_vector(c, REG_ISR));
    virtualize_ppr(c);
}

/* "EOI Virtualization" */
static void virtualize_eoi(struct cpu *c)
{
    unsigned vector = svi(c);
    dismiss(c, vector);
    if (vmcs_field(c, EOI_EXIT_BITMAP0 + vector / 64) >> (vector & 63) & 1)
        trap(c, REASON_VIRTUALIZED_EOI, vector);
    else
        evaluate(c);
}

/* "Self-IPI Virtualization" does this, and the virtual timer. */
void apic_request_virtual(struct cpu *c, unsigned vector)
{
    set_vector(c, REG_IRR, vector, true);
    set_status(c, rvi(c) > vector ? rvi(c) : vector, svi(c));
    evaluate(c);
}

bool apic_deliver_virtual(struct cpu *c)
{
    unsigned vector = rvi(c);
    if (!(c->pending & PEND_VIRTUAL) || !(c->rflags & FLAG_IF) || c->shadow)
        return false;
    cpu_clear_pending(c, PEND_VIRTUAL);
    set_vector(c, REG_ISR, vector, true);
    set_register(c, REG_PPR, vector & 0xf0);
    set_vector(c, REG_IRR, vector, false);
    set_status(c, highest_vector(c, REG_IRR), vector);
    if (uintr_is_notification(c, vector)) { /* dismissed at once; the EOI makes no exit */
        dismiss(c, vector);
        evaluate(c);
        uintr_process_notification(c);
        return true;
    }
    struct event e = { .vector = (uint8_t)vector, .type = EVENT_EXTERNAL };
    cpu_deliver(c, &e);
    return true;
}

void apic_enter(struct cpu *c)
{
    struct vmx *x = c->vmx;
    x->apic_write = NO_WRITE;
    x->apic_exit = 0;
    if (delivers(c))
        virtualize_tpr(c);
    else if (x->proc & PROC_USE_TPR_SHADOW && x->proc2 & PROC2_VIRTUALIZE_APIC_ACCESSES)
        virtualize_tpr(c);
}

/* ---- "Posted-Interrupt Processing" ---- */

/* The descriptor: bytes of requests; then a quadword with bits ON and SN, NV and NDST. */
enum { PID_ON = 32, PID_REQUESTS = 32, ON_OR_SN = 3, NV_SHIFT = 16, NDST_SHIFT = 32 };

bool apic_is_notification(const struct cpu *c, unsigned vector)
{
    return c->vmx->pin & PIN_PROCESS_POSTED_INTERRUPTS && vector == vmcs_field(c, POSTED_INTR_NV);
}

void apic_process_posted(struct cpu *c)
{
    uint64_t descriptor = vmcs_field(c, POSTED_INTR_DESC_ADDR);
    unsigned highest = 0;
    mem_write_le(c->mem, descriptor + PID_ON, 1,
                 mem_read_le(c->mem, descriptor + PID_ON, 1) & 0xfe);
    if (c->bus && c->bus->apic_eoi)
        c->bus->apic_eoi(c->machine, c);
    for (unsigned k = 0; k < PID_REQUESTS / 4; k++) {
        uint32_t word = (uint32_t)mem_read_le(c->mem, descriptor + 4 * k, 4);
        if (!word)
            continue;
        mem_write_le(c->mem, descriptor + 4 * k, 4, 0);
        set_register(c, REG_IRR + 16 * k, get_register(c, REG_IRR + 16 * k) | word);
        highest = 32 * k + 31 - (unsigned)__builtin_clz(word);
    }
    set_status(c, rvi(c) > highest ? rvi(c) : highest, svi(c));
    evaluate(c);
}

/* ---- "IPI Virtualization" ---- */

enum { PID_POINTER_VALID = 1, PID_POINTER_LOW = 0x3f };

/* The posted-interrupt descriptor of a virtual APIC ID; false: there is none. */
static bool find_descriptor(const struct cpu *c, uint32_t apic_id, uint64_t *descriptor)
{
    if (apic_id > vmcs_field(c, LAST_PID_POINTER_INDEX))
        return false;
    uint64_t pointer = mem_read_le(c->mem, vmcs_field(c, PID_POINTER_TABLE) + 8 * apic_id, 8);
    *descriptor = pointer & ~(uint64_t)PID_POINTER_LOW;
    return (pointer & PID_POINTER_LOW) == PID_POINTER_VALID && !(pointer >> c->physical_bits);
}

static void virtualize_ipi(struct cpu *c, unsigned vector, uint32_t apic_id)
{
    uint64_t descriptor;
    if (vector < 16 || !find_descriptor(c, apic_id, &descriptor)) {
        trap(c, REASON_APIC_WRITE, REG_ICR);
        return;
    }
    uint64_t at = descriptor + vector / 8;
    mem_write_le(c->mem, at, 1, mem_read_le(c->mem, at, 1) | BIT(vector & 7));
    uint64_t notification = mem_read_le(c->mem, descriptor + PID_ON, 8);
    if (notification & ON_OR_SN)
        return;
    mem_write_le(c->mem, descriptor + PID_ON, 8, notification | 1);
    if (c->bus && c->bus->apic_notify)
        c->bus->apic_notify(c->machine, c, (uint32_t)(notification >> NDST_SHIFT),
                            (uint8_t)(notification >> NV_SHIFT));
}

/* The write has the form of xAPIC mode with "virtualize APIC accesses", else of x2APIC mode. */
bool vmx_user_ipi(struct cpu *c, uint32_t ndst, uint8_t vector)
{
    if (!(c->vmx->proc & PROC_USE_TPR_SHADOW))
        return false;
    if (c->vmx->proc2 & PROC2_VIRTUALIZE_APIC_ACCESSES) {
        ndst = ndst >> 8 & 0xff;
        set_register(c, REG_ICR_HIGH, ndst << 24);
        set_register(c, REG_ICR, vector);
    } else {
        mem_write_le(c->mem, page_at(c, REG_ICR), 8, vector | (uint64_t)ndst << 32);
    }
    if (virtualizes_ipis(c))
        virtualize_ipi(c, vector, ndst);
    else
        trap(c, REASON_APIC_WRITE, REG_ICR);
    return true;
}

/* The ICR asks for a fixed, edge-triggered interrupt for the processor with a physical ID, and its
 * reserved bits and delivery status are 0. */
static bool is_plain_ipi(uint32_t icr) { return !(icr & 0xffffbf00); }

/* ---- CR8 ("Virtualizing CR8-Based TPR Accesses") ---- */

bool vmx_cr8_read(struct cpu *c, uint64_t *value)
{
    if (!(c->vmx->proc & PROC_USE_TPR_SHADOW))
        return false;
    *value = get_register(c, REG_TPR) >> 4 & 0xf;
    return true;
}

bool vmx_cr8_write(struct cpu *c, uint64_t value, enum outcome *o)
{
    if (!(c->vmx->proc & PROC_USE_TPR_SHADOW))
        return false;
    set_register(c, REG_TPR, (uint32_t)value << 4 & 0xff);
    virtualize_tpr(c);
    *o = RETIRED;
    return true;
}

/* ---- memory ("Virtualizing Memory-Mapped APIC Accesses") ---- */

/* Offsets that "APIC-register virtualization" adds: ranges, both ends included. */
struct span {
    uint16_t first, last;
};
static const struct span readable[] = {
    { 0x20, 0x30 },   { 0xb0, 0xb0 },   { 0xd0, 0xf0 },   { 0x100, 0x170 }, { 0x180, 0x1f0 },
    { 0x200, 0x270 }, { 0x280, 0x280 }, { 0x300, 0x370 }, { 0x380, 0x380 }, { 0x3e0, 0x3e0 },
};
static const struct span writable[] = {
    { 0x20, 0x20 },   { 0xb0, 0xb0 },   { 0xd0, 0xf0 },   { 0x280, 0x280 },
    { 0x300, 0x370 }, { 0x380, 0x380 }, { 0x3e0, 0x3e0 },
};

static bool in_spans(const struct span *s, size_t n, unsigned offset)
{
    for (size_t k = 0; k < n; k++)
        if (offset >= s[k].first && offset <= s[k].last)
            return true;
    return false;
}

/* An access of `size` bytes that lies in the low four bytes of a register. */
static bool access_is_virtualized(const struct cpu *c, unsigned offset, unsigned size, bool write)
{
    const struct vmx *x = c->vmx;
    unsigned reg = offset & 0xff0;
    if (!(x->proc & PROC_USE_TPR_SHADOW) || (offset & 0xf) + size > 4)
        return false;
    if (reg == REG_TPR)
        return true;
    if (x->proc2 & PROC2_APIC_REGISTER_VIRTUALIZATION)
        return write ? in_spans(writable, ARRAY_SIZE(writable), reg)
                     : in_spans(readable, ARRAY_SIZE(readable), reg);
    return (delivers(c) && (reg == REG_EOI || reg == REG_ICR)) ||
           (write && reg == REG_ICR && virtualizes_ipis(c));
}

static bool access_exit(struct cpu *c, const struct guest_physical *g, uint64_t offset)
{
    static const uint8_t types[] = {
        [ACCESS_READ] = TYPE_READ, [ACCESS_WRITE] = TYPE_WRITE, [ACCESS_EXECUTE] = TYPE_FETCH
    };
    unsigned type = c->is_delivering ? TYPE_DELIVERY : types[g->kind];
    if (g->structure)
        type = c->is_delivering ? TYPE_PHYSICAL_DELIVERY : TYPE_PHYSICAL;
    c->vm_exited = true;
    vm_exit(c, &(struct vm_exit){
                   .reason = REASON_APIC_ACCESS,
                   .qualification = (g->structure ? 0 : offset) | (uint64_t)type << 12 |
                                    (c->delivering_user ? QUAL_ASYNCHRONOUS : 0),
                   .vectoring = true,
                   .set_rf = !c->is_delivering || event_pushes_rf(&c->delivering),
                   .has_length = true,
               });
    return false;
}

bool apic_page_access(struct cpu *c, const struct guest_physical *g, uint64_t *hpa,
                      unsigned *page_ok)
{
    unsigned offset = *hpa & 0xfff;
    bool write = g->kind == ACCESS_WRITE;
    if (g->structure && !vmx_ept_enabled(c))
        return true; /* a physical access: it goes to the page itself */
    *page_ok = 0;
    if (g->structure || g->kind == ACCESS_EXECUTE ||
        !access_is_virtualized(c, offset, c->access_bytes, write))
        return access_exit(c, g, offset);
    *hpa = page_at(c, offset);
    if (write) {
        c->vmx->apic_write = offset & 0xff0;
        cpu_set_pending(c, PEND_VMX_APIC);
    }
    return true;
}

/* ---- "APIC-Write Emulation" ---- */

/* The ICR asks for a fixed, edge-triggered interrupt with a legal vector for the processor itself,
 * and its reserved bits and delivery status are 0. */
static bool is_self_ipi(uint32_t icr)
{
    return !(icr & 0xfff3b700) && (icr >> 18 & 3) == 1 && icr & 0xf0;
}

static void emulate_write(struct cpu *c, unsigned reg)
{
    uint32_t value = get_register(c, reg);
    switch (reg) {
    case REG_TPR:
        set_register(c, REG_TPR, value & 0xff);
        virtualize_tpr(c);
        return;
    case REG_EOI:
        if (!delivers(c))
            break;
        set_register(c, REG_EOI, 0);
        virtualize_eoi(c);
        return;
    case REG_ICR:
        if (delivers(c) && is_self_ipi(value))
            apic_request_virtual(c, value & 0xff);
        else if (virtualizes_ipis(c) && is_plain_ipi(value))
            virtualize_ipi(c, value & 0xff, get_register(c, REG_ICR_HIGH) >> 24);
        else
            break;
        return;
    case REG_ICR_HIGH: set_register(c, REG_ICR_HIGH, value & 0xff000000); return;
    default: break;
    }
    trap(c, REASON_APIC_WRITE, reg);
}

bool apic_boundary(struct cpu *c, uint64_t *qualification, uint32_t *reason)
{
    struct vmx *x = c->vmx;
    uint32_t reg = x->apic_write;
    x->apic_write = NO_WRITE;
    if (reg != NO_WRITE)
        emulate_write(c, reg);
    cpu_clear_pending(c, PEND_VMX_APIC);
    *reason = x->apic_exit;
    *qualification = x->apic_qualification;
    x->apic_exit = 0;
    return *reason;
}

/* ---- MSRs ("Virtualizing MSR-Based APIC Accesses") ---- */

static bool is_x2apic_msr(uint32_t index) { return index >> 8 == X2APIC_FIRST >> 8; }

bool apic_msr_read(struct cpu *c, uint32_t index, uint64_t *value)
{
    uint32_t proc2 = c->vmx->proc2;
    if (!(proc2 & PROC2_VIRTUALIZE_X2APIC_MODE) || !is_x2apic_msr(index) ||
        !(index == X2APIC_TPR || proc2 & PROC2_APIC_REGISTER_VIRTUALIZATION))
        return false;
    *value = mem_read_le(c->mem, page_at(c, (index & 0xff) << 4), 8);
    return true;
}

/* Bits of the MSR that must be 0, if WRMSR is virtualized. */
static bool msr_write_is_virtualized(const struct cpu *c, uint32_t index, uint64_t *reserved)
{
    *reserved = index == X2APIC_EOI   ? UINT64_MAX
                : index == X2APIC_ICR ? 0xfff33000
                                      : ~UINT64_C(0xff);
    switch (index) {
    case X2APIC_TPR: return true;
    case X2APIC_EOI:
    case X2APIC_SELF_IPI: return delivers(c);
    case X2APIC_ICR: return virtualizes_ipis(c);
    default: return false;
    }
}

bool apic_msr_write(struct cpu *c, uint32_t index, uint64_t value, enum outcome *o)
{
    uint64_t reserved;
    if (!(c->vmx->proc2 & PROC2_VIRTUALIZE_X2APIC_MODE) ||
        !msr_write_is_virtualized(c, index, &reserved))
        return false;
    if (value & reserved) {
        *o = cpu_raise_code(c, EXC_GP, 0);
        return true;
    }
    *o = RETIRED;
    mem_write_le(c->mem, page_at(c, (index & 0xff) << 4), 8, value);
    if (index == X2APIC_TPR)
        virtualize_tpr(c);
    else if (index == X2APIC_EOI)
        virtualize_eoi(c);
    else if (index == X2APIC_ICR && is_plain_ipi((uint32_t)value))
        virtualize_ipi(c, value & 0xff, (uint32_t)(value >> 32));
    else if (index == X2APIC_SELF_IPI && value >> 4)
        apic_request_virtual(c, (unsigned)value);
    else
        trap(c, REASON_APIC_WRITE, (index & 0xff) << 4);
    return true;
}

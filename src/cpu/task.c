// SPDX-License-Identifier: Apache-2.0
// The hardware task switch, 16- and 32-bit.  Until commit() nothing of the processor changes;
// faults after it belong to the new task (SDM vol. 3, "Task Switching" and its table of
// exceptions).
#include "cpu/task.h"

#include "cpu/cet.h"
#include "cpu/vmx_ops.h"
#include "mem/phys.h"

/* Layout of the two TSS formats ("Task-State Segment (TSS)", "16-Bit Task-State Segment"). */
struct tss_layout {
    unsigned size, word;                  /* bytes that a switch touches; bytes of a register     */
    unsigned eip, eflags, gpr, seg, ldt; /* offsets; gpr: eight registers, seg: from ES on        */
    unsigned segs;                        /* segment registers stored                             */
    int cr3, trap;                        /* offsets, -1 if absent                                */
};
enum { TSS_SSP = 104 };   /* where the 32-bit TSS has the SSP of its task */
static const struct tss_layout layout16 = { 44, 2, 14, 16, 18, 34, 42, 4, -1, -1 };
static const struct tss_layout layout32 = { 104, 4, 32, 36, 40, 72, 96, 6, 28, 100 };

static const struct tss_layout *layout_of(const struct segment *s)
{
    return seg_type(s) & 8 ? &layout32 : &layout16;
}

static uint32_t get(const uint8_t *image, unsigned offset, unsigned n)
{
    uint32_t v = image[offset] | (uint32_t)image[offset + 1] << 8;
    return n == 4 ? v | (uint32_t)image[offset + 2] << 16 | (uint32_t)image[offset + 3] << 24 : v;
}

static void put(uint8_t *image, unsigned offset, unsigned n, uint64_t v)
{
    for (unsigned k = 0; k < n; k++)
        image[offset + k] = (uint8_t)(v >> (8 * k));
}

/* A later linear_write_system of the range cannot fault. */
static bool probe_write(struct cpu *c, uint64_t linear, unsigned n)
{
    uint64_t pa;
    return linear_translate(c, linear, ACCESS_WRITE, false, true, &pa) &&
           linear_translate(c, linear_wrap(c, linear + n - 1), ACCESS_WRITE, false, true, &pa);
}

/* ---- the old task ---- */

static void save_state(const struct cpu *c, const struct tss_layout *l, enum task_source source,
                       uint64_t next_rip, uint8_t *image)
{
    uint64_t flags = cpu_rflags(c);
    if (source == TASK_IRET)
        flags &= ~(uint64_t)FLAG_NT;
    put(image, l->eip, l->word, next_rip);
    put(image, l->eflags, l->word, flags);
    for (unsigned k = 0; k < 8; k++)
        put(image, l->gpr + k * l->word, l->word, c->gpr[k]);
    for (unsigned k = 0; k < l->segs; k++)
        put(image, l->seg + k * l->word, 2, c->seg[k].selector);
}

/* The descriptor of the old task: its busy bit is cleared by JMP and IRET. */
static bool release_old(struct cpu *c, enum task_source source)
{
    struct descriptor old;
    bool found;
    if (source != TASK_JMP && source != TASK_IRET)
        return true;
    if (!descriptor_probe(c, c->seg[TR].selector, &old, &found))
        return false;
    return !found || descriptor_write_type(c, &old, 0, TSS_BUSY_BIT);
}

static bool write_old(struct cpu *c, enum task_source source, uint64_t next_rip)
{
    uint8_t image[104];
    const struct segment *tr = &c->seg[TR];
    const struct tss_layout *l = layout_of(tr);
    unsigned from = l->eip, n = l->seg + l->segs * l->word - from;
    if (!linear_read_system(c, linear_wrap(c, tr->base + from), image + from, n))
        return false;
    save_state(c, l, source, next_rip, image);
    return release_old(c, source) &&
           linear_write_system(c, linear_wrap(c, tr->base + from), image + from, n);
}

/* ---- the new task ---- */

static bool probe_all(struct cpu *c, const struct descriptor *tss, enum task_source source)
{
    const struct tss_layout *l = layout_of(&c->seg[TR]);
    uint64_t old = linear_wrap(c, c->seg[TR].base + l->eip);
    if (!probe_write(c, old, l->seg + l->segs * l->word - l->eip))
        return false;
    if (source != TASK_IRET && !probe_write(c, linear_wrap(c, tss->linear + 5), 1))
        return false;
    bool links = source == TASK_CALL || source == TASK_GATE;
    return !links || probe_write(c, linear_wrap(c, tss->seg.base), 2);
}

static bool write_new(struct cpu *c, const struct descriptor *tss, enum task_source source)
{
    uint16_t link = c->seg[TR].selector;
    if (source == TASK_CALL || source == TASK_GATE)
        if (!linear_write_system(c, linear_wrap(c, tss->seg.base), &link, 2))
            return false;
    return source == TASK_IRET || descriptor_write_type(c, tss, TSS_BUSY_BIT, 0);
}

static bool load_cr3(struct cpu *c, uint32_t cr3)
{
    if (c->cr4 & CR4_PAE) {
        uint64_t pdpte[4];
        c->vm_exited = false;
        if (!cpu_load_pdptes(c, cr3, pdpte))
            return !c->vm_exited && refuse(c, EXC_GP, 0);
        for (unsigned k = 0; k < 4; k++)
            c->pdpte[k] = pdpte[k];
    }
    cpu_load_cr3(c, cr3);
    return true;
}

/* Registers of the new task; segment selectors without descriptors yet. */
static void load_registers(struct cpu *c, const struct descriptor *tss, enum task_source source,
                           const uint8_t *image)
{
    const struct tss_layout *l = layout_of(&tss->seg);
    uint64_t flags = get(image, l->eflags, l->word);
    if (source == TASK_CALL || source == TASK_GATE)
        flags |= FLAG_NT;
    c->seg[TR] = tss->seg;
    c->seg[TR].access |= TSS_BUSY_BIT;
    c->cr0 |= CR0_TS;
    c->dr[7] &= ~UINT64_C(0x155);          /* L0 to L3 and LE: breakpoints local to a task */
    c->rip = get(image, l->eip, l->word);
    for (unsigned k = 0; k < 8; k++)       /* a 16-bit TSS leaves ones above, as silicon does */
        c->gpr[k] = get(image, l->gpr + k * l->word, l->word) | (l->word == 2 ? 0xffff0000u : 0);
    for (unsigned k = 0; k < 6; k++) {
        uint16_t s = k < l->segs ? (uint16_t)get(image, l->seg + k * l->word, 2) : 0;
        c->seg[k] = segment_null(s, 0);
    }
    c->seg[LDTR] = segment_null((uint16_t)get(image, l->ldt, 2), 0);
    cpu_set_rflags(c, flags);
}

static bool load_code(struct cpu *c, uint16_t selector)
{
    struct descriptor d;
    uint16_t code = selector & 0xfffc;
    if (is_null(selector))
        return refuse(c, EXC_TS, 0);
    if (!descriptor_fetch(c, selector, EXC_TS, &d))
        return false;
    unsigned rpl = selector_rpl(selector), dpl = seg_dpl(&d.seg);
    if (!seg_is_code(&d.seg) || (seg_is_conforming(&d.seg) ? dpl > rpl : dpl != rpl))
        return refuse(c, EXC_TS, code);
    if (!seg_present(&d.seg))
        return refuse(c, EXC_NP, code);
    if (!descriptor_set_accessed(c, &d))
        return false;
    c->seg[CS] = d.seg;
    return true;
}

static bool load_segments(struct cpu *c)
{
    static const enum seg data[] = { ES, DS, FS, GS };
    if (in_v86(c)) {
        c->cpl = 3;
        for (unsigned k = ES; k <= GS; k++)
            c->seg[k] = segment_real(c, k, c->seg[k].selector);
        return segment_prepare_ldt(c, c->seg[LDTR].selector, EXC_TS, &c->seg[LDTR]);
    }
    c->cpl = selector_rpl(c->seg[CS].selector);
    if (!segment_prepare_ldt(c, c->seg[LDTR].selector, EXC_TS, &c->seg[LDTR]) ||
        !load_code(c, c->seg[CS].selector) ||
        !segment_prepare_stack(c, c->seg[SS].selector, c->cpl, EXC_TS, &c->seg[SS]))
        return false;
    for (unsigned k = 0; k < ARRAY_SIZE(data); k++)
        if (!segment_prepare_data(c, c->seg[data[k]].selector, c->cpl, EXC_TS, &c->seg[data[k]]))
            return false;
    return code_target_ok(c, &c->seg[CS], c->rip) || refuse(c, EXC_GP, 0);
}

/* The level of the new task is that of its code segment. */
static bool prepare_shadow(struct cpu *c, const struct descriptor *tss, enum task_source source,
                           uint64_t next_rip, const uint8_t *image, struct shadow_task *t)
{
    const struct tss_layout *l = layout_of(&tss->seg);
    bool v86 = get(image, l->eflags, l->word) & FLAG_VM && l->word == 4;
    unsigned cpl = v86 ? 3 : selector_rpl((uint16_t)get(image, l->seg + CS * l->word, 2));
    bool links = source == TASK_CALL || source == TASK_GATE;
    *t = (struct shadow_task){ .ssp = c->cr4 & CR4_CET ? get(image, TSS_SSP, 4) : 0 };
    return shadow_task_prepare(c, t, source == TASK_IRET, links, cpl, next_rip);
}

static bool enter_task(struct cpu *c, const struct descriptor *tss, enum task_source source,
                       const uint8_t *image, const struct shadow_task *shadow)
{
    const struct tss_layout *l = layout_of(&tss->seg);
    shadow_task_leave(c, shadow);
    load_registers(c, tss, source, image);
    bool ok = l->cr3 < 0 || !(c->cr0 & CR0_PG) || load_cr3(c, get(image, (unsigned)l->cr3, 4));
    ok = ok && load_segments(c) && shadow_task_enter(c, shadow, source == TASK_IRET);
    if (ok && l->trap >= 0 && (image[l->trap] & 1)) {
        c->pending_debug |= BIT(15);
        cpu_set_pending(c, PEND_DEBUG);
    }
    cpu_mode_changed(c);
    return ok;
}

enum task_result task_switch(struct cpu *c, const struct descriptor *tss, enum task_source source,
                             uint64_t next_rip)
{
    uint8_t image[TSS_SSP + 4];
    struct shadow_task shadow;
    uint16_t selector = tss->seg.selector;
    const struct tss_layout *l = layout_of(&tss->seg);
    if (tss->seg.limit < (l->word == 4 ? 0x67u : 0x2bu)) {
        refuse(c, EXC_TS, selector & 0xfffc);
        return TASK_REFUSED;
    }
    if (!shadow_task_legal(c, &tss->seg, source == TASK_IRET))
        return TASK_REFUSED;
    if (c->vmx_nonroot && c->vmx_ops->task_switch_exit(c, selector, source)) {
        c->vm_exited = true;
        return TASK_REFUSED;
    }
    if (!probe_all(c, tss, source) ||
        !linear_read_system(c, linear_wrap(c, tss->seg.base), image,
                            c->cr4 & CR4_CET ? TSS_SSP + 4u : l->size) ||
        !prepare_shadow(c, tss, source, next_rip, image, &shadow) || !write_old(c, source, next_rip) || !write_new(c, tss, source))
        return TASK_REFUSED;
    if (enter_task(c, tss, source, image, &shadow))
        return TASK_SWITCHED;
    return c->vm_exited ? TASK_REFUSED : TASK_FAULTED;
}

enum outcome task_switch_insn(struct cpu *c, const struct insn *i, const struct descriptor *tss,
                              enum task_source source)
{
    switch (task_switch(c, tss, source, insn_next_rip(c, i))) {
    case TASK_SWITCHED:
        return JUMPED;
    case TASK_REFUSED:
        return cpu_fault_outcome(c);
    default: {
        struct event e = c->event;
        return cpu_deliver(c, &e);
    }
    }
}

bool task_gate_tss(struct cpu *c, const struct descriptor *gate, struct descriptor *tss)
{
    uint16_t selector = descriptor_gate(c, gate).selector;
    if (selector & 4 || is_null(selector))
        return refuse(c, EXC_GP, selector & 0xfffc);
    if (!descriptor_fetch(c, selector, EXC_GP, tss))
        return false;
    if (!is_available_tss(&tss->seg))
        return refuse(c, EXC_GP, selector & 0xfffc);
    return seg_present(&tss->seg) || refuse(c, EXC_NP, selector & 0xfffc);
}

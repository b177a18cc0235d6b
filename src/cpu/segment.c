// SPDX-License-Identifier: Apache-2.0
// What a segment register gets, mode by mode, with the checks of SDM vol. 3, "Privilege Level
// Checking When Accessing Data Segments" and of vol. 2, "MOV--Move".
#include "cpu/descriptor.h"

enum {
    ACCESS_DATA_RW = 0x93,       /* present, S, read/write, accessed */
    ACCESS_CODE_RX = 0x9b,
};

struct segment segment_null(uint16_t selector, unsigned dpl)
{
    return (struct segment){ .selector = selector, .access = SEG_UNUSABLE | dpl << SEG_DPL_SHIFT };
}

struct segment segment_real(const struct cpu *c, enum seg s, uint16_t selector)
{
    struct segment v = c->seg[s];
    v.selector = selector;
    v.base = (uint64_t)selector << 4;
    if (in_v86(c)) {
        v.limit = 0xffff;
        v.access = ACCESS_DATA_RW | 3 << SEG_DPL_SHIFT;
    } else if (v.access & SEG_UNUSABLE) {
        v.access = ACCESS_DATA_RW;
    }
    /* In real-address mode limit and access rights stay as protected mode left them ("Switching
     * Back to Real-Address Mode"): "unreal mode" depends on the limit, and a hypervisor that looks
     * while the guest enters protected mode again finds CS a code segment. */
    return v;
}

struct segment segment_flat_code(uint16_t selector, unsigned dpl, bool long_mode)
{
    return (struct segment){ .selector = selector, .limit = 0xffffffff,
                             .access = ACCESS_CODE_RX | SEG_G | (long_mode ? SEG_L : SEG_DB) |
                                       dpl << SEG_DPL_SHIFT };
}

struct segment segment_flat_stack(uint16_t selector, unsigned dpl)
{
    return (struct segment){ .selector = selector, .limit = 0xffffffff,
                             .access = ACCESS_DATA_RW | SEG_G | SEG_DB | dpl << SEG_DPL_SHIFT };
}

bool segment_prepare_stack(struct cpu *c, uint16_t selector, unsigned cpl, enum exception vector,
                           struct segment *out)
{
    struct descriptor d;
    uint16_t code = selector & 0xfffc;
    if (is_null(selector))
        return refuse(c, vector, 0);
    if (!descriptor_fetch(c, selector, vector, &d))
        return false;
    if (selector_rpl(selector) != cpl || !seg_is_writable_data(&d.seg) || seg_dpl(&d.seg) != cpl)
        return refuse(c, vector, code);
    if (!seg_present(&d.seg))
        return refuse(c, EXC_SS, code);
    if (!descriptor_set_accessed(c, &d))
        return false;
    *out = d.seg;
    return true;
}

bool segment_prepare_data(struct cpu *c, uint16_t selector, unsigned cpl, enum exception vector,
                          struct segment *out)
{
    struct descriptor d;
    uint16_t code = selector & 0xfffc;
    if (is_null(selector)) {
        *out = segment_null(selector, 0);
        return true;
    }
    if (!descriptor_fetch(c, selector, vector, &d))
        return false;
    unsigned dpl = seg_dpl(&d.seg);
    if (!seg_is_readable(&d.seg))
        return refuse(c, vector, code);
    if (!seg_is_conforming(&d.seg) && (selector_rpl(selector) > dpl || cpl > dpl))
        return refuse(c, vector, code);
    if (!seg_present(&d.seg))
        return refuse(c, EXC_NP, code);
    if (!descriptor_set_accessed(c, &d))
        return false;
    *out = d.seg;
    return true;
}

bool segment_prepare(struct cpu *c, enum seg s, uint16_t selector, struct segment *out)
{
    if (in_real_or_v86(c)) {
        *out = segment_real(c, s, selector);
        return true;
    }
    if (s != SS)
        return segment_prepare_data(c, selector, c->cpl, EXC_GP, out);
    /* 64-bit mode below level 3 runs with a null SS, whose RPL is the CPL. */
    if (is_null(selector) && in_64bit(c) && c->cpl < 3 && selector_rpl(selector) == c->cpl) {
        *out = segment_null(selector, c->cpl);
        return true;
    }
    return segment_prepare_stack(c, selector, c->cpl, EXC_GP, out);
}

bool segment_prepare_ldt(struct cpu *c, uint16_t selector, enum exception vector,
                         struct segment *out)
{
    struct descriptor d;
    uint16_t code = selector & 0xfffc;
    if (is_null(selector)) {
        *out = segment_null(selector, 0);
        return true;
    }
    if (selector & 4)
        return refuse(c, vector, code);
    if (!descriptor_fetch(c, selector, vector, &d))
        return false;
    if (!seg_is_system(&d.seg) || seg_type(&d.seg) != SYS_LDT || !descriptor_high_ok(&d))
        return refuse(c, vector, code);
    if (!seg_present(&d.seg))    /* a task switch reports #TS here ("Task Switching", table 1) */
        return refuse(c, vector == EXC_TS ? EXC_TS : EXC_NP, code);
    if (in_long_mode(c) && !is_canonical(c, d.seg.base))
        return refuse(c, vector, code);
    *out = d.seg;
    return true;
}

void segments_drop_privileged(struct cpu *c)
{
    static const enum seg data[] = { ES, FS, GS, DS };
    for (unsigned k = 0; k < ARRAY_SIZE(data); k++) {
        struct segment *s = &c->seg[data[k]];
        if (is_null(s->selector))
            s->selector = 0; /* the RPL of a null selector does not survive */
        if (!seg_is_conforming(s) && seg_dpl(s) < c->cpl && !(s->access & SEG_UNUSABLE)) {
            s->selector = 0;
            s->access = SEG_UNUSABLE; /* the base stays, and 64-bit mode uses that of FS and GS */
        }
    }
}

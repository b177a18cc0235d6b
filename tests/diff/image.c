// SPDX-License-Identifier: Apache-2.0
// SDM vol. 1, "x87 FPU Instruction and Data (Operand) Pointers": later models keep FDP for unmasked
// exceptions only (CPUID.7:EBX[6]), store 0 for FCS and FDS (EBX[13]), and have FOP likewise for
// exceptions only ("Fopcode Compatibility Sub-mode").
#include "image.h"

#include <string.h>

#include "cpu/access.h"
#include "segments.h"

struct image {
    const char *name;
    uint8_t operand_size;                /* 0: any                     */
    struct { uint8_t at, size; } open[3];
};
static const struct image images[] = {
    { "fnstenv", 2, { { 8, 2 }, { 10, 4 } } },
    { "fnsave", 2, { { 8, 2 }, { 10, 4 } } },
    { "fnstenv", 0, { { 16, 4 }, { 20, 6 } } },
    { "fnsave", 0, { { 16, 4 }, { 20, 6 } } },
    { "fxsave", 0, { { 6, 2 }, { 12, 2 }, { 16, 6 } } },
};

/* The instruction changes no general register: those after it give its operand's address. */
static uint64_t operand_offset(const struct test_case *t, const struct user_state *after)
{
    const struct insn *i = &t->last;
    uint64_t base = i->rm < 16 ? after->gpr[i->rm] : i->rm == REG_BLOCK_RIP ? case_end(t) : 0;
    uint64_t index = i->index < 16 ? after->gpr[i->index] << (i->sib & 3) : 0;
    uint64_t seg = insn_seg(i) == FS ? after->fs_base : insn_seg(i) == GS ? after->gs_base : 0;
    if (t->bits < 64)
        seg = segment_of(after->selector[insn_seg(i)]).base;
    uint64_t ea = (base + index + (uint64_t)(int64_t)i->disp) & size_mask(insn_asize(i));
    return ((ea + seg) & size_mask(t->bits == 64 ? 8 : 4)) - DATA_BASE;
}

static void clear(struct result *r, uint64_t at, unsigned size)
{
    if (at < DATA_SIZE && size <= DATA_SIZE - at)
        memset(r->data + at, 0, size);
}

void image_clear_open(const struct test_case *t, struct result *host, struct result *ours)
{
    const char *name = insn_rows[t->row[t->count - 1]].name;
    for (unsigned k = 0; k < ARRAY_SIZE(images); k++) {
        const struct image *m = &images[k];
        if (strcmp(m->name, name) || (m->operand_size && m->operand_size != t->last.size))
            continue;
        uint64_t at = operand_offset(t, &host->out);
        for (unsigned j = 0; j < ARRAY_SIZE(m->open); j++) {
            clear(host, at + m->open[j].at, m->open[j].size);
            clear(ours, at + m->open[j].at, m->open[j].size);
        }
        return;
    }
}

// SPDX-License-Identifier: Apache-2.0
// The segments that 16- and 32-bit cases can name: those of 64-bit Linux's GDT that a user may use,
// and a local descriptor table of ours.
#ifndef SP_TESTS_DIFF_SEGMENTS_H
#define SP_TESTS_DIFF_SEGMENTS_H

#include <stdbool.h>

#include "cpu/state.h"

enum {
    SEL_CODE32 = 0x23,
    SEL_DATA32 = 0x2b,
    SEL_CODE64 = 0x33,
    SEL_PER_CPU = 0x7b,
    GDT_COUNT = 16
};

/* Entries of the LDT.  WINDOW and 16-bit segments begin in or before the data area, so that 16-bit
 * addresses reach it; DOWN is expand-down. */
enum ldt_entry {
    LDT_NULL,
    LDT_CODE32,
    LDT_DATA32,
    LDT_WINDOW32,
    LDT_SHORT32,
    LDT_DOWN32,
    LDT_READ_ONLY,
    LDT_EXECUTE_ONLY,
    LDT_ABSENT,
    LDT_CODE16,
    LDT_DATA16,
    LDT_DOWN16,
    LDT_CONFORMING,
    LDT_FAR32,
    LDT_WINDOW_CODE,
    LDT_COUNT,
};
#define LDT_SELECTOR(entry) ((uint16_t)((entry) << 3 | 7))

/* As modify_ldt takes it. */
struct ldt_row {
    uint32_t base, limit;
    uint8_t contents; /* 0 data, 1 expand-down data, 2 code, 3 conforming code */
    bool big, pages, restricted /* read-only or execute-only */, absent;
};
extern const struct ldt_row ldt_rows[LDT_COUNT];

uint64_t ldt_descriptor(enum ldt_entry entry);
/* `per_cpu` is the limit of SEL_PER_CPU's segment, where Linux keeps the processor's number. */
uint64_t gdt_descriptor(unsigned entry, uint32_t per_cpu);
/* What a segment register holds after a load of `selector`, which must name a segment that exists.
 */
struct segment segment_of(uint16_t selector);
/* A selector for an instruction to load or examine: good ones, bad ones, null. */
uint16_t value_selector(uint64_t *random);

#endif

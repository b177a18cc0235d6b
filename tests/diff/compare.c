// SPDX-License-Identifier: Apache-2.0
#include "compare.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cpu/state.h"
#include "lists.h"

/* Bits of RFLAGS that a user program can change; RF and the like depend on how the kernel was
 * entered. */
#define FLAGS_COMPARED (FLAGS_STATUS | FLAG_DF | FLAG_AC | FLAG_ID | FLAG_NT)
/* Beyond the user's addresses the kernel does not tell the truth about error codes. */
#define USER_END UINT64_C(0x7ffffffff000)

struct report {
    char *text;
    size_t size, used;
    bool differs;
};

static void differ(struct report *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void differ(struct report *r, const char *format, ...)
{
    va_list args;
    r->differs = true;
    if (r->used >= r->size)
        return;
    va_start(args, format);
    int n = vsnprintf(r->text + r->used, r->size - r->used, format, args);
    va_end(args);
    r->used += n > 0 ? (size_t)n : 0;
}

static void compare_word(struct report *r, const char *name, uint64_t host, uint64_t ours,
                         uint64_t mask)
{
    if ((host ^ ours) & mask)
        differ(r, "    %-8s host %016" PRIx64 "  ours %016" PRIx64 "\n", name, host, ours);
}

static bool is_access_fault(uint32_t vector)
{
    return vector == EXC_GP || vector == EXC_SS || vector == EXC_PF || vector == EXC_AC;
}

static void compare_fault(struct report *r, const struct result *host, const struct result *ours,
                          const struct open_result *open)
{
    if (open && open->kind & OPEN_FAULT && host->vector != ours->vector &&
        is_access_fault(host->vector) && is_access_fault(ours->vector))
        return;
    compare_word(r, "vector", host->vector, ours->vector, ~UINT64_C(0));
    if (host->vector != ours->vector || host->vector == NO_EXCEPTION)
        return;
    if (host->vector == EXC_PF && host->address < USER_END) {
        if (!open || !(open->kind & OPEN_ADDRESS))
            compare_word(r, "address", host->address, ours->address, ~UINT64_C(0));
        compare_word(r, "error", host->error, ours->error, ~UINT64_C(0));
    }
    if (host->vector == EXC_GP || host->vector == EXC_SS)
        compare_word(r, "error", host->error, ours->error, ~UINT64_C(0));
}

static void compare_general(struct report *r, const struct result *host, const struct result *ours,
                            uint32_t open_flags)
{
    static const char *const names[] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                         "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15" };
    for (unsigned k = 0; k < 16; k++)
        compare_word(r, names[k], host->out.gpr[k], ours->out.gpr[k], ~UINT64_C(0));
    compare_word(r, "rflags", host->out.rflags, ours->out.rflags,
                 FLAGS_COMPARED & ~(uint64_t)open_flags);
    compare_word(r, "rip", host->out.rip, ours->out.rip, ~UINT64_C(0));
}

static void compare_segments(struct report *r, unsigned bits, const struct result *host,
                             const struct result *ours)
{
    static const char *const names[] = { "es", "cs", "ss", "ds", "fs", "gs" };
    if (bits == 64) {
        compare_word(r, "fsbase", host->out.fs_base, ours->out.fs_base, ~UINT64_C(0));
        compare_word(r, "gsbase", host->out.gs_base, ours->out.gs_base, ~UINT64_C(0));
        return;
    }
    for (unsigned k = 0; k < ARRAY_SIZE(names); k++) {
        uint16_t a = host->out.selector[k], b = ours->out.selector[k];
        if (a > 3 || b > 3) /* a return to user mode makes null selectors 0 */
            compare_word(r, names[k], a, b, 0xffff);
    }
}

static uint64_t read_le(const uint8_t *at, unsigned size)
{
    uint64_t v = 0;
    memcpy(&v, at, size);
    return v;
}

/* Last bits: the same sign and exponent, significands that differ by at most `units` in the last
 * place; a power of two may lie between. */
static bool nearly(const uint8_t *host, const uint8_t *ours, uint64_t units)
{
    uint64_t a = read_le(host, 8), b = read_le(ours, 8);
    uint16_t x = (uint16_t)read_le(host + 8, 2), y = (uint16_t)read_le(ours + 8, 2);
    if (x == y)
        return (a > b ? a - b : b - a) <= units;
    if (y == x + 1 && y & 0x7fff)
        return b - BIT(63) + (0 - a) <= 2 * units;
    return x == y + 1 && x & 0x7fff && a - BIT(63) + (0 - b) <= 2 * units;
}

enum { LAST_BITS = 4 };
static void compare_x87(struct report *r, const uint8_t *host, const uint8_t *ours,
                        const struct open_result *open)
{
    char name[8];
    bool last_bits = open && open->kind & OPEN_X87_LAST_BITS;
    compare_word(r, "fcw", read_le(host + FX_FCW, 2), read_le(ours + FX_FCW, 2), 0xffff);
    compare_word(r, "fsw", read_le(host + FX_FSW, 2), read_le(ours + FX_FSW, 2),
                 0xffff & ~(uint64_t)(open ? open->fsw : 0));
    compare_word(r, "ftw", host[FX_FTW], ours[FX_FTW], 0xff);
    for (unsigned k = 0; k < 8; k++) {
        const uint8_t *a = host + FX_ST + 16 * k, *b = ours + FX_ST + 16 * k;
        snprintf(name, sizeof name, "st%u", k);
        if (memcmp(a, b, 10) && !(last_bits && nearly(a, b, LAST_BITS)))
            differ(r,
                   "    %-8s host %04" PRIx64 ":%016" PRIx64 "  ours %04" PRIx64 ":%016" PRIx64
                   "\n",
                   name, read_le(a + 8, 2), read_le(a, 8), read_le(b + 8, 2), read_le(b, 8));
    }
}

static void compare_sse(struct report *r, const uint8_t *host, const uint8_t *ours)
{
    char name[8];
    compare_word(r, "mxcsr", read_le(host + FX_MXCSR, 4), read_le(ours + FX_MXCSR, 4), 0xffff);
    for (unsigned k = 0; k < 16; k++) {
        const uint8_t *a = host + FX_XMM + 16 * k, *b = ours + FX_XMM + 16 * k;
        snprintf(name, sizeof name, "xmm%u", k);
        if (memcmp(a, b, 16))
            differ(r,
                   "    %-8s host %016" PRIx64 "_%016" PRIx64
                   "  ours %016" PRIx64 "_%016" PRIx64 "\n",
                   name, read_le(a + 8, 8), read_le(a, 8), read_le(b + 8, 8), read_le(b, 8));
    }
}

static void compare_data(struct report *r, const struct result *host, const struct result *ours)
{
    if (!memcmp(host->data, ours->data, DATA_SIZE))
        return;
    for (unsigned k = 0, shown = 0; k < DATA_SIZE && shown < 3; k += 8)
        if (memcmp(host->data + k, ours->data + k, 8)) {
            differ(r, "    [%x] host %016" PRIx64 "  ours %016" PRIx64 "\n", DATA_BASE + k,
                   read_le(host->data + k, 8), read_le(ours->data + k, 8));
            shown++;
        }
}

/* The row of the instruction that faulted, NULL if there is none. */
static const struct insn_row *faulted_row(const struct test_case *t, const struct result *host)
{
    for (unsigned k = 0; k < t->count; k++)
        if (host->vector != NO_EXCEPTION &&
            host->out.rip == case_origin(t) + t->start + t->offset[k])
            return &insn_rows[t->row[k]];
    return NULL;
}

/* Whether an MMX instruction that faults has already set TOP and the tags is not architectural. */
static bool mmx_faulted(const struct insn_row *row) { return row && row->attributes & A_MMX; }

/* The last instruction was executed: nothing happened, or its single-step trap did. */
static bool completed(const struct result *r)
{
    return r->vector == NO_EXCEPTION || r->vector == EXC_DB;
}

bool compare_results(const struct test_case *t, const struct result *host,
                     const struct result *ours, char *text, size_t size)
{
    struct report r = { .text = text, .size = size };
    const struct open_result *open = t->count ? row_open(&insn_rows[t->row[t->count - 1]]) : NULL;
    const struct insn_row *row = faulted_row(t, host);
    if (size)
        *text = 0;
    if (open && open->kind & OPEN_MASKED && !completed(host) && completed(ours) &&
        host->vector != EXC_AC)
        return true;
    compare_fault(&r, host, ours, open);
    compare_general(&r, host, ours, open && completed(host) ? open->flags : 0);
    compare_segments(&r, t->bits, host, ours);
    if (!mmx_faulted(row))
        compare_x87(&r, host->out.fx, ours->out.fx, open);
    compare_sse(&r, host->out.fx, ours->out.fx);
    if (!open || !(open->kind & OPEN_MEMORY) || completed(host))
        compare_data(&r, host, ours);
    return !r.differs;
}

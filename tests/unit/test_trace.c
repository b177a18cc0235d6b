// SPDX-License-Identifier: Apache-2.0
// Traces of real runs: what a trace says is what the processor did, and it did what it does untraced.
#include <stdio.h>
#include <xxhash.h>
#include <zstd.h>

#include "mem/phys.h"
#include "traced.h"

/* ---- rules: random programs of the shapes that have fast forms ---- */

struct program { uint8_t code[4096]; unsigned n; uint64_t random; };

static uint64_t draw(struct program *p)
{
    p->random ^= p->random << 13;
    p->random ^= p->random >> 7;
    p->random ^= p->random << 17;
    return p->random;
}

static void put(struct program *p, unsigned n, uint64_t bytes)
{
    for (unsigned k = 0; k < n; k++)
        p->code[p->n++] = (uint8_t)(bytes >> (8 * k));
}

/* Any register but RSP, or [RBX + RSI + disp8]; RBX and RSI, 3 and 6, are not written. */
static unsigned free_register(struct program *p)
{
    static const uint8_t some[] = { 0, 1, 2, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
    return some[draw(p) % sizeof some];
}

enum { NO_MEMORY = 1, NO_REGISTER = 2, BYTE_DISP = 0x40 };

/* A ModRM operand with its REX prefix; `op` has its bytes, the first in the lowest bits. */
static void put_modrm(struct program *p, uint8_t prefix, bool wide, unsigned op_n, uint64_t op,
                      int extension, unsigned flags)
{
    unsigned reg = extension >= 0 ? (unsigned)extension : free_register(p);
    bool memory = flags & NO_REGISTER || (!(flags & NO_MEMORY) && draw(p) % 2);
    unsigned rm = memory ? 4 : free_register(p);
    if (prefix)
        put(p, 1, prefix);
    put(p, 1, 0x40 | wide << 3 | (reg >> 3) << 2 | rm >> 3);
    put(p, op_n, op);
    put(p, 1, (memory ? BYTE_DISP : 0xc0) | (reg & 7) << 3 | (rm & 7));
    if (memory)
        put(p, 2, 0x33 | (draw(p) & 0x78) << 8);          /* SIB: RBX + RSI */
}

static void put_one(struct program *p)
{
    bool wide = draw(p) % 2;
    unsigned cc = draw(p) % 16, alu = draw(p) % 8;
    switch (draw(p) % 22) {
    case 0: put_modrm(p, 0, wide, 1, alu << 3 | 1, -1, 0); break;
    case 1: put_modrm(p, 0, wide, 1, alu << 3 | 3, -1, 0); break;
    case 2: put_modrm(p, 0, wide, 1, 0x83, (int)alu, 0); put(p, 1, draw(p)); break;
    case 3: put_modrm(p, 0, wide, 1, 0x38 | (draw(p) % 4 & 2), -1, 0); break;
    case 4: put_modrm(p, 0, wide, 1, 0x84 | draw(p) % 2, -1, 0); break;
    case 5: put_modrm(p, 0, wide, 1, 0x88 | draw(p) % 4, -1, 0); break;
    case 6: put_modrm(p, 0x66, false, 1, 0x89 | (draw(p) & 2), -1, 0); break;
    case 7: put_modrm(p, 0, wide, 2, 0xb60f | (draw(p) & 9) << 8, -1, 0); break;
    case 8: put_modrm(p, 0, wide, 1, 0x8d, -1, NO_REGISTER); break;
    case 9: put_modrm(p, 0, wide, 1, 0xc1, (int)(uint8_t)"\0\1\4\5\7"[draw(p) % 5], NO_MEMORY);
            put(p, 1, draw(p) % 80); break;
    case 10: put_modrm(p, 0, wide, 2, 0x900f | cc << 8, 0, NO_MEMORY); break;
    case 11: put_modrm(p, 0, wide, 2, 0x400f | cc << 8, -1, NO_MEMORY); break;
    case 12: put_modrm(p, 0, wide, 2, 0xaf0f, -1, NO_MEMORY); break;
    case 13: put_modrm(p, 0, wide, 1, 0x6b, -1, NO_MEMORY); put(p, 1, draw(p)); break;
    case 14: put_modrm(p, 0, wide, 1, 0xf7, 2 + (int)(draw(p) % 2), 0); break;
    case 15: put_modrm(p, 0, wide, 1, 0xff, (int)(draw(p) % 2), 0); break;
    case 16: put_modrm(p, 0, true, 1, 0x63, -1, 0); break;
    case 17: put(p, 2, draw(p) % 2 ? 0x9848 : 0x9948); break;
    case 18: put(p, 2, 0x5950); break;                              /* PUSH RAX, POP RCX */
    case 19: put_modrm(p, 0xf3, false, 2, 0x100f | (draw(p) % 2) << 8, -1, 0); break;
    case 20: put_modrm(p, draw(p) % 2 ? 0xf2 : 0, false, 2, 0x100f | (draw(p) % 2) << 8, -1, 0); break;
    default: put_modrm(p, 0x66, false, 2, 0xef0f, -1, NO_MEMORY); break;
    }
}

/* Forward branches split it into blocks. */
static void make(struct program *p, uint64_t seed)
{
    *p = (struct program){ .random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1 };
    while (p->n < sizeof p->code - 64) {
        put_one(p);
        if (draw(p) % 8 == 0) {
            put(p, 2, 0x70 | draw(p) % 16);
            unsigned from = p->n;
            put_one(p);
            p->code[from - 1] = (uint8_t)(p->n - from);
        }
    }
    put(p, 1, 0xf4);
}

static uint64_t run_program(struct program *p, struct traced *t)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = bare_load(m, p->code, p->code + p->n);
    for (unsigned k = 0; k < 16; k++) {
        if (k != RSP)
            c->gpr[k] = draw(p) >> draw(p) % 64;
        c->fpu.xmm[k].q[0] = draw(p);
    }
    c->gpr[RBX] = BARE_DATA;
    c->gpr[RSI] = 0;
    c->gpr[RBP] = BARE_DATA;
    if (t)
        traced_begin(t, m, TRACE_PRESET_FULL);
    cr_assert_eq(bare_run(m, 10000), STOP_HALTED);
    uint64_t hash = machine_state_hash(m);
    if (t)
        traced_check(t);
    machine_destroy(m);
    return hash;
}

Test(trace, rules_say_what_the_processor_does)
{
    static struct program p;
    struct traced t;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        make(&p, seed);
        uint64_t untraced = run_program(&p, NULL);
        make(&p, seed);
        cr_assert_eq(run_program(&p, &t), untraced, "seed %lu", seed);
    }
}

/* ---- records: what has no rule ---- */

BARE_PROGRAM(explicit_insns, ".code64\n"
    "lea 8f(%rip), %rsi\n mov $0x100000, %edi\n mov $40, %ecx\n rep movsb\n"
    "mov $0x100ffa, %edi\n mov $300, %ecx\n mov $0x1122334455667788, %rax\n rep stosq\n"
    "mov $0x100100, %esi\n mov $0x100103, %edi\n mov $64, %ecx\n rep movsb\n"     /* replicates */
    "std\n mov $0x1010ff, %esi\n mov $0x1020ff, %edi\n mov $77, %ecx\n rep movsb\n cld\n"
    "mov $0x100000, %edi\n mov $200, %ecx\n mov $0x88, %al\n repne scasb\n"
    "lock xadd %rax, (%rdi)\n xchg %rbx, 1(%rdi)\n cmpxchg %rcx, (%rdi)\n bts $5, (%rdi)\n"
    "pushf\n pop %rdx\n push $0x10202\n popf\n cpuid\n rdtsc\n div %rdi\n"
    "fninit\n fld1\n fldpi\n faddp\n fstpl 0x100200\n cvtsi2sd %rdi, %xmm3\n sqrtsd %xmm3, %xmm4\n"
    "movups %xmm4, 0x100ff8\n fxsave 0x102000\n enter $32, $1\n leave\n"
    "mov %cr0, %rax\n mov %rax, %cr0\n mov %cr3, %rax\n mov %rax, %cr3\n"
    "mov 0x100ffc, %rax\n add %rax, 0x100ffd\n"                     /* across two pages          */
    "movb $0x43, 7f(%rip)\n inc %rcx\n 7: .byte 0x40\n nop\n"            /* changes the next insns    */
    "hlt\n 8: .fill 64, 1, 0x5a\n");

Test(trace, records_say_what_has_no_rule)
{
    struct traced t;
    struct machine *m = bare_machine("max");
    bare_load(m, explicit_insns_start, explicit_insns_end);
    traced_begin(&t, m, TRACE_PRESET_FULL);
    cr_assert_eq(bare_run(m, 10000), STOP_HALTED, "at %#lx", machine_cpu(m, 0)->rip);
    traced_check(&t);
    machine_destroy(m);
}

/* ---- files that were made to deceive: every checksum is right ---- */

enum { HEADER = 24, CHUNK_HEAD = 112, FORGED_MAX = 1 << 20 };

static uint64_t le(const uint8_t *p, unsigned n)
{
    uint64_t v = 0;
    for (unsigned k = 0; k < n; k++)
        v |= (uint64_t)p[k] << (8 * k);
    return v;
}

static void put_le(uint8_t *p, unsigned n, uint64_t v)
{
    for (unsigned k = 0; k < n; k++)
        p[k] = (uint8_t)(v >> (8 * k));
}

/* The file up to its first chunk, whose contents are `contents`.  Returns its size. */
static size_t forge(const uint8_t *file, const uint8_t *contents, size_t n, uint8_t *out)
{
    size_t at = HEADER + le(file + 12, 4);
    uint8_t *head = out + at;
    memcpy(out, file, at + CHUNK_HEAD);
    size_t packed = ZSTD_compress(head + CHUNK_HEAD, FORGED_MAX, contents, n, 1);
    cr_assert_not(ZSTD_isError(packed));
    put_le(head + 8, 4, packed);
    put_le(head + 72, 8, XXH64(contents, n, 0));
    put_le(head + 88, 8, XXH64(head + CHUNK_HEAD, packed, 0));
    put_le(head + 104, 8, XXH64(head, 104, 0));
    return at + CHUNK_HEAD + packed;
}

static void read_all(const uint8_t *bytes, size_t n)
{
    struct sp_error e = { 0 };
    struct trace_event event;
    enum trace_result result;
    uint8_t *copy = memcpy(malloc(n), bytes, n);        /* for the address sanitizer */
    struct trace_reader *r = trace_open_memory(copy, n, "file", &e);
    cr_assert(r, "%s", e.message);
    for (unsigned k = 0; k < 200000 && (result = trace_next(r, &event, &e)) == TRACE_OK; k++)
        continue;
    if (result == TRACE_BAD)
        cr_assert(!strncmp(e.message, "file: offset ", 13), "%s", e.message);
    trace_close(r);
    free(copy);
}

Test(trace, forged_chunks_are_read_to_their_end)
{
    static uint8_t file[FORGED_MAX], contents[FORGED_MAX], copy[FORGED_MAX], out[3 * FORGED_MAX];
    struct program p = { .random = 99 };
    struct sp_error e = { 0 };
    struct traced t;
    struct machine *m = bare_machine("max");
    bare_load(m, explicit_insns_start, explicit_insns_end);
    traced_begin(&t, m, TRACE_PRESET_FULL);
    bare_run(m, 10000);
    machine_trace(m, NULL);
    cr_assert(trace_log_close(t.log, &e), "%s", e.message);
    FILE *f = fopen(t.path, "rb");
    size_t size = fread(file, 1, sizeof file, f), at = HEADER + le(file + 12, 4);
    fclose(f);
    unlink(t.path);
    size_t n = ZSTD_decompress(contents, sizeof contents, file + at + CHUNK_HEAD, le(file + at + 8, 4));
    cr_assert(size && n == le(file + at + 12, 4));
    for (unsigned round = 0; round < 3000; round++) {
        memcpy(copy, contents, n);
        for (unsigned k = 1 + draw(&p) % 4; k--;)
            copy[draw(&p) % n] = (uint8_t)draw(&p);
        read_all(out, forge(file, copy, n, out));
    }
    machine_destroy(m);
}

// SPDX-License-Identifier: Apache-2.0
// Traces of real runs: what a trace says is what the processor did, and it did what it does untraced.
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

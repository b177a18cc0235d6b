// SPDX-License-Identifier: Apache-2.0
// The Itanium register stack across many calls, and rotating registers in loops.
#include "ipf_insn.h"

enum { DEPTH = 60, LOCALS = 13 };

static void call(struct guest *g)
{
    struct row r = row_named("br.call", IPF_FORMAT_B3), alloc = row_named("alloc", IPF_FORMAT_M34);
    guest_execute(g, &r, with_field(encoded(&r, 0, 0, 0, 0), 13, 20, 4));
    cr_assert_eq(g->c->ip, g->ip + 0x40);
    guest_execute(g, &alloc, encoded(&alloc, 0, 32, LOCALS + 2, LOCALS));
    assert_went_on(g, "alloc");
}
static void ret(struct guest *g)
{
    struct row pfs = row_named("mov.i", IPF_FORMAT_I26), r = row_named("br.ret", IPF_FORMAT_B4);
    struct row nop = row_named("nop.m", IPF_FORMAT_M48);
    guest_execute(g, &pfs, encoded(&pfs, 0, 0, 32, AR_PFS));
    assert_went_on(g, "mov ar.pfs");
    guest_execute(g, &r, encoded(&r, 0, 0, 0, 0));
    cr_assert_eq(g->c->ip, g->c->br[0]);
    guest_execute(g, &nop, nop.match); /* by then the frame is complete */
}
static struct ipf_gr value_at(unsigned depth, unsigned n)
{
    return (struct ipf_gr){ depth * 1000 + n, (depth * LOCALS + n) % 7 == 0 };
}

/* Each frame keeps its locals and their NaT bits while others go through the 96 registers and to
 * memory; collections of NaT bits stand behind every 63 of them (SDM vol. 2, "RSE"). */
Test(ipf_frames, locals_survive_sixty_calls)
{
    struct guest g = guest_new();
    g.c->cfm = (struct ipf_cfm){ .sof = LOCALS + 2, .sol = LOCALS };
    for (unsigned depth = 0; depth < DEPTH; depth++) {
        for (unsigned n = 1; n < LOCALS; n++)
            g.c->frame[n] = value_at(depth, n);
        call(&g);
    }
    unsigned registers = DEPTH * LOCALS; /* the stack begins where a collection is 63 away */
    cr_assert_eq(g.c->bsp, GUEST_STACK + 8 * (registers + registers / 63));
    for (unsigned depth = DEPTH; depth-- > 0;) {
        ret(&g);
        for (unsigned n = 1; n < LOCALS; n++) {
            struct ipf_gr expected = value_at(depth, n), r = g.c->frame[n];
            cr_assert(r.v == expected.v && r.nat == expected.nat, "frame %u, r%u: %" PRIx64 ".%u",
                      depth, 32 + n, r.v, (unsigned)r.nat);
        }
    }
    cr_assert_eq(g.c->bsp, GUEST_STACK);
    guest_end(&g);
}

/* What flushrs leaves in memory, beside the last collection in AR.RNAT. */
Test(ipf_frames, collections_stand_in_memory)
{
    struct guest g = guest_new();
    struct row flush = row_named("flushrs", IPF_FORMAT_M25);
    g.c->cfm = (struct ipf_cfm){ .sof = LOCALS + 2, .sol = LOCALS };
    for (unsigned depth = 0; depth < 10; depth++) {
        for (unsigned n = 0; n < LOCALS; n++) /* after the call, r32 holds AR.PFS */
            g.c->frame[n] = value_at(depth, n);
        call(&g);
    }
    guest_execute(&g, &flush, flush.match);
    assert_went_on(&g, "flushrs");
    cr_assert_eq(g.c->bspstore, g.c->bsp);
    uint64_t collection = 0;
    for (unsigned k = 0, address = GUEST_STACK; k < 10 * LOCALS; k++, address += 8) {
        if ((address & 0x1f8) == 0x1f8) {
            cr_assert_eq(mem_read_le(g.mem, address, 8), collection, "%x", address);
            collection = 0, address += 8;
        }
        struct ipf_gr r = value_at(k / LOCALS, k % LOCALS);
        collection |= r.nat << (address >> 3 & 63);
        cr_assert_eq(mem_read_le(g.mem, address, 8), r.v, "%x", address);
    }
    cr_assert_eq(g.c->rnat, collection);
    guest_end(&g);
}

/* A rotation renames: what was r32, f32, p16 is r33, f33, p17; the last one comes round. */
Test(ipf_frames, rotation_renames)
{
    struct guest g = guest_new();
    struct row ctop = row_named("br.ctop", IPF_FORMAT_B2), add = row_named("add", IPF_FORMAT_A1);
    struct row fmerge = row_named("fmerge.s", IPF_FORMAT_F9);
    g.c->cfm = (struct ipf_cfm){ .sof = 20, .sor = 16 };
    for (unsigned n = 0; n < 20; n++)
        g.c->frame[n] = (struct ipf_gr){ 100 + n, 0 };
    for (unsigned n = 0; n < 96; n++)
        g.c->fr[32 + n] = (struct ipf_fr){ 100 + n, 0xffff, 0 };
    for (unsigned turn = 1; turn <= 100; turn++) {
        g.c->ar[AR_LC] = 5;
        guest_execute(&g, &ctop, encoded(&ctop, 0, 0, 0, 0) | UINT64_C(4) << 13);
        cr_assert_eq(g.c->ip, g.ip + 0x40);
        for (unsigned n = 32; n < 52; n++) {
            guest_execute(&g, &add, encoded(&add, 0, 8, n, 0));
            uint64_t expected = n < 48 ? 100 + (n - 32 + 16 * 100 - turn) % 16 : 100 + n - 32;
            cr_assert_eq(g.c->gr[8].v, expected, "turn %u r%u", turn, n);
        }
        guest_execute(&g, &fmerge, encoded(&fmerge, 0, 8, 40, 40));
        cr_assert_eq(g.c->fr[8].significand, 100 + (8 + 96 * 100 - turn) % 96, "turn %u", turn);
    }
    guest_end(&g);
}

/* Writing a rotating register beyond the frame is illegal whatever the base says. */
Test(ipf_frames, the_frame_ends_where_sof_says)
{
    struct guest g = guest_new();
    struct row add = row_named("add", IPF_FORMAT_A1);
    g.c->cfm = (struct ipf_cfm){ .sof = 16, .sor = 16, .rrb_gr = 7 };
    guest_execute(&g, &add, encoded(&add, 0, 47, 0, 0));
    assert_went_on(&g, "add r47");
    guest_execute(&g, &add, encoded(&add, 0, 48, 0, 0));
    assert_fault(&g, VECTOR_GENERAL, ILLEGAL, "add r48");
    guest_end(&g);
}

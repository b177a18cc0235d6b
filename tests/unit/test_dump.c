// SPDX-License-Identifier: Apache-2.0
// VMCS dumps, read and judged: what a dump lacks never makes a check hold or break.
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "bare.h"
#include "debug/dump.h"
#include "debug/verdict.h"
#include "vmx/vmx.h"

/* A 64-bit guest without secondary controls' features but EPT, as Linux 6.1 prints it. */
static const char text[] =
    "*** Guest State ***\n"
    "CR0: actual=0x0000000080000033, shadow=0x0000000080000033, gh_mask=fffffffffffefff7\n"
    "CR4: actual=0x0000000000002020, shadow=0x0000000000000020, gh_mask=fffffffffffef871\n"
    "CR3 = 0x0000000000002000\n"
    "RSP = 0x0000000000007ff0  RIP = 0x0000000000001000\n"
    "RFLAGS=0x00000202         DR7 = 0x0000000000000400\n"
    "Sysenter RSP=0000000000000000 CS:RIP=0000:0000000000000000\n"
    "CS:   sel=0x0008, attr=0x0a09b, limit=0xffffffff, base=0x0000000000000000\n"
    "DS:   sel=0x0010, attr=0x0c093, limit=0xffffffff, base=0x0000000000000000\n"
    "SS:   sel=0x0010, attr=0x0c093, limit=0xffffffff, base=0x0000000000000000\n"
    "ES:   sel=0x0010, attr=0x0c093, limit=0xffffffff, base=0x0000000000000000\n"
    "FS:   sel=0x0010, attr=0x0c093, limit=0xffffffff, base=0x0000000000000000\n"
    "GS:   sel=0x0010, attr=0x0c093, limit=0xffffffff, base=0x0000000000000000\n"
    "GDTR:                           limit=0x0000ffff, base=0x0000000000000000\n"
    "LDTR: sel=0x0000, attr=0x00082, limit=0x0000ffff, base=0x0000000000000000\n"
    "IDTR:                           limit=0x0000ffff, base=0x0000000000000000\n"
    "TR:   sel=0x0000, attr=0x0008b, limit=0x0000ffff, base=0x0000000000000000\n"
    "EFER= 0x0000000000000500\nPAT = 0x0007040600070406\n"
    "DebugCtl = 0x0000000000000000  DebugExceptions = 0x0000000000000000\n"
    "Interruptibility = 00000000  ActivityState = 00000000\n"
    "*** Host State ***\n"
    "RIP = 0xffffffffc06733ae  RSP = 0xffffd203005b7960\n"
    "CS=0010 SS=0018 DS=0000 ES=0000 FS=0000 GS=0000 TR=0040\n"
    "FSBase=00000000128fb380 GSBase=ffff8882dee00000 TRBase=fffffe0000003000\n"
    "GDTBase=fffffe0000001000 IDTBase=fffffe0000000000\n"
    "CR0=0000000080050033 CR3=000000001041e002 CR4=0000000000372eb0\n"
    "Sysenter RSP=fffffe0000003000 CS:RIP=0010:ffffffffade017b0\n"
    "EFER= 0x0000000000000d01\nPAT = 0x0407050600070106\n"
    "*** Control State ***\n"
    "CPUBased=0xb5986dfa SecondaryExec=0x000108e2 TertiaryExec=0x0000000000000000\n"
    "PinBased=0x0000007f EntryControls=0000d3ff ExitControls=002befff\n"
    "ExceptionBitmap=00060042 PFECmask=00000000 PFECmatch=00000000\n"
    "VMEntry: intr_info=00000000 errcode=00000000 ilen=00000000\n"
    "EPT pointer = 0x000000001fe5605e\n"
    "Virtual processor ID = 0x0002\n";

static struct vmcs_dump read_dump(const char *from, size_t size)
{
    struct dump_reader r;
    struct vmcs_dump dump;
    struct sp_error e = { 0 };
    cr_assert(dump_open(&r, "test", from, size, &e), "%s", e.message);
    cr_assert(dump_next(&r, &dump, &e), "%s", e.message);
    dump_close(&r);
    return dump;
}

/* The dump, and in the fields that it lacks 0 or what leaves them out of use. */
static struct vmcs_dump whole_dump(void)
{
    struct vmcs_dump dump = read_dump(text, sizeof text - 1);
    cr_assert(dump_set(&dump, VMCS_LINK_POINTER, ~UINT64_C(0)));
    memset(dump.known, true, sizeof dump.known);
    memset(dump.outside_known, true, sizeof dump.outside_known);
    dump.outside[OUTSIDE_VMCS_POINTER] = 0x5000;
    return dump;
}

static uint64_t next(uint64_t *random)
{
    return *random = *random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
}

Test(dump, fields_are_read)
{
    struct vmcs_dump dump = read_dump(text, sizeof text - 1);
    cr_assert_eq(dump.form, DUMP_KVM);
    cr_assert_eq(dump.line, 1u);
    cr_assert_eq(dump.v.f[GUEST_CS_AR_BYTES], 0xa09bu);
    cr_assert_eq(dump.v.f[CR4_GUEST_HOST_MASK], 0xfffffffffffef871u);
    cr_assert_eq(dump.v.f[HOST_TR_SELECTOR], 0x40u);
    cr_assert_eq(dump.v.f[VM_EXIT_CONTROLS], 0x2befffu);
    cr_assert(!dump.known[MSR_BITMAP]);
    cr_assert(dump.outside_known[OUTSIDE_LONG_MODE] && dump.outside[OUTSIDE_LONG_MODE]);
}

/* Every value of a text that ends anywhere is whole, or it is missing. */
Test(dump, a_value_that_is_cut_is_missing)
{
    struct vmcs_dump whole = read_dump(text, sizeof text - 1);
    for (size_t size = 60; size < sizeof text; size++) {
        struct vmcs_dump dump = { 0 };
        struct dump_reader r;
        struct sp_error e = { 0 };
        cr_assert(dump_open(&r, "test", text, size, &e));
        if (!dump_next(&r, &dump, &e))
            continue;
        for (unsigned f = 0; f < VMCS_FIELD_COUNT; f++)
            cr_assert(!dump.known[f] || dump.v.f[f] == whole.v.f[f], "%zu: %s", size,
                      vmcs_fields[f].name);
        dump_close(&r);
    }
}

Test(dump, a_file_holds_a_thousand_dumps_at_most)
{
    static const char one[] = "{\"fields\":{\"HOST_RSP\":0}},";
    static char many[(DUMPS_MAX + 1) * (sizeof one - 1) + 2];
    struct dump_reader r;
    struct vmcs_dump dump;
    struct sp_error e = { 0 };
    unsigned count = 0;
    many[0] = '[';
    for (unsigned k = 0; k <= DUMPS_MAX; k++)
        memcpy(many + 1 + k * (sizeof one - 1), one, sizeof one - 1);
    many[sizeof many - 2] = ']'; /* for the last comma */
    cr_assert(dump_open(&r, "test", many, sizeof many - 1, &e), "%s", e.message);
    while (dump_next(&r, &dump, &e))
        count++;
    cr_assert_eq(count, (unsigned)DUMPS_MAX);
    cr_assert_eq(e.code, SP_EXIT_BAD_IMAGE);
    dump_close(&r);
}

Test(verdict, a_whole_dump_leaves_nothing_undecided)
{
    struct machine *m = bare_machine("max");
    struct vmcs_dump dump = whole_dump();
    struct verdicts v;
    cr_assert(verdicts_reach(&v, machine_cpu(m, 0), &dump));
    cr_assert_eq(v.undecided, 0u);
    cr_assert_eq(v.broken, 0u);
    verdicts_free(&v);
    machine_destroy(m);
}

/* Flips bits of a good VMCS, judges it, then forgets some of it: each check keeps its verdict or
 * becomes undecided, and says why. */
static void forget_some(const struct cpu *c, uint64_t *random, unsigned most)
{
    struct vmcs_dump dump = whole_dump();
    struct verdicts whole, part;
    for (unsigned k = next(random) >> 32 & 3; k; k--) {
        unsigned f = (unsigned)(next(random) >> 33) % VMCS_FIELD_COUNT;
        unsigned bits = 8 * vmcs_width(vmcs_fields[f].encoding);
        dump.v.f[f] ^= BIT((next(random) >> 33) % bits);
    }
    cr_assert(verdicts_reach(&whole, c, &dump));
    for (unsigned k = 1 + (next(random) >> 33) % most; k; k--)
        dump.known[(next(random) >> 33) % VMCS_FIELD_COUNT] = false;
    for (unsigned o = 0; o < OUTSIDE_COUNT; o++)
        dump.outside_known[o] = next(random) >> 63;
    cr_assert(verdicts_reach(&part, c, &dump));
    for (unsigned n = 0; n < whole.count; n++) {
        const struct check_verdict *v = &part.check[n];
        const char *id = v->broken.check->id;
        if (v->verdict != VERDICT_UNDECIDED)
            cr_assert_eq(v->verdict, whole.check[n].verdict, "%s is not %u", id, v->verdict);
        else
            cr_assert(memchr(v->missing, true, sizeof v->missing) ||
                          memchr(v->missing_outside, true, sizeof v->missing_outside),
                      "%s: nothing is missing", id);
    }
    verdicts_free(&whole);
    verdicts_free(&part);
}

Test(verdict, what_is_missing_is_not_guessed)
{
    struct machine *m = bare_machine("max");
    uint64_t random = 1;
    for (unsigned k = 0; k < 100; k++)
        forget_some(machine_cpu(m, 0), &random, k & 1 ? 4 : VMCS_FIELD_COUNT);
    machine_destroy(m);
}

/* Values that are missing or come from memory decide with the others. */
Test(verdict, control_words_are_asked_for)
{
    struct machine *m = bare_machine("max");
    struct vmcs_dump dump = whole_dump();
    struct verdicts v;
    dump.known[VM_ENTRY_CONTROLS] = false;
    dump.v.f[GUEST_IA32_PAT] = 2;
    dump.v.f[GUEST_RFLAGS] = 0;
    cr_assert(verdicts_reach(&v, machine_cpu(m, 0), &dump));
    for (unsigned n = 0; n < v.count; n++) {
        const struct check_verdict *c = &v.check[n];
        if (!strcmp(c->broken.check->id, "guest_pat"))
            cr_assert(c->verdict == VERDICT_UNDECIDED && c->missing[VM_ENTRY_CONTROLS]);
        if (!strcmp(c->broken.check->id, "guest_rflags_reserved"))
            cr_assert(c->verdict == VERDICT_BROKEN && c->broken.value[0] == 0);
    }
    verdicts_free(&v);
    machine_destroy(m);
}

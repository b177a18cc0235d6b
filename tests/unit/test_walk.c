// SPDX-License-Identifier: Apache-2.0
// The printed walk of a translation: the entry that decides is marked with the reason.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "debug/walk.h"
#include "vmx_modes.h"

enum { TARGET = 0x600010, PDE = EPT_TABLES + 0x2000 + 8 * (TARGET >> 21) };

BARE_PROGRAM(toucher, "mov 0x600010, %eax\n vmcall\n");

/* Called at the VM exit, while the guest's state is there. */
struct report {
    char *text;
    size_t size;
    uint64_t insns;
    struct machine *machine;
};
static void record_walk(void *user, struct cpu *c, uint32_t reason, uint64_t qualification)
{
    struct report *r = user;
    FILE *out = open_memstream(&r->text, &r->size);
    walk_print_linear(out, c, TARGET);
    walk_print_ept(out, c, TARGET);
    walk_print_memory_type(out, c, TARGET);
    fclose(out);
    r->insns = machine_insns(r->machine);
}

static void expect_line(struct vm *v, const char *line)
{
    struct report r = { .machine = v->m };
    machine_hooks(v->m)->user = &r;
    machine_hooks(v->m)->vm_exit = record_walk;
    uint64_t before = machine_insns(v->m);
    put(v, GUEST_RIP, GUEST_CODE);
    enter_guest(v);
    cr_assert(r.text);
    cr_expect(strstr(r.text, line), "no \"%s\" in\n%s", line, r.text);
    cr_expect(r.insns > before && r.insns <= machine_insns(v->m), "exact within a run");
    free(r.text);
}

Test(walk, ept)
{
    static const struct {
        uint64_t entry;
        const char *line;
    } rows[] = {
        { 0, "EPT PDE   at 0x0000212018 = 0x0000000000000000   <-- not present" },
        { 0x6000b2, " W large  <-- bit 1 (W) without bit 0 (R)" },
        { 0x600097, "<-- memory type (bits 5:3) is 2, 3 or 7" },
        { 0x6010b7, "<-- low address bits of a large page are set" },
        { BIT(50) | 0x6000b7, "<-- the address exceeds the physical-address width" },
        { 0x600047, "<-- reserved bits of 7:3 are set" },
        { 0x6000b7, "= 0x00000000006000b7  R W X large  <-- the page" },
    };
    for (unsigned k = 0; k < ARRAY_SIZE(rows); k++) {
        struct vm v = VM(toucher);
        use_ept(&v);
        store(&v, PDE, 8, rows[k].entry);
        expect_line(&v, rows[k].line);
        machine_destroy(v.m);
    }
}

Test(walk, five_levels)
{
    struct vm v = VM_ON("max,phys-bits=52", toucher);
    use_ept(&v);
    store(&v, 0x218000, 8, EPT_TABLES | 7);
    put(&v, EPT_POINTER, 0x218000 | 4 << 3 | 6);
    expect_line(&v, "by EPTP 0x218026, EPT paging structures WB\n"
                    "    EPT PML5E at 0x0000218000 = 0x0000000000210007  R W X\n"
                    "    EPT PML4E at 0x0000210000 = 0x0000000000211007  R W X\n");
    store(&v, 0x218000, 8, EPT_TABLES | 0x87);
    expect_line(&v, "EPT PML5E at 0x0000218000 = 0x0000000000210087  R W X large  <-- reserved bits of "
                    "7:3 are set\n");
    machine_destroy(v.m);
}

Test(walk, sub_pages)
{
    enum { SPPL4 = 0x260000 };
    struct vm v = VM(toucher);
    use_small_ept(&v);
    store(&v, EPT_TABLES + 0x2000 + 8 * 3, 8, (EPT_TABLES + 0x3000) | 7);
    store(&v, EPT_TABLES + 0x3000, 8, BIT(61) | 0x600035);
    store(&v, SPPL4, 8, (SPPL4 + 0x1000) | 1);
    put(&v, SPPT_POINTER, SPPL4);
    put_bits(&v, SECONDARY_VM_EXEC_CONTROL, PROC2_SUB_PAGE_WRITE);
    expect_line(&v, "  R X SPP  <-- the page\n    SPPL4E    at 0x0000260000 = 0x0000000000261001 \n"
                    "    SPPL3E    at 0x0000261000 = 0x0000000000000000   <-- not valid\n");
    store(&v, SPPL4 + 0x1000, 8, (SPPL4 + 0x2000) | 3);
    expect_line(&v, "= 0x0000000000262003   <-- reserved bits are set\n");
    store(&v, SPPL4 + 0x1000, 8, (SPPL4 + 0x2000) | 1);
    store(&v, SPPL4 + 0x2000 + 8 * 3, 8, (SPPL4 + 0x3000) | 1);
    store(&v, SPPL4 + 0x3000, 8, 4);
    expect_line(&v, "    SPPL1E    at 0x0000263000 = 0x0000000000000004   "
                    "<-- sub-page 0 is read-only\n");
    store(&v, SPPL4 + 0x3000, 8, 1);
    expect_line(&v, "<-- sub-page 0 is writable\n");
    machine_destroy(v.m);
}

/* The deciding walk and the printed one agree on entries without bits 2:0 but bit 10, and on
 * execute-only ones, whatever the processor offers. */
Test(walk, execute_only)
{
    enum { X = 1 << 2, XU = 1 << 10 };
    static const char refused[] =
        "large  <-- execute-only, which IA32_VMX_EPT_VPID_CAP[0] does not offer\n";
    static const struct {
        const char *cpu;
        uint32_t proc2;
        uint64_t rights;
        int64_t reason;
        const char *line;
    } rows[] = {
        { "max", PROC2_MODE_BASED_EXECUTE, XU, 48, " XU large  <-- the page\n" },
        { "max", PROC2_MODE_BASED_EXECUTE, X, 48, " X large  <-- the page\n" },
        { "max,vmx-ept-execonly=off", PROC2_MODE_BASED_EXECUTE, XU, 49, refused },
        { "max,vmx-ept-execonly=off", PROC2_MODE_BASED_EXECUTE, X, 49, refused },
        { "max,vmx-ept-execonly=off", PROC2_MODE_BASED_EXECUTE, X | XU, 49, refused },
        { "max,vmx-ept-execonly=off", 0, XU, 48, " XU large  <-- not present\n" },
        { "max,vmx-ept-execonly=off", 0, X, 49, refused },
    };
    for (unsigned k = 0; k < ARRAY_SIZE(rows); k++) {
        struct vm v = VM_ON(rows[k].cpu, toucher);
        use_ept(&v);
        for (uint64_t at = EPT_TABLES; at < EPT_TABLES + 0x3000; at += 8)
            store(&v, at, 8, load(&v, at, 8) | (load(&v, at, 8) & 7 ? XU : 0));
        put_bits(&v, SECONDARY_VM_EXEC_CONTROL, rows[k].proc2);
        store(&v, PDE, 8, 0x6000b0 | rows[k].rights);
        expect_line(&v, rows[k].line);
        cr_expect_eq(get(&v, VM_EXIT_REASON), rows[k].reason, "row %u", k);
        machine_destroy(v.m);
    }
}

Test(walk, memory_types)
{
    struct vm v = VM(toucher);
    use_ept(&v);
    expect_line(&v, "  host-physical 0x600010, memory type WB: EPT WB, PAT entry 0 WB\n");
    store(&v, PDE, 8, 0x8000f1);
    expect_line(&v, "  host-physical 0x800010, memory type WB: EPT WB, ignoring the PAT\n");
    v.c->cr0 |= CR0_CD; /* which VM entries and exits leave alone */
    expect_line(&v, "by EPTP 0x21001e, EPT paging structures UC\n");
    expect_line(&v, ", memory type UC: CR0.CD is 1\n");
    machine_destroy(v.m);
    v = VM(toucher);
    expect_line(&v, "  host-physical 0x600010, memory type UC: MTRRs UC, PAT entry 0 WB\n");
    machine_destroy(v.m);
    v = VM(toucher);
    guest_real(&v);
    expect_line(&v, ", memory type WB: EPT WB, paging is off: WB\n");
    machine_destroy(v.m);
}

/* HLAT paging, a restart, and what guest-paging verification looks at. */
Test(walk, hlat_paging)
{
    enum { PML4 = 0x140000, PDPT = 0x141000, PD = 0x142000 };
    struct vm v = VM(toucher);
    use_small_ept(&v);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_TERTIARY_CONTROLS);
    put(&v, TERTIARY_VM_EXEC_CONTROL, PROC3_ENABLE_HLAT | PROC3_EPT_PAGING_WRITE);
    put(&v, HLAT_POINTER, PML4);
    store(&v, PML4, 8, PDPT | 7), store(&v, PDPT, 8, PD | 7), store(&v, PD, 8, 0x801);
    store(&v, PD + 8 * 3, 8, 0x8000a7);
    expect_line(&v, "  guest-linear 0x600010 by HLATP 0x140000\n    PML4E     at 0x0000140000");
    expect_line(&v, "PDE       at 0x0000142018 = 0x00000000008000a7  P W U A PS/PAT  <-- the page\n"
                    "  guest-physical");
    store(&v, PD + 8 * 3, 8, 0x821);
    expect_line(&v, "= 0x0000000000000821  P A  <-- restart with ordinary paging (bit 11)\n"
                    "  guest-linear 0x600010 by CR3 0x1000\n    PML4E     at 0x0000001000");
    put_bits(&v, TERTIARY_VM_EXEC_CONTROL, PROC3_GUEST_PAGING_VERIFICATION);
    store(&v, ept_pte(BARE_TABLES), 8, BIT(58) | BARE_TABLES | 0x37);
    store(&v, PDE, 8, BIT(57) | 0x6000b7);
    expect_line(&v, "PML4E     at 0x0000001000 = 0x0000000000002027  P W U A\n");
    expect_line(&v, "P W U A  no paging-write access\n");
    expect_line(&v, "P W U A PS/PAT  no paging-write access  <-- the page\n");
    expect_line(&v, " R W X large verify  <-- the page");
    machine_destroy(v.m);
}

Test(walk, guest_paging)
{
    struct vm v = VM(toucher);
    use_ept(&v);
    expect_line(&v, "PDE       at 0x0000003018 = 0x00000000006000a7  P W U A PS/PAT  <-- the page");
    put_bits(&v, GUEST_CR4, CR4_PKE);
    store(&v, BARE_TABLES + 0x2000 + 8 * (TARGET >> 21), 8, UINT64_C(0x18000000006000a7));
    v.c->pkru = 2 << 6;
    expect_line(&v, "  <-- the page\n    protection key 3: PKRU forbids writes\n");
    v.c->pkru = 1 << 6;
    expect_line(&v, "\n    protection key 3: PKRU forbids reads and writes\n");
    store(&v, GUEST_TABLES, 8, 0x40000000 | 7); /* a table that EPT does not map */
    put(&v, GUEST_CR3, GUEST_TABLES);
    expect_line(&v, "PDPTE     at 0x0040000000: EPT does not let it be read");
    machine_destroy(v.m);
    v = VM(toucher);
    use_ept(&v);
    guest_pae(&v);
    expect_line(&v, "    PDPTE0    = 0x");
    machine_destroy(v.m);
    v = VM(toucher);
    use_ept(&v);
    guest_32(&v);
    expect_line(&v, "guest-linear 0x600010 by CR3 0x230000\n    PDE       at 0x0000230004");
    machine_destroy(v.m);
}

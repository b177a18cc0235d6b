// SPDX-License-Identifier: Apache-2.0
// EPT: misconfigurations, violations and their qualification, page sizes, accessed and dirty flags.
#include "vmx_modes.h"

/* Qualifications without bits 11:9, but for the test of these. */
#undef VM
#define VM(program) VM_ON("max,vmx-ept-advanced-exitinfo=off", program)

enum { TARGET = 0x600010, PDE = EPT_TABLES + 0x2000 + 8 * (TARGET >> 21) };
enum {
    Q_READ = 1,
    Q_WRITE = 2,
    Q_FETCH = 4,
    Q_R = 8,
    Q_W = 16,
    Q_X = 32,
    Q_LINEAR = 128,
    Q_FINAL = 256
};

static void expect_exit(struct vm *v, int64_t reason, uint64_t qualification)
{
    cr_expect_eq(enter_guest(v), reason, "exit %d", (int)get(v, VM_EXIT_REASON));
    cr_expect_eq(get(v, EXIT_QUALIFICATION), qualification, "%#llx, not %#llx",
                 (unsigned long long)get(v, EXIT_QUALIFICATION), (unsigned long long)qualification);
}

BARE_PROGRAM(guest_read, "mov 0x600010, %eax\n vmcall\n");
BARE_PROGRAM(guest_write, "mov %eax, 0x600010\n vmcall\n");
BARE_PROGRAM(guest_jump, "mov $0x600010, %eax\n jmp *%rax\n");

/* ---- misconfigurations ---- */

Test(vmx_ept, misconfigurations_of_a_leaf)
{
    static const uint64_t bad[] = {
        0xb2, 0xb6,                                     /* W, WX without R */
        0x97, 0x9f, 0xbf,                               /* memory types 2, 3 and 7 */
        0x10b7, 0x1000b7,                               /* address bits of a 2-MByte page */
        UINT64_C(1) << 50 | 0xb7,                       /* beyond the width */
    };
    struct vm v = VM(guest_read);
    use_ept(&v);
    for (unsigned k = 0; k < ARRAY_SIZE(bad); k++) {
        store(&v, PDE, 8, 0x600000 ^ bad[k]);
        expect_exit(&v, 49, 0);
        cr_expect_eq(get(&v, GUEST_PHYSICAL_ADDRESS), TARGET);
        cr_expect(get(&v, GUEST_RFLAGS) & FLAG_RF);
    }
    static const uint64_t good[] = { 0x87, 0x8f, 0xa7, 0xaf, 0xb7, 0xf7,
                                     UINT64_C(0xfff0000000000e37) | 0x80 };
    for (unsigned k = 0; k < ARRAY_SIZE(good); k++) {
        store(&v, PDE, 8, 0x600000 | good[k]);
        put(&v, GUEST_RIP, GUEST_CODE);
        cr_expect_eq(enter_guest(&v), 18, "%u", k);
    }
    machine_destroy(v.m);
}

Test(vmx_ept, misconfigurations_of_tables)
{
    struct vm v = VM(guest_read);
    use_ept(&v);
    for (unsigned bit = 3; bit <= 7; bit++) {           /* PML4E */
        store(&v, EPT_TABLES, 8, (EPT_TABLES + 0x1000) | 7 | 1u << bit);
        expect_exit(&v, 49, 0);
    }
    store(&v, EPT_TABLES, 8, (EPT_TABLES + 0x1000) | 7);
    for (unsigned bit = 3; bit <= 6; bit++) {           /* PDPTE that is no leaf */
        store(&v, EPT_TABLES + 0x1000, 8, (EPT_TABLES + 0x2000) | 7 | 1u << bit);
        expect_exit(&v, 49, 0);
    }
    store(&v, EPT_TABLES + 0x1000, 8, 0);               /* absent comes before all that */
    expect_exit(&v, 48, Q_READ | Q_LINEAR);             /* the guest's own tables */
    machine_destroy(v.m);
}

Test(vmx_ept, sizes_that_a_processor_lacks)
{
    struct vm v = VM_ON("max,vmx-ept-1gb=off,vmx-ept-execonly=off", guest_read);
    use_ept(&v);
    store(&v, EPT_TABLES + 0x1000, 8, 0xb7);
    expect_exit(&v, 49, 0);
    store(&v, EPT_TABLES + 0x1000, 8, (EPT_TABLES + 0x2000) | 7);
    store(&v, PDE, 8, 0x6000b4);
    expect_exit(&v, 49, 0);
    machine_destroy(v.m);
}

/* ---- violations ---- */

Test(vmx_ept, rights)
{
    struct vm v = VM(guest_read);
    const uint64_t data = Q_LINEAR | Q_FINAL;
    use_ept(&v);
    store(&v, PDE, 8, 0x6000b4);                        /* execute-only */
    expect_exit(&v, 48, Q_READ | Q_X | data);
    cr_expect_eq(get(&v, GUEST_LINEAR_ADDRESS), TARGET);
    cr_expect_eq(get(&v, GUEST_PHYSICAL_ADDRESS), TARGET);
    store(&v, PDE, 8, 0);
    expect_exit(&v, 48, Q_READ | data);
    machine_destroy(v.m);
    v = VM(guest_write);
    use_ept(&v);
    store(&v, PDE, 8, 0x6000b1);
    expect_exit(&v, 48, Q_WRITE | Q_R | data);
    machine_destroy(v.m);
    v = VM(guest_jump);
    use_ept(&v);
    store(&v, PDE, 8, 0x6000b3);
    store(&v, TARGET, 4, 0x90c1010f);
    expect_exit(&v, 48, Q_FETCH | Q_R | Q_W | data);
    cr_expect_eq(get(&v, GUEST_RIP), TARGET);
    store(&v, PDE, 8, 0x6000b4);
    cr_expect_eq(enter_guest(&v), 18);                  /* what is execute-only runs */
    machine_destroy(v.m);
}

Test(vmx_ept, rights_are_those_of_all_levels)
{
    struct vm v = VM(guest_write);
    use_ept(&v);
    store(&v, EPT_TABLES + 0x1000, 8, (EPT_TABLES + 0x2000) | 5);
    store(&v, BARE_TABLES, 8, load(&v, BARE_TABLES, 8) | 1 << 5);
    store(&v, BARE_TABLES + 0x1000, 8, load(&v, BARE_TABLES + 0x1000, 8) | 1 << 5);
    for (unsigned k = 0; k < 4; k++) {
        uint64_t at = BARE_TABLES + 0x2000 + 8 * k;
        store(&v, at, 8, load(&v, at, 8) | 3 << 5);
    }
    expect_exit(&v, 48, Q_WRITE | Q_R | Q_X | Q_LINEAR | Q_FINAL);
    machine_destroy(v.m);
}

Test(vmx_ept, one_gigabyte_page)
{
    struct vm v = VM(guest_write);
    use_ept(&v);
    store(&v, EPT_TABLES + 0x1000, 8, 0xb7);
    v.c->gpr[RAX] = 0x1234;
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect_eq(load(&v, TARGET, 4), 0x1234);
    store(&v, EPT_TABLES + 0x1000, 8, 0x10000b7);
    expect_exit(&v, 49, 0);
    machine_destroy(v.m);
}

/* The guest's page tables stand in the first 2 MBytes. */
Test(vmx_ept, guest_paging_structures)
{
    struct vm v = VM(guest_read);
    use_small_ept(&v);
    store(&v, ept_pte(BARE_TABLES + 0x1000), 8, 0);
    expect_exit(&v, 48, Q_READ | Q_LINEAR);
    cr_expect_eq(get(&v, GUEST_PHYSICAL_ADDRESS), BARE_TABLES + 0x1000);
    cr_expect_eq(get(&v, GUEST_LINEAR_ADDRESS), GUEST_CODE);
    /* Read-only: the update of accessed flags is a read and a write. */
    store(&v, ept_pte(BARE_TABLES + 0x1000), 8, (BARE_TABLES + 0x1000) | 0x31);
    store(&v, BARE_TABLES + 0x1000, 8, load(&v, BARE_TABLES + 0x1000, 8) & ~UINT64_C(0x20));
    expect_exit(&v, 48, Q_READ | Q_WRITE | Q_R | Q_LINEAR);
    store(&v, BARE_TABLES + 0x1000, 8, load(&v, BARE_TABLES + 0x1000, 8) | 0x20);
    cr_expect_eq(enter_guest(&v), 18);                  /* nothing to update */
    put(&v, GUEST_RIP, GUEST_CODE);                     /* with A/D every access counts as write */
    put_bits(&v, EPT_POINTER, 1 << 6);
    expect_exit(&v, 48, Q_READ | Q_WRITE | Q_R | Q_LINEAR);
    machine_destroy(v.m);
}

Test(vmx_ept, guest_faults_come_first)
{
    struct vm v = VM(guest_write);
    use_ept(&v);
    store(&v, PDE, 8, 0);
    put_bits(&v, GUEST_CR0, CR0_WP);
    store(&v, BARE_TABLES + 0x2000 + 8 * 3, 8, 0x600081);         /* read-only for the guest */
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect_eq(get(&v, GUEST_RIP), HANDLER(EXC_PF));
    machine_destroy(v.m);
}

/* ---- registers ---- */

/* A page is absent below the program's operands or below its stack. */
struct refused_program { const char *text; uint8_t code[8]; bool stack; };
static const struct refused_program refused_programs[] = {
    { "pop [rdi]", { 0x8f, 0x07 }, false },
    { "pop [rsp]", { 0x8f, 0x04, 0x24 }, true },
    { "push [rdi]", { 0xff, 0x37 }, false },
    { "call [rdi]", { 0xff, 0x17 }, false },
    { "call", { 0xe8, 0, 0, 0, 0 }, true },
    { "ret", { 0xc2, 8, 0 }, true },
    { "retf", { 0x48, 0xcb }, true },
    { "iretq", { 0x48, 0xcf }, true },
    { "push rax", { 0x50 }, true },
    { "pop rax", { 0x58 }, true },
    { "pushfq", { 0x9c }, true },
    { "popfq", { 0x9d }, true },
    { "enter 16, 2", { 0xc8, 16, 0, 2 }, true },
    { "leave", { 0xc9 }, false },
    { "xchg [rdi], rax", { 0x48, 0x87, 0x07 }, false },
    { "cmpxchg [rdi], rax", { 0x48, 0x0f, 0xb1, 0x07 }, false },
    { "cmpxchg16b [rdi]", { 0x48, 0x0f, 0xc7, 0x0f }, false },
    { "xadd [rdi], rax", { 0x48, 0x0f, 0xc1, 0x07 }, false },
    { "movsq", { 0x48, 0xa5 }, false },
    { "rep stosq", { 0xf3, 0x48, 0xab }, false },
    { "lodsq", { 0x48, 0xad }, false },
    { "scasq", { 0x48, 0xaf }, false },
    { "xlatb", { 0xd7 }, false },
    { "lss eax, [rdi]", { 0x0f, 0xb2, 0x07 }, false },
    { "lgdt [rdi]", { 0x0f, 0x01, 0x17 }, false },
    { "mul [rdi]", { 0x48, 0xf7, 0x27 }, false },
    { "fld m80", { 0xdb, 0x2f }, false },
    { "fbstp", { 0xdf, 0x37 }, false },
    { "movups xmm0, [rdi]", { 0x0f, 0x10, 0x07 }, false },
};

/* The guest's registers are saved as they were before the instruction, and the host's stay loaded:
 * rSP alone is both. */
Test(vmx_ept, a_violation_leaves_the_registers_of_both_sides_alone)
{
    struct vm v = VM(guest_read);
    use_ept(&v);
    store(&v, PDE, 8, 0);
    for (const struct refused_program *p = refused_programs;
         p < refused_programs + ARRAY_SIZE(refused_programs); p++) {
        uint64_t before[16], rsp = p->stack ? TARGET : GUEST_STACK;
        mem_write(v.mem, GUEST_CODE, p->code, sizeof p->code);
        for (unsigned r = RAX; r <= R15; r++)
            before[r] = v.c->gpr[r] = TARGET & ~UINT64_C(15);
        put(&v, GUEST_RSP, rsp);
        put(&v, GUEST_RIP, GUEST_CODE);
        cr_expect_eq(enter_guest(&v), 48, "%s: exit %#x", p->text, (int)get(&v, VM_EXIT_REASON));
        for (unsigned r = RAX; r <= R15; r++)
            cr_expect(r == RSP || v.c->gpr[r] == before[r], "%s: register %u", p->text, r);
        cr_expect_eq(get(&v, GUEST_RSP), rsp, "%s", p->text);
        cr_expect_eq(get(&v, GUEST_RIP), GUEST_CODE, "%s", p->text);
        cr_expect_eq(v.c->gpr[RSP], BARE_STACK, "%s: %#llx", p->text,
                     (unsigned long long)v.c->gpr[RSP]);
    }
    machine_destroy(v.m);
}

/* ---- cached mappings ---- */

BARE_PROGRAM(guest_read_write, "mov 0x600010, %ebx\n mov %eax, 0x600010\n mov 0x600010, %ecx\n"
                               " vmcall\n");
Test(vmx_ept, a_violation_drops_the_mapping_it_used)
{
    struct vm v = VM(guest_read_write);
    use_ept(&v);
    put_bits(&v, SECONDARY_VM_EXEC_CONTROL, PROC2_ENABLE_VPID);
    put(&v, VIRTUAL_PROCESSOR_ID, 1);
    store(&v, PDE, 8, 0x6000b1);
    store(&v, TARGET, 4, 0x11);
    v.c->gpr[RAX] = 0x22;
    expect_exit(&v, 48, Q_WRITE | Q_R | Q_LINEAR | Q_FINAL);
    cr_expect_eq(v.c->gpr[RBX], 0x11);
    store(&v, PDE, 8, 0x8000b7);                        /* copied elsewhere; no INVEPT needed */
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect_eq(v.c->gpr[RCX], 0x22);
    cr_expect_eq(load(&v, TARGET, 4), 0x11);
    machine_destroy(v.m);
}

/* ---- accessed and dirty flags ---- */

Test(vmx_ept, accessed_without_dirty)
{
    struct vm v = VM(guest_read);
    use_ept(&v);
    put_bits(&v, EPT_POINTER, 1 << 6);
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect_eq(load(&v, PDE, 8), 0x6001b7);
    cr_expect_eq(load(&v, EPT_TABLES, 8) & 0x300, 0x100);
    cr_expect_eq(load(&v, EPT_TABLES + 0x2000, 8) & 0x300, 0x300);      /* paging structures */
    machine_destroy(v.m);
}

Test(vmx_ept, flags_stay_without_the_eptp_bit)
{
    struct vm v = VM(guest_write);
    use_ept(&v);
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect_eq(load(&v, PDE, 8), 0x6000b7);
    machine_destroy(v.m);
}

Test(vmx_ept, a_violation_sets_no_flags)
{
    struct vm v = VM(guest_write);
    use_ept(&v);
    put_bits(&v, EPT_POINTER, 1 << 6);
    store(&v, PDE, 8, 0x6000b5);
    expect_exit(&v, 48, Q_WRITE | Q_R | Q_X | Q_LINEAR | Q_FINAL);
    cr_expect_eq(load(&v, PDE, 8), 0x6000b5);
    machine_destroy(v.m);
}

/* ---- addresses beyond the structures ---- */

Test(vmx_ept, no_guest_physical_address_above_48_bits)
{
    struct vm v = VM(guest_read);
    use_ept(&v);
    store(&v, BARE_TABLES + 0x2000 + 8 * 3, 8, UINT64_C(0xfe00000000000) | 0x87);
    cr_expect_eq(enter_guest(&v), 18);                  /* reserved bits for the guest: #PF */
    cr_expect_eq(get(&v, GUEST_RIP), HANDLER(EXC_PF));
    cr_expect_eq(load(&v, GUEST_STACK - 48, 8), 9);
    machine_destroy(v.m);
}

BARE_PROGRAM(guest_load_cr3, "mov %rbx, %cr3\n vmcall\n");
Test(vmx_ept, cr3_beyond_the_width)
{
    struct vm v = VM(guest_load_cr3);
    use_ept(&v);
    v.c->gpr[RBX] = BIT(v.c->physical_bits) | BARE_TABLES;
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect_eq(get(&v, GUEST_RIP), HANDLER(EXC_GP));
    v.c->gpr[RBX] = 0x40000000;                         /* not in the 1 GByte of EPT */
    put(&v, GUEST_RIP, GUEST_CODE);
    expect_exit(&v, 48, Q_READ | Q_LINEAR);
    cr_expect_eq(get(&v, GUEST_RIP), GUEST_CODE + 3);   /* the next fetch */
    machine_destroy(v.m);
}

/* ---- PAE ---- */

BARE_PROGRAM(guest_load_pae, ".code32\n mov %ebx, %cr3\n vmcall\n .code64\n");
Test(vmx_ept, pdptes)
{
    struct vm v = VM(guest_load_pae);
    guest_pae(&v);
    use_ept(&v);
    put(&v, GUEST_PDPTE0 + 2, 0x9e1);                   /* reserved bits */
    cr_expect_eq(enter_guest(&v), 0x80000021);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 2);
    put(&v, GUEST_PDPTE0 + 2, 0x9e0);                   /* ... do not count if absent */
    v.c->gpr[RBX] = GUEST_TABLES;
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect_eq(get(&v, GUEST_PDPTE0 + 2), load(&v, GUEST_TABLES + 16, 8));
    store(&v, EPT_TABLES + 0x2000 + 8 * (0x800000 >> 21), 8, 0);
    v.c->gpr[RBX] = 0x800020;
    put(&v, GUEST_RIP, GUEST_CODE);
    expect_exit(&v, 48, Q_READ);                        /* PDPTEs have no linear address */
    cr_expect_eq(get(&v, GUEST_PHYSICAL_ADDRESS), 0x800020);
    cr_expect_eq(get(&v, GUEST_RIP), GUEST_CODE);
    cr_expect_eq(get(&v, GUEST_CR3), GUEST_TABLES);
    machine_destroy(v.m);
}

Test(vmx_ept, pdptes_without_ept_come_from_memory)
{
    struct vm v = VM(guest_load_pae);
    guest_pae(&v);
    v.c->gpr[RBX] = GUEST_TABLES;
    put(&v, GUEST_PDPTE0, 0x1e6);                       /* of no interest */
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect_eq(get(&v, GUEST_PDPTE0), 0x1e6);
    store(&v, GUEST_TABLES + 24, 8, 3);
    put(&v, GUEST_RIP, GUEST_CODE);
    cr_expect_eq(enter_guest(&v), 0x80000021);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 2);
    machine_destroy(v.m);
}

/* Bits 11:9: user page, writable page, execute-disable, by the guest's own paging structures. */
Test(vmx_ept, advanced_information)
{
    const uint64_t host_pde = BARE_TABLES + 0x2000 + 8 * (TARGET >> 21);
    static const struct { uint64_t pde, bits; } rows[] = {
        { 0x87, 1 << 9 | 1 << 10 }, { 0x83, 1 << 10 }, { 0x85, 1 << 9 },
        { BIT(63) | 0x81, 1 << 11 },
    };
    for (unsigned k = 0; k < ARRAY_SIZE(rows); k++) {
        struct vm v = VM_ON("max", guest_read);
        use_ept(&v);
        store(&v, host_pde, 8, 0x600000 | rows[k].pde);
        store(&v, PDE, 8, 0);
        expect_exit(&v, 48, Q_READ | Q_LINEAR | Q_FINAL | rows[k].bits);
        store(&v, EPT_TABLES + 0x1000, 8, 0);           /* the guest's tables: no such bits */
        put(&v, GUEST_RIP, GUEST_CODE);
        expect_exit(&v, 48, Q_READ | Q_LINEAR);
        machine_destroy(v.m);
    }
}

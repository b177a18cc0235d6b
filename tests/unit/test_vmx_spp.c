// SPDX-License-Identifier: Apache-2.0
// Sub-page write permissions: writes that EPT forbids and a bit for their 128 bytes allows.
#include "vmx_modes.h"

enum {
    PAGE = 0x180000,                 /* the guest's page; linear, physical and host address */
    SPPL4 = 0x260000, SPPL3 = 0x261000, SPPL2 = 0x262000, SPPL1 = 0x263000,
    VECTOR = SPPL1 + 8 * (PAGE >> 12),
    LOG = 0x250000, VE_AREA = 0x251000,
};
enum { Q_WRITE = 2, Q_R = 8, Q_X = 32, Q_LINEAR = 128, Q_FINAL = 256, Q_MISS = 1 << 11 };
enum { READ_ONLY = 0x35 };           /* an EPT PTE: R, X, write-back */
#define SUB_PAGES_BIT BIT(61)
#define DENIED (Q_WRITE | Q_R | Q_X | Q_LINEAR | Q_FINAL)
#define ALL_SUB_PAGES UINT64_C(0x5555555555555555)
#undef VM
#define VM(program) VM_ON("max,vmx-ept-advanced-exitinfo=off", program)

static struct vm with_sub_pages(struct vm v, uint64_t vector)
{
    use_small_ept(&v);
    store(&v, ept_pte(PAGE), 8, SUB_PAGES_BIT | PAGE | READ_ONLY);
    store(&v, SPPL4, 8, SPPL3 | 1);
    store(&v, SPPL3, 8, SPPL2 | 1);
    store(&v, SPPL2, 8, SPPL1 | 1);
    store(&v, VECTOR, 8, vector);
    put(&v, SPPT_POINTER, SPPL4);
    put_bits(&v, SECONDARY_VM_EXEC_CONTROL, PROC2_SUB_PAGE_WRITE);
    v.c->gpr[RAX] = 0x11223344;
    v.c->gpr[RDI] = PAGE;
    return v;
}

static void again(struct vm *v, int64_t reason, uint64_t qualification)
{
    put(v, GUEST_RIP, GUEST_CODE);
    int64_t got = enter_guest(v);
    cr_expect_eq(got, reason, "%d, not %d", (int)got, (int)reason);
    if (reason != 18)
        cr_expect_eq(get(v, EXIT_QUALIFICATION), qualification, "%#llx",
                     (unsigned long long)get(v, EXIT_QUALIFICATION));
}

BARE_PROGRAM(writer, "mov %eax, (%rdi)\n vmcall\n");

/* ---- permissions ---- */

Test(vmx_spp, each_sub_page_has_its_bit)
{
    struct vm v = with_sub_pages(VM(writer), 0);
    for (unsigned s = 0; s < 32; s++) {
        store(&v, VECTOR, 8, BIT(2 * s));
        v.c->gpr[RDI] = PAGE + 128 * s + 124;
        again(&v, 18, 0);
        cr_expect_eq(load(&v, PAGE + 128 * s + 124, 4), 0x11223344);
        store(&v, VECTOR, 8, ALL_SUB_PAGES & ~BIT(2 * s));
        v.c->gpr[RDI] = PAGE + 128 * s;
        again(&v, 48, DENIED);
        cr_expect_eq(get(&v, GUEST_PHYSICAL_ADDRESS), PAGE + 128 * s);
        cr_expect_eq(get(&v, GUEST_LINEAR_ADDRESS), PAGE + 128 * s);
        cr_expect_eq(load(&v, PAGE + 128 * s, 4), 0);
    }
    machine_destroy(v.m);
}

BARE_PROGRAM(two_writes, "mov (%rdi), %ebx\n mov %eax, (%rdi)\n mov %eax, 128(%rdi)\n vmcall\n");

Test(vmx_spp, nothing_is_cached_writable)
{
    struct vm v = with_sub_pages(VM(two_writes), 1);
    again(&v, 48, DENIED);
    cr_expect_eq(get(&v, GUEST_PHYSICAL_ADDRESS), PAGE + 128);
    cr_expect_eq(load(&v, PAGE, 4), 0x11223344);
    store(&v, VECTOR, 8, 5);
    again(&v, 18, 0);
    cr_expect_eq(load(&v, PAGE + 128, 4), 0x11223344);
    machine_destroy(v.m);
}

BARE_PROGRAM(reader, "mov (%rdi), %ebx\n jmp *%rdi\n");

Test(vmx_spp, reads_and_fetches_need_no_table)
{
    struct vm v = with_sub_pages(VM(reader), 0);
    store(&v, SPPL4, 8, 0);
    store(&v, PAGE, 4, 0x90c1010f); /* VMCALL */
    again(&v, 18, 0);
    cr_expect_eq(v.c->gpr[RBX], 0x90c1010f);
    machine_destroy(v.m);
}

BARE_PROGRAM(filler, "mov $256, %ecx\n rep stosb\n vmcall\n");
BARE_PROGRAM(adder, "lock addl %eax, (%rdi)\n vmcall\n");

Test(vmx_spp, strings_stop_at_the_first_byte_that_is_forbidden)
{
    struct vm v = with_sub_pages(VM(filler), 1);
    again(&v, 48, DENIED);
    cr_expect_eq(v.c->gpr[RCX], 128);
    cr_expect_eq(v.c->gpr[RDI], PAGE + 128);
    cr_expect_eq(get(&v, GUEST_PHYSICAL_ADDRESS), PAGE + 128);
    machine_destroy(v.m);
    v = with_sub_pages(VM(adder), 1);
    again(&v, 18, 0);
    cr_expect_eq(load(&v, PAGE, 4), 0x11223344);
    v.c->gpr[RDI] = PAGE + 128;
    again(&v, 48, DENIED);
    machine_destroy(v.m);
}

/* ---- misses and misconfigurations ---- */

Test(vmx_spp, misses)
{
    static const uint64_t at[] = { SPPL4, SPPL3, SPPL2 };
    for (unsigned k = 0; k < ARRAY_SIZE(at); k++) {
        struct vm v = with_sub_pages(VM(writer), 1);
        uint64_t entry = load(&v, at[k], 8);
        store(&v, at[k], 8, entry & ~UINT64_C(1));
        v.c->gpr[RDI] = PAGE + 8;
        again(&v, 66, Q_MISS);
        cr_expect_eq(get(&v, GUEST_PHYSICAL_ADDRESS), PAGE + 8);
        cr_expect_eq(get(&v, GUEST_LINEAR_ADDRESS), PAGE + 8);
        cr_expect_eq(get(&v, GUEST_RIP), GUEST_CODE);
        cr_expect_eq(get(&v, IDT_VECTORING_INFO_FIELD), 0);
        cr_expect(get(&v, GUEST_RFLAGS) & FLAG_RF);
        store(&v, at[k], 8, 0xffe); /* ... comes before reserved bits */
        again(&v, 66, Q_MISS);
        store(&v, at[k], 8, entry);
        again(&v, 18, 0);
        machine_destroy(v.m);
    }
}

Test(vmx_spp, misconfigurations)
{
    static const uint64_t at[] = { SPPL4, SPPL3, SPPL2 };
    struct vm v = with_sub_pages(VM(writer), 1);
    for (unsigned k = 0; k < ARRAY_SIZE(at); k++) {
        uint64_t entry = load(&v, at[k], 8);
        for (unsigned bit = 1; bit < 64; bit += bit == 11 ? 35 : 1) { /* 11:1 and 63:46 */
            store(&v, at[k], 8, entry | BIT(bit));
            again(&v, 66, 0);
        }
        store(&v, at[k], 8, entry);
    }
    for (unsigned bit = 1; bit < 64; bit += 2) {
        store(&v, VECTOR, 8, ALL_SUB_PAGES | BIT(bit));
        again(&v, 66, 0);
    }
    cr_expect_eq(get(&v, GUEST_PHYSICAL_ADDRESS), PAGE);
    cr_expect_eq(load(&v, PAGE, 4), 0);
    machine_destroy(v.m);
}

/* ---- what is eligible ---- */

Test(vmx_spp, pages_that_do_not_go_by_sub_pages)
{
    struct vm v = with_sub_pages(VM(writer), ALL_SUB_PAGES);
    store(&v, ept_pte(PAGE), 8, PAGE | READ_ONLY); /* bit 61 */
    again(&v, 48, DENIED);
    store(&v, ept_pte(PAGE), 8, SUB_PAGES_BIT | PAGE | 0x34); /* execute-only */
    again(&v, 48, DENIED & ~Q_R);
    store(&v, ept_pte(PAGE), 8, SUB_PAGES_BIT | PAGE | READ_ONLY);
    clear_bits(&v, SECONDARY_VM_EXEC_CONTROL, PROC2_SUB_PAGE_WRITE);
    again(&v, 48, DENIED);
    put_bits(&v, SECONDARY_VM_EXEC_CONTROL, PROC2_SUB_PAGE_WRITE);
    store(&v, EPT_TABLES + 0x2000 + 8, 8, SUB_PAGES_BIT | 0x2000b5); /* 2 MBytes */
    v.c->gpr[RDI] = 0x280000;
    again(&v, 48, DENIED);
    store(&v, SPPL4, 8, 0); /* a writable page asks no table */
    store(&v, ept_pte(PAGE), 8, SUB_PAGES_BIT | PAGE | 0x37);
    v.c->gpr[RDI] = PAGE;
    again(&v, 18, 0);
    machine_destroy(v.m);
}

/* The right to write is that of all levels. */
Test(vmx_spp, read_only_by_another_level)
{
    struct vm v = with_sub_pages(VM(writer), 1);
    store(&v, ept_pte(PAGE), 8, SUB_PAGES_BIT | PAGE | 0x37);
    store(&v, EPT_TABLES + 0x2000, 8, (EPT_TABLES + 0x3000) | 5);
    for (unsigned k = 0; k < 3; k++) /* the guest's tables set no flags */
        store(&v, BARE_TABLES + 0x1000 * k, 8, load(&v, BARE_TABLES + 0x1000 * k, 8) | 0x60);
    again(&v, 18, 0);
    v.c->gpr[RDI] = PAGE + 128;
    again(&v, 48, DENIED);
    machine_destroy(v.m);
}

BARE_PROGRAM(wide_writer, "movups %xmm0, (%rdi)\n vmcall\n");

Test(vmx_spp, a_write_needs_all_sub_pages_that_it_touches)
{
    static const struct { unsigned offset; uint64_t vector; bool allowed; } rows[] = {
        { 112, 1, true },  { 113, 1, false },     { 113, 4, false },
        { 113, 5, true },  { 128, 4, true },      { 0xff0, BIT(62), true },
    };
    for (unsigned k = 0; k < ARRAY_SIZE(rows); k++) {
        struct vm v = with_sub_pages(VM(wide_writer), rows[k].vector);
        put_bits(&v, GUEST_CR4, CR4_OSFXSR);
        v.c->gpr[RDI] = PAGE + rows[k].offset;
        again(&v, rows[k].allowed ? 18 : 48, DENIED);
        if (!rows[k].allowed)
            cr_expect_eq(get(&v, GUEST_PHYSICAL_ADDRESS), PAGE + rows[k].offset);
        machine_destroy(v.m);
    }
}

/* ... in both pages, if it touches two. */
Test(vmx_spp, writes_to_two_pages)
{
    enum { NEXT = PAGE + 0x1000, NEXT_VECTOR = VECTOR + 8 };
    struct vm v = with_sub_pages(VM(writer), BIT(62));
    v.c->gpr[RDI] = NEXT - 2;
    again(&v, 18, 0); /* the next one is writable */
    store(&v, ept_pte(NEXT), 8, SUB_PAGES_BIT | NEXT | READ_ONLY);
    store(&v, NEXT - 2, 4, 0);
    store(&v, NEXT_VECTOR, 8, ALL_SUB_PAGES & ~UINT64_C(1));
    again(&v, 48, DENIED);
    cr_expect_eq(get(&v, GUEST_PHYSICAL_ADDRESS), NEXT);
    cr_expect_eq(get(&v, GUEST_LINEAR_ADDRESS), NEXT);
    cr_expect_eq(load(&v, NEXT - 2, 4), 0, "nothing is written");
    store(&v, NEXT_VECTOR, 8, 1);
    again(&v, 18, 0);
    cr_expect_eq(load(&v, NEXT - 2, 4), 0x11223344);
    store(&v, VECTOR, 8, ALL_SUB_PAGES & ~BIT(62));
    again(&v, 48, DENIED);
    cr_expect_eq(get(&v, GUEST_PHYSICAL_ADDRESS), NEXT - 2);
    machine_destroy(v.m);
}

/* Accessed flags of the guest's own tables: never. */
Test(vmx_spp, paging_structures_are_not_eligible)
{
    struct vm v = with_sub_pages(VM(writer), 1);
    const uint64_t tables = BARE_TABLES + 0x2000;
    store(&v, ept_pte(tables), 8, SUB_PAGES_BIT | tables | READ_ONLY);
    store(&v, SPPL1 + 8 * (tables >> 12), 8, ALL_SUB_PAGES);
    store(&v, tables, 8, 0x87);
    again(&v, 48, 1 | Q_WRITE | Q_R | Q_X | Q_LINEAR);
    cr_expect_eq(get(&v, GUEST_PHYSICAL_ADDRESS), tables);
    machine_destroy(v.m);
}

/* Bits 47:12 alone select the entries, with five levels of EPT, too. */
Test(vmx_spp, guest_physical_addresses_beyond_48_bits)
{
    struct vm v = VM_ON("max,phys-bits=52,vmx-ept-advanced-exitinfo=off", writer);
    v = with_sub_pages(v, 1);
    store(&v, 0x218000, 8, EPT_TABLES | 7);
    store(&v, 0x218008, 8, EPT_TABLES | 7);
    put(&v, EPT_POINTER, 0x218000 | 4 << 3 | 6);
    again(&v, 18, 0);
    store(&v, BARE_TABLES + 0x2000 + 8 * 5, 8, BIT(48) | 0xe7);
    v.c->gpr[RDI] = 5 * 0x200000 + PAGE;
    again(&v, 18, 0);
    v.c->gpr[RDI] += 128;
    again(&v, 48, DENIED);
    cr_expect_eq(get(&v, GUEST_PHYSICAL_ADDRESS), BIT(48) | (PAGE + 128));
    machine_destroy(v.m);
}

/* ---- with accessed and dirty flags, the log, #VE ---- */

Test(vmx_spp, dirty_flags_and_the_log)
{
    struct vm v = with_sub_pages(VM(writer), 1);
    put_bits(&v, EPT_POINTER, 1 << 6);
    put_bits(&v, SECONDARY_VM_EXEC_CONTROL, PROC2_ENABLE_PML);
    put(&v, PML_ADDRESS, LOG);
    put(&v, GUEST_PML_INDEX, 511);
    v.c->gpr[RDI] = PAGE + 128;
    again(&v, 48, DENIED);
    store(&v, SPPL2, 8, 0);
    again(&v, 66, Q_MISS);
    cr_expect_not(load(&v, ept_pte(PAGE), 8) & 0x300, "no flag is set");
    store(&v, SPPL2, 8, SPPL1 | 1);
    v.c->gpr[RDI] = PAGE + 8;
    uint64_t index = get(&v, GUEST_PML_INDEX);
    again(&v, 18, 0);
    cr_expect_eq(load(&v, ept_pte(PAGE), 8), SUB_PAGES_BIT | PAGE | READ_ONLY | 0x300);
    cr_expect_eq(get(&v, GUEST_PML_INDEX), index - 1);
    cr_expect_eq(load(&v, LOG + 8 * index, 8), PAGE);
    machine_destroy(v.m);
}

Test(vmx_spp, a_denied_write_is_an_ept_violation_for_ve)
{
    struct vm v = with_sub_pages(VM(writer), 0);
    put_bits(&v, SECONDARY_VM_EXEC_CONTROL, PROC2_EPT_VIOLATION_VE);
    put(&v, VIRT_EXCEPTION_INFO, VE_AREA);
    again(&v, 18, 0);
    cr_expect_eq(get(&v, GUEST_RIP), HANDLER(20));
    cr_expect_eq(load(&v, VE_AREA + 8, 8), DENIED);
    store(&v, VE_AREA + 4, 4, 0);
    store(&v, SPPL3, 8, 0);
    again(&v, 66, Q_MISS); /* an SPP event never converts */
    machine_destroy(v.m);
}

/* ---- event delivery ---- */

BARE_PROGRAM(interrupter, "int $0x40\n");

/* A frame of five quadwords touches two sub-pages. */
Test(vmx_spp, frames)
{
    struct vm v = with_sub_pages(VM(interrupter), 0x5);
    put(&v, GUEST_RSP, PAGE + 128 + 16);
    again(&v, 18, 0);
    cr_expect_eq(get(&v, GUEST_RIP), HANDLER(0x40));
    cr_expect_eq(load(&v, PAGE + 128 + 16 - 40, 8), GUEST_CODE + 2);
    for (unsigned k = 0; k < 2; k++) {
        store(&v, VECTOR, 8, k ? 4 : 1);
        put(&v, GUEST_RSP, PAGE + 128 + 16);
        again(&v, 48, DENIED);
        cr_expect_eq(get(&v, IDT_VECTORING_INFO_FIELD), EVENT(4, 0x40));
    }
    store(&v, SPPL4, 8, 0);
    again(&v, 66, Q_MISS);
    cr_expect_eq(get(&v, IDT_VECTORING_INFO_FIELD), EVENT(4, 0x40));
    cr_expect_eq(get(&v, VM_EXIT_INSTRUCTION_LEN), 2);
    cr_expect_eq(get(&v, VM_EXIT_INTR_INFO), 0);
    cr_expect_not(get(&v, GUEST_RFLAGS) & FLAG_RF);
    machine_destroy(v.m);
}

/* The same on the stack of an inner level. */
Test(vmx_spp, frames_of_an_inner_level)
{
    struct vm v = with_sub_pages(VM(interrupter), 0x5);
    user_guest(&v);
    store(&v, GUEST_IDT + 16 * 0x40 + 5, 1, 0xee);
    store(&v, GUEST_TSS + 4, 8, PAGE + 128 + 16);
    again(&v, 18, 0);
    cr_expect_eq(load(&v, PAGE + 128 + 16 - 40, 8), GUEST_CODE + 2);
    store(&v, VECTOR, 8, 4);
    put(&v, GUEST_RSP, GUEST_STACK);
    user_guest(&v);
    store(&v, GUEST_TSS + 4, 8, PAGE + 128 + 16);
    again(&v, 48, DENIED);
    cr_expect_eq(get(&v, IDT_VECTORING_INFO_FIELD), EVENT(4, 0x40));
    machine_destroy(v.m);
}

BARE_PROGRAM(returner, "iretq\n");

/* IRET unblocks NMIs, then sets the accessed bit of the descriptor of CS. */
Test(vmx_spp, iret_that_unblocked_nmis)
{
    struct vm v = with_sub_pages(VM(returner), 0);
    put_bits(&v, PIN_BASED_VM_EXEC_CONTROL, PIN_NMI_EXITING | PIN_VIRTUAL_NMIS);
    put(&v, GUEST_INTERRUPTIBILITY_INFO, 1 << 3);
    store(&v, GUEST_GDT + 8, 8, UINT64_C(0x00af9a000000ffff));
    store(&v, ept_pte(GUEST_GDT), 8, SUB_PAGES_BIT | GUEST_GDT | READ_ONLY);
    store(&v, SPPL2, 8, 0);
    static const uint64_t frame[] = { GUEST_CODE, 8, 2, GUEST_STACK, 16 };
    put(&v, GUEST_RSP, GUEST_STACK - 40);
    for (unsigned k = 0; k < ARRAY_SIZE(frame); k++)
        store(&v, GUEST_STACK - 40 + 8 * k, 8, frame[k]);
    again(&v, 66, Q_MISS | 1 << 12);
    cr_expect_eq(get(&v, GUEST_LINEAR_ADDRESS) & ~UINT64_C(0xf), GUEST_GDT);
    again(&v, 66, Q_MISS); /* there was nothing to unblock */
    machine_destroy(v.m);
}

/* ---- where it is ---- */

Test(vmx_spp, processors)
{
    static const struct { const char *cpu; bool has; } rows[] = {
        { "max", true }, { "skylake", false }, { "max,vmx-sub-page-write=off", false },
        { "max,vmx-ept=off", false },
    };
    for (unsigned k = 0; k < ARRAY_SIZE(rows); k++) {
        struct vm v = VM_ON(rows[k].cpu, writer);
        const uint64_t *cap = v.c->model->vmx_capability;
        uint64_t value;
        cr_expect_eq(vmx_can(cap, WORD_PROC2, PROC2_SUB_PAGE_WRITE), rows[k].has);
        cr_expect_eq(vmcs_read(v.c, 0x2030, &value), rows[k].has);
        machine_destroy(v.m);
    }
}

// SPDX-License-Identifier: Apache-2.0
// Hypervisor-managed linear-address translation, the EPT paging-write control and guest-paging
// verification.
#include "vmx_modes.h"

/* Qualifications without bits 11:9. */
#undef VM
#define VM(program) VM_ON("max,vmx-ept-advanced-exitinfo=off", program)

enum {
    TARGET = 0x600010,             /* in the frame that ordinary paging maps where it stands */
    MOVED = TARGET + 0x200000,     /* where HLAT paging leads */
    FRAME = MOVED & ~0x1fffff,
    PML4 = 0x140000, PDPT = 0x141000, PD = 0x142000, PT = 0x143000,    /* of HLAT paging */
    PDE = PD + 8 * (TARGET >> 21),
    EPT_PDE = EPT_TABLES + 0x2000 + 8 * (TARGET >> 21),
    NOWHERE = 0x40000000,          /* beyond what EPT maps */
    RESTART = 1 << 11, A = 1 << 5, D = 1 << 6,
};
enum {
    Q_READ = 1, Q_WRITE = 2, Q_R = 8, Q_W = 16, Q_X = 32, Q_LINEAR = 128, Q_FINAL = 256,
    Q_VERIFICATION = 1 << 15,
};
#define VERIFY BIT(57)
#define PAGING_WRITE BIT(58)

static void use_tertiary(struct vm *v, uint64_t controls)
{
    put_bits(v, CPU_BASED_VM_EXEC_CONTROL, PROC_TERTIARY_CONTROLS);
    put_bits(v, TERTIARY_VM_EXEC_CONTROL, controls);
}

/* HLAT paging of all addresses (prefix size 0) or of those with bit 63 (1): it maps the 2 MBytes at
 * TARGET to FRAME, in both halves of the address space, and restarts for the rest. */
static void use_hlat(struct vm *v, unsigned prefix)
{
    use_small_ept(v);
    use_tertiary(v, PROC3_ENABLE_HLAT);
    put(v, HLAT_POINTER, PML4 | 0x18);
    put(v, HLAT_PREFIX_SIZE, prefix);
    for (unsigned k = 0; k < 512; k++) {
        store(v, PML4 + 8 * k, 8, k % 256 ? RESTART | 1 : PDPT | 7);
        store(v, PDPT + 8 * k, 8, k ? RESTART | 1 : PD | 7);
        store(v, PD + 8 * k, 8, RESTART | 1);
        store(v, PT + 8 * k, 8, RESTART | 1);
    }
    store(v, PDE, 8, FRAME | 0x87);
    store(v, TARGET, 4, 0x11);
    store(v, MOVED, 4, 0x22);
}

static void expect_exit(struct vm *v, int64_t reason, uint64_t qualification)
{
    put(v, GUEST_RIP, GUEST_CODE);
    cr_expect_eq(enter_guest(v), reason, "exit %d", (int)get(v, VM_EXIT_REASON));
    cr_expect_eq(get(v, EXIT_QUALIFICATION), qualification, "%#llx, not %#llx",
                 (unsigned long long)get(v, EXIT_QUALIFICATION), (unsigned long long)qualification);
}

static void expect_rax(struct vm *v, uint64_t value)
{
    put(v, GUEST_RIP, GUEST_CODE);
    cr_expect_eq(enter_guest(v), 18, "exit %d", (int)get(v, VM_EXIT_REASON));
    cr_expect_eq(v->c->gpr[RAX], value, "%#llx", (unsigned long long)v->c->gpr[RAX]);
}

BARE_PROGRAM(reader, "mov 0x600010, %eax\n vmcall\n");
BARE_PROGRAM(upper_reader, "mov $0xffff800000600010, %rbx\n mov (%rbx), %eax\n vmcall\n");
BARE_PROGRAM(writer, "mov %eax, 0x600010\n vmcall\n");

/* ---- which addresses, from where ---- */

Test(vmx_hlat, the_prefix_size_chooses_the_addresses)
{
    static const unsigned prefix[] = { 0, 1, 0xffff };
    for (unsigned k = 0; k < ARRAY_SIZE(prefix); k++) {
        struct vm v = VM(reader);
        use_hlat(&v, prefix[k]);
        expect_rax(&v, prefix[k] ? 0x11 : 0x22);
        machine_destroy(v.m);
        v = VM(upper_reader);
        use_hlat(&v, prefix[k]);
        expect_rax(&v, 0x22);
        clear_bits(&v, TERTIARY_VM_EXEC_CONTROL, PROC3_ENABLE_HLAT);
        put(&v, EXCEPTION_BITMAP, 1u << EXC_PF);
        expect_exit(&v, 0, 0xffff800000600010);              /* CR3 has no upper half */
        machine_destroy(v.m);
    }
}

Test(vmx_hlat, cr3_is_not_consulted)
{
    struct vm v = VM(reader);
    use_hlat(&v, 0);
    store(&v, PD, 8, 0x87);                                  /* the guest's code */
    put(&v, GUEST_CR3, NOWHERE);
    expect_rax(&v, 0x22);
    store(&v, PDE, 8, RESTART | 1);                          /* but by a restart */
    expect_exit(&v, 48, Q_READ | Q_LINEAR);
    cr_expect_eq(get(&v, GUEST_PHYSICAL_ADDRESS), NOWHERE);
    cr_expect_eq(get(&v, GUEST_LINEAR_ADDRESS), TARGET);
    machine_destroy(v.m);
}

BARE_PROGRAM(reader_32, ".code32\n mov 0x600010, %eax\n vmcall\n .code64\n");
Test(vmx_hlat, not_with_32_bit_and_pae_paging)
{
    for (unsigned pae = 0; pae <= 1; pae++) {
        struct vm v = VM(reader_32);
        use_hlat(&v, 0);
        put(&v, HLAT_POINTER, NOWHERE);
        (pae ? guest_pae : guest_32)(&v);
        expect_rax(&v, 0x11);
        machine_destroy(v.m);
    }
}

Test(vmx_hlat, vm_exits_end_it)
{
    struct vm v = VM(reader);
    use_hlat(&v, 0);
    store(&v, PD, 8, 0x87);
    expect_rax(&v, 0x22);
    uint64_t pa;
    cr_assert(linear_peek(v.c, TARGET, &pa));
    cr_expect_eq(pa, TARGET);
    put(&v, VM_ENTRY_MSR_LOAD_COUNT, 1);                     /* an entry that fails late */
    put(&v, VM_ENTRY_MSR_LOAD_ADDR, LIST);
    store(&v, LIST, 4, 0xc0000100);
    cr_expect_eq(enter_guest(&v), 0x80000022);
    cr_assert(linear_peek(v.c, TARGET, &pa));
    cr_expect_eq(pa, TARGET);
    machine_destroy(v.m);
}

/* The memory type may be any (bits 4:3); what is not the address of a table is reserved. */
Test(vmx_hlat, format_of_hlatp)
{
    struct vm v = VM(reader);
    use_hlat(&v, 0);
    for (unsigned bit = 0; bit < 64; bit++) {
        bool reserved = bit <= 2 || (bit >= 5 && bit <= 11) || bit >= v.c->physical_bits;
        put(&v, HLAT_POINTER, BIT(bit));
        put(&v, GUEST_RIP, GUEST_CODE);
        cr_expect_eq(enter_guest(&v) < 0, reserved, "%u", bit);
        cr_expect(!reserved || get(&v, VM_INSTRUCTION_ERROR) == 7);
        put(&v, VM_INSTRUCTION_ERROR, 0);
    }
    machine_destroy(v.m);
}

/* ---- restarts ---- */

/* At each level; access rights of HLAT paging do not count, accessed flags do. */
Test(vmx_hlat, restarts)
{
    static const uint64_t at[] = { PT, PDE, PDPT, PML4 };
    for (unsigned level = 1; level <= 4; level++) {
        struct vm v = VM(writer);
        use_hlat(&v, 0);
        put_bits(&v, GUEST_CR0, CR0_WP);
        store(&v, PD, 8, 0x87);
        store(&v, PML4, 8, PDPT | 1), store(&v, PDPT, 8, PD | 1), store(&v, PDE, 8, PT | 1);
        store(&v, at[level - 1], 8, RESTART | 1);
        v.c->gpr[RAX] = 0x33;
        expect_rax(&v, 0x33);
        cr_expect_eq(load(&v, TARGET, 4), 0x33);
        for (unsigned k = 1; k <= 4; k++)
            cr_expect_eq(load(&v, at[k - 1], 8) & (A | D), k < level ? 0 : A, "%u, %u", level, k);
        machine_destroy(v.m);
    }
}

/* ---- page faults ---- */

static void expect_fault(uint64_t pde, uint64_t ordinary_pde, uint32_t code)
{
    struct vm v = VM(writer);
    use_hlat(&v, 0);
    put(&v, EXCEPTION_BITMAP, 1u << EXC_PF);
    put_bits(&v, GUEST_CR0, CR0_WP);
    store(&v, PDE, 8, pde);
    store(&v, BARE_TABLES + 0x2000 + 8 * (TARGET >> 21), 8, ordinary_pde);
    expect_exit(&v, 0, TARGET);
    cr_expect_eq(get(&v, VM_EXIT_INTR_ERROR_CODE), code, "%#llx: %#llx", (unsigned long long)pde,
                 (unsigned long long)get(&v, VM_EXIT_INTR_ERROR_CODE));
    cr_expect_eq(load(&v, PDE, 8) & A, pde & RESTART && !(code & 0x80) ? A : 0);
    machine_destroy(v.m);
}

/* SDM vol. 3, "Page-Fault Exceptions": bit 7 is for HLAT paging without a translation. */
Test(vmx_hlat, page_faults)
{
    const uint64_t good = 0x600087;
    expect_fault(0, good, 0x80 | 2);
    expect_fault(RESTART, good, 0x80 | 2);
    expect_fault(FRAME | 0x2087, good, 0x80 | 8 | 3);
    expect_fault(BIT(50) | RESTART | 1, good, 0x80 | 8 | 3);
    expect_fault(FRAME | 0x85, good, 3);                     /* access rights */
    expect_fault(RESTART | 1, 0, 2);                         /* ordinary paging */
    expect_fault(RESTART | 1, 0x602087, 8 | 3);
}

/* ---- EPT violations on the way ---- */

Test(vmx_hlat, ept_violations)
{
    struct vm v = VM(reader);
    use_hlat(&v, 0);
    store(&v, PD, 8, 0x87 | A), store(&v, PML4, 8, PDPT | 7 | A), store(&v, PDPT, 8, PD | 7 | A);
    store(&v, ept_pte(PD), 8, PD | 0x31);                    /* the update of PDE's accessed flag */
    expect_exit(&v, 48, Q_READ | Q_WRITE | Q_R | Q_LINEAR);
    cr_expect_eq(get(&v, GUEST_PHYSICAL_ADDRESS), PDE);
    cr_expect_eq(get(&v, GUEST_LINEAR_ADDRESS), TARGET);
    store(&v, PDE, 8, RESTART | 1);                          /* ... before a restart, too */
    expect_exit(&v, 48, Q_READ | Q_WRITE | Q_R | Q_LINEAR);
    cr_expect_eq(get(&v, GUEST_PHYSICAL_ADDRESS), PDE);
    store(&v, ept_pte(PDPT), 8, 0);
    expect_exit(&v, 48, Q_READ | Q_LINEAR);
    cr_expect_eq(get(&v, GUEST_PHYSICAL_ADDRESS), PDPT);
    cr_expect_eq(get(&v, GUEST_LINEAR_ADDRESS), GUEST_CODE);
    machine_destroy(v.m);
}

/* Bits 11:9 are those of the paging that translates. */
Test(vmx_hlat, advanced_information)
{
    struct vm v = VM_ON("max", reader);
    use_hlat(&v, 0);
    store(&v, EPT_PDE + 8, 8, 0);                            /* FRAME */
    store(&v, PDE, 8, BIT(63) | FRAME | 0x85);
    expect_exit(&v, 48, Q_READ | Q_LINEAR | Q_FINAL | 1 << 9 | 1 << 11);
    cr_expect_eq(get(&v, GUEST_PHYSICAL_ADDRESS), MOVED);
    store(&v, EPT_PDE, 8, 0);
    store(&v, PDE, 8, RESTART | 1);
    expect_exit(&v, 48, Q_READ | Q_LINEAR | Q_FINAL | 1 << 9 | 1 << 10);
    machine_destroy(v.m);
}

/* ---- cached translations ---- */

/* Entered with the page's new HLAT PDE in RCX. */
#define CHANGE "mov 0x600010, %ebx\n mov %ecx, 0x142018\n"
BARE_PROGRAM(forgets, CHANGE "mov 0x600010, %eax\n vmcall\n");
BARE_PROGRAM(invlpg, CHANGE "invlpg 0x600000\n mov 0x600010, %eax\n vmcall\n");
BARE_PROGRAM(mov_cr3, CHANGE "mov %cr3, %rax\n mov %rax, %cr3\n mov 0x600010, %eax\n vmcall\n");
BARE_PROGRAM(invpcid, CHANGE "invpcid 0x250000, %rdi\n mov 0x600010, %eax\n vmcall\n");

static uint64_t after_change(const uint8_t *start, const uint8_t *end, uint16_t pcid)
{
    struct vm v = vm_create("max", start, end);
    use_hlat(&v, 0);
    put_bits(&v, SECONDARY_VM_EXEC_CONTROL, PROC2_ENABLE_VPID | PROC2_ENABLE_INVPCID);
    put(&v, VIRTUAL_PROCESSOR_ID, 1);
    put_bits(&v, GUEST_CR4, CR4_PCIDE);
    put_bits(&v, GUEST_CR3, 5);                              /* HLAT paging uses this PCID */
    store(&v, 0x250000, 8, pcid), store(&v, 0x250008, 8, 0);
    v.c->gpr[RDI] = 1;
    v.c->gpr[RCX] = RESTART | 1;
    cr_assert_eq(enter_guest(&v), 18);
    cr_expect_eq(v.c->gpr[RBX], 0x22);
    uint64_t rax = v.c->gpr[RAX];
    machine_destroy(v.m);
    return rax;
}
#define AFTER_CHANGE(program, pcid) after_change(program##_start, program##_end, pcid)

Test(vmx_hlat, invalidations)
{
#ifndef SP_HOSTILE
    cr_expect_eq(AFTER_CHANGE(forgets, 0), 0x22);
    cr_expect_eq(AFTER_CHANGE(invpcid, 6), 0x22);
#endif
    cr_expect_eq(AFTER_CHANGE(invlpg, 0), 0x11);
    cr_expect_eq(AFTER_CHANGE(mov_cr3, 0), 0x11);
    cr_expect_eq(AFTER_CHANGE(invpcid, 5), 0x11);
}

/* ---- EPT paging-write control ---- */

/* The guest's page directory is read-only for it. */
static struct vm read_only_directory(const uint8_t *start, const uint8_t *end)
{
    struct vm v = vm_create("max,vmx-ept-advanced-exitinfo=off", start, end);
    use_small_ept(&v);
    use_tertiary(&v, PROC3_EPT_PAGING_WRITE);
    store(&v, ept_pte(BARE_TABLES + 0x2000), 8, (BARE_TABLES + 0x2000) | 0x31);
    for (unsigned k = 0; k < 8; k++)
        store(&v, BARE_TABLES + 0x2000 + 8 * k, 8, k << 21 | 0x87);
    return v;
}
#define READ_ONLY_DIRECTORY(program) read_only_directory(program##_start, program##_end)
static const uint64_t directory = BARE_TABLES + 0x2000;

Test(vmx_hlat, paging_write_access)
{
    struct vm v = READ_ONLY_DIRECTORY(writer);
    expect_exit(&v, 48, Q_READ | Q_WRITE | Q_R | Q_LINEAR);
    store(&v, ept_pte(directory), 8, PAGING_WRITE | directory | 0x31);
    clear_bits(&v, TERTIARY_VM_EXEC_CONTROL, PROC3_EPT_PAGING_WRITE);
    expect_exit(&v, 48, Q_READ | Q_WRITE | Q_R | Q_LINEAR);
    use_tertiary(&v, PROC3_EPT_PAGING_WRITE);
    store(&v, EPT_TABLES + 0x2000, 8, (EPT_TABLES + 0x3000) | 5);  /* all levels but the last */
    expect_exit(&v, 48, Q_READ | Q_WRITE | Q_R | Q_LINEAR);
    store(&v, EPT_TABLES + 0x2000, 8, (EPT_TABLES + 0x3000) | 7);
    put(&v, GUEST_RIP, GUEST_CODE);
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect_eq(load(&v, directory + 8 * (TARGET >> 21), 8) & (A | D), A | D);
    machine_destroy(v.m);
}

BARE_PROGRAM(table_writer, "mov %rax, 0x3ff8\n vmcall\n");
Test(vmx_hlat, paging_write_access_is_for_paging_only)
{
    struct vm v = READ_ONLY_DIRECTORY(table_writer);
    store(&v, ept_pte(directory), 8, PAGING_WRITE | directory | 0x31);
    expect_exit(&v, 48, Q_WRITE | Q_R | Q_LINEAR | Q_FINAL);
    cr_expect_eq(get(&v, GUEST_PHYSICAL_ADDRESS), directory + 0xff8);
    machine_destroy(v.m);
}

/* With accessed and dirty flags for EPT every use of a paging structure is a write. */
Test(vmx_hlat, paging_write_access_and_ept_flags)
{
    struct vm v = READ_ONLY_DIRECTORY(reader);
    put_bits(&v, EPT_POINTER, 1 << 6);
    expect_exit(&v, 48, Q_READ | Q_WRITE | Q_R | Q_LINEAR);
    store(&v, ept_pte(directory), 8, PAGING_WRITE | directory | 0x31);
    store(&v, TARGET, 4, 0x11);
    expect_rax(&v, 0x11);
    cr_expect_eq(load(&v, ept_pte(directory), 8), PAGING_WRITE | directory | 0x331);
    machine_destroy(v.m);
}

Test(vmx_hlat, paging_write_access_of_what_cannot_be_read)
{
    struct vm v = READ_ONLY_DIRECTORY(reader);
    store(&v, ept_pte(directory), 8, PAGING_WRITE | directory | 0x34);
    expect_exit(&v, 49, 0);
    cr_expect_eq(get(&v, GUEST_PHYSICAL_ADDRESS), directory);
    clear_bits(&v, TERTIARY_VM_EXEC_CONTROL, PROC3_EPT_PAGING_WRITE);
    expect_exit(&v, 48, Q_READ | Q_X | Q_LINEAR);
    machine_destroy(v.m);
}

/* ---- guest-paging verification ---- */

static void allow_updates(struct vm *v, uint64_t table, bool allow)
{
    uint64_t entry = load(v, ept_pte(table), 8) & ~PAGING_WRITE;
    store(v, ept_pte(table), 8, entry | (allow ? PAGING_WRITE : 0));
}

/* TARGET and MOVED are to be reached only by structures that guest paging may update. */
static void use_verification(struct vm *v)
{
    use_tertiary(v, PROC3_EPT_PAGING_WRITE | PROC3_GUEST_PAGING_VERIFICATION);
    store(v, EPT_PDE, 8, VERIFY | 0x6000b7);
    store(v, EPT_PDE + 8, 8, VERIFY | 0x8000b7);
}
enum { Q_UNVERIFIED = Q_READ | Q_R | Q_W | Q_X | Q_LINEAR | Q_FINAL | Q_VERIFICATION };

Test(vmx_hlat, verification)
{
    static const uint64_t table[] = { BARE_TABLES, BARE_TABLES + 0x1000, BARE_TABLES + 0x2000 };
    struct vm v = VM(reader);
    use_small_ept(&v);
    use_verification(&v);
    store(&v, TARGET, 4, 0x11);
    for (unsigned k = 0; k < ARRAY_SIZE(table); k++)
        allow_updates(&v, table[k], true);
    expect_rax(&v, 0x11);
    for (unsigned k = 0; k < ARRAY_SIZE(table); k++) {
        allow_updates(&v, table[k], false);
        expect_exit(&v, 48, Q_UNVERIFIED);
        cr_expect_eq(get(&v, GUEST_PHYSICAL_ADDRESS), TARGET);
        cr_expect_eq(get(&v, GUEST_LINEAR_ADDRESS), TARGET);
        allow_updates(&v, table[k], true);
    }
    clear_bits(&v, TERTIARY_VM_EXEC_CONTROL, PROC3_EPT_PAGING_WRITE);   /* ignores bit 58 */
    expect_exit(&v, 48, Q_UNVERIFIED);
    clear_bits(&v, TERTIARY_VM_EXEC_CONTROL, PROC3_GUEST_PAGING_VERIFICATION);
    expect_rax(&v, 0x11);
    machine_destroy(v.m);
}

/* What counts are the structures that translate: those of HLAT paging, or behind a restart those of
 * ordinary paging. */
Test(vmx_hlat, verification_of_hlat_paging)
{
    static const uint64_t hlat[] = { PML4, PDPT, PD };
    struct vm v = VM(reader);
    use_hlat(&v, 0);
    use_verification(&v);
    expect_exit(&v, 48, Q_UNVERIFIED);
    cr_expect_eq(get(&v, GUEST_PHYSICAL_ADDRESS), MOVED);
    for (unsigned k = 0; k < ARRAY_SIZE(hlat); k++)
        allow_updates(&v, hlat[k], true);
    expect_rax(&v, 0x22);
    store(&v, PDE, 8, RESTART | 1);
    expect_exit(&v, 48, Q_UNVERIFIED);
    cr_expect_eq(get(&v, GUEST_PHYSICAL_ADDRESS), TARGET);
    for (unsigned k = 0; k < ARRAY_SIZE(hlat); k++) {
        allow_updates(&v, hlat[k], false);
        allow_updates(&v, BARE_TABLES + 0x1000 * k, true);
    }
    expect_rax(&v, 0x11);
    machine_destroy(v.m);
}

/* Access rights come first; paging structures themselves are not verified. */
Test(vmx_hlat, what_verification_is_not_about)
{
    struct vm v = VM(writer);
    use_small_ept(&v);
    use_verification(&v);
    store(&v, EPT_PDE, 8, VERIFY | 0x6000b5);
    expect_exit(&v, 48, Q_WRITE | Q_R | Q_X | Q_LINEAR | Q_FINAL);
    machine_destroy(v.m);
    v = VM(reader);
    use_small_ept(&v);
    use_verification(&v);
    store(&v, ept_pte(BARE_TABLES), 8, VERIFY | BARE_TABLES | 0x37);
    store(&v, EPT_PDE, 8, 0x6000b7);
    store(&v, TARGET, 4, 0x11);
    expect_rax(&v, 0x11);
    machine_destroy(v.m);
}

BARE_PROGRAM(real_reader, ".code16\n xor %ax, %ax\n mov %ax, %ds\n mov 0x9000, %ax\n vmcall\n"
                          ".code64");
Test(vmx_hlat, verification_without_paging)
{
    struct vm v = VM(real_reader);
    guest_real(&v);
    use_verification(&v);
    store(&v, EPT_TABLES + 0x2000, 8, VERIFY | 0xb7);
    store(&v, 0x9000, 2, 0x11);
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect_eq(v.c->gpr[RAX] & 0xffff, 0x11);
    machine_destroy(v.m);
}

Test(vmx_hlat, verification_raises_ve)
{
    struct vm v = VM(reader);
    use_small_ept(&v);
    use_verification(&v);
    put_bits(&v, SECONDARY_VM_EXEC_CONTROL, PROC2_EPT_VIOLATION_VE);
    put(&v, VIRT_EXCEPTION_INFO, 0x180000);
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect_eq(get(&v, GUEST_RIP), HANDLER(EXC_VE));
    cr_expect_eq(load(&v, 0x180008, 8), Q_UNVERIFIED);
    machine_destroy(v.m);
}

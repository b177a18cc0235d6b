// SPDX-License-Identifier: Apache-2.0
// What must be gone from the TLB after each kind of invalidation: software changes a translation
// that was used, invalidates it, and uses it again.
#include "vmx_modes.h"

enum {
    OLD = 0x600000,          /* frames of 2 MiB: the first is mapped where it stands,  */
    NEW = 0x800000,          /* then what leads to it is changed to lead to the second */
    HOST_PDE = BARE_TABLES + 0x2000 + 8 * (OLD >> 21),
    SMALL_TABLE = 0x230000,  /* a page table for the 2 MiB at OLD                       */
    SECOND_EPT = 0x240000,
    OPERAND = 0x250000,      /* descriptor of INVEPT, INVVPID and INVPCID               */
};

static void expect_rax(struct cpu *c, uint64_t value)
{
    cr_expect_eq(c->gpr[RAX], value, "%#llx", (unsigned long long)c->gpr[RAX]);
}

/* Marks the frames, and maps the 2 MiB at OLD by 4-KiB pages if `small`. */
static void prepare(struct mem *mem, bool small)
{
    for (uint64_t page = 0; page < 16; page++) {
        mem_write_le(mem, OLD + page * PAGE_SIZE, 8, 0x100 + page);
        mem_write_le(mem, NEW + page * PAGE_SIZE, 8, 0x200 + page);
        mem_write_le(mem, SMALL_TABLE + 8 * page, 8, (OLD + page * PAGE_SIZE) | 7);
    }
    if (small)
        mem_write_le(mem, HOST_PDE, 8, SMALL_TABLE | 7);
}

/* ---- INVLPG ---- */

BARE_PROGRAM(invlpg_large,
             "mov 0x600000, %rbx\n mov 0x601000, %rbx\n mov 0x60f000, %rbx\n"
             "movl $0x800087, 0x3018\n"
             "invlpg 0x605000\n"
             "mov 0x600000, %rax\n add 0x601000, %rax\n add 0x60f000, %rax\n hlt\n");

Test(tlb, invlpg_of_a_part_takes_the_whole_large_page)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = bare_load(m, invlpg_large_start, invlpg_large_end);
    prepare(machine_mem(m), false);
    cr_expect_eq(bare_run(m, 100), STOP_HALTED);
    expect_rax(c, 0x200 + 0x201 + 0x20f);
    machine_destroy(m);
}

BARE_PROGRAM(invlpg_small,
             "mov 0x601000, %rbx\n mov %rbx, 0x601008\n mov 0x602000, %rbx\n"
             "movl $0x801007, 0x230008\n"
             "invlpg 0x601ff8\n"
             "mov 0x601000, %rax\n mov %rax, 0x601008\n add 0x602000, %rax\n hlt\n");

Test(tlb, invlpg_takes_reads_and_writes_of_a_page)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = bare_load(m, invlpg_small_start, invlpg_small_end);
    prepare(machine_mem(m), true);
    cr_expect_eq(bare_run(m, 100), STOP_HALTED);
    expect_rax(c, 0x201 + 0x102);
    cr_expect_eq(mem_read_le(machine_mem(m), NEW + PAGE_SIZE + 8, 8), 0x201);
    machine_destroy(m);
}

/* The page holds "mov $n, %eax; ret"; called twice, so that jumps know it, then remapped. */
BARE_PROGRAM(invlpg_code,
             "mov $0x601010, %edx\n"
             "mov $3, %ecx\n"
             "1: call *%rdx\n loop 1b\n"
             "movl $0x801007, 0x230008\n"
             "invlpg 0x601000\n"
             "call *%rdx\n hlt\n");

Test(tlb, invlpg_takes_code)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = bare_load(m, invlpg_code_start, invlpg_code_end);
    struct mem *mem = machine_mem(m);
    prepare(mem, true);
    mem_write_le(mem, OLD + 0x1010, 8, UINT64_C(0xc300000001b8));
    mem_write_le(mem, NEW + 0x1010, 8, UINT64_C(0xc300000002b8));
    cr_expect_eq(bare_run(m, 100), STOP_HALTED);
    expect_rax(c, 2);
    machine_destroy(m);
}

/* ---- MOV to CR3 ---- */

/* A page table is written as data before it is used as one, then before every load of CR3, more often
 * than anything counts; RSI has the old frames, RAX what the loads find. */
BARE_PROGRAM(reload_cr3,
             "xor %eax, %eax\n mov $16, %ecx\n"
             "movl $0x602007, 0x230010\n"
             "1: add 0x601000, %rsi\n mov %rcx, 0x601008\n"
             "xorl $0xe00000, 0x230008\n"
             "mov %cr3, %rdx\n mov %rdx, %cr3\n"
             "add 0x601000, %rax\n"
             "loop 1b\n hlt\n");

Test(tlb, mov_to_cr3_after_every_write_of_a_table)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = bare_load(m, reload_cr3_start, reload_cr3_end);
    prepare(machine_mem(m), true);
    c->gpr[RSI] = 0;
    cr_expect_eq(bare_run(m, 1000), STOP_HALTED);
    expect_rax(c, 8 * (0x201 + 0x101));
    cr_expect_eq(c->gpr[RSI], 8 * (0x201 + 0x101));
    cr_expect_eq(mem_read_le(machine_mem(m), OLD + PAGE_SIZE + 8, 8), 2);
    cr_expect_eq(mem_read_le(machine_mem(m), NEW + PAGE_SIZE + 8, 8), 1);
    machine_destroy(m);
}

/* What a device or another program of the host writes counts, too. */
BARE_PROGRAM(reload_once, "mov 0x601000, %rax\n hlt\n mov %cr3, %rdx\n mov %rdx, %cr3\n"
                          " mov 0x601000, %rax\n hlt\n");

Test(tlb, mov_to_cr3_after_a_write_from_outside)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = bare_load(m, reload_once_start, reload_once_end);
    prepare(machine_mem(m), true);
    cr_expect_eq(bare_run(m, 100), STOP_HALTED);
    expect_rax(c, 0x101);
    mem_write_le(machine_mem(m), SMALL_TABLE + 8, 8, (NEW + PAGE_SIZE) | 7);
    c->activity = ACTIVITY_ACTIVE;
    cr_expect_eq(bare_run(m, 100), STOP_HALTED);
    expect_rax(c, 0x201);
    machine_destroy(m);
}

/* ---- INVPCID: types 0, 1, 2, 3; PCID 5 used the page, PCID 0 invalidates ---- */

BARE_PROGRAM(invpcid,
             "mov $0x1005, %eax\n mov %rax, %cr3\n"
             "mov 0x601000, %rbx\n"
             "mov $0x1000, %eax\n mov %rax, %cr3\n"
             "movl $0x801007, 0x230008\n"
             "invpcid 0x250000, %rdi\n"
             "mov $0x8000000000001005, %rax\n mov %rax, %cr3\n"
             "mov 0x601000, %rax\n hlt\n");

Test(tlb, invpcid_reaches_other_pcids)
{
    for (unsigned type = 0; type <= 3; type++) {
        struct machine *m = bare_machine("max");
        struct cpu *c = bare_load(m, invpcid_start, invpcid_end);
        struct mem *mem = machine_mem(m);
        prepare(mem, true);
        mem_write_le(mem, OPERAND, 8, type < 2 ? 5 : 0);
        mem_write_le(mem, OPERAND + 8, 8, type == 0 ? 0x601234 : 0);
        cpu_load_cr4(c, c->cr4 | CR4_PCIDE);
        c->gpr[RDI] = type;
        cr_expect_eq(bare_run(m, 100), STOP_HALTED);
        expect_rax(c, 0x201);
        machine_destroy(m);
    }
}

/* ---- page faults ---- */

BARE_PROGRAM(fault_guest, "mov 0x601000, %rax\n mov %eax, 0x601008\n mov 0x601000, %rax\n vmcall\n");

Test(tlb, a_page_fault_drops_what_it_used)
{
    struct vm v = VM(fault_guest);
    prepare(v.mem, true);
    use_ept(&v);
    put(&v, EXCEPTION_BITMAP, 1u << 14);
    put(&v, GUEST_CR0, get(&v, GUEST_CR0) | CR0_WP);
    put_bits(&v, SECONDARY_VM_EXEC_CONTROL, PROC2_ENABLE_VPID);
    put(&v, VIRTUAL_PROCESSOR_ID, 1);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_MONITOR_TRAP_FLAG);
    cr_expect_eq(enter_guest(&v), 37);                          /* the read was done */
    expect_rax(v.c, 0x101);
    store(&v, SMALL_TABLE + 8, 8, (NEW + PAGE_SIZE) | 5);       /* another frame, read-only */
    cr_expect_eq(enter_guest(&v), 0);                           /* #PF: the page is read-only */
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 0x601008);
    put(&v, GUEST_RIP, get(&v, GUEST_RIP) + 7);
    cr_expect_eq(enter_guest(&v), 37);
    expect_rax(v.c, 0x201);
    machine_destroy(v.m);
}

/* ---- VPIDs and EPTRTAs ---- */

BARE_PROGRAM(reader, "1: mov 0x601000, %rax\n vmcall\n"
                     "movl $0x801007, 0x230008\n invlpg 0x601000\n vmcall\n");
BARE_PROGRAM(invept, "invept 0x250000, %rdi\n hlt\n");
BARE_PROGRAM(invvpid, "invvpid 0x250000, %rdi\n hlt\n");

static struct vm reader_vm(void)
{
    struct vm v = VM(reader);
    prepare(v.mem, true);
    use_ept(&v);
    put_bits(&v, SECONDARY_VM_EXEC_CONTROL, PROC2_ENABLE_VPID);
    put(&v, VIRTUAL_PROCESSOR_ID, 7);
    mem_write_le(v.mem, SECOND_EPT, 8, (EPT_TABLES + 0x1000) | 7);
    return v;
}

static void read_again(struct vm *v, uint64_t value)
{
    put(v, GUEST_RIP, GUEST_CODE);
    cr_expect_eq(enter_guest(v), 18);
    expect_rax(v->c, value);
}

Test(tlb, invlpg_reaches_all_eptrtas_of_the_vpid)
{
    struct vm v = reader_vm();
    read_again(&v, 0x101);
    put(&v, EPT_POINTER, SECOND_EPT | 3 << 3 | 6);
    skip_instruction(&v);
    cr_expect_eq(enter_guest(&v), 18);                          /* changed and invalidated */
    put(&v, EPT_POINTER, EPT_TABLES | 3 << 3 | 6);
    read_again(&v, 0x201);
    machine_destroy(v.m);
}

static void invalidate(struct vm *v, const uint8_t *instruction, uint64_t type, uint64_t first,
                       uint64_t second)
{
    mem_write(v->mem, HOST_SNIPPET, instruction, 16);
    mem_write_le(v->mem, OPERAND, 8, first);
    mem_write_le(v->mem, OPERAND + 8, 8, second);
    v->c->gpr[RDI] = type;
    wake_at(v, HOST_SNIPPET);
    cr_expect_not(v->c->rflags & FLAG_CF);
}

/* The change goes unnoticed: the TLB keeps what it has, but for the hostile build's, of one space.
 */
static void read_stale(struct vm *v)
{
#ifndef SP_HOSTILE
    read_again(v, 0x101);
#endif
}

/* SDM vol. 3, "Operations that Invalidate Cached Mappings": VM entries and VM exits, if "enable
 * VPID" is 0. */
Test(tlb, vpid_keeps_translations_across_entries)
{
    for (unsigned vpid = 0; vpid <= 1; vpid++) {
        struct vm v = reader_vm();
        if (!vpid)
            put(&v, SECONDARY_VM_EXEC_CONTROL, PROC2_ENABLE_EPT);
        read_again(&v, 0x101);
        store(&v, SMALL_TABLE + 8, 8, (NEW + PAGE_SIZE) | 7);
        if (vpid)
            read_stale(&v);
        else
            read_again(&v, 0x201);
        machine_destroy(v.m);
    }
}

/* What a hypervisor without EPT does to a guest's page tables, too early and with INVVPID. */
Test(tlb, invvpid_of_every_type)
{
    for (unsigned type = 0; type <= 3; type++) {
        struct vm v = reader_vm();
        read_again(&v, 0x101);
        store(&v, SMALL_TABLE + 8, 8, (NEW + PAGE_SIZE) | 7);
        read_stale(&v);
        invalidate(&v, invvpid_start, type, type == 2 ? 0 : 7, type ? 0 : 0x601000);
        read_again(&v, 0x201);
        machine_destroy(v.m);
    }
}

Test(tlb, invept_of_every_type)
{
    const uint64_t pde = EPT_TABLES + 0x2000 + 8 * (OLD >> 21), eptp = EPT_TABLES | 3 << 3 | 6;
    for (unsigned type = 1; type <= 2; type++) {
        struct vm v = reader_vm();
        read_again(&v, 0x101);
        store(&v, pde, 8, NEW | 0xb7);
        read_stale(&v);
        invalidate(&v, invept_start, type, type == 1 ? eptp : 0, 0);
        read_again(&v, 0x201);
        machine_destroy(v.m);
    }
}

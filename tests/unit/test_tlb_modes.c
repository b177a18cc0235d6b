// SPDX-License-Identifier: Apache-2.0
// -tlb: software that forgets an invalidation works while no translation is kept and fails when
// each is kept as long as the SDM permits; software that forgets nothing does not see a difference.
#include "vmx_modes.h"

enum {
    OLD = 0x600000, NEW = 0x800000,     /* page 601000H is mapped to OLD + 1000H, then to NEW's */
    TABLE = 0x230000, PTE = TABLE + 8,  /* the page table of the 2 MiB at OLD                   */
    HOST_PDE = BARE_TABLES + 0x2000 + 8 * (OLD >> 21),
    EPT_PDE = EPT_TABLES + 0x2000 + 8 * (OLD >> 21),
    OPERAND = 0x250000,                 /* descriptor of INVEPT, INVVPID and INVPCID            */
    WAS = 0x101, IS = 0x201,            /* what the two frames hold                             */
    GLOBAL = 0x107,
};

static struct machine *machine_with(enum tlb_mode mode)
{
    struct sp_error e = { 0 };
    struct machine_config config = {
        .ram_size = 16 << 20, .processors = 1, .cpu = "max", .bare = true, .tlb = mode
    };
    struct machine *m = machine_create(&config, &e);
    cr_assert(m, "%s", e.message);
    return m;
}

/* Maps the 2 MiB at OLD by 4-KByte pages. */
static void prepare(struct mem *mem, unsigned flags)
{
    for (uint64_t page = 0; page < 512; page++) {
        mem_write_le(mem, OLD + page * PAGE_SIZE, 8, 0x100 + page);
        mem_write_le(mem, NEW + page * PAGE_SIZE, 8, 0x200 + page);
        mem_write_le(mem, TABLE + 8 * page, 8, (OLD + page * PAGE_SIZE) | flags);
    }
    mem_write_le(mem, HOST_PDE, 8, TABLE | 7);
}

static uint64_t run_with(enum tlb_mode mode, const uint8_t *start, const uint8_t *end,
                         unsigned flags, uint64_t cr4, uint64_t operand[2])
{
    struct machine *m = machine_with(mode);
    struct cpu *c = bare_load(m, start, end);
    struct mem *mem = machine_mem(m);
    prepare(mem, flags);
    mem_write_le(mem, OPERAND, 8, operand[0]);
    mem_write_le(mem, OPERAND + 8, 8, operand[1]);
    cpu_load_cr4(c, c->cr4 | cr4);
    cr_assert_eq(bare_run(m, 100000), STOP_HALTED);
    uint64_t result = c->gpr[RAX];
    machine_destroy(m);
    return result;
}
#define RUN(mode, program, flags, cr4, ...)                                                        \
    run_with(mode, program##_start, program##_end, flags, cr4, (uint64_t[2]){ __VA_ARGS__ })

/* A program that forgets, and one that does not. */
#define FORGETS(program, flags, cr4, ...)                                                          \
    do {                                                                                           \
        cr_expect_eq(RUN(TLB_NONE, program, flags, cr4, __VA_ARGS__), IS, #program);               \
        cr_expect_eq(RUN(TLB_STICKY, program, flags, cr4, __VA_ARGS__), WAS, #program);            \
    } while (0)
#define REMEMBERS(program, flags, cr4, ...)                                                        \
    for (enum tlb_mode mode = TLB_EXACT; mode <= TLB_STICKY; mode++)                               \
    cr_expect_eq(RUN(mode, program, flags, cr4, __VA_ARGS__), IS, #program " with -tlb %d", mode)

#define USE "mov 0x601000, %rbx\n"
#define CHANGE "movl $0x801007, 0x230008\n"
#define USE_AGAIN "mov 0x601000, %rax\n hlt\n"

/* ---- SDM vol. 3, "Operations that Invalidate TLBs and Paging-Structure Caches" ---- */

BARE_PROGRAM(nothing, USE CHANGE USE_AGAIN);
BARE_PROGRAM(invlpg, USE CHANGE "invlpg 0x601fff\n" USE_AGAIN);
BARE_PROGRAM(invlpg_next, USE CHANGE "invlpg 0x602000\n" USE_AGAIN);
BARE_PROGRAM(mov_cr3, USE CHANGE "mov %cr3, %rax\n mov %rax, %cr3\n" USE_AGAIN);

Test(tlb_modes, invlpg_and_mov_to_cr3)
{
    FORGETS(nothing, 7, 0, 0);
    FORGETS(invlpg_next, 7, 0, 0);
    REMEMBERS(invlpg, 7, 0, 0);
    REMEMBERS(invlpg, GLOBAL, CR4_PGE, 0);
    REMEMBERS(mov_cr3, 7, 0, 0);
    FORGETS(mov_cr3, GLOBAL, CR4_PGE, 0);
    REMEMBERS(mov_cr3, GLOBAL, 0, 0);
}

BARE_PROGRAM(pge, USE CHANGE "mov %cr4, %rax\n btc $7, %rax\n mov %rax, %cr4\n" USE_AGAIN);
BARE_PROGRAM(pse, USE CHANGE "mov %cr4, %rax\n btc $4, %rax\n mov %rax, %cr4\n" USE_AGAIN);
BARE_PROGRAM(wp, USE CHANGE "mov %cr0, %rax\n btc $16, %rax\n mov %rax, %cr0\n" USE_AGAIN);
/* The program's own page is made a supervisor page first. */
#define SUPERVISOR "movl $0x83, 0x3000\n mov %cr3, %rax\n mov %rax, %cr3\n"
#define TOGGLE_SMEP "mov %cr4, %rax\n btc $20, %rax\n mov %rax, %cr4\n"
BARE_PROGRAM(smep_on, SUPERVISOR USE CHANGE TOGGLE_SMEP USE_AGAIN);
BARE_PROGRAM(smep_off, SUPERVISOR TOGGLE_SMEP USE CHANGE TOGGLE_SMEP USE_AGAIN);

Test(tlb_modes, mov_to_cr0_and_cr4)
{
    REMEMBERS(pge, GLOBAL, 0, 0);
    REMEMBERS(pge, GLOBAL, CR4_PGE, 0);
    FORGETS(pse, 7, 0, 0);
    FORGETS(wp, 7, 0, 0);
    FORGETS(smep_off, 7, 0, 0);
    REMEMBERS(smep_on, 7, 0, 0);
}

/* PCID 5 uses the page; bit 63 of MOV to CR3 keeps what is cached. */
#define PCID_5 "mov $0x1005, %eax\n mov %rax, %cr3\n"
#define BACK_TO_5 "mov $0x8000000000001005, %rax\n mov %rax, %cr3\n"
BARE_PROGRAM(pcid_kept, PCID_5 USE CHANGE "mov $0x1000, %eax\n mov %rax, %cr3\n"
                        "invlpg 0x601000\n" BACK_TO_5 USE_AGAIN);
BARE_PROGRAM(pcid_dropped, PCID_5 USE CHANGE "mov $0x1000, %eax\n mov %rax, %cr3\n"
                           PCID_5 USE_AGAIN);
#define INVPCID(type) "mov $" #type ", %edi\n invpcid 0x250000, %rdi\n"
BARE_PROGRAM(invpcid_0, PCID_5 USE "mov $0x1000, %eax\n mov %rax, %cr3\n"
                        CHANGE INVPCID(0) BACK_TO_5 USE_AGAIN);
BARE_PROGRAM(invpcid_1, PCID_5 USE "mov $0x1000, %eax\n mov %rax, %cr3\n"
                        CHANGE INVPCID(1) BACK_TO_5 USE_AGAIN);
BARE_PROGRAM(invpcid_2, PCID_5 USE CHANGE INVPCID(2) USE_AGAIN);
BARE_PROGRAM(invpcid_3, PCID_5 USE CHANGE INVPCID(3) USE_AGAIN);

Test(tlb_modes, pcids)
{
    const uint64_t pcid = CR4_PCIDE, global = CR4_PCIDE | CR4_PGE;
    FORGETS(pcid_kept, 7, pcid, 0);
    REMEMBERS(pcid_kept, GLOBAL, global, 0);
    REMEMBERS(pcid_dropped, 7, pcid, 0);
    REMEMBERS(invpcid_0, 7, pcid, 5, 0x601000);
    FORGETS(invpcid_0, 7, pcid, 6, 0x601000);
    FORGETS(invpcid_0, 7, pcid, 5, 0x602000);
    FORGETS(invpcid_0, GLOBAL, global, 5, 0x601000);
    REMEMBERS(invpcid_1, 7, pcid, 5);
    FORGETS(invpcid_1, 7, pcid, 6);
    FORGETS(invpcid_1, GLOBAL, global, 5);
    REMEMBERS(invpcid_2, GLOBAL, global, 0);
    REMEMBERS(invpcid_3, 7, pcid, 0);
    FORGETS(invpcid_3, GLOBAL, global, 0);
}

/* ---- what only the size of a TLB hides ---- */

BARE_PROGRAM(capacity, USE CHANGE "mov $0x602000, %ebx\n"
                       "1: mov (%rbx), %rax\n add $0x1000, %ebx\n cmp $0xe00000, %ebx\n jb 1b\n"
                       USE_AGAIN);

Test(tlb_modes, nothing_gives_way) { FORGETS(capacity, 7, 0, 0); }

/* 601010H: the change; then code that the other frame has differently. */
BARE_PROGRAM(jumps, "mov $0x601010, %eax\n jmp *%rax\n");
BARE_PROGRAM(remaps_itself, "movl $0x801007, 0x230008\n mov $0x101, %eax\n hlt\n");

static uint64_t remap_code(enum tlb_mode mode)
{
    struct machine *m = machine_with(mode);
    struct cpu *c = bare_load(m, jumps_start, jumps_end);
    struct mem *mem = machine_mem(m);
    prepare(mem, 7);
    mem_write(mem, OLD + 0x1010, remaps_itself_start, 17);
    mem_write(mem, NEW + 0x1010, remaps_itself_start, 17);
    mem_write_le(mem, NEW + 0x1010 + 12, 4, IS);
    cr_assert_eq(bare_run(m, 100), STOP_HALTED);
    uint64_t result = c->gpr[RAX];
    machine_destroy(m);
    return result;
}

Test(tlb_modes, code_that_remaps_itself)
{
    cr_expect_eq(remap_code(TLB_NONE), IS);
    cr_expect_eq(remap_code(TLB_STICKY), WAS);
}

/* ---- rights: SDM vol. 3, "Optional Invalidation" ---- */

BARE_PROGRAM(writer, "mov 0x601000, %rax\n vmcall\n mov %eax, 0x601008\n vmcall\n");

static unsigned faults(enum tlb_mode mode)
{
    struct vm v = vm_create_on(machine_with(mode), writer_start, writer_end);
    unsigned count = 0;
    prepare(v.mem, 5);
    put(&v, EXCEPTION_BITMAP, 1u << EXC_PF);
    put(&v, GUEST_CR0, get(&v, GUEST_CR0) | CR0_WP);
    put_bits(&v, SECONDARY_VM_EXEC_CONTROL, PROC2_ENABLE_VPID);
    put(&v, VIRTUAL_PROCESSOR_ID, 1);
    cr_expect_eq(enter_guest(&v), 18);
    skip_instruction(&v);
    store(&v, PTE, 8, (OLD + PAGE_SIZE) | 7);
    while (enter_guest(&v) == 0 && count < 3) {
        cr_expect_eq(get(&v, VM_EXIT_INTR_ERROR_CODE), 3);
        count++;
    }
    cr_expect_eq(load(&v, OLD + PAGE_SIZE + 8, 4), WAS);
    machine_destroy(v.m);
    return count;
}

Test(tlb_modes, a_right_that_was_added_may_fault_once)
{
    cr_expect_eq(faults(TLB_NONE), 0);
    cr_expect_eq(faults(TLB_STICKY), 1);
}

/* ---- SDM vol. 3, "Operations that Invalidate Cached Mappings" ---- */

BARE_PROGRAM(reader, "mov 0x601000, %rax\n vmcall\n");
BARE_PROGRAM(invept, "invept 0x250000, %rdi\n hlt\n");
BARE_PROGRAM(invvpid, "invvpid 0x250000, %rdi\n hlt\n");

static struct vm reader_vm(enum tlb_mode mode, bool ept, unsigned vpid)
{
    struct vm v = vm_create_on(machine_with(mode), reader_start, reader_end);
    prepare(v.mem, 7);
    if (ept)
        use_ept(&v);
    if (vpid) {
        put_bits(&v, SECONDARY_VM_EXEC_CONTROL, PROC2_ENABLE_VPID);
        put(&v, VIRTUAL_PROCESSOR_ID, vpid);
    }
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect_eq(v.c->gpr[RAX], WAS);
    return v;
}

static void invalidate(struct vm *v, const uint8_t *instruction, uint64_t type, uint64_t first,
                       uint64_t second)
{
    mem_write(v->mem, HOST_SNIPPET, instruction, 16);
    store(v, OPERAND, 8, first), store(v, OPERAND + 8, 8, second);
    v->c->gpr[RDI] = type;
    wake_at(v, HOST_SNIPPET);
    cr_expect_not(v->c->rflags & FLAG_CF);
}

static uint64_t read_again(struct vm *v)
{
    put(v, GUEST_RIP, GUEST_CODE);
    cr_expect_eq(enter_guest(v), 18);
    uint64_t value = v->c->gpr[RAX];
    machine_destroy(v->m);
    return value;
}

enum forgotten { NOTHING, FORGOTTEN, WRONG_INSTRUCTION, OTHER_CONTEXT };

static uint64_t change_ept(enum tlb_mode mode, enum forgotten what)
{
    const uint64_t eptp = EPT_TABLES | 3 << 3 | 6, other = 0x260000 | 3 << 3 | 6;
    struct vm v = reader_vm(mode, true, 7);
    store(&v, EPT_PDE, 8, NEW | 0xb7);
    if (what == WRONG_INSTRUCTION)
        invalidate(&v, invvpid_start, 1, 7, 0);
    else if (what != FORGOTTEN)
        invalidate(&v, invept_start, 1, what == OTHER_CONTEXT ? other : eptp, 0);
    return read_again(&v);
}

Test(tlb_modes, invept)
{
    for (enum tlb_mode mode = TLB_EXACT; mode <= TLB_STICKY; mode++)
        cr_expect_eq(change_ept(mode, NOTHING), IS);
    for (enum forgotten what = FORGOTTEN; what <= OTHER_CONTEXT; what++) {
        cr_expect_eq(change_ept(TLB_NONE, what), IS);
        cr_expect_eq(change_ept(TLB_STICKY, what), WAS, "%d", what);
    }
}

/* The hypervisor changes the guest's page tables, as shadow paging does. */
static uint64_t change_table(enum tlb_mode mode, bool ept, unsigned vpid, enum forgotten what)
{
    struct vm v = reader_vm(mode, ept, vpid);
    store(&v, PTE, 8, (NEW + PAGE_SIZE) | 7);
    if (what == WRONG_INSTRUCTION)
        invalidate(&v, invept_start, 2, 0, 0);
    else if (what != FORGOTTEN)
        invalidate(&v, invvpid_start, 0, what == OTHER_CONTEXT ? 9 : 7, 0x601000);
    return read_again(&v);
}

Test(tlb_modes, invvpid)
{
    for (unsigned ept = 0; ept <= 1; ept++) {
        for (enum tlb_mode mode = TLB_EXACT; mode <= TLB_STICKY; mode++) {
            cr_expect_eq(change_table(mode, ept, 7, NOTHING), IS);
            cr_expect_eq(change_table(mode, ept, 0, FORGOTTEN), IS, "VM entries and exits do it");
        }
        cr_expect_eq(change_table(TLB_STICKY, ept, 7, FORGOTTEN), WAS);
        cr_expect_eq(change_table(TLB_STICKY, ept, 7, OTHER_CONTEXT), WAS);
        cr_expect_eq(change_table(TLB_NONE, ept, 7, FORGOTTEN), IS);
    }
    cr_expect_eq(change_table(TLB_STICKY, true, 7, WRONG_INSTRUCTION), IS, "combined mappings");
    cr_expect_eq(change_table(TLB_STICKY, false, 7, WRONG_INSTRUCTION), WAS, "linear mappings");
}

/* SDM vol. 3, "Default Treatment of RSM": mappings of all VPIDs go. */
static void smi_at_entry(void *user, struct cpu *c) { cpu_set_pending(c, PEND_SMI); }

Test(tlb_modes, rsm)
{
    for (enum tlb_mode mode = TLB_EXACT; mode <= TLB_STICKY; mode++) {
        struct vm v = reader_vm(mode, true, 7);
        store(&v, PTE, 8, (NEW + PAGE_SIZE) | 7);
        store(&v, SMBASE_RESET + 0x8000, 2, 0xaa0f);            /* RSM */
        machine_hooks(v.m)->vm_entry = smi_at_entry;
        cr_expect_eq(read_again(&v), IS);
    }
}

/* ---- with --strict tlb ---- */

static void count_stale(void *user, struct cpu *c, const struct stale_use *use)
{
    ++*(unsigned *)user;
}

Test(tlb_modes, strict_reports_in_each_mode)
{
    for (enum tlb_mode mode = TLB_EXACT; mode <= TLB_STICKY; mode++) {
        struct sp_error e = { 0 };
        struct machine_config config = { .ram_size = 16 << 20, .processors = 1, .cpu = "max",
                                         .bare = true, .tlb = mode, .strict_tlb = true };
        struct machine *m = machine_create(&config, &e);
        unsigned count = 0;
        cr_assert(m, "%s", e.message);
        bare_load(m, nothing_start, nothing_end);
        prepare(machine_mem(m), 7);
        machine_hooks(m)->user = &count;
        machine_hooks(m)->stale = count_stale;
        cr_expect_eq(bare_run(m, 100), STOP_HALTED);
        cr_expect_eq(count, 1);
        cr_expect_eq(machine_cpu(m, 0)->gpr[RAX], IS, "the access itself uses what stands there");
        machine_destroy(m);
    }
}

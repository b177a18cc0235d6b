// SPDX-License-Identifier: Apache-2.0
// The execution engine: what blocks, links, fused pairs and dead flags must never change.
#include "image/entry.h"
#include "tables.h"

/* A loop of the shapes that have fast forms, fused pairs and dead flags, with loads, stores and
 * calls. */
BARE_PROGRAM(mixed, ".code64\n"
    "mov $0x100000, %rbx\n"
    "mov $200, %ecx\n"
    "mov $0x1234567, %rax\n"
    "1: mov %rax, %rdx\n shl $13, %rdx\n xor %rdx, %rax\n"
    "mov %eax, (%rbx,%rcx,8)\n movzbl 1(%rbx,%rcx,8), %esi\n add %esi, 4(%rbx)\n"
    "cmp %esi, %eax\n ja 2f\n inc %r8\n"
    "2: test $4, %al\n jz 3f\n adc %r8, %r9\n"
    "3: call 5f\n sub $1, %ecx\n jnz 1b\n"
    "4: jmp 4b\n"
    "5: push %rax\n imul $31, %rsi, %rsi\n add %rsi, %r10\n setc %r11b\n pop %rdi\n ret");

/* The store changes the immediate of the instruction right after it. */
BARE_PROGRAM(self_modifying, ".code64\n"
    "mov $3, %ecx\n xor %ebx, %ebx\n"
    "1: lea 2f(%rip), %rdi\n"
    "movb %cl, 1(%rdi)\n"
    "2: mov $0x77, %al\n"
    "movzbl %al, %eax\n add %eax, %ebx\n dec %ecx\n jnz 1b\n"
    "3: jmp 3b");

static uint64_t state_after(const uint8_t *start, const uint8_t *end, uint64_t total,
                            uint64_t piece)
{
    struct machine *m = bare_machine("max");
    bare_load(m, start, end);
    for (uint64_t done = 0; done < total; done += piece)
        cr_assert_eq(bare_run(m, total - done < piece ? total - done : piece), STOP_BUDGET);
    cr_assert_eq(machine_insns(m), total);
    uint64_t hash = machine_state_hash(m);
    machine_destroy(m);
    return hash;
}

/* However the run is cut into pieces, the state after n instructions is the same: stepping uses
 * general handlers only, so this also compares every fast form with its general handler. */
Test(engine, stepping_and_running_give_the_same_state)
{
    static const uint64_t totals[] = { 1, 7, 50, 333, 2000, 3500 };
    for (unsigned k = 0; k < sizeof totals / sizeof *totals; k++) {
        uint64_t whole = state_after(mixed_start, mixed_end, totals[k], totals[k]);
        cr_assert_eq(whole, state_after(mixed_start, mixed_end, totals[k], 1), "%lu by 1",
                     totals[k]);
        cr_assert_eq(whole, state_after(mixed_start, mixed_end, totals[k], 13), "%lu by 13",
                     totals[k]);
    }
}

/* ---- results that the next instruction reads ---- */

struct program { uint64_t random; uint8_t bytes[512]; unsigned size, insns; };

static unsigned draw(struct program *p, unsigned n)
{
    p->random = p->random * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (unsigned)(p->random >> 33) % n;
}
static void emit(struct program *p, uint64_t bytes, unsigned n)
{
    memcpy(p->bytes + p->size, &bytes, n);
    p->size += n;
}
/* RAX, RCX, RDX or RSI. */
static unsigned draw_register(struct program *p)
{
    static const uint8_t few[] = { 0, 1, 2, 6 };
    return few[draw(p, 4)];
}

/* An instruction on registers that has fast forms, or with `index` one that loads or computes from
 * [RBX + RBX * 2^n] or [RBX + index]. */
static void emit_random(struct program *p, unsigned index)
{
    static const uint8_t two[] = { 0x01, 0x03, 0x09, 0x0b, 0x11, 0x13, 0x19, 0x1b, 0x21, 0x23, 0x29,
                                   0x2b, 0x31, 0x33, 0x89, 0x8b, 0x39, 0x85 };
    static const uint8_t extended[] = { 0xb6, 0xb7, 0xbe, 0xbf, 0xaf };
    static const uint8_t loads[] = { 0x8b, 0x33, 0x03, 0x2b, 0x13, 0x8d, 0x3b };
    static const uint8_t shifts[] = { 0, 1, 4, 5, 7 };
    unsigned r = draw_register(p), m = draw_register(p);
    p->insns++;
    emit(p, 0x40 | draw(p, 2) << 3, 1);
    if (index) {
        if (draw(p, 2))
            emit(p, loads[draw(p, 7)], 1);
        else
            emit(p, 0x0f | (uint64_t)extended[draw(p, 4)] << 8, 2);
        emit(p, 0x04 | r << 3 | (3u | index << 3) << 8, 2);
        return;
    }
    switch (draw(p, 5)) {
    case 0: emit(p, 0xc1 | (0xc0 | shifts[draw(p, 5)] << 3 | m) << 8 | draw(p, 64) << 16, 3); break;
    case 1: emit(p, 0x81 | (0xc0 | draw(p, 8) << 3 | m) << 8 | (uint64_t)draw(p, 1u << 31) << 16, 6); break;
    case 2: emit(p, 0x0f | extended[draw(p, 5)] << 8 | (0xc0 | r << 3 | m) << 16, 3); break;
    default: emit(p, two[draw(p, sizeof two)] | (0xc0 | r << 3 | m) << 8, 2); break;
    }
}

static void make_program(struct program *p, uint64_t seed)
{
    *p = (struct program){ .random = seed };
    emit(p, UINT64_C(0x00100000bb), 5);                     /* mov $0x100000, %ebx */
    p->insns++;
    while (p->insns < 40) {
        unsigned index = draw(p, 4) ? 0 : 1 + draw(p, 2);   /* RCX, RDX */
        if (index) {                                        /* and $0x7f8, %index */
            emit(p, 0x81 | (0xe0 | index) << 8 | UINT64_C(0x7f8) << 16, 6);
            p->insns++;
        }
        emit_random(p, index);
    }
    emit(p, 0xfeeb, 2);                                     /* jmp to itself */
}

Test(engine, chains_of_results_give_the_same_state_in_steps)
{
    struct program p;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        make_program(&p, seed);
        uint64_t total = p.insns + 3; /* the block's jump is among them: else it would not run whole */
        uint64_t whole = state_after(p.bytes, p.bytes + p.size, total, total);
        cr_assert_eq(whole, state_after(p.bytes, p.bytes + p.size, total, 1), "%lu", seed);
    }
}

Test(engine, a_store_changes_the_very_next_instruction)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = bare_load(m, self_modifying_start, self_modifying_end);
    bare_run(m, 100);
    cr_assert_eq(c->gpr[RBX], 3 + 2 + 1, "rbx = %lu", c->gpr[RBX]);
    machine_destroy(m);
}

/* The same bytes across a page boundary; then the second page's part changes. */
Test(engine, an_instruction_across_two_pages_sees_writes_to_both)
{
    static const uint8_t mov_eax_imm32_hlt[] = { 0xb8, 0x78, 0x56, 0x34, 0x12, 0xeb, 0xfe };
    struct machine *m = bare_machine("max");
    struct cpu *c = bare_load(m, mixed_start, mixed_end);
    struct mem *mem = machine_mem(m);
    uint64_t at = 0x20000 - 2;
    mem_write(mem, at, mov_eax_imm32_hlt, sizeof mov_eax_imm32_hlt);
    c->rip = at;
    bare_run(m, 2);
    cr_assert_eq(c->gpr[RAX], 0x12345678);
    mem_write_le(mem, 0x20000, 1, 0xaa);
    c->rip = at;
    bare_run(m, 2);
    cr_assert_eq(c->gpr[RAX], 0x1234aa78, "rax = %lx", c->gpr[RAX]);
    machine_destroy(m);
}

/* INC keeps CF whatever came before, also when the flags of what came before were dropped as dead.
 */
BARE_PROGRAM(carries, ".code64\n"
    "mov $-1, %rax\n add $1, %rax\n inc %rbx\n setc %cl\n"
    "stc\n dec %rbx\n setc %dl\n"
    "xor %esi, %esi\n sub $1, %rsi\n mov %rsi, %rdi\n adc $0, %r8\n"
    "1: jmp 1b");

Test(engine, dead_flags_are_really_dead)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = bare_load(m, carries_start, carries_end);
    bare_run(m, 40);
    cr_assert_eq(c->gpr[RCX] & 0xff, 1);
    cr_assert_eq(c->gpr[RDX] & 0xff, 1);
    cr_assert_eq(c->gpr[R8], 1);
    machine_destroy(m);
}

/* Rotates keep the flags that the instruction before them made, and lose their own where nobody
 * looks; ADC and SBB take theirs from the rotate before them. */
BARE_PROGRAM(rotates, ".code64\n"
    "mov $0x80000001, %eax\n mov $0x123456789abcdef0, %rbx\n mov $50, %ecx\n"
    "1: sub %eax, %ebx\n rol $5, %eax\n setz %r8b\n sets %r9b\n setc %r10b\n seto %r11b\n"
    "rol $9, %rbx\n ror $3, %rax\n add %rbx, %rax\n ror $33, %rbx\n adc %rax, %rbx\n"
    "ror $7, %eax\n sbb $0x55, %eax\n cmpb $0x21, %al\n adc (%rsp), %rsi\n rol $1, %edx\n"
    "sbb %esi, (%rsp)\n testb $0x10, (%rsp)\n adc $0, %edx\n cmpb $0x7f, 1(%rsp)\n sbb %edi, %edi\n"
    "dec %ecx\n jnz 1b\n"
    "2: jmp 2b");

Test(engine, rotates_and_carries_give_the_same_state_in_steps)
{
    static const uint64_t totals[] = { 5, 9, 14, 20, 26, 300, 1150 };
    for (unsigned k = 0; k < sizeof totals / sizeof *totals; k++) {
        uint64_t whole = state_after(rotates_start, rotates_end, totals[k], totals[k]);
        cr_assert_eq(whole, state_after(rotates_start, rotates_end, totals[k], 1), "%lu",
                     totals[k]);
    }
}

/* Flat 32-bit code: effective addresses wrap at 4 GiB. */
BARE_PROGRAM(
    flat32,
    ".code32\n"
    "mov $0x200000, %ebx\n mov $-16, %esi\n mov $3, %edi\n mov $0x80000, %esp\n mov $40, %ecx\n"
    "1: mov %ecx, 16(%ebx,%esi)\n add 16(%ebx,%esi), %eax\n mov %eax, -16(%ebx,%edi,8)\n"
    "movzbl 0xfffffff9(%ebx,%edi,8), %edx\n adc %edx, 8(%ebx)\n cmpl $77, (%ebx)\n jb 2f\n incl "
    "%ebp\n"
    "2: lea -4(%esi,%edi), %edx\n testb $3, 0x10(%ebx,%esi)\n jz 3f\n sub %edx, %eax\n"
    "3: mov %al, 0x201000(%ecx)\n rol $7, %eax\n sbb -8(%esp), %eax\n mov %eax, -8(%esp)\n dec "
    "%ecx\n jnz 1b\n"
    "4: jmp 4b");

static uint64_t flat32_after(uint64_t total, uint64_t piece)
{
    struct sp_error e = { 0 };
    struct machine_config config = { .ram_size = 16 << 20, .processors = 1, .cpu = "max" };
    struct machine *m = machine_create(&config, &e);
    cr_assert(m, "%s", e.message);
    mem_write(machine_mem(m), BARE_CODE, flat32_start, (size_t)(flat32_end - flat32_start));
    entry_protected(m, BARE_CODE, 0, 0);
    for (uint64_t done = 0; done < total; done += piece)
        cr_assert_eq(bare_run(m, total - done < piece ? total - done : piece), STOP_BUDGET);
    cr_assert_neq(mem_read_le(machine_mem(m), 0x200000, 4), 0, "the wrapped address");
    uint64_t hash = machine_state_hash(m);
    machine_destroy(m);
    return hash;
}

Test(engine, flat_32_bit_code_gives_the_same_state_in_steps)
{
    static const uint64_t totals[] = { 6, 13, 40, 333, 900 };
    for (unsigned k = 0; k < sizeof totals / sizeof *totals; k++)
        cr_assert_eq(flat32_after(totals[k], totals[k]), flat32_after(totals[k], 1), "%lu",
                     totals[k]);
}

/* A closed A20 gate makes 1 MiB + x read as x, also where the TLB knew better. */
BARE_PROGRAM(read_high, ".code64\n"
    "mov $0x100010, %ebx\n mov (%rbx), %eax\n mov (%rbx), %ecx\n 1: jmp 1b");

Test(engine, a_closed_a20_gate_masks_address_bit_20)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = bare_load(m, read_high_start, read_high_end);
    mem_write_le(machine_mem(m), 0x10, 4, 0x11111111);
    mem_write_le(machine_mem(m), 0x100010, 4, 0x22222222);
    bare_run(m, 2);
    cr_assert_eq(c->gpr[RAX], 0x22222222);
    cpu_set_a20(c, false);
    bare_run(m, 1);
    cr_assert_eq(c->gpr[RCX], 0x11111111);
    machine_destroy(m);
}

/* A store to a device that puts ROM over the running code: the very next instruction comes from
 * there, and after the next store from RAM again. */
BARE_PROGRAM(
    switches_memory,
    ".code64\n"
    "mov $0x2000000, %ebx\n"
    "1: mov %eax, (%rbx)\n mov $1, %cl\n add %cl, %dl\n mov switches_memory_start(%rip), %esi\n"
    "jmp 1b");

struct bank {
    struct mem *mem;
    struct mem_region *rom;
    bool shown;
};

static uint64_t bank_read(void *device, uint64_t offset, unsigned size) { return 0; }
static void bank_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct bank *b = device;
    b->shown = !b->shown;
    mem_region_place(b->mem, b->rom, BARE_CODE, b->shown ? PAGE_SIZE : 0);
}

Test(engine, memory_that_changes_under_the_code_is_seen_at_once)
{
    static const struct mmio_ops ops = { bank_read, bank_write };
    struct machine *m = bare_machine("max");
    struct cpu *c = bare_load(m, switches_memory_start, switches_memory_end);
    c->gpr[RDX] = 0;
    uint8_t page[PAGE_SIZE];
    mem_read(machine_mem(m), BARE_CODE, page, sizeof page);
    cr_assert_eq(page[7], 0xb1);
    page[0] = 0x55;
    page[8] = 16; /* mov $16, %cl */
    struct bank bank = { machine_mem(m), mem_region_rom(machine_mem(m), page, sizeof page), false };
    mem_map_mmio(machine_mem(m), 0x2000000, PAGE_SIZE, &ops, &bank);
    bare_run(m, 1 + 5);
    cr_assert_eq(c->gpr[RDX], 16);
    cr_assert_eq(c->gpr[RSI] & 0xff, 0x55);
    bare_run(m, 5);
    cr_assert_eq(c->gpr[RDX], 17);
    cr_assert_eq(c->gpr[RSI] & 0xff, 0xbb);
    bare_run(m, 5 * 100);
    cr_assert_eq(c->gpr[RDX], (17 + 50 * 17) & 0xff);
    machine_destroy(m);
}

BARE_PROGRAM(jumps_to_the_end, ".code32\n nop\n jmp .+0xffd\n .skip 0xff8\n mov $0x11, %eax\n");

/* The instruction behind a jump ends on a page that is not there: its fault is no part of the jump,
 * and takes a tick of its own. */
Test(engine, a_fetch_that_faults_takes_a_tick)
{
    static const uint64_t rips[] = { CODE0 + 1, CODE0 + 0xffe, FAULT_HANDLER };
    for (unsigned insns = 1; insns <= 3; insns++) {
        struct machine *m = bare_machine("max");
        struct cpu *c = protected_mode(m, 0);
        PUT(m, CODE0, jumps_to_the_end);
        mem_write_le(machine_mem(m), 0x8000, 4, 0x9007);
        for (uint64_t k = 0; k < 1024; k++)
            mem_write_le(machine_mem(m), 0x9000 + 4 * k, 4, k << 12 | (k != CODE3 >> 12 ? 7 : 0));
        cpu_load_cr3(c, 0x8000);
        cpu_load_cr0(c, c->cr0 | CR0_PG);
        bare_run(m, insns);
        cr_expect_eq(c->rip, rips[insns - 1], "after %u: %#x", insns, (unsigned)c->rip);
        cr_expect_eq(machine_insns(m), insns);
        machine_destroy(m);
    }
}

/* SDM vol. 1, "Segmentation in 64-Bit Mode": the other overrides do not take that of FS away. */
BARE_PROGRAM(overrides, ".byte 0x64, 0x3e, 0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0\n"   /* fs ds */
                        ".byte 0x3e, 0x64, 0x48, 0x8b, 0x1c, 0x25, 0, 0, 0, 0\n"   /* ds fs */
                        ".byte 0x64, 0x2e, 0x36, 0x26, 0x48, 0x8b, 0x0c, 0x25, 0, 0, 0, 0");

Test(decode, ignored_overrides_leave_that_of_fs)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = bare_load(m, overrides_start, overrides_end);
    c->seg[FS].base = BARE_DATA;
    cpu_mode_changed(c);
    mem_write_le(machine_mem(m), BARE_DATA, 8, 0x1234);
    bare_run(m, 3);
    cr_expect_eq(c->gpr[RAX], 0x1234);
    cr_expect_eq(c->gpr[RBX], 0x1234);
    cr_expect_eq(c->gpr[RCX], 0x1234);
    machine_destroy(m);
}

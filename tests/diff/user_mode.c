// SPDX-License-Identifier: Apache-2.0
#include "user_mode.h"

#include <string.h>

#include "cpu/access.h"

enum { PTE_P = 1 << 0, PTE_W = 1 << 1, PTE_U = 1 << 2 };
#define PTE_NX BIT(63)
#define LDT_CODE32 0x00cffb000000ffff
#define LDT_DATA 0x00cff3000000ffff
#define PTE_ADDRESS 0x000ffffffffff000

static void first_exception(void *user, struct cpu *c, const struct event *e)
{
    struct user_machine *u = user;
    if (u->faulted)
        return;                          /* the lack of an interrupt table makes two more */
    u->faulted = true;
    u->event = *e;
    u->fault_rip = c->rip;
}

/* As a 64-bit Linux process has them, or a flat 32-bit program with its segments in an LDT. */
static void load_segments(struct user_machine *u)
{
    struct cpu *c = u->cpu;
    bool long_mode = u->bits == 64;
    for (unsigned s = ES; s <= GS; s++)
        c->seg[s] = (struct segment){ .limit = 0xffffffff, .access = 0xc0f3, .selector = 0x17 };
    c->seg[CS].access = long_mode ? 0xa0fb : 0xc0fb;
    c->seg[CS].selector = long_mode ? 0x33 : 0x0f;
    if (long_mode) {
        static const enum seg null[] = { ES, DS, FS, GS };
        c->seg[SS].selector = 0x2b;
        for (unsigned k = 0; k < ARRAY_SIZE(null); k++)
            c->seg[null[k]] = (struct segment){ .access = SEG_UNUSABLE };
    }
    c->seg[LDTR] = c->seg[TR] = (struct segment){ .access = SEG_UNUSABLE };
    c->idtr = c->gdtr = (struct dtable){ 0 };
}

void user_destroy(struct user_machine *u)
{
    machine_destroy(u->machine);
}

static uint64_t take_frame(struct user_machine *u)
{
    uint64_t frame = u->next_frame;
    if (frame + PAGE_SIZE > u->ram_size)
        return 0;
    u->next_frame += PAGE_SIZE;
    return frame;
}

/* The physical address of the leaf entry of `linear`, 0 if a table is missing and must not be made.
 * The root stands at physical address 0; a PDPTE of PAE paging has no rights bits. */
static uint64_t leaf_entry(struct user_machine *u, uint64_t linear, bool make)
{
    struct mem *mem = machine_mem(u->machine);
    unsigned top = u->bits == 64 ? 39 : 30;
    uint64_t table = 0;
    for (unsigned shift = top; shift > PAGE_SHIFT; shift -= 9) {
        uint64_t at = table + 8 * (linear >> shift & 511), entry = mem_read_le(mem, at, 8);
        if (!(entry & PTE_P)) {
            uint64_t frame = make ? take_frame(u) : 0;
            if (!frame)
                return 0;
            entry = frame | (u->bits == 32 && shift == 30 ? PTE_P : PTE_P | PTE_W | PTE_U);
            mem_write_le(mem, at, 8, entry);
        }
        table = entry & PTE_ADDRESS;
    }
    return table + 8 * (linear >> PAGE_SHIFT & 511);
}

bool user_map(struct user_machine *u, uint64_t linear, uint64_t size, unsigned rights)
{
    struct mem *mem = machine_mem(u->machine);
    for (uint64_t page = linear & PAGE_MASK; page < linear + size; page += PAGE_SIZE) {
        uint64_t at = leaf_entry(u, page, true), frame;
        if (!at)
            return false;
        if (mem_read_le(mem, at, 8) & PTE_P)
            continue;
        frame = take_frame(u);
        if (!frame)
            return false;
        mem_write_le(mem, at, 8,
                     frame | PTE_P | (rights & USER_SUPERVISOR ? 0 : PTE_U) |
                         (rights & USER_WRITE ? PTE_W : 0) | (rights & USER_EXECUTE ? 0 : PTE_NX));
    }
    cpu_load_cr3(u->cpu, 0);
    return u->bits == 64 || cpu_load_pdptes(u->cpu, 0, u->cpu->pdpte);
}

static uint64_t physical(struct user_machine *u, uint64_t linear)
{
    uint64_t at = leaf_entry(u, linear, false);
    uint64_t entry = at ? mem_read_le(machine_mem(u->machine), at, 8) : 0;
    return entry & PTE_P ? (entry & PTE_ADDRESS) | (linear & ~PAGE_MASK) : 0;
}

uint8_t *user_page(struct user_machine *u, uint64_t linear)
{
    enum page_kind kind;
    uint64_t pa = physical(u, linear);
    return pa ? mem_page(machine_mem(u->machine), pa, &kind) + (linear & ~PAGE_MASK) : NULL;
}

bool user_write(struct user_machine *u, uint64_t linear, const void *bytes, uint64_t n)
{
    const uint8_t *from = bytes;
    while (n) {
        uint64_t room = PAGE_SIZE - (linear & ~PAGE_MASK), part = n < room ? n : room;
        uint64_t pa = physical(u, linear);
        if (!pa)
            return false;
        mem_write(machine_mem(u->machine), pa, from, part);
        linear += part;
        from += part;
        n -= part;
    }
    return true;
}

void user_run(struct user_machine *u, uint64_t insns)
{
    struct machine_limits limits = { .max_insns = insns };
    struct stop_report report;
    u->faulted = false;
    u->cpu->activity = ACTIVITY_ACTIVE;
    machine_run(u->machine, &limits, &report);
}

static void load_state(struct user_machine *u)
{
    struct cpu *c = u->cpu;
    memset(c->gpr, 0, sizeof c->gpr);
    load_segments(u);
    cpu_load_efer(c, EFER_SCE | EFER_NXE | (u->bits == 64 ? EFER_LME | EFER_LMA : 0));
    cpu_load_cr4(c, CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE | CR4_FSGSBASE);
    cpu_load_cr3(c, 0);
    cpu_load_cr0(c, CR0_PE | CR0_PG | CR0_NE | CR0_ET | CR0_MP | CR0_AM | CR0_WP);
    c->xcr0 = 3;
    c->cpl = 3;
    c->fpu = (struct fpu){ .control = 0x37f, .mxcsr = 0x1f80 };
    cpu_set_rflags(c, 0x202);
    cpu_mode_changed(c);
}

/* Entry 1 is flat 32-bit code, entries 2 and 3 flat data, so that the program can reload its
 * selectors. */
static bool make_ldt(struct user_machine *u)
{
    static const uint64_t entries[] = { 0, LDT_CODE32, LDT_DATA, LDT_DATA };
    uint64_t at = leaf_entry(u, USER_LDT, true), frame = take_frame(u);
    if (!at || !frame)
        return false;
    mem_write(machine_mem(u->machine), frame, entries, sizeof entries);
    mem_write_le(machine_mem(u->machine), at, 8, frame | PTE_P | PTE_W | PTE_NX);
    u->cpu->seg[LDTR] = (struct segment){
        .base = USER_LDT, .limit = sizeof entries - 1, .access = 0x82, .selector = 8
    };
    return true;
}

bool user_create(struct user_machine *u, unsigned bits, uint64_t ram_size, struct sp_error *e)
{
    struct machine_config config = {
        .ram_size = ram_size, .processors = 1, .cpu = "max", .bare = true,
    };
    *u = (struct user_machine){ .bits = bits, .ram_size = ram_size, .next_frame = PAGE_SIZE };
    u->machine = machine_create(&config, e);
    if (!u->machine)
        return false;
    u->cpu = machine_cpu(u->machine, 0);
    machine_hooks(u->machine)->user = u;
    machine_hooks(u->machine)->exception = first_exception;
    load_state(u);
    return u->bits == 64 || make_ldt(u);
}

// SPDX-License-Identifier: Apache-2.0
#include "image/entry.h"

#include <string.h>

#include "cpu/access.h"
#include "cpu/cpu.h"
#include "image/bios.h"

enum { CODE32 = 0xc09b, CODE64 = 0xa09b, DATA32 = 0xc093, CODE_INDEX = 1, LINUX_CODE_INDEX = 2 };
enum { TSS_BUSY = 0x8b, TSS_LIMIT = 0x67 };
enum { MTRR_UC = 0, MTRR_WP = 5, MTRR_WB = 6 };
enum { MTRR_VALID = 1 << 11, MTRR_E = 1 << 11, MTRR_FE = 1 << 10 };
enum { FEATURE_LOCKED = 1 << 0, FEATURE_VMX_OUTSIDE_SMX = 1 << 2 };

static uint64_t each_byte(uint8_t v) { return v * UINT64_C(0x0101010101010101); }

static void set_range(struct cpu *c, unsigned k, uint64_t base, uint64_t size)
{
    c->msr.mtrr_base[k] = base | MTRR_UC;
    c->msr.mtrr_mask[k] = (BIT(c->physical_bits) - size) | MTRR_VALID;
}

/* Write-back by default, uncacheable where PCI is (from B0000000H on, two ranges) and in the VGA
 * window, ROMs write-protected.  SDM vol. 3, "Memory Type Range Registers"; fixed ranges in MSR
 * order. */
static void set_mtrrs(struct cpu *c)
{
    for (unsigned k = 0; k < 11; k++)
        c->msr.mtrr_fixed[k] = each_byte(k < 2 ? MTRR_WB : k == 2 ? MTRR_UC : MTRR_WP);
    set_range(c, 0, UINT64_C(0xc0000000), UINT64_C(0x40000000));
    set_range(c, 1, UINT64_C(0xb0000000), UINT64_C(0x10000000));
    c->msr.mtrr_def_type = MTRR_E | MTRR_FE | MTRR_WB;
}

void entry_firmware(struct machine *m)
{
    for (unsigned k = 0; k < machine_cpu_count(m); k++) {
        struct cpu *c = machine_cpu(m, k);
        if (cpu_has(c, FEAT_MTRR))
            set_mtrrs(c);
        if (cpu_has(c, FEAT_VMX))
            c->msr.feature_control = FEATURE_LOCKED | FEATURE_VMX_OUTSIDE_SMX;
    }
    machine_hand_over(m);
    bios_install(m);
}

static void clear_registers(struct cpu *c)
{
    for (unsigned r = RAX; r <= R15; r++)
        c->gpr[r] = 0;
    c->cpl = 0;
    c->activity = ACTIVITY_ACTIVE;
}

/* The data segment's descriptor follows that of the code. */
static void set_flat(struct cpu *c, uint32_t code_access, uint16_t selector)
{
    c->seg[CS] = (struct segment){ 0, 0xffffffff, code_access, selector };
    for (unsigned s = ES; s <= GS; s++)
        if (s != CS)
            c->seg[s] = (struct segment){ 0, 0xffffffff, DATA32, (uint16_t)(selector + 8) };
}

void entry_protected(struct machine *m, uint32_t eip, uint32_t eax, uint32_t ebx)
{
    struct cpu *c = machine_cpu(m, 0);
    clear_registers(c);
    set_flat(c, CODE32, 8 * CODE_INDEX);
    cpu_load_cr0(c, CR0_PE | CR0_ET);
    cpu_set_rflags(c, 2);
    c->gpr[RAX] = eax;
    c->gpr[RBX] = ebx;
    c->rip = eip;
    cpu_mode_changed(c);
}

void entry_pvh(struct machine *m, uint32_t eip, uint32_t start_info)
{
    entry_protected(m, eip, 0, start_info);
    machine_cpu(m, 0)->seg[TR] = (struct segment){ .limit = TSS_LIMIT, .access = TSS_BUSY };
}

void entry_real(struct machine *m, uint16_t segment, uint16_t offset)
{
    struct cpu *c = machine_cpu(m, 0);
    clear_registers(c);
    for (unsigned s = ES; s <= GS; s++)
        c->seg[s] = (struct segment){ 0, 0xffff, 0x93, 0 };
    c->seg[CS] = (struct segment){ (uint64_t)segment << 4, 0xffff, 0x93, segment };
    cpu_load_cr0(c, CR0_ET);
    cpu_set_rflags(c, 2);
    c->rip = offset;
    cpu_mode_changed(c);
}

enum { LOW_START = 0x1000, LOW_END = 0x9f000, STACK_SIZE = 16384, TABLES = 1 + 1 + 4 };

/* One PML4, one PDPT, four directories of 2 MiB pages: the first 4 GiB at their own address. */
static void write_tables(struct mem *mem, uint64_t base)
{
    enum { PRESENT_WRITABLE = 3, LARGE = 0x80 };
    mem_write_le(mem, base, 8, (base + PAGE_SIZE) | PRESENT_WRITABLE);
    for (uint64_t k = 0; k < 4; k++)
        mem_write_le(mem, base + PAGE_SIZE + 8 * k, 8,
                     (base + (2 + k) * PAGE_SIZE) | PRESENT_WRITABLE);
    for (uint64_t k = 0; k < 4 * 512; k++)
        mem_write_le(mem, base + 2 * PAGE_SIZE + 8 * k, 8, k << 21 | LARGE | PRESENT_WRITABLE);
}

static void enter_long_mode(struct cpu *c, uint64_t tables)
{
    cpu_load_cr4(c, CR4_PAE);
    cpu_load_cr3(c, tables);
    cpu_load_efer(c, EFER_LME | EFER_LMA);
    cpu_load_cr0(c, CR0_PE | CR0_ET | CR0_PG);
}

/* A GDT with flat code at index `code` and flat data behind it, a stack, and page tables for 64-bit
 * mode; the processor in that state, all else for the caller. */
static bool enter_flat(struct place *p, bool is_64, unsigned code, struct sp_error *e)
{
    enum { GDT_ENTRIES = 4 };
    uint64_t gdt[GDT_ENTRIES] = { 0 }, gdt_at, stack, tables = 0;
    struct cpu *c = machine_cpu(p->machine, 0);
    if (is_64 && !cpu_has(c, FEAT_LM))
        return sp_fail(e, SP_EXIT_USAGE, "%s: is a 64-bit program; -cpu %s has no 64-bit mode",
                       p->name, c->model->name);
    if (!place_find(p, sizeof gdt, 8, LOW_START, LOW_END, &gdt_at, e) ||
        !place_find(p, STACK_SIZE, 4096, LOW_START, LOW_END, &stack, e) ||
        (is_64 && !place_find(p, TABLES * PAGE_SIZE, PAGE_SIZE, LOW_START, LOW_END, &tables, e)))
        return false;
    gdt[code] = is_64 ? UINT64_C(0x00af9b000000ffff) : UINT64_C(0x00cf9b000000ffff);
    gdt[code + 1] = UINT64_C(0x00cf93000000ffff);
    mem_write(p->mem, gdt_at, gdt, sizeof gdt);
    entry_protected(p->machine, 0, 0, 0);
    if (is_64) {
        place_zero(p, tables, TABLES * PAGE_SIZE);
        write_tables(p->mem, tables);
        enter_long_mode(c, tables);
    }
    set_flat(c, is_64 ? CODE64 : CODE32, (uint16_t)(8 * code));
    c->gdtr = (struct dtable){ gdt_at, sizeof gdt - 1 };
    c->gpr[RSP] = stack + STACK_SIZE;
    return true;
}

bool entry_elf(struct place *p, bool is_64, uint64_t rip, const char *command_line,
               struct sp_error *e)
{
    struct cpu *c = machine_cpu(p->machine, 0);
    uint64_t text;
    size_t text_size = strlen(command_line) + 1;
    if (!enter_flat(p, is_64, CODE_INDEX, e) ||
        !place_find(p, text_size, 8, LOW_START, LOW_END, &text, e))
        return false;
    mem_write(p->mem, text, command_line, text_size);
    c->gpr[RDI] = text;
    c->rip = rip;
    cpu_mode_changed(c);
    return true;
}

bool entry_linux(struct place *p, bool is_64, uint64_t rip, uint64_t params, struct sp_error *e)
{
    struct cpu *c = machine_cpu(p->machine, 0);
    if (!enter_flat(p, is_64, LINUX_CODE_INDEX, e))
        return false;
    c->gpr[RSI] = params;
    c->rip = rip;
    cpu_mode_changed(c);
    return true;
}

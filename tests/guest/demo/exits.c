// SPDX-License-Identifier: Apache-2.0
// Shows: handling VM exits.  One row for each reason: number, name, handler; SDM vol. 3, "Basic
// VM-Exit Information" has the layout of the qualifications.
#include "exits.h"

#include "console.h"
#include "ept.h"
#include "guest.h"

enum { CPUID_1_ECX_VMX = 1 << 5 };
#define CPUID_1_ECX_HYPERVISOR (1u << 31)
#define LOW_HALF 0xffffffffu

static uint64_t virtual_lstar;           /* the guest's IA32_LSTAR: it never reaches the real one */

static enum next cpuid_exit(struct guest_registers *guest)
{
    static const char signature[] = "SilverpoolVM";
    const uint32_t *words = (const uint32_t *)(const void *)signature;
    uint32_t leaf = (uint32_t)guest->rax, r[4] = { HYPERVISOR_LEAF, words[0], words[1], words[2] };
    if (leaf != HYPERVISOR_LEAF)
        cpuid(leaf, r);
    if (leaf == 1)
        r[2] = (r[2] & ~(uint32_t)CPUID_1_ECX_VMX) | CPUID_1_ECX_HYPERVISOR;
    guest->rax = r[0];
    guest->rbx = r[1];
    guest->rcx = r[2];
    guest->rdx = r[3];
    return RESUME_NEXT;
}

/* Qualification: 2:0 size - 1, 3 direction (1 = IN), 31:16 port. */
static enum next io_exit(struct guest_registers *guest)
{
    uint64_t q = vmread(EXIT_QUALIFICATION);
    bool in = q >> 3 & 1;
    if (in)
        guest->rax |= 0xff;
    else if (q >> 16 == GUEST_CONSOLE_PORT)
        console_char((char)guest->rax);
    return RESUME_NEXT;
}

static enum next rdmsr_exit(struct guest_registers *guest)
{
    uint64_t value = (uint32_t)guest->rcx == IA32_LSTAR ? virtual_lstar : 0;
    guest->rax = value & LOW_HALF;
    guest->rdx = value >> 32;
    return RESUME_NEXT;
}

static enum next wrmsr_exit(struct guest_registers *guest)
{
    if ((uint32_t)guest->rcx == IA32_LSTAR)
        virtual_lstar = guest->rdx << 32 | (guest->rax & LOW_HALF);
    return RESUME_NEXT;
}

/* Qualification: 0 read, 1 write, 2 fetch. */
static enum next ept_violation_exit(struct guest_registers *guest)
{
    uint64_t gpa = vmread(GUEST_PHYSICAL_ADDRESS);
    console_text("hypervisor: EPT violation, ");
    console_text(vmread(EXIT_QUALIFICATION) & 2 ? "write" : "read or fetch");
    console_text(" at guest-physical ");
    console_hex(gpa);
    bool mapped = ept_map_fresh_page(gpa);
    console_text(mapped ? ": mapped\n" : ": cannot map\n");
    return mapped ? RESUME_SAME : STOP;
}

static enum next hlt_exit(struct guest_registers *guest)
{
    return RESUME_NEXT;
}

static enum next vmcall_exit(struct guest_registers *guest)
{
    return STOP;
}

static const struct {
    const char *name;
    enum next (*handle)(struct guest_registers *guest);
} exit_rows[EXIT_REASONS] = {
    [EXIT_CPUID] = { "CPUID", cpuid_exit },
    [EXIT_HLT] = { "HLT", hlt_exit },
    [EXIT_VMCALL] = { "VMCALL", vmcall_exit },
    [EXIT_IO] = { "I/O instruction", io_exit },
    [EXIT_RDMSR] = { "RDMSR", rdmsr_exit },
    [EXIT_WRMSR] = { "WRMSR", wrmsr_exit },
    [EXIT_EPT_VIOLATION] = { "EPT violation", ept_violation_exit },
};
static uint64_t exit_counts[EXIT_REASONS];

enum next handle_exit(struct guest_registers *guest)
{
    uint32_t reason = (uint32_t)vmread(EXIT_REASON);
    if (reason < EXIT_REASONS)
        exit_counts[reason]++;
    if (reason < EXIT_REASONS && exit_rows[reason].handle)
        return exit_rows[reason].handle(guest);
    console_text("hypervisor: no handler for exit reason ");
    console_hex(reason);
    console_text(" at guest RIP ");
    console_hex(vmread(GUEST_RIP));
    console_text("\n");
    return STOP;
}

void print_exit_counts(void)
{
    uint64_t total = 0;
    console_text("\nreason  name               exits\n");
    for (unsigned k = 0; k < EXIT_REASONS; k++) {
        if (!exit_counts[k])
            continue;
        console_decimal(k, 6);
        console_text("  ");
        console_padded(exit_rows[k].name ? exit_rows[k].name : "?", 16);
        console_decimal(exit_counts[k], 8);
        console_text("\n");
        total += exit_counts[k];
    }
    console_text("        total           ");
    console_decimal(total, 8);
    console_text("\n\n");
}

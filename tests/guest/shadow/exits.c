// SPDX-License-Identifier: Apache-2.0
// Shows: the exits of a hypervisor of 2005.  All paging is its business: page faults, loads of CR0,
// CR3 and CR4, MOV from CR3 and INVLPG.
#include "exits.h"

#include "console.h"
#include "shadow.h"

enum { CPUID_1_ECX_VMX = 1 << 5, CONSOLE_PORT = 0x3f8, PAGE_FAULT = 14, GENERAL_PROTECTION = 13 };
enum { TYPE_HARDWARE = 3 << 8, HAS_ERROR_CODE = 1 << 11 };     /* interruption information */
#define VALID (1u << 31)
#define CPUID_1_ECX_HYPERVISOR (1u << 31)
#define HYPERVISOR_LEAF 0x40000000u
#define IA32_PAT 0x277u
#define CR0_PG (1u << 31)

static uint32_t guest_cr0 = 0x11, guest_cr3;
static uint64_t virtual_pat;

static void inject(uint32_t vector, uint32_t error)
{
    vmwrite(ENTRY_INTERRUPTION_INFO, VALID | HAS_ERROR_CODE | TYPE_HARDWARE | vector);
    vmwrite(ENTRY_EXCEPTION_ERROR_CODE, error);
}

static enum next cpuid_exit(struct guest *g)
{
    uint32_t leaf = (uint32_t)g->gpr[RAX], r[4];
    cpuid(leaf, r);
    if (leaf == HYPERVISOR_LEAF) {
        r[0] = HYPERVISOR_LEAF;
        r[1] = r[2] = r[3] = 0x35303032;                        /* "2005" */
    }
    if (leaf == 1)
        r[2] = (r[2] & ~(uint32_t)CPUID_1_ECX_VMX) | CPUID_1_ECX_HYPERVISOR;
    g->gpr[RAX] = r[0];
    g->gpr[RBX] = r[1];
    g->gpr[RCX] = r[2];
    g->gpr[RDX] = r[3];
    return RESUME_NEXT;
}

/* One MSR exists for the guest; others are #GP, as the architecture has it. */
static enum next msr_exit(struct guest *g, bool write)
{
    if ((uint32_t)g->gpr[RCX] != IA32_PAT) {
        inject(GENERAL_PROTECTION, 0);
        return RESUME_SAME;
    }
    if (write) {
        virtual_pat = g->gpr[RDX] << 32 | (uint32_t)g->gpr[RAX];
    } else {
        g->gpr[RAX] = (uint32_t)virtual_pat;
        g->gpr[RDX] = virtual_pat >> 32;
    }
    return RESUME_NEXT;
}
static enum next rdmsr_exit(struct guest *g) { return msr_exit(g, false); }
static enum next wrmsr_exit(struct guest *g) { return msr_exit(g, true); }

/* Qualification: 2:0 size - 1, 3 direction (1 = IN), 31:16 port. */
static enum next io_exit(struct guest *g)
{
    uint64_t q = vmread(EXIT_QUALIFICATION);
    if (q >> 3 & 1)
        g->gpr[RAX] |= 0xff;
    else if (q >> 16 == CONSOLE_PORT)
        console_char((char)g->gpr[RAX]);
    return RESUME_NEXT;
}

static uint32_t gpr_read(const struct guest *g, unsigned n)
{
    return (uint32_t)(n == RSP ? vmread(GUEST_RSP) : g->gpr[n]);
}

static void gpr_write(struct guest *g, unsigned n, uint32_t value)
{
    if (n == RSP)
        vmwrite(GUEST_RSP, value);
    else
        g->gpr[n] = value;
}

/* The bits of CR0 that this guest sets are those that it cannot have for real (PG is on anyway) or
 * has already (WP). */
static enum next load_cr0(uint32_t value)
{
    bool toggles_paging = (value ^ guest_cr0) & CR0_PG;
    guest_cr0 = value;
    vmwrite(CR0_READ_SHADOW, value);
    if (toggles_paging)
        shadow_use(guest_cr3, value & CR0_PG);
    return RESUME_NEXT;
}

/* Qualification: 3:0 register, 5:4 type (0 MOV to, 1 MOV from), 11:8 general register. */
static enum next cr_exit(struct guest *g)
{
    uint64_t q = vmread(EXIT_QUALIFICATION);
    unsigned cr = q & 15, type = q >> 4 & 3, n = q >> 8 & 15;
    if (type == 1 && cr == 3) {
        gpr_write(g, n, guest_cr3);
        return RESUME_NEXT;
    }
    if (type == 0 && cr == 0)
        return load_cr0(gpr_read(g, n));
    if (type != 0 || cr != 3)
        return STOP_BROKEN;
    guest_cr3 = gpr_read(g, n);
    shadow_use(guest_cr3, guest_cr0 & CR0_PG);
    return RESUME_NEXT;
}

static enum next invlpg_exit(struct guest *g)
{
    shadow_invalidate_page((uint32_t)vmread(EXIT_QUALIFICATION));
    return RESUME_NEXT;
}

/* An exit in the middle of the delivery of an event loses the event: VM entry has to deliver it
 * again (SDM vol. 3, "Information for VM Exits That Occur During Event Delivery").  Here that is
 * every page fault of the guest whose IDT, GDT or stack the shadow does not have yet. */
static void deliver_again(void)
{
    uint32_t info = (uint32_t)vmread(IDT_VECTORING_INFO);
    if (!(info & VALID))
        return;
    vmwrite(ENTRY_INTERRUPTION_INFO, info);
    vmwrite(ENTRY_EXCEPTION_ERROR_CODE, vmread(IDT_VECTORING_ERROR_CODE));
    vmwrite(ENTRY_INSTRUCTION_LENGTH, vmread(EXIT_INSTRUCTION_LENGTH));
}

/* Qualification of a page fault: its linear address.  CR2 is as before, for the exit came first. */
static enum next exception_exit(struct guest *g)
{
    uint32_t linear = (uint32_t)vmread(EXIT_QUALIFICATION);
    uint32_t error = (uint32_t)vmread(EXIT_INTERRUPTION_ERROR_CODE);
    if ((vmread(EXIT_INTERRUPTION_INFO) & 0xff) != PAGE_FAULT)
        return STOP_BROKEN;
    switch (shadow_fault(linear, &error)) {
    case FAULT_FILLED:
        deliver_again();
        return RESUME_SAME;
    case FAULT_OF_GUEST:
        if (vmread(IDT_VECTORING_INFO) & VALID)
            return STOP_BROKEN;          /* a double fault: not in this guest */
        g->cr2 = linear;
        inject(PAGE_FAULT, error);
        return RESUME_SAME;
    default:
        return STOP_BROKEN;
    }
}

static enum next hlt_exit(struct guest *g) { return RESUME_NEXT; }

/* EAX: 0 if the guest found all as it must be. */
static enum next vmcall_exit(struct guest *g)
{
    return (uint32_t)g->gpr[RAX] ? STOP_BROKEN : STOP;
}

static const struct {
    const char *name;
    enum next (*handle)(struct guest *g);
} exit_rows[EXIT_REASONS] = {
    [EXIT_EXCEPTION] = { "exception (#PF)", exception_exit },
    [EXIT_CPUID] = { "CPUID", cpuid_exit },
    [EXIT_HLT] = { "HLT", hlt_exit },
    [EXIT_INVLPG] = { "INVLPG", invlpg_exit },
    [EXIT_VMCALL] = { "VMCALL", vmcall_exit },
    [EXIT_CR_ACCESS] = { "control registers", cr_exit },
    [EXIT_IO] = { "I/O instruction", io_exit },
    [EXIT_RDMSR] = { "RDMSR", rdmsr_exit },
    [EXIT_WRMSR] = { "WRMSR", wrmsr_exit },
};
static uint64_t exit_counts[EXIT_REASONS];

enum next handle_exit(struct guest *g)
{
    uint32_t reason = (uint32_t)vmread(EXIT_REASON);
    if (reason < EXIT_REASONS) {
        exit_counts[reason]++;
        if (exit_rows[reason].handle)
            return exit_rows[reason].handle(g);
    }
    return STOP_BROKEN;
}

bool print_exits(void)
{
    bool all = true;
    console_text("\nreason  name               exits\n");
    for (unsigned k = 0; k < EXIT_REASONS; k++) {
        if (!exit_rows[k].handle)
            continue;
        all &= exit_counts[k] > 0;
        console_decimal(k, 6);
        console_text("  ");
        console_padded(exit_rows[k].name, 18);
        console_decimal(exit_counts[k], 6);
        console_text("\n");
    }
    return all;
}

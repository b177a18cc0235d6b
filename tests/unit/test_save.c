// SPDX-License-Identifier: Apache-2.0
// Machines that are saved anywhere and go on in another machine as they would have gone on.
#include "save.h"

#include "cpu/saved.h"
#include "image/disk.h"
#include "machine/saved.h"
#include "mem/saved.h"
#include "platform/saved.h"
#include "vmx/internal.h"
#include "vmx/saved.h"
#include "vmx_guest.h"

/* ---- the tables ---- */

/* The compiler has counted the members (base/saved_tables.h); this is the rest of the proof: they
 * stand in their order, so no member has two rows, and a struct of one row has one member. */
static void check_table(const struct saved_table *t)
{
    uint32_t end = 0;
    for (const struct saved_row *r = t->row; r < t->row + t->rows; r++) {
        cr_expect(r->offset >= end, "%s.%s: not in the order of the members", t->name, r->name);
        end = r->offset + r->size * r->count;
        cr_expect(end <= t->size, "%s.%s: reaches out of the struct", t->name, r->name);
        if (!r->part)
            continue;
        cr_expect_eq(r->size, r->part()->size, "%s.%s: another struct", t->name, r->name);
        check_table(r->part());
    }
    cr_expect(t->rows > 1 || t->row->size * t->row->count == t->size, "%s: a row is missing",
              t->name);
}

Test(save, every_member_has_one_row)
{
    const struct saved_table *const tables[] = {
        saved_cpu(),      saved_vmx(),         saved_machine(),     saved_mem_region(),
        saved_platform(), saved_port_range(),  saved_lapic(),       saved_testdev(),
        saved_virtio_blk(), saved_pci_testdev(), saved_virtio_devices(),
    };
    for (size_t k = 0; k < ARRAY_SIZE(tables); k++)
        check_table(tables[k]);
}

/* ---- VMX ---- */

/* Runs the guest until its VMCALL; a timer exit winds the timer up again. */
BARE_PROGRAM(save_hypervisor,
             "mov $0x4402, %r12d\n vmread %r12, %r13\n"
             "cmp $18, %r13d\n je 1f\n cmp $52, %r13d\n je 2f\n"
             "mov $0x440c, %r12d\n vmread %r12, %r13\n"
             "mov $0x681e, %r12d\n vmread %r12, %r14\n add %r13, %r14\n vmwrite %r14, %r12\n"
             "vmresume\n hlt\n"
             "1: cli\n hlt\n"
             "2: mov $0x482e, %r12d\n mov $9, %r13d\n vmwrite %r13, %r12\n vmresume\n hlt\n");
BARE_PROGRAM(save_guest,
             "mov $0x100000, %edi\n mov $0x20000, %esi\n mov $12, %ecx\n rep movsb\n"
             "xor %eax, %eax\n cpuid\n mov %rbx, (%rdi)\n"
             "mov $3, %r8d\n 1: pause\n inc %r9\n hlt\n dec %r8d\n jnz 1b\n"
             "fld1\n fldpi\n fmulp\n cvtsi2sd %r9, %xmm3\n rdtsc\n rdrand %r10\n"
             "lea 0x32000(,%rcx,4), %rbx\n fxsave 0x1000(%rdi)\n ud2\n");
enum { HYPERVISOR = 0x12000, GUEST_LIMIT = 400 };

static struct machine *start_hypervisor(bool virtual_nmis)
{
    struct vm v = VM(save_guest);
    mem_write(v.mem, HYPERVISOR, save_hypervisor_start,
              (size_t)(save_hypervisor_end - save_hypervisor_start));
    put(&v, HOST_RIP, HYPERVISOR);
    put_bits(&v, PIN_BASED_VM_EXEC_CONTROL, PIN_PREEMPTION_TIMER);
    if (virtual_nmis)
        put_bits(&v, PIN_BASED_VM_EXEC_CONTROL, PIN_NMI_EXITING | PIN_VIRTUAL_NMIS);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_HLT_EXITING);
    put_bits(&v, SECONDARY_VM_EXEC_CONTROL, PROC2_ENABLE_VPID | PROC2_ENABLE_RDTSCP);
    put(&v, VIRTUAL_PROCESSOR_ID, 7);
    put(&v, VMX_PREEMPTION_TIMER_VALUE, 3);
    if (virtual_nmis) /* the first thing that the guest does is to take one */
        put(&v, VM_ENTRY_INTR_INFO_FIELD, BIT(31) | EVENT_NMI << 8 | EXC_NMI);
    mem_write_le(v.mem, GUEST_HANDLERS + 4 * EXC_NMI, 4, 0xcf489090); /* nop; nop; iretq */
    use_ept(&v);
    v.c->activity = ACTIVITY_ACTIVE;
    v.c->rip = HOST_LAUNCH;
    cpu_mode_changed(v.c);
    return v.m;
}

/* At every boundary: in root and in non-root operation, between the iterations of the string
 * instruction, after the exits, with the timer running. */
static void sweep_hypervisor(bool virtual_nmis)
{
    bool root = false, nonroot = false, halted = false;
    struct machine *b = bare_machine("max");
    for (uint64_t at = 0; !halted && at < GUEST_LIMIT; at++) {
        struct machine *a = start_hypervisor(virtual_nmis);
        halted = at && run_for(a, at).reason != STOP_BUDGET;
        const struct cpu *c = machine_cpu(a, 0);
        root |= c->vmx_root;
        nonroot |= c->vmx_nonroot;
        same_future(a, b, 100000);
        machine_destroy(a);
    }
    cr_expect(root && nonroot && halted);
    machine_destroy(b);
}
Test(save, vmx_at_every_instruction) { sweep_hypervisor(false); }
Test(save, vmx_with_virtual_nmis_blocked) { sweep_hypervisor(true); }

/* No register or memory tells of these; only the file does. */
Test(save, vmx_state_that_nothing_else_holds)
{
    struct machine *a = start_hypervisor(true), *b = bare_machine("max");
    char *name = temporary_name();
    run_for(a, 2);
    const struct cpu *c = machine_cpu(a, 0), *d = machine_cpu(b, 0);
    cr_assert(c->vmx_nonroot && c->vmx->virtual_nmi_blocking);
    save_to(a, name);
    restore_from(b, name);
    cr_expect_eq(d->vmx->current, VMCS_REGION);
    cr_expect_eq(d->vmx->vmxon_pointer, VMXON_REGION);
    cr_expect(d->vmx->vmcs.launched && d->vmx->virtual_nmi_blocking);
    cr_expect_eq(d->vmx->timer_due, c->vmx->timer_due);
    cr_expect(!memcmp(d->vmx->vmcs.f, c->vmx->vmcs.f, sizeof c->vmx->vmcs.f));
    cr_expect_eq(d->vmx->stats.entries, 1);
    unlink(name);
    free(name);
    machine_destroy(a);
    machine_destroy(b);
}

/* ---- translations ---- */

/* Moves a page without INVLPG: the old translation serves until something flushes it. */
BARE_PROGRAM(save_stale,
             "movabs $0x40000000, %rbx\n"
             "mov (%rbx), %rax\n"           /* the translation is cached */
             "movq $0x600083, 0x4000\n"     /* the entry changes         */
             "mov (%rbx), %rcx\n"
             "mov (%rbx), %rdx\n hlt\n");

/* Saving flushes, in the machine that goes on, too. */
Test(save, stale_translations_end_in_both_machines)
{
    struct machine *a = bare_machine("max"), *b = bare_machine("max");
    struct mem *m = machine_mem(a);
    const struct cpu *c = bare_load(a, save_stale_start, save_stale_end);
    mem_write_le(m, BARE_TABLES + 0x1008, 8, 0x4000 | 7); /* 1 GiB on: a page directory at 4000H */
    mem_write_le(m, 0x4000, 8, 0x400083);
    mem_write_le(m, 0x400000, 8, 0x0123);
    mem_write_le(m, 0x600000, 8, 0x4567);
    cr_assert_eq(run_for(a, 4).reason, STOP_BUDGET);
    cr_assert_eq(c->gpr[RCX], 0x0123, "an entry is not looked at while it is cached");
    same_future(a, b, 1000);
    cr_expect_eq(c->gpr[RDX], 0x4567);
    cr_expect_eq(machine_cpu(b, 0)->gpr[RDX], 0x4567);
    machine_destroy(a);
    machine_destroy(b);
}

/* ---- a PC ---- */

static struct machine *pc(unsigned processors)
{
    struct sp_error e;
    struct machine_config c = { .ram_size = 16 << 20, .processors = processors, .cpu = "max",
                                .debug_exit_port = 0xf4, .debug_exit_size = 4 };
    struct machine *m = machine_create(&c, &e);
    cr_assert(m, "%s", e.message);
    return m;
}

static struct machine *pc_with(unsigned processors, const uint8_t *start, const uint8_t *end)
{
    struct machine *m = pc(processors);
    struct cpu *c = machine_cpu(m, 0);
    machine_hand_over(m);
    mem_write(machine_mem(m), 0x1000, start, (size_t)(end - start));
    c->seg[CS].selector = 0;
    c->seg[CS].base = 0;
    c->seg[DS].limit = UINT32_MAX; /* unreal mode reaches the APIC */
    c->rip = 0x1000;
    c->gpr[RSP] = 0x7000;
    cpu_mode_changed(c);
    return m;
}

/* The 8254 by way of the 8259, the local APIC's timer, and an RTC that is read; waits in HLT, with
 * interrupts that come while others are served. */
BARE_PROGRAM(save_timers,
             ".code16\n"
             "movl $tick - save_timers_start + 0x1000, 0x80\n"
             "movl $apic_tick - save_timers_start + 0x1000, 0x84\n"
             "mov $0x11, %al\n out %al, $0x20\n mov $0x20, %al\n out %al, $0x21\n"
             "mov $4, %al\n out %al, $0x21\n mov $1, %al\n out %al, $0x21\n"
             "mov $0xfe, %al\n out %al, $0x21\n"
             "mov $0x34, %al\n out %al, $0x43\n mov $2, %al\n out %al, $0x40\n"
             "mov $0, %al\n out %al, $0x40\n"
             "mov $0xfee00000, %esi\n addr32 movl $0x1ff, 0xf0(%esi)\n"
             "addr32 movl $0x20021, 0x320(%esi)\n addr32 movl $11, 0x3e0(%esi)\n"
             "addr32 movl $3, 0x380(%esi)\n"
             "1: cli\n mov $50, %cx\n 2: loop 2b\n sti\n hlt\n"
             "mov $0, %al\n out %al, $0x70\n in $0x71, %al\n"
             "cmp $2, %di\n jb 1b\n out %al, $0xf4\n"
             "tick: inc %di\n sti\n mov $0x20, %al\n out %al, $0x20\n nop\n iret\n"
             "apic_tick: inc %bp\n addr32 movl $0, 0xb0(%esi)\n iret\n");

Test(save, timers_at_many_instructions)
{
    struct machine *b = pc(1);
    bool ended = false, waited = false, pending = false;
    for (uint64_t at = 1; !ended && at < 9000; at += at < 80 ? 1 : 37) {
        struct machine *a = pc_with(1, save_timers_start, save_timers_end);
        ended = run_for(a, at).reason == STOP_DEBUG_EXIT;
        const struct cpu *c = machine_cpu(a, 0);
        waited |= c->activity == ACTIVITY_HLT;
        pending |= c->pending & PEND_INTR;
        same_future(a, b, 2000);
        machine_destroy(a);
    }
    cr_expect(ended);
    cr_expect(waited);
    cr_expect(pending);
    cr_expect(machine_cpu(b, 0)->gpr[RBP], "the APIC's timer ran, too");
    machine_destroy(b);
}

/* Processor 0 starts the others, all add to one counter under a lock, for some turns. */
BARE_PROGRAM(save_smp,
             ".code16\n"
             "mov $0xfee00300, %esi\n"
             "addr32 movl $0xc4500, (%esi)\n addr32 movl $0xc4608, (%esi)\n"
             "1: lock incl 0x600\n rep nop\n cmpl $9000, 0x600\n jb 1b\n out %al, $0xf4\n");
BARE_PROGRAM(save_ap, ".code16\n xor %ax, %ax\n mov %ax, %ds\n 1: lock incl 0x600\n jmp 1b\n");

Test(save, several_processors)
{
    struct machine *b = pc(3);
    for (uint64_t at = 2; at < 20000; at += at < 20 ? 1 : 1777) {
        struct machine *a = pc_with(3, save_smp_start, save_smp_end);
        mem_write(machine_mem(a), 0x8000, save_ap_start, (size_t)(save_ap_end - save_ap_start));
        run_for(a, at);
        same_future(a, b, 100000);
        cr_expect_eq(machine_insns(a), machine_insns(b));
        machine_destroy(a);
    }
    machine_destroy(b);
}

/* Moves the local APIC, a BAR and the ACPI registers: the maps of ports and memory come back. */
BARE_PROGRAM(save_maps,
             ".code16\n"
             "mov $0x1b, %ecx\n rdmsr\n mov $0xfed20900, %eax\n wrmsr\n"
             "mov $0x8000f840, %eax\n mov $0xcf8, %dx\n out %eax, %dx\n"
             "mov $0xc01, %eax\n mov $0xcfc, %dx\n out %eax, %dx\n"
             "mov $0xc08, %dx\n in %dx, %eax\n mov %eax, %ebx\n"
             "mov $0xfed20020, %esi\n addr32 mov (%esi), %edi\n addr32 mov 0x10(%esi), %ebp\n"
             "out %al, $0xf4\n");

Test(save, maps_of_ports_and_memory)
{
    struct machine *b = pc(1);
    for (uint64_t at = 1; at < 18; at++) {
        struct machine *a = pc_with(1, save_maps_start, save_maps_end);
        run_for(a, at);
        same_future(a, b, 1000);
        machine_destroy(a);
    }
    cr_expect_eq(machine_cpu(b, 0)->gpr[RBX] >> 24, 0, "the PM timer has 24 bits");
    cr_expect_eq(machine_cpu(b, 0)->gpr[RBP], 0x50015, "the version of the local APIC: %lx",
                 machine_cpu(b, 0)->gpr[RBP]);
    machine_destroy(b);
}

Test(save, firmware_comes_with_the_machine)
{
    static uint8_t rom[8192] = { [8176] = 0xeb, 0xfe, [100] = 0x77 };
    struct machine *a = pc(1), *b = pc(1);
    cr_assert(machine_set_firmware(a, rom, sizeof rom));
    run_for(a, 3);
    same_future(a, b, 1000);
    cr_expect_eq(mem_read_le(machine_mem(b), UINT64_C(0xffffe000) + 100, 1), 0x77);
    cr_expect_eq(mem_read_le(machine_mem(b), UINT64_C(0xfe000) + 100, 1), 0x77);
    same_future(a, b, 1000);
    machine_destroy(a);
    machine_destroy(b);
}

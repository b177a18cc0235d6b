// SPDX-License-Identifier: Apache-2.0
// What guests ask of the client, and the tests in which the client does more than answer.
#include "client.h"
#include <string.h>
#include <sys/ioctl.h>

enum { PAGE = 4096, SLOT_HIGH = 1, SLOT_ROM = 2, ROM_FIRST = 0x600d600d, ROM_SECOND = 0x2bad2bad };

static void line(struct vm *vm, uint32_t number, uint32_t level)
{
    struct kvm_irq_level irq = { .irq = number, .level = level };
    check(ioctl(vm->fd, KVM_IRQ_LINE, &irq), "KVM_IRQ_LINE");
}

static void message(struct vm *vm)
{
    struct kvm_msi msi = { .address_lo = 0xfee00000, .data = 0x45 };
    check(ioctl(vm->fd, KVM_SIGNAL_MSI, &msi), "KVM_SIGNAL_MSI");
}

static void set_rom(struct vm *vm, unsigned page)
{
    struct kvm_userspace_memory_region region = { .slot = SLOT_ROM,
                                                  .flags = KVM_MEM_READONLY,
                                                  .guest_phys_addr = ROM };
    if (page > 0) /* the first one goes away: KVM does not change where a slot's memory is */
        check(ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
    region.memory_size = PAGE;
    region.userspace_addr = (uintptr_t)vm->memory + RAM_END + (size_t)page * PAGE;
    check(ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
}

void rom_prepare(struct vm *vm)
{
    static const uint32_t contents[] = { ROM_FIRST, ROM_SECOND };
    memcpy(vm->memory + RAM_END, &contents[0], sizeof contents[0]);
    memcpy(vm->memory + RAM_END + PAGE, &contents[1], sizeof contents[1]);
    set_rom(vm, 0);
}

void dirty_prepare(struct vm *vm)
{
    struct kvm_userspace_memory_region region = { .slot = SLOT_HIGH,
                                                  .flags = KVM_MEM_LOG_DIRTY_PAGES,
                                                  .guest_phys_addr = MMIO_END,
                                                  .memory_size = RAM_END - MMIO_END,
                                                  .userspace_addr =
                                                      (uintptr_t)vm->memory + MMIO_END };
    check(ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
}

/* System management mode has an address space of its own. */
void smm_prepare(struct vm *vm)
{
    struct kvm_userspace_memory_region region = { .slot = 1 << 16,
                                                  .memory_size = MMIO,
                                                  .userspace_addr = (uintptr_t)vm->memory };
    if (ioctl(vm->kvm, KVM_CHECK_EXTENSION, KVM_CAP_MULTI_ADDRESS_SPACE) >= 2)
        check(ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
}

static void report_dirty(struct vcpu *vcpu)
{
    static uint64_t bitmap[(RAM_END - MMIO_END) / PAGE / 64 + 1];
    struct kvm_dirty_log log = { .slot = SLOT_HIGH, .dirty_bitmap = bitmap };
    uint32_t count = 0, sum = 0;
    memset(bitmap, 0, sizeof bitmap);
    check(ioctl(vcpu->vm->fd, KVM_GET_DIRTY_LOG, &log), "KVM_GET_DIRTY_LOG");
    for (uint32_t k = 0; k < (RAM_END - MMIO_END) / PAGE; k++)
        if (bitmap[k / 64] >> k % 64 & 1) {
            count++;
            sum += k - (DATA - MMIO_END) / PAGE;
        }
    vcpu_report(vcpu, count);
    vcpu_report(vcpu, sum);
}

void command(struct vcpu *vcpu, uint8_t number)
{
    struct vm *vm = vcpu->vm;
    uint32_t group = number & 0xe0, n = number & 0x1f;
    if (group)
        line(vm, n, group != COMMAND_DOWN);
    if (group == COMMAND_PULSE)
        line(vm, n, 0);
    switch (number) {
    case COMMAND_SUM: vcpu_report(vcpu, vm->written << 16 | (vm->sum & 0xffff)); break;
    case COMMAND_INTERRUPT: vcpu->interrupt = true; break;
    case COMMAND_ON_HLT: vcpu->interrupt_on_hlt = true; break;
    case COMMAND_NMI: check(ioctl(vcpu->fd, KVM_NMI, 0), "KVM_NMI"); break;
    case COMMAND_MSI: message(vm); break;
    case COMMAND_MMIO:
        vcpu_report(vcpu, vm->mmio_reads << 16 | vm->mmio_writes);
        vm->mmio_reads = vm->mmio_writes = 0;
        break;
    case COMMAND_DIRTY: report_dirty(vcpu); break;
    case COMMAND_ROM: set_rom(vm, 1); break;
    case COMMAND_SMI: check(ioctl(vcpu->fd, KVM_SMI, 0), "KVM_SMI"); break;
    default: break;
    }
}

static void debug(struct vcpu *vcpu, uint32_t control, uint64_t address)
{
    struct kvm_guest_debug set = { .control = control };
    if (control & KVM_GUESTDBG_USE_HW_BP) {
        set.arch.debugreg[0] = address;
        set.arch.debugreg[7] = 0x402; /* G0: execution */
    }
    check(ioctl(vcpu->fd, KVM_SET_GUEST_DEBUG, &set), "KVM_SET_GUEST_DEBUG");
}

void steps_prepare(struct vm *vm)
{
    debug(&vm->vcpu[0], KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP, 0);
}

/* Where each of the first three steps ends; then it runs on. */
bool steps_exit(struct vcpu *vcpu)
{
    const struct kvm_debug_exit_arch *d = &vcpu->run->debug.arch;
    if (vcpu->run->exit_reason != KVM_EXIT_DEBUG)
        return false;
    vcpu_report(vcpu, (uint32_t)(d->pc - guest_address(vcpu->vm->test->entry)));
    vcpu_report(vcpu, d->exception << 16 | (uint32_t)(d->dr6 & 0x4000));
    if (vcpu->values == 6)
        debug(vcpu, 0, 0);
    return true;
}

void break_prepare(struct vm *vm)
{
    debug(&vm->vcpu[0], KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP | KVM_GUESTDBG_USE_HW_BP,
          guest_address(vm->test->entry) + 1);
}

/* Stops before the instruction of DR0, which is INT3; without that breakpoint, at INT3 itself; then
   goes on behind it. */
bool break_exit(struct vcpu *vcpu)
{
    const struct kvm_debug_exit_arch *d = &vcpu->run->debug.arch;
    struct kvm_regs r;
    if (vcpu->run->exit_reason != KVM_EXIT_DEBUG)
        return false;
    vcpu_report(vcpu, (uint32_t)(d->pc - guest_address(vcpu->vm->test->entry)));
    vcpu_report(vcpu, d->exception << 16 | (d->exception == 1 ? (uint32_t)(d->dr6 & 0xf) : 0));
    if (d->exception == 1) {
        debug(vcpu, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP, 0);
        return true;
    }
    check(ioctl(vcpu->fd, KVM_GET_REGS, &r), "KVM_GET_REGS");
    r.rip++;
    check(ioctl(vcpu->fd, KVM_SET_REGS, &r), "KVM_SET_REGS");
    return true;
}

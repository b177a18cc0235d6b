// SPDX-License-Identifier: Apache-2.0
// Runs a vCPU: ports, memory-mapped I/O, interrupts for those who have no controller in the kernel.
#include "client.h"
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

enum { INJECTED_VECTOR = 0x40, STOPPED = 0x80000000 };

void vcpu_report(struct vcpu *vcpu, uint32_t value)
{
    if (vcpu->values < VALUES)
        vcpu->value[vcpu->values++] = value;
}

/* One item of a port access: SIZE bytes at DATA. */
static void port(struct vcpu *vcpu, const struct kvm_run *r, uint8_t *data)
{
    struct vm *vm = vcpu->vm;
    uint32_t value = 0;
    if (r->io.port == PORT_STREAM && r->io.direction == KVM_EXIT_IO_IN) {
        for (unsigned k = 0; k < r->io.size; k++)
            data[k] = vm->stream++;
        return;
    }
    if (r->io.direction == KVM_EXIT_IO_IN) {
        memset(data, 0xff, r->io.size);
        return;
    }
    memcpy(&value, data, r->io.size);
    if (r->io.port == PORT_STREAM)
        for (unsigned k = 0; k < r->io.size; k++)
            vm->sum += ++vm->written * data[k];
    else if (r->io.port == PORT_REPORT)
        vcpu_report(vcpu, value);
    else if (r->io.port == PORT_COMMAND)
        command(vcpu, (uint8_t)value);
    else if (r->io.port == PORT_DONE)
        vcpu->stopped = true;
}

static void ports(struct vcpu *vcpu)
{
    struct kvm_run *r = vcpu->run;
    for (uint32_t k = 0; k < r->io.count; k++)
        port(vcpu, r, (uint8_t *)r + r->io.data_offset + (size_t)k * r->io.size);
}

static void mmio(struct vcpu *vcpu)
{
    struct vm *vm = vcpu->vm;
    struct kvm_run *r = vcpu->run;
    uint64_t offset = r->mmio.phys_addr - MMIO;
    bool inside = r->mmio.phys_addr >= MMIO && offset + r->mmio.len <= sizeof vm->window;
    if (r->mmio.is_write) {
        vm->mmio_writes++;
        if (inside)
            memcpy(vm->window + offset, r->mmio.data, r->mmio.len);
    } else {
        vm->mmio_reads++;
        memset(r->mmio.data, 0xff, sizeof r->mmio.data);
        if (inside)
            memcpy(r->mmio.data, vm->window + offset, r->mmio.len);
    }
}

/* An interrupt that a guest has asked for goes in when it can be taken; until then KVM is asked to
   come back when that is so. */
static void inject(struct vcpu *vcpu)
{
    struct kvm_interrupt interrupt = { .irq = INJECTED_VECTOR };
    struct kvm_run *r = vcpu->run;
    r->request_interrupt_window = 0;
    if (!vcpu->interrupt)
        return;
    if (r->ready_for_interrupt_injection && r->if_flag) {
        check(ioctl(vcpu->fd, KVM_INTERRUPT, &interrupt), "KVM_INTERRUPT");
        vcpu->interrupt = false;
    } else {
        r->request_interrupt_window = 1;
    }
}

/* Any other exit ends the run, and counts as a value. */
static void handle_exit(struct vcpu *vcpu)
{
    switch (vcpu->run->exit_reason) {
    case KVM_EXIT_IO: ports(vcpu); return;
    case KVM_EXIT_MMIO: mmio(vcpu); return;
    case KVM_EXIT_IRQ_WINDOW_OPEN:
    case KVM_EXIT_SET_TPR: /* CR8 has become lower */ return;
    case KVM_EXIT_HLT:
        if (vcpu->interrupt_on_hlt) {
            vcpu->interrupt_on_hlt = false;
            vcpu->interrupt = true;
            return;
        }
        break;
    default: break;
    }
    vcpu_report(vcpu, STOPPED | vcpu->run->exit_reason);
    if (vcpu->run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
        vcpu_report(vcpu, vcpu->run->internal.suberror);
    vcpu->stopped = true;
}

void vcpu_run(struct vcpu *vcpu)
{
    bool (*first)(struct vcpu *) = vcpu->vm->test->handle_exit;
    while (!vcpu->stopped) {
        if (vcpu->vm->test->chip == NO_CHIP)
            inject(vcpu);
        if (ioctl(vcpu->fd, KVM_RUN, 0) < 0) {
            if (errno == EINTR || errno == EAGAIN) /* woken by SIPI */
                continue;
            vcpu_report(vcpu, STOPPED | (uint32_t)errno << 8);
            return;
        }
        if (!first || !first(vcpu))
            handle_exit(vcpu);
    }
}

// SPDX-License-Identifier: Apache-2.0
// A vCPU's first state: CPUID, segments and control registers of the mode in which a guest begins.
#include "client.h"
#include <stdlib.h>
#include <sys/ioctl.h>

enum { CPUID_ENTRIES = 128, LEAF_FEATURES = 1, LEAF_OURS = 0x40000010 };
enum { X2APIC = 1 << 21, TSC_DEADLINE = 1 << 24 };
#define HYPERVISOR 0x80000000u
enum {
    CR0_PE = 1,
    CR0_MP = 2,
    CR0_ET_NE = 0x30,
    CR4_PSE = 0x10,
    CR4_PAE = 0x20,
    CR4_SSE = 0x600,
    EFER_LME_LMA = 0x500
};

/* All that KVM supports, the APIC's modes that it leaves to its client, and a leaf of ours. */
static void set_cpuid(const struct vcpu *vcpu)
{
    struct kvm_cpuid2 *list =
        calloc(1, sizeof *list + CPUID_ENTRIES * sizeof(struct kvm_cpuid_entry2));
    if (!list)
        check(-1, "calloc");
    list->nent = CPUID_ENTRIES - 1;
    check(ioctl(vcpu->vm->kvm, KVM_GET_SUPPORTED_CPUID, list), "KVM_GET_SUPPORTED_CPUID");
    for (uint32_t k = 0; k < list->nent; k++)
        if (list->entries[k].function == LEAF_FEATURES) {
            list->entries[k].ecx |= X2APIC | TSC_DEADLINE | HYPERVISOR;
            list->entries[k].ebx = (list->entries[k].ebx & 0xffffff) | vcpu->number << 24;
        }
    list->entries[list->nent++] = (struct kvm_cpuid_entry2){
        .function = LEAF_OURS, .eax = 0x11111111, .ebx = 0x22222222, .ecx = 3, .edx = vcpu->number
    };
    check(ioctl(vcpu->fd, KVM_SET_CPUID2, list), "KVM_SET_CPUID2");
    free(list);
}

static struct kvm_segment segment(uint16_t selector, uint8_t type, bool is_code64)
{
    return (struct kvm_segment){
        .limit = 0xffffffff,
        .selector = selector,
        .type = type,
        .present = 1,
        .s = 1,
        .g = 1,
        .l = is_code64,
        .db = !is_code64,
    };
}

static void set_protected(struct kvm_sregs *s, enum mode mode)
{
    bool is_64 = mode == LONG_64;
    s->cs = segment(is_64 ? CODE64 : CODE32, 11, is_64);
    s->ds = s->es = s->fs = s->gs = s->ss = segment(is_64 ? DATA64 : DATA32, 3, false);
    s->tr = (struct kvm_segment){
        .base = TSS, .limit = 0x67, .selector = TSS_SELECTOR, .type = 11, .present = 1
    };
    s->gdt = (struct kvm_dtable){ .base = GDT, .limit = GDT_BYTES - 1 };
    s->idt = (struct kvm_dtable){ .base = IDT, .limit = VECTORS * (is_64 ? 16 : 8) - 1 };
    s->cr0 = CR0_PE | CR0_MP | CR0_ET_NE;
    s->cr4 = CR4_SSE;
    if (mode == PROTECTED_32)
        return;
    s->cr0 |= 0x80000000;
    s->cr4 |= mode == PAGED_32 ? CR4_PSE : CR4_PAE;
    s->cr3 = mode == PAGED_32 ? DIRECTORY32 : mode == PAE_32 ? PAE_PDPT : PML4;
    s->efer = is_64 ? EFER_LME_LMA : 0;
}

void vcpu_set_up(struct vcpu *vcpu)
{
    const struct test *test = vcpu->vm->test;
    struct kvm_sregs s;
    struct kvm_regs r = { .rflags = 2, .rbx = vcpu->number };
    set_cpuid(vcpu);
    if (vcpu->number && test->chip != NO_CHIP)
        return; /* waits for INIT and SIPI */
    check(ioctl(vcpu->fd, KVM_GET_SREGS, &s), "KVM_GET_SREGS");
    if (test->mode == REAL_16) {
        s.cs.selector = IMAGE >> 4;
        s.cs.base = IMAGE;
        r.rip = guest_address(test->entry) - IMAGE;
        r.rsp = REAL_STACK;
    } else {
        set_protected(&s, test->mode);
        r.rip = guest_address(test->entry);
        r.rsp = STACKS + STACK_SIZE * (vcpu->number + 1);
    }
    check(ioctl(vcpu->fd, KVM_SET_SREGS, &s), "KVM_SET_SREGS");
    check(ioctl(vcpu->fd, KVM_SET_REGS, &r), "KVM_SET_REGS");
}

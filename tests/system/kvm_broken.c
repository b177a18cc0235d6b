// SPDX-License-Identifier: Apache-2.0
// Runs inside Linux inside Silverpool: guests whose state no VM entry accepts, so that KVM prints
// their VMCS.  Each is a 64-bit guest with one thing wrong.
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

enum { MEMORY = 1 << 20 };

static int check(int result, const char *what)
{
    if (result < 0) {
        perror(what);
        exit(1);
    }
    return result;
}

static void set_long_mode(struct kvm_sregs *s)
{
    struct kvm_segment flat = {
        .limit = 0xffffffff, .selector = 8, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1
    };
    s->cr3 = 0x2000, s->cr4 = 0x20, s->cr0 = 0x80000033, s->efer = 0x500;
    s->cs = flat;
    flat.selector = 16, flat.type = 3, flat.l = 0, flat.db = 1;
    s->ds = s->es = s->ss = s->fs = s->gs = flat;
}

static void tr_type(struct kvm_sregs *s, struct kvm_regs *r) { s->tr.type = 0; }
static void cs_db(struct kvm_sregs *s, struct kvm_regs *r) { s->cs.db = 1; }
static void gs_base(struct kvm_sregs *s, struct kvm_regs *r) { s->gs.base = 1ull << 47; }
static void gdt_base(struct kvm_sregs *s, struct kvm_regs *r) { s->gdt.base = 1ull << 50; }
static void dpl(struct kvm_sregs *s, struct kvm_regs *r) { s->ss.dpl = 3, s->cs.dpl = 2; }
static void rip(struct kvm_sregs *s, struct kvm_regs *r) { r->rip = 1ull << 60; }
static void rflags(struct kvm_sregs *s, struct kvm_regs *r) { r->rflags |= 0x8000; }

static void run_broken(int kvm, void (*spoil)(struct kvm_sregs *s, struct kvm_regs *r))
{
    struct kvm_regs regs = { .rip = 0x1000, .rflags = 2 };
    struct kvm_sregs s;
    int vm = check(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
    void *memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        check(-1, "mmap");
    struct kvm_userspace_memory_region region = { .memory_size = MEMORY,
                                                  .userspace_addr = (uintptr_t)memory };
    check(ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000), "KVM_SET_TSS_ADDR");
    check(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
    int vcpu = check(ioctl(vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
    int shared = check(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");
    const struct kvm_run *r = mmap(NULL, (size_t)shared, PROT_READ, MAP_SHARED, vcpu, 0);
    if (r == MAP_FAILED)
        check(-1, "mmap");
    check(ioctl(vcpu, KVM_GET_SREGS, &s), "KVM_GET_SREGS");
    set_long_mode(&s);
    spoil(&s, &regs);
    check(ioctl(vcpu, KVM_SET_SREGS, &s), "KVM_SET_SREGS");
    check(ioctl(vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
    check(ioctl(vcpu, KVM_RUN, 0), "KVM_RUN");
    if (r->exit_reason != KVM_EXIT_FAIL_ENTRY)
        printf("kvm_broken: exit reason %u\n", r->exit_reason);
}

int main(void)
{
    static void (*const spoilers[])(struct kvm_sregs *, struct kvm_regs *) = {
        tr_type, cs_db, gs_base, gdt_base, dpl, rip, rflags,
    };
    int kvm = check(open("/dev/kvm", O_RDWR), "/dev/kvm");
    for (size_t k = 0; k < sizeof spoilers / sizeof *spoilers; k++)
        run_broken(kvm, spoilers[k]);
    puts("kvm_broken: done");
    return 0;
}

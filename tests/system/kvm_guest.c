// SPDX-License-Identifier: Apache-2.0
// Runs inside Linux inside Silverpool: two small guests under KVM, one in real-address mode, one in
// 64-bit mode with paging.  What they write to port 3F8H goes to standard output; "kvm_guest: ok"
// says that both came to their HLT.
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

enum { MEMORY = 8 << 20, CODE = 0x1000, PML4 = 0x2000, PDPT = 0x3000, DIRECTORY = 0x4000 };

static const uint8_t real_mode[] = {
    0xba, 0xf8, 0x03,                              /*      mov  dx, 3f8h                      */
    0xb0, 'R', 0xee,                               /*      mov  al, 'R'; out dx, al           */
    0x66, 0xbe, 0xe8, 0x03, 0x00, 0x00,            /*      mov  esi, 1000                     */
    0x66, 0x31, 0xc0, 0x0f, 0xa2,                  /* l:   xor  eax, eax; cpuid (exits)       */
    0x66, 0x4e, 0x75, 0xf7,                        /*      dec  esi; jnz l                    */
    0xba, 0xf8, 0x03, 0xb0, 'r', 0xee, 0xf4,       /*      mov  dx, 3f8h; 'r'; out; hlt       */
};
static const uint8_t long_mode[] = {
    0xba, 0xf8, 0x03, 0x00, 0x00, 0xb0, 'L', 0xee, /*      mov  edx, 3f8h; 'L'; out dx, al    */
    0xb9, 0x00, 0x00, 0x10, 0x00,                  /*      mov  ecx, 100000h                  */
    0xbf, 0x00, 0x00, 0x20, 0x00,                  /*      mov  edi, 200000h                  */
    0x31, 0xc0,                                    /*      xor  eax, eax                      */
    0x88, 0x07,                                    /* l:   mov  [rdi], al (EPT violations)    */
    0x48, 0xff, 0xc7, 0xff, 0xc0,                  /*      inc  rdi; inc eax                  */
    0xff, 0xc9, 0x75, 0xf5,                        /*      dec  ecx; jnz l                    */
    0x80, 0x3c, 0x25, 0x45, 0x23, 0x21, 0x00, 0x45, /*     cmp  byte [212345h], 45h           */
    0x75, 0x03, 0xb0, 'l', 0xee, 0xf4,             /*      jne  h; 'l'; out; h: hlt           */
};

static int check(int result, const char *what)
{
    if (result < 0) {
        perror(what);
        exit(1);
    }
    return result;
}

static void set_real_mode(struct kvm_sregs *s) { s->cs.base = s->cs.selector = 0; }

/* Identity-mapped 2 MiB pages, flat segments. */
static void set_long_mode(struct kvm_sregs *s, uint8_t *memory)
{
    struct kvm_segment flat = {
        .limit = 0xffffffff, .selector = 8, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1
    };
    *(uint64_t *)(memory + PML4) = PDPT | 3;
    *(uint64_t *)(memory + PDPT) = DIRECTORY | 3;
    for (uint64_t k = 0; k < MEMORY >> 21; k++)
        *(uint64_t *)(memory + DIRECTORY + 8 * k) = k << 21 | 0x83;
    s->cr3 = PML4, s->cr4 = 0x20, s->cr0 = 0x80000033, s->efer = 0x500;
    s->cs = flat;
    flat.selector = 16, flat.type = 3, flat.l = 0, flat.db = 1;
    s->ds = s->es = s->ss = s->fs = s->gs = flat;
}

static void run(int vcpu, const struct kvm_run *r)
{
    for (;;) {
        check(ioctl(vcpu, KVM_RUN, 0), "KVM_RUN");
        if (r->exit_reason == KVM_EXIT_HLT)
            return;
        if (r->exit_reason != KVM_EXIT_IO) {
            printf("kvm_guest: exit reason %u\n", r->exit_reason);
            exit(1);
        }
        putchar(*((const char *)r + r->io.data_offset));
    }
}

static void run_guest(int kvm, const uint8_t *code, size_t size, int is_64)
{
    int vm = check(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
    uint8_t *memory =
        mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        check(-1, "mmap");
    struct kvm_userspace_memory_region region = { .memory_size = MEMORY,
                                                  .userspace_addr = (uintptr_t)memory };
    struct kvm_regs regs = { .rip = CODE, .rflags = 2 };
    struct kvm_sregs s;
    check(ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000), "KVM_SET_TSS_ADDR");
    check(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
    int vcpu = check(ioctl(vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
    int shared = check(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");
    struct kvm_run *r = mmap(NULL, (size_t)shared, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
    if (r == MAP_FAILED)
        check(-1, "mmap");
    memcpy(memory + CODE, code, size);
    check(ioctl(vcpu, KVM_GET_SREGS, &s), "KVM_GET_SREGS");
    if (is_64)
        set_long_mode(&s, memory);
    else
        set_real_mode(&s);
    check(ioctl(vcpu, KVM_SET_SREGS, &s), "KVM_SET_SREGS");
    check(ioctl(vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
    run(vcpu, r);
}

int main(void)
{
    int kvm = check(open("/dev/kvm", O_RDWR), "/dev/kvm");
    run_guest(kvm, real_mode, sizeof real_mode, 0);
    run_guest(kvm, long_mode, sizeof long_mode, 1);
    puts(" kvm_guest: ok");
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
// Makes virtual machines: memory, descriptor tables, paging structures, the vCPUs' state.
#include "client.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096, TABLE = 512 * 8 };

int check(int result, const char *what)
{
    if (result < 0) {
        perror(what);
        exit(2);
    }
    return result;
}

uint64_t guest_address(const uint8_t *label) { return IMAGE + (uint64_t)(label - guest_image); }

static void put32(struct vm *vm, uint64_t address, uint32_t value)
{
    memcpy(vm->memory + address, &value, sizeof value);
}

static void put64(struct vm *vm, uint64_t address, uint64_t value)
{
    memcpy(vm->memory + address, &value, sizeof value);
}

/* Linear addresses below 4 GiB are physical ones, in each kind of paging; for users, too. */
static void fill_page_tables(struct vm *vm)
{
    put64(vm, PML4, PDPT | 7);
    for (uint64_t k = 0; k < 4; k++) {
        put64(vm, PDPT + 8 * k, (DIRECTORIES + TABLE * k) | 7);
        put64(vm, PAE_PDPT + 8 * k, (DIRECTORIES + TABLE * k) | 1);
    }
    for (uint64_t k = 0; k < 2048; k++)
        put64(vm, DIRECTORIES + 8 * k, k << 21 | 0x87);
    for (uint32_t k = 0; k < 1024; k++)
        put32(vm, DIRECTORY32 + 4 * k, k << 22 | 0x87);
}

static void fill_gdt(struct vm *vm)
{
    static const struct {
        uint16_t selector;
        uint64_t descriptor;
    } segments[] = {
        { CODE32, 0x00cf9b000000ffff },      { DATA32, 0x00cf93000000ffff },
        { USER_CODE32, 0x00cffb000000ffff }, { USER_DATA, 0x00cff3000000ffff },
        { USER_CODE64, 0x00affb000000ffff }, { CODE64, 0x00af9b000000ffff },
        { DATA64, 0x00cf93000000ffff },      { CODE16, 0x00009b010000ffff },
        { DATA16, 0x000093000000ffff },
    };
    for (size_t k = 0; k < sizeof segments / sizeof segments[0]; k++)
        put64(vm, GDT + segments[k].selector, segments[k].descriptor);
    /* TSSs: busy and available, with limit 67H. */
    put64(vm, GDT + TSS_SELECTOR, 0x00008b0000000067 | (uint64_t)TSS << 16);
    put64(vm, GDT + TSS_2_SELECTOR, 0x0000890000000067 | (uint64_t)TSS_2 << 16);
}

/* The second task and the stacks that the current one keeps for privilege level 0. */
static void fill_tasks(struct vm *vm)
{
    vm->memory[TSS + 102] = 0x68; /* no I/O permission bit map: beyond the limit */
    if (vm->test->mode == LONG_64) {
        put64(vm, TSS + 4, STACK_0);
        return;
    }
    put32(vm, TSS + 4, STACK_0);
    put32(vm, TSS + 8, DATA32);
    put32(vm, TSS + 28, DIRECTORY32); /* CR3, which a task switch does not save */
    put32(vm, TSS_2 + 28, DIRECTORY32);
    put32(vm, TSS_2 + 36, 2);
    put32(vm, TSS_2 + 56, STACK_TASK);
    put32(vm, TSS_2 + 76, CODE32);
    for (uint32_t offset = 72; offset <= 92; offset += 4) /* ES, CS, SS, DS, FS, GS */
        if (offset != 76)
            put32(vm, TSS_2 + offset, DATA32);
}

/* Gates to the stubs; from vector 20H on, programs at any privilege level may use them. */
static void fill_idt(struct vm *vm)
{
    for (uint32_t v = 0; v < VECTORS - 1; v++) {
        uint32_t type = v < 0x20 ? 0x8e00 : 0xee00;
        uint64_t stub;
        switch (vm->test->mode) {
        case REAL_16:
            put32(vm, 4 * v, (IMAGE >> 4) << 16 | (uint32_t)(stubs_16 + 16 * v - guest_image));
            break;
        case LONG_64:
            stub = guest_address(stubs_64 + 16 * v);
            put32(vm, IDT + 16 * v, CODE64 << 16 | (uint32_t)stub);
            put32(vm, IDT + 16 * v + 4, type | (uint32_t)(stub & 0xffff0000));
            break;
        default:
            stub = guest_address(stubs_32 + 16 * v);
            put32(vm, IDT + 8 * v, CODE32 << 16 | (uint32_t)(stub & 0xffff));
            put32(vm, IDT + 8 * v + 4, type | (uint32_t)(stub & 0xffff0000));
            if (v == TASK_VECTOR) {
                put32(vm, IDT + 8 * v, TSS_2_SELECTOR << 16);
                put32(vm, IDT + 8 * v + 4, 0xe500);
            }
        }
    }
}

static void add_memory(struct vm *vm, uint32_t slot, uint64_t start, uint64_t end)
{
    struct kvm_userspace_memory_region region = { .slot = slot,
                                                  .guest_phys_addr = start,
                                                  .memory_size = end - start,
                                                  .userspace_addr = (uintptr_t)vm->memory + start };
    check(ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
}

static void make_chips(struct vm *vm)
{
    struct kvm_pit_config pit = { 0 };
    if (vm->test->chip != NO_CHIP)
        check(ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
    if (vm->test->chip == PIT_CHIP)
        check(ioctl(vm->fd, KVM_CREATE_PIT2, &pit), "KVM_CREATE_PIT2");
}

static void vcpu_open(struct vm *vm, unsigned number)
{
    struct vcpu *vcpu = &vm->vcpu[number];
    size_t size = (size_t)check(ioctl(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "mmap size");
    vcpu->vm = vm;
    vcpu->number = number;
    vcpu->fd = check(ioctl(vm->fd, KVM_CREATE_VCPU, number), "KVM_CREATE_VCPU");
    vcpu->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
    if (vcpu->run == MAP_FAILED)
        check(-1, "mmap");
    vcpu_set_up(vcpu);
}

void vm_open(struct vm *vm, int kvm, const struct test *test)
{
    static const uint64_t identity_map = 0xfffbc000;
    *vm = (struct vm){ .test = test, .kvm = kvm, .vcpus = test->vcpus, .stream = 1 };
    vm->memory =
        mmap(NULL, RAM_END + 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (vm->memory == MAP_FAILED)
        check(-1, "mmap");
    vm->fd = check(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
    check(ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity_map), "KVM_SET_IDENTITY_MAP_ADDR");
    check(ioctl(vm->fd, KVM_SET_TSS_ADDR, 0xfffbd000), "KVM_SET_TSS_ADDR");
    make_chips(vm);
    add_memory(vm, 0, 0, MMIO);
    add_memory(vm, 1, MMIO_END, RAM_END);
    memcpy(vm->memory + IMAGE, guest_image, (size_t)(guest_image_end - guest_image));
    fill_page_tables(vm);
    fill_gdt(vm);
    fill_tasks(vm);
    fill_idt(vm);
    for (unsigned k = 0; k < vm->vcpus; k++)
        vcpu_open(vm, k);
    if (test->prepare)
        test->prepare(vm);
}

void vm_close(struct vm *vm)
{
    size_t size = (size_t)check(ioctl(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "mmap size");
    for (unsigned k = 0; k < vm->vcpus; k++) {
        munmap(vm->vcpu[k].run, size);
        close(vm->vcpu[k].fd);
    }
    close(vm->fd);
    munmap(vm->memory, RAM_END + 2 * PAGE);
}

// SPDX-License-Identifier: Apache-2.0
// A client of /dev/kvm that runs small guests and compares what they report with what the
// architecture says.  It needs nothing of the machine it runs on but KVM.
#ifndef KVM_CLIENT_H
#define KVM_CLIENT_H
#include "layout.h"
#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VCPUS = 2, VALUES = 96 };
enum mode { REAL_16, PROTECTED_32, PAGED_32, PAE_32, LONG_64 };
/* What of the platform the kernel emulates; PIT_CHIP is an 8254 as well. */
enum chip { NO_CHIP, IRQ_CHIP, PIT_CHIP };

struct vm;

struct vcpu {
    struct vm *vm;
    int fd;
    unsigned number;
    struct kvm_run *run;
    uint32_t value[VALUES]; /* what it has reported */
    unsigned values;
    bool interrupt;        /* COMMAND_INTERRUPT is not carried out yet */
    bool interrupt_on_hlt; /* COMMAND_ON_HLT likewise */
    bool stopped;
};

struct vm {
    const struct test *test;
    int kvm, fd;
    unsigned vcpus;
    uint8_t *memory; /* RAM_END bytes, then the page at ROM and the page that replaces it */
    struct vcpu vcpu[VCPUS];
    uint8_t window[MMIO_END - MMIO];
    uint8_t stream;        /* the next byte that PORT_STREAM gives */
    uint32_t written, sum; /* bytes that PORT_STREAM took */
    uint32_t mmio_reads, mmio_writes;
};

/* One guest: the entry point, what it needs, what each vCPU must report. */
struct test {
    const char *name;
    const uint8_t *entry;
    enum mode mode;
    enum chip chip;
    unsigned capability; /* KVM_CAP_ that it needs, or 0 */
    unsigned vcpus;
    struct {
        const uint32_t *value;
        unsigned count;
    } expect[VCPUS];
    void (*prepare)(struct vm *vm);         /* before it runs, or NULL */
    bool (*handle_exit)(struct vcpu *vcpu); /* takes an exit first, or NULL; true: done with it */
};

/* The guests' image, and the stubs of its handlers, 16 bytes for each vector. */
extern const uint8_t guest_image[], guest_image_end[], stubs_16[], stubs_32[], stubs_64[];

extern const struct test tests[];
extern const size_t test_count;

/* Result if it is no error; else says what failed and ends the program. */
int check(int result, const char *what);

/* The guest-physical address of a label in the image. */
uint64_t guest_address(const uint8_t *label);

/* Makes the virtual machine of a test; closes it. */
void vm_open(struct vm *vm, int kvm, const struct test *test);
void vm_close(struct vm *vm);

/* Sets one vCPU to the test's mode and entry point. */
void vcpu_set_up(struct vcpu *vcpu);

/* Runs one vCPU until it has finished. */
void vcpu_run(struct vcpu *vcpu);

/* One more value of a vCPU, in place of one that the guest reports. */
void vcpu_report(struct vcpu *vcpu, uint32_t value);

/* A guest's command, COMMAND_... */
void command(struct vcpu *vcpu, uint8_t number);

/* For the table of tests: see there. */
void rom_prepare(struct vm *vm);
void dirty_prepare(struct vm *vm);
void smm_prepare(struct vm *vm);
void steps_prepare(struct vm *vm);
void break_prepare(struct vm *vm);
bool steps_exit(struct vcpu *vcpu);
bool break_exit(struct vcpu *vcpu);
#endif

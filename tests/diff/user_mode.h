// SPDX-License-Identifier: Apache-2.0
// A bare machine whose processor runs a user program: CPL 3, paging, nothing mapped but what the
// program was given, no interrupt table.  The first exception ends the run and is kept.
#ifndef SP_TESTS_DIFF_USER_MODE_H
#define SP_TESTS_DIFF_USER_MODE_H

#include "cpu/cpu.h"
#include "cpu/flags.h"
#include "machine/machine.h"

enum { USER_EXECUTE = 1 << 0, USER_WRITE = 1 << 1, USER_SUPERVISOR = 1 << 2 /* not the user's */ };

#define USER_LDT 0xfffff000 /* 32-bit machines: a page that only the processor itself reads */

struct user_machine {
    struct machine *machine;
    struct cpu *cpu;
    unsigned bits;           /* 64, or 32: PAE paging without IA-32e mode */
    uint64_t next_frame;     /* physical memory is handed out upwards     */
    uint64_t ram_size;
    bool faulted;
    struct event event;      /* the first exception since user_start()    */
    uint64_t fault_rip;
};

/* Makes the machine; the registers are zero but for the segments, RFLAGS = 0x202, an initialised
 * x87 and MXCSR = 0x1f80.  False and *e if it cannot be made. */
bool user_create(struct user_machine *u, unsigned bits, uint64_t ram_size, struct sp_error *e);
void user_destroy(struct user_machine *u);
/* Maps zeroed user pages over [linear, linear + size); pages that are mapped stay.  False: out of
 * RAM. */
bool user_map(struct user_machine *u, uint64_t linear, uint64_t size, unsigned rights);
/* The host address of a mapped linear address; good up to the end of its page.  NULL: not
 * mapped. */
uint8_t *user_page(struct user_machine *u, uint64_t linear);
bool user_write(struct user_machine *u, uint64_t linear, const void *bytes, uint64_t n);
/* Runs from cpu->rip until the first exception, or for at most `insns` instructions. */
void user_run(struct user_machine *u, uint64_t insns);

#endif

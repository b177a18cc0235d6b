/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Silverpool: an instruction-level simulator of Intel VT-x, and of Itanium processors, as a library.
 *
 * A machine is created, given images, and run in pieces; between pieces its registers, memory and
 * VMCS can be read and written.  Nothing is global: a process may hold many machines, each used by
 * one thread at a time.  A machine with the same configuration, images and input always does the
 * same.
 *
 * Functions that return bool return false on failure, and sp_last_failure() says why in one line.
 * This header is C17 and C++.
 */
#ifndef SILVERPOOL_SILVERPOOL_H
#define SILVERPOOL_SILVERPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define SP_API __attribute__((visibility("default")))
#else
#define SP_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

struct sp_machine;

/* ---- life ---- */

/* A disk: a raw image whose size is a multiple of 512, as virtio-blk on PCI. */
struct sp_disk {
    const char *file;
    bool write_through; /* writes go to the file; else they stay in memory */
    bool read_only;     /* the guest cannot write */
    const char *serial; /* up to 20 characters; may be NULL */
};

/* How long translations of linear and guest-physical addresses live. */
enum sp_tlb {
    SP_TLB_EXACT,                 /* a TLB as large as real parts have it */
    SP_TLB_NONE,                  /* not beyond the instruction that used them */
    SP_TLB_STICKY,                /* until the SDM says that an operation invalidates them */
};

struct sp_config {
    uint64_t ram_size;            /* bytes, a multiple of 4096; 0: 128 MiB */
    unsigned processors;          /* 1 to 64; 0: 1 */
    const char *cpu;              /* profile and features: "penryn,-vmx-vnmi"; NULL: "max" */
    uint64_t seed;                /* what RDRAND and RDSEED return */
    bool bare;                    /* processors and RAM only, no devices */
    uint16_t debug_exit_port;     /* a port that ends the run (QEMU's isa-debug-exit); 0: none */
    /* COM1's output, and its input: a byte, or -1 when there is none.  Either may be NULL. */
    void (*serial_write)(void *user, const uint8_t *bytes, size_t count);
    int (*serial_read)(void *user);
    /* Output at port 0xe9; may be NULL. */
    void (*debugcon_write)(void *user, const uint8_t *bytes, size_t count);
    void *user;                   /* passed to these functions */
    const struct sp_disk *disks;
    size_t disk_count; /* at most 16 */
    enum sp_tlb tlb;
    bool smm;                     /* firmware gets SMIs from the APM port (B2H) */
    bool ssc;                     /* Itanium: calls of the Ski simulator (break 80001H) */
    const char *ssc_folder;       /* what their file calls see; NULL: nothing */
};

/* Creates a machine in its power-on state.  On failure returns NULL and writes one line of at most
 * `why_size` bytes, the final 0 counted, to `why` (which may be NULL). */
SP_API struct sp_machine *sp_machine_create(const struct sp_config *config, char *why,
                                            size_t why_size);
SP_API void sp_machine_destroy(struct sp_machine *m);
/* Puts all processors and devices in the power-on state; memory stays as it is. */
SP_API bool sp_machine_reset(struct sp_machine *m);
/* Why the last function that returned false did so: one line, valid until the next call for this
 * machine. */
SP_API const char *sp_last_failure(const struct sp_machine *m);

/* ---- images ---- */

/* A kernel for Itanium, an ELF executable, makes the machine an Itanium one: it is made anew by each
 * load, with the processors, memory and console of the configuration, and nothing of what it held
 * before.  Such a machine has no disks, debug-exit port, processor profiles, MSRs or VMCS.
 *
 * Loads a kernel (multiboot 2, multiboot 1, ELF or Linux bzImage; gzip, xz, zstd and lz4 are
 * opened) and puts processor 0 at its entry.  `command_line` may be NULL; `modules` is a list
 * "FILE ARGS,FILE ARGS", for Linux of initrds, or NULL. */
SP_API bool sp_load_kernel(struct sp_machine *m, const char *file, const char *command_line,
                           const char *modules);
/* The same for a kernel in memory, without modules; `name` stands in its command line and in
 * messages. */
SP_API bool sp_load_kernel_bytes(struct sp_machine *m, const char *name, const void *bytes,
                                 size_t size, const char *command_line);
/* Copies bytes to RAM at a physical address; registers stay as they are. */
SP_API bool sp_load_flat(struct sp_machine *m, const void *bytes, size_t size, uint64_t address);
/* Maps firmware below 4 GiB; processor 0 starts in it at the reset vector. */
SP_API bool sp_load_firmware(struct sp_machine *m, const char *file);

/* ---- running ---- */

enum sp_stop_reason {
    SP_STOP_BUDGET,               /* max_insns were run */
    SP_STOP_REQUESTED,            /* sp_stop(), or poll returned true */
    SP_STOP_DEBUG_EXIT,           /* the guest wrote v to the debug-exit port: (v << 1) | 1; Itanium:
                                     the status that SSC_EXIT was given */
    SP_STOP_POWER_OFF,            /* the guest switched the machine off */
    SP_STOP_RESET,                /* the guest asked for a reset */
    SP_STOP_TRIPLE_FAULT,         /* or RSM found a state that it cannot load; Itanium: handlers of
                                     interruptions that only fault themselves */
    SP_STOP_HALTED,               /* every processor waits and nothing can wake it */
    SP_STOP_VMX_ABORT,            /* SDM vol. 3, "VMX Aborts" */
    SP_STOP_NOT_MODELLED,         /* the guest needs what is not modelled */
};

struct sp_limits {
    uint64_t max_insns;           /* of all processors together, in this call; each jump over idle
                                     time counts as one, too; 0: no limit */
    bool (*poll)(void *user);     /* called every few milliseconds, true stops; may be NULL */
    void *poll_user;
};

struct sp_stop_report {
    enum sp_stop_reason reason;
    unsigned cpu;                 /* whose doing it was */
    uint64_t value;
    char text[256];               /* one line */
};

/* Runs until something stops it.  `limits` may be NULL. */
SP_API void sp_run(struct sp_machine *m, const struct sp_limits *limits,
                   struct sp_stop_report *report);
/* Makes a sp_run() that is going on return: when a hook calls it, behind the instruction that the
 * hook is called for (Itanium: soon), else soon.  May be called from hooks, signal handlers and
 * threads. */
SP_API void sp_stop(struct sp_machine *m);
/* Instructions retired by all processors since power-on. */
SP_API uint64_t sp_instructions(const struct sp_machine *m);
/* A hash of all registers and RAM: equal for equal runs. */
SP_API uint64_t sp_state_hash(const struct sp_machine *m);
SP_API unsigned sp_processors(const struct sp_machine *m);

/* ---- saved machines ---- */

/* Writes all of a machine's state to a file: processors, with VMX and the current VMCS, memory,
 * devices, and what the guest wrote to disks whose writes stay in memory.  The machine goes on as it
 * will wherever it is restored: the same instructions, the same state, to the bit.  Saving empties
 * the processors' TLBs, as a processor may at any time: only a guest that owes an INVLPG, INVVPID or
 * INVEPT, or looks at accessed flags, can tell. */
SP_API bool sp_save(struct sp_machine *m, const char *file);
/* Reads a saved machine into one with the same configuration, whatever it did before.  Files that
 * are damaged, truncated, foreign, or of a machine with another configuration change nothing, and
 * sp_last_failure() names the file, and the offset or the option.  (A file that was made to deceive
 * may be found out in the middle: such a machine can only be destroyed, or restored from another
 * file.)  Neither function may be called from a hook. */
SP_API bool sp_restore(struct sp_machine *m, const char *file);

/* ---- registers ---- */

/* Names: rax to r15, rip, rflags, cr0 cr2 cr3 cr4 cr8, dr0 to dr3 dr6 dr7, xcr0, pkru, efer; es cs
 * ss ds fs gs ldtr tr (selectors), with .base, .limit and .access (access rights in the format of
 * the VMCS); gdtr.base, gdtr.limit, idtr.base, idtr.limit, cpl; fcw, fsw, ftw (one bit for each
 * physical register that is not empty), fpr0 to fpr7 (physical x87 registers; MMX registers are
 * their fractions) with .fraction and .exponent (bit 15: sign); mxcsr, xmm0 to xmm15 with .low and
 * .high.  Selectors are written without loading a descriptor.
 *
 * Itanium: gr0 to gr127 (of the current frame, rotated) with .nat, fr0 to fr127 (rotated) with
 * .significand, .exponent and .sign, pr (all predicates, as mov pr has them) and pr0 to pr63 (as
 * instructions name them), br0 to br7, ip (of a bundle), psr (with ri: the slot), cfm, rr0 to rr7,
 * pkr0 to pkr15, ibr0 to ibr7, dbr0 to dbr7, pmc0 to pmc31, pmd0 to pmd31, cpuid0 to cpuid4; and
 * application and control registers by number or name: ar16, ar.rsc, cr2, cr.iva.  gr0, fr0, fr1,
 * pr0, cfm, cpuid, ar.bsp and cr.irr0 to cr.irr3 are not written, cr.ivr is not read. */
SP_API bool sp_reg_read(struct sp_machine *m, unsigned cpu, const char *name, uint64_t *value);
SP_API bool sp_reg_write(struct sp_machine *m, unsigned cpu, const char *name, uint64_t value);

/* As RDMSR and WRMSR at privilege level 0 outside VMX non-root operation; false where they fault. */
SP_API bool sp_msr_read(struct sp_machine *m, unsigned cpu, uint32_t index, uint64_t *value);
SP_API bool sp_msr_write(struct sp_machine *m, unsigned cpu, uint32_t index, uint64_t value);

/* ---- memory ---- */

/* Physical memory; what is not there reads as ones and swallows writes, as on a PC.  Device
 * registers react as to a processor's access. */
SP_API bool sp_mem_read(struct sp_machine *m, uint64_t address, void *bytes, size_t size);
SP_API bool sp_mem_write(struct sp_machine *m, uint64_t address, const void *bytes, size_t size);
/* Through the page tables (and EPT) of a processor, or on Itanium as a data address, virtual if
 * PSR.dt is 1; without side effects on them.  False, with nothing transferred, if a page is not
 * mapped. */
SP_API bool sp_mem_read_linear(struct sp_machine *m, unsigned cpu, uint64_t address, void *bytes,
                               size_t size);
SP_API bool sp_mem_write_linear(struct sp_machine *m, unsigned cpu, uint64_t address,
                                const void *bytes, size_t size);

/* ---- the current VMCS ---- */

/* Field names are those of the manual's appendix "Field Encoding in VMCS" as in Linux and Xen, such
 * as "GUEST_RIP".  False if there is no such field or no current VMCS. */
SP_API bool sp_vmcs_read(struct sp_machine *m, unsigned cpu, const char *field, uint64_t *value);
SP_API bool sp_vmcs_write(struct sp_machine *m, unsigned cpu, const char *field, uint64_t value);
/* The name and encoding of the n-th field that a processor has, n from 0 on; either pointer may be
 * NULL.  False beyond the last. */
SP_API bool sp_vmcs_field(struct sp_machine *m, unsigned cpu, unsigned n, const char **field,
                          uint32_t *encoding);
/* What a field's value means, in words: controls by name, exit reasons, access rights, events.
 * Writes a line of at most `size` bytes, the final 0 counted; it is empty for plain numbers. */
SP_API bool sp_vmcs_decode(struct sp_machine *m, unsigned cpu, const char *field, char *text,
                           size_t size);
/* The whole current VMCS: a line for each field, decoded; or one line of JSON, which `silverpool
 * explain` reads.  To be freed with free().  NULL: no current VMCS. */
SP_API char *sp_vmcs_dump(struct sp_machine *m, unsigned cpu, bool json);
/* The name of a basic exit reason, such as "CPUID". */
SP_API const char *sp_exit_reason_name(uint32_t reason);

/* ---- hooks ---- */

enum sp_event_class {
    SP_EVENT_VM_EXIT,             /* reason, qualification */
    SP_EVENT_VM_ENTRY,
    SP_EVENT_VM_ENTRY_FAILURE,    /* text: every violated check, with its section and fields */
    SP_EVENT_EXCEPTION,           /* vector, has_error, error, address (of a page fault) */
    SP_EVENT_IO,                  /* port, size, write, value */
    SP_EVENT_MSR,                 /* index, write, value */
    SP_EVENT_INTERRUPTION,        /* Itanium: vector (offset from CR.IVA, by 256), isr, slot, address
                                     (IFA) or value (IIM), text: name; before it changes anything */
    SP_EVENT_INSTRUCTION,         /* address, physical, bytes, length, code_bits, cpl, operation */
    SP_EVENT_MEMORY,              /* address, physical, bytes, length, value, write, system,
                                     between */
    SP_EVENT_CLASSES,
};

enum sp_operation { SP_NO_VMX, SP_VMX_ROOT, SP_VMX_NON_ROOT };

struct sp_event {
    enum sp_event_class kind;
    unsigned cpu;
    uint64_t rip;
    uint32_t reason;              /* the exit-reason field of the VMCS, bit 31 included */
    uint64_t qualification;
    uint8_t vector;
    bool has_error;
    uint32_t error;
    uint64_t address;             /* linear */
    uint16_t port;
    uint8_t size;
    bool write;
    uint32_t index;
    uint64_t value;               /* memory: the first 8 bytes, or as many as there are */
    const char *text;             /* valid during the call; NULL for the other classes */
    uint64_t isr;                 /* interruption status register */
    uint8_t slot;                 /* of the bundle at rip */
    uint64_t physical;
    const uint8_t *bytes;         /* `length` of them, valid during the call: the instruction, or
                                     what was read or written */
    uint32_t length;
    uint8_t code_bits;            /* 16, 32 or 64: the code segment's size */
    uint8_t cpl;
    enum sp_operation operation;
    bool system;                  /* an access to a descriptor table, a TSS, a shadow stack or a
                                     user posted-interrupt descriptor */
    bool between;                 /* an access by no instruction, but by the delivery of an event or
                                     the like; rip is where the processor was before */
};

/* Calls `hook` for every event of a class, in the middle of the instruction that causes it: the
 * hook may read the machine and call sp_stop().  NULL removes it.  One hook for each class.
 *
 * Instructions and memory are not for Itanium machines, and these hooks are set between runs only;
 * a hook may remove them.  While there is one the machine runs some 15 times slower, and does the
 * same.  An instruction's events come in this order:
 *
 *   SP_EVENT_INSTRUCTION   before it begins.  Registers and memory are as it finds them.
 *   the other classes      in the middle of it.  An exception or interrupt that INT n and its kin
 *                          deliver is one of these.
 *   SP_EVENT_MEMORY        when it is over: its accesses in the order in which they were made, each
 *                          page's part as one; registers and memory are as it has left them, and
 *                          register rip has where the processor goes on.
 *   SP_EVENT_EXCEPTION     if it has faulted; then SP_EVENT_MEMORY for what the delivery accessed,
 *                          when that is over.
 *
 * Every instruction that is fetched has an event, whether it retires, faults or causes a VM exit;
 * so has each part of a repeated string instruction that goes on after an interruption.  What is an
 * access is what a trace has (docs/trace-format.md): page walks, VMX's own structures and fetches
 * are none, and a repeated MOVS or STOS may have many elements in one. */
typedef void sp_hook(void *user, struct sp_machine *m, const struct sp_event *event);
SP_API bool sp_hook_set(struct sp_machine *m, enum sp_event_class kind, sp_hook *hook, void *user);

#ifdef __cplusplus
}
#endif

#endif

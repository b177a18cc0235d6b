// SPDX-License-Identifier: Apache-2.0
// What a trace is made of, as readers see it: instructions with the registers and memory that they
// touched, and events between and inside them, in the order in which they happened.
#ifndef SP_TRACE_EVENT_H
#define SP_TRACE_EVENT_H

#include <stdbool.h>
#include <stdint.h>

/* Classes of events, as --trace-events names them: bits of a mask. */
enum trace_class {
    TRACE_INSTRUCTIONS = 1 << 0,
    TRACE_REGISTERS = 1 << 1,      /* of instructions: what they write                           */
    TRACE_MEMORY = 1 << 2,         /* of instructions: what they read and write                  */
    TRACE_EXCEPTIONS = 1 << 3,
    TRACE_INTERRUPTS = 1 << 4,
    TRACE_VMX = 1 << 5,            /* VM entries, failures and exits                             */
    TRACE_VMCS = 1 << 6,           /* VMREAD and VMWRITE                                         */
    TRACE_MSRS = 1 << 7,
    TRACE_IO = 1 << 8,
    TRACE_TLB = 1 << 9,            /* invalidations                                              */
    TRACE_PAL = 1 << 10,
    TRACE_VTI = 1 << 11,           /* virtualization faults                                      */
    TRACE_MARKS = 1 << 12,
    TRACE_CLASSES = 13,
    TRACE_ALWAYS = 0,              /* no choice: in every trace                                  */
    /* Presets. */
    TRACE_PRESET_EXEC = TRACE_INSTRUCTIONS | TRACE_EXCEPTIONS | TRACE_INTERRUPTS | TRACE_VMX |
                        TRACE_MARKS,
    TRACE_PRESET_VMX = TRACE_VMX | TRACE_VMCS | TRACE_MARKS,
    TRACE_PRESET_VTI = TRACE_PAL | TRACE_VTI | TRACE_MARKS,
    TRACE_PRESET_FULL = (1 << TRACE_CLASSES) - 1,
};

enum trace_kind {
    TRACE_EVENT_INSN,
#define TRACE_EVENT(KIND, name, class_) TRACE_EVENT_##KIND,
#define TRACE_FIELD(name, meaning)
#define TRACE_END(KIND, name)
#include "trace/event.def"
#undef TRACE_EVENT
#undef TRACE_FIELD
#undef TRACE_END
    TRACE_KINDS
};

/* struct trace_vm_exit { uint64_t vmcs, vpid ...; } and so on, one for each kind. */
#define TRACE_EVENT(KIND, name, class_) struct trace_##name {
#define TRACE_FIELD(name, meaning) uint64_t name;
#define TRACE_END(KIND, name) };
#include "trace/event.def"
#undef TRACE_EVENT
#undef TRACE_FIELD
#undef TRACE_END

enum { TRACE_FIELDS_MAX = 24, TRACE_BYTES_MAX = 16 };

/* A register that an instruction wrote, and what it holds then.  `id` indexes the register table of
 * the trace (struct trace_header in reader.h). */
struct trace_register {
    uint16_t id;
    uint64_t value[2];        /* the low 64 bits, and the high ones of wide registers            */
};

/* One access to memory, in the order in which the processor made them. */
struct trace_access {
    uint64_t linear, physical;   /* of the first byte; an access across pages has one of these for
                                    each page                                                    */
    uint32_t size;               /* bytes                                                        */
    bool write;
    bool system;                 /* to a descriptor table, a TSS or a shadow stack               */
    const uint8_t *bytes;        /* what was read or written                                     */
};

enum trace_world { TRACE_NO_VMX, TRACE_ROOT, TRACE_NONROOT };

/* How an instruction ended. */
enum trace_status {
    TRACE_RETIRED,
    TRACE_PARTIAL,            /* a part of a repeated string was done; it goes on               */
    TRACE_FAULTED,            /* an exception follows                                           */
    TRACE_EXITED,             /* a VM exit, or a failed VM entry, took its place                */
    TRACE_DELIVERED,          /* no instruction (its length is 0): what the delivery of an event, a VM
                                 exit between instructions or the like did                        */
    TRACE_SYNC,               /* never seen by readers                                           */
};

struct trace_insn {
    uint64_t address;            /* linear; Itanium: of the bundle                                */
    uint64_t rip;                /* offset in the code segment; Itanium: as address               */
    uint64_t physical;           /* of its first byte                                             */
    uint8_t bytes[TRACE_BYTES_MAX];
    uint8_t length;              /* of bytes; Itanium: 16                                         */
    uint8_t bits;                /* 16, 32 or 64: the code segment; 128: Itanium                  */
    uint8_t cpl;
    uint8_t slot;                /* Itanium: 0 to 2                                               */
    enum trace_world world;
    enum trace_status status;
    unsigned registers_n, accesses_n;
    const struct trace_register *registers;    /* NULL unless the trace has TRACE_REGISTERS      */
    const struct trace_access *accesses;       /* NULL unless it has TRACE_MEMORY                */
};

struct trace_event {
    enum trace_kind kind;
    uint32_t cpu;
    /* Instructions that this processor began before it, since power-on: those that fault or exit
     * and each part of a repeated string count, as they do for --max-insns. */
    uint64_t index;
    /* Machine time in ticks: with one processor that never waits, the same. */
    uint64_t time;
    union {
        struct trace_insn insn;
#define TRACE_EVENT(KIND, name, class_) struct trace_##name name;
#define TRACE_FIELD(name, meaning)
#define TRACE_END(KIND, name)
#include "trace/event.def"
#undef TRACE_EVENT
#undef TRACE_FIELD
#undef TRACE_END
        uint64_t field[TRACE_FIELDS_MAX];     /* of every kind but TRACE_EVENT_INSN              */
    };
};

/* The row of a kind: its name, the bit of its class (0: always there), and the names of its
 * fields. */
struct trace_kind_row {
    const char *name;
    uint32_t class_bit;
    unsigned fields;
    const char *field[TRACE_FIELDS_MAX];
};
extern const struct trace_kind_row trace_kinds[TRACE_KINDS];

/* The name of class number n, 0 to TRACE_CLASSES - 1 ("instructions", "vmx" ...). */
const char *trace_class_name(unsigned n);

/* The width of register `id` of IA-32 (registers.def). */
unsigned trace_ia32_bits(unsigned id);

/* A list of class names and presets ("vmx,msr", "full"), to a mask; false: *bad is the first word
 * that is neither, `*bad_length` bytes long. */
bool trace_parse_classes(const char *list, uint32_t *mask, const char **bad, unsigned *bad_length);

#endif

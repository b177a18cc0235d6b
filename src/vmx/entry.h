// SPDX-License-Identifier: Apache-2.0
// VM-entry checks: what they look at, their tables, and the report of a failed entry.
#ifndef SP_VMX_ENTRY_H
#define SP_VMX_ENTRY_H

#include "vmx/capability.h"
#include "vmx/vmcs.h"

struct cpu;

/* Everything that an entry check may depend on.  Checks are pure functions of it, and read a field
 * only if it matters: debug/verdict.c decides checks of partial dumps by what they read. */
struct entry {
    const struct vmcs *v;
    const uint64_t *cap;                              /* capability MSRs, CAP_*                   */
    uint32_t pin, proc, proc2, exit, entry; /* controls in force (proc2 0 if not active) */
    uint64_t proc3, exit2;                  /* the same, 0 if not active                */
    unsigned physical_bits, linear_bits;
    bool long_mode;                                   /* IA32_EFER.LMA before the entry           */
    uint64_t efer_reserved, debugctl_reserved, perf_global_reserved, spec_ctrl_reserved;
    uint64_t s_cet_reserved;
    uint64_t vmcs_pointer;                            /* of the current VMCS                      */
    uint32_t vtpr;                                    /* byte 80H of the virtual-APIC page        */
    uint32_t link_revision;                           /* first dword of the VMCS that is linked   */
    uint64_t pdpte[4];                                /* that the guest will get                  */
    uint64_t *seen;                                   /* NULL, or bit f: a check has read field f */
};
enum { SEEN_WORDS = (VMCS_FIELD_COUNT + 63) / 64 };

static inline uint64_t field(const struct entry *e, enum vmcs_field f)
{
    if (unlikely(e->seen != NULL))
        e->seen[f / 64] |= BIT(f % 64);
    return e->v->f[f];
}
/* What checks of v on processor c look at, but for what they read from memory and the address of
 * the current VMCS: these are 0. */
void entry_view(const struct cpu *c, const struct vmcs *v, struct entry *e);

/* Bits of the check's first field that must be 1 and must be 0. */
struct required { uint64_t ones, zeros; };

/* One check.  Exactly one of `pass` and `bits` is there; `arg` tells rows apart that share a
 * function (a segment register, a field). */
struct entry_check {
    const char *id;
    const char *sentence;                             /* English: what must hold                  */
    bool (*pass)(const struct entry *e, unsigned arg);
    struct required (*bits)(const struct entry *e, unsigned arg);
    uint8_t arg;
    uint8_t field[4]; /* to print; field[0] is what `bits` tests   */
    uint8_t fields;
};

/* Checks that stand in one section of the manual. */
struct check_section {
    const char *number;                               /* in the edition that README.md names      */
    const char *title;
    const struct entry_check *checks;
    uint16_t count;
    uint8_t dirty;                                    /* groups that make it necessary            */
    uint8_t qualification;                            /* of exit 33                               */
};

enum entry_failure_kind {
    ENTRY_FAIL_INSTRUCTION, /* VMfail: the instruction could not start (errors 4, 5, 26 ...)    */
    ENTRY_FAIL_CONTROLS,    /* VMfail, error 7                                              */
    ENTRY_FAIL_HOST,        /* VMfail, error 8                                              */
    ENTRY_FAIL_GUEST,       /* VM exit with reason 33                                       */
    ENTRY_FAIL_MSR,         /* VM exit with reason 34                                       */
};

/* The three tables, in the order in which the processor goes through them. */
struct check_table {
    const struct check_section *sections;
    unsigned count;
    enum entry_failure_kind kind;
};
extern const struct check_table control_checks, host_checks, guest_checks;

bool entry_check_passes(const struct entry *e, const struct entry_check *k);
/* Goes through the sections whose groups are in `dirty`.  NULL if all hold; else the first broken
 * check and its section. */
const struct entry_check *entry_first_broken(const struct entry *e, const struct check_table *t,
                                             unsigned dirty, const struct check_section **section);

enum { BROKEN_MAX = 32 };
struct broken_check {
    const struct check_section *section;
    const struct entry_check *check;
    struct required required;                         /* if check->bits                           */
    uint64_t value[4];
    uint8_t unknown;                                  /* bit n: value[n] is not known             */
};
/* Fills *b for a check that is broken. */
void entry_describe_broken(const struct entry *e, const struct check_section *s,
                           const struct entry_check *k, struct broken_check *b);
struct entry_failure {
    enum entry_failure_kind kind;
    uint32_t error; /* VM-instruction error, or basic exit reason; 0: VMfailInvalid   */
    uint64_t qualification;
    uint64_t rip;                /* of the VMLAUNCH or VMRESUME                                  */
    bool resume;
    unsigned broken_count;       /* may exceed BROKEN_MAX: the rest was not recorded              */
    unsigned first;              /* the architecturally first one                                */
    struct broken_check broken[BROKEN_MAX];
    uint32_t msr_index;          /* ENTRY_FAIL_MSR                                               */
    uint64_t msr_value;
};
/* Lists every broken check of every table. */
void entry_list_broken(const struct entry *e, struct entry_failure *f);
/* Writes the English report, lines ended by \n; returns the length it needs, as snprintf does. */
size_t entry_explain(const struct entry_failure *f, char *buf, size_t size);
/* The lines of one broken check in that report; the `first` one has the arrow. */
size_t entry_explain_check(const struct broken_check *b, bool first, char *buf, size_t size);

#endif

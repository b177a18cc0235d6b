// SPDX-License-Identifier: Apache-2.0
// VMCS dumps: what Linux KVM prints with kvm_intel.dump_invalid_vmcs=1, what Xen prints, and our
// JSON.  Most are partial: a dump knows which fields it holds.
#ifndef SP_DEBUG_DUMP_H
#define SP_DEBUG_DUMP_H

#include "base/error.h"
#include "cpu/model.h"
#include "vmx/capability.h"
#include "vmx/vmcs.h"

/* No file with dumps may be larger, or hold more of them. */
enum { DUMP_SIZE_MAX = 16 << 20, DUMPS_MAX = 1000 };

enum dump_form { DUMP_KVM, DUMP_XEN, DUMP_JSON };

/* What VM entry takes from elsewhere than the VMCS. */
enum outside {
    OUTSIDE_LONG_MODE,                 /* IA32_EFER.LMA when VMLAUNCH executes             */
    OUTSIDE_VMCS_POINTER,              /* address of the current VMCS                      */
    OUTSIDE_VTPR,                      /* byte 80H of the virtual-APIC page                */
    OUTSIDE_LINK_REVISION,             /* first dword of the VMCS that is linked           */
    OUTSIDE_PDPTE0,                    /* the PDPTEs at guest CR3: of guests without EPT   */
    OUTSIDE_PDPTE3 = OUTSIDE_PDPTE0 + 3,
    OUTSIDE_COUNT
};
/* As the JSON form calls it: "ia32e_mode" ... */
const char *outside_name(enum outside o);

struct vmcs_dump {
    enum dump_form form;
    unsigned line;                     /* where it begins, from 1                          */
    struct vmcs v;
    bool known[VMCS_FIELD_COUNT];
    bool outside_known[OUTSIDE_COUNT];
    uint64_t outside[OUTSIDE_COUNT];
    struct vmx_listing caps;
    char cpu[128];                     /* a -cpu text, or empty                            */
};

struct json_t;
/* Walks the dumps of one file, which it does not own. */
struct dump_reader {
    const char *name;                  /* for messages                                     */
    const char *text;
    size_t size, at;
    struct json_t *root;               /* JSON: the whole file, after dump_open()          */
    size_t next, found;
    size_t counted;                    /* dump_line() has been here ...                    */
    unsigned newlines;                 /* ... and passed as many                           */
};

/* Recognises the form.  False: it is none. */
bool dump_open(struct dump_reader *r, const char *name, const char *text, size_t size,
               struct sp_error *e);
/* The next dump.  False: there is no other, or *e says what is wrong with it (e->code is not 0). */
bool dump_next(struct dump_reader *r, struct vmcs_dump *dump, struct sp_error *e);
void dump_close(struct dump_reader *r);

/* ---- between the files of the readers ---- */

/* The field of a name in any letter case, or of an encoding (0x6820); negative if there is none. */
int dump_field(const char *name);
/* The index of a capability MSR by its name or number; negative if there is none. */
int dump_capability(const char *name);
/* Notes a field's value, unless the dump has one already.  False: too wide for the field. */
bool dump_set(struct vmcs_dump *dump, enum vmcs_field f, uint64_t value);
bool dump_next_text(struct dump_reader *r, struct vmcs_dump *dump, struct sp_error *e);
bool dump_next_json(struct dump_reader *r, struct vmcs_dump *dump, struct sp_error *e);
/* Number of the line at an offset, from 1; offsets may not decrease from call to call. */
unsigned dump_line(struct dump_reader *r, size_t at);

#endif

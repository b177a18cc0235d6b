// SPDX-License-Identifier: Apache-2.0
// Mutants of rules that stand in tables: entry checks, controls, fields, exit information, error
// numbers.  They wrap functions of src/vmx that generate.py has renamed to plain_....
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance/mutate/mutate.h"
#include "vmx/entry.h"
#include "vmx/internal.h"

int mutate_chosen = -1;
unsigned char mutate_met[MUTANTS_MAX];

/* ---- the mutants, numbered ---- */

static struct {
    char *name, *about;
} mutants[MUTANTS_MAX];
static int mutant_count;

static int add(const char *kind, const char *name, const char *about)
{
    char full[512];
    snprintf(full, sizeof full, "%s%s%s", kind, *kind ? " " : "", name);
    if (mutant_count == MUTANTS_MAX)
        abort();
    mutants[mutant_count].name = strdup(full);
    mutants[mutant_count].about = strdup(about);
    return mutant_count++;
}

const char *mutate_name(int n) { return n < mutant_count ? mutants[n].name : NULL; }
const char *mutate_about(int n) { return mutants[n].about; }

int mutate_number(const char *name)
{
    for (int n = 0; n < mutant_count; n++)
        if (!strcmp(mutants[n].name, name))
            return n;
    return -1;
}

/* The mutant does what it does now: true if it is alive. */
static bool acts(int n)
{
    if (n < 0)
        return false;
    mutate_met[n] = 1;
    return mutate_chosen == n;
}

/* Of the instruction information, bits of the register and of the address size: which of the others
 * are defined depends on the operand. */
enum { INFO_KINDS = 11, REASONS = 80, ERRORS = 29, INFO_FLIPPED = BIT(3) | BIT(7) };
static int first_check, first_control;
static int entry_field[VMCS_FIELD_COUNT], saved_field[VMCS_FIELD_COUNT];
static int missing_field[VMCS_FIELD_COUNT], high_field[VMCS_FIELD_COUNT],
    wide_field[VMCS_FIELD_COUNT];
static int information[INFO_KINDS][REASONS], error_number[ERRORS];

static const struct {
    uint8_t word, bit;
    const char *name;
} controls[] = {
#define CONTROL(word, bit, name, key) { WORD_##word, bit, #word "_" #name },
#include "vmx/controls.def"
};

static const struct {
    uint8_t number;
    const char *name;
} reasons[] = {
#define REASON(number, name, layout) { number, #name },
#include "vmx/exit_reasons.def"
};

/* Fields that VM exits write, and of which exits: a list between blanks, or "*", or "-" and those
 * that leave it undefined. */
static const struct {
    const char *kind;
    enum vmcs_field field;
    const char *where;
} kinds[INFO_KINDS] = {
    { "reason", VM_EXIT_REASON, "*" },
    { "qualification", EXIT_QUALIFICATION, "*" },
    { "length", VM_EXIT_INSTRUCTION_LEN,
      "- EXCEPTION_OR_NMI EXTERNAL_INTERRUPT TRIPLE_FAULT INIT_SIGNAL SIPI INTERRUPT_WINDOW "
      "NMI_WINDOW "
      "ENTRY_FAILURE_GUEST_STATE ENTRY_FAILURE_MSR_LOADING MONITOR_TRAP_FLAG TPR_BELOW_THRESHOLD "
      "VIRTUALIZED_EOI EPT_VIOLATION EPT_MISCONFIGURATION PREEMPTION_TIMER APIC_WRITE PML_FULL "
      "SPP_EVENT "
      "BUS_LOCK INSTRUCTION_TIMEOUT " },
    { "operands", VMX_INSTRUCTION_INFO,
      " GDTR_IDTR_ACCESS LDTR_TR_ACCESS INVEPT INVVPID INVPCID VMCLEAR VMPTRLD VMPTRST VMXON "
      "VMREAD VMWRITE "
      "RDRAND RDSEED UMWAIT TPAUSE XSAVES XRSTORS IO_INSTRUCTION " },
    { "event", VM_EXIT_INTR_INFO, " EXCEPTION_OR_NMI EXTERNAL_INTERRUPT " },
    { "event-code", VM_EXIT_INTR_ERROR_CODE, " EXCEPTION_OR_NMI " },
    { "vectoring", IDT_VECTORING_INFO_FIELD,
      " EXCEPTION_OR_NMI TASK_SWITCH APIC_ACCESS EPT_VIOLATION EPT_MISCONFIGURATION PML_FULL "
      "SPP_EVENT " },
    { "vectoring-code", IDT_VECTORING_ERROR_CODE, " EXCEPTION_OR_NMI " },
    { "linear", GUEST_LINEAR_ADDRESS, " EPT_VIOLATION SPP_EVENT IO_INSTRUCTION CR_ACCESS " },
    { "physical", GUEST_PHYSICAL_ADDRESS, " EPT_VIOLATION EPT_MISCONFIGURATION SPP_EVENT " },
    { "msr-data", MSR_DATA, " WRMSRLIST " },
};

static bool stands_in(const char *name, const char *where)
{
    char word[80];
    snprintf(word, sizeof word, " %s ", name);
    return *where == '*' || (strstr(where, word) != NULL) != (*where == '-');
}

static void add_generated(void)
{
#define MUTANT(number, name, text, what) add("", name, text ": " what);
#include "mutants/mutants.def"
}

static void add_checks(void)
{
    const struct check_table *const tables[] = { &control_checks, &host_checks, &guest_checks };
    first_check = mutant_count;
    for (unsigned t = 0; t < ARRAY_SIZE(tables); t++)
        for (unsigned s = 0; s < tables[t]->count; s++)
            for (unsigned k = 0; k < tables[t]->sections[s].count; k++) {
                const struct entry_check *check = &tables[t]->sections[s].checks[k];
                add("check", check->id, "is not made");
            }
}

/* The others of the guest state: VM exits do not write them. */
static bool is_saved(enum vmcs_field f)
{
    return f != VMCS_LINK_POINTER && f != GUEST_INTR_STATUS && f != GUEST_PML_INDEX;
}

static void add_fields(void)
{
    for (unsigned f = 0; f < VMCS_FIELD_COUNT; f++) {
        uint16_t encoding = vmcs_fields[f].encoding;
        const char *name = vmcs_fields[f].name;
        bool is_information = vmcs_type(encoding) == VMCS_EXIT_INFORMATION;
        bool unused = is_information || f == EXECUTIVE_VMCS_POINTER || f == GUEST_SMBASE;
        entry_field[f] = unused ? -1 : add("field", name, "counts as 0 at VM entry");
        saved_field[f] = unused || vmcs_type(encoding) != VMCS_GUEST || !is_saved((enum vmcs_field)f)
                             ? -1
                             : add("saved", name, "VM exits do not save it");
        missing_field[f] = add("missing", name, "VMREAD and VMWRITE do not know it");
        high_field[f] =
            vmcs_is_64(encoding) ? add("high", name, "its high half is not accessible") : -1;
        wide_field[f] = vmcs_width(encoding) < 8
                            ? add("wide", name, "VMWRITE keeps bits beyond its width")
                            : -1;
    }
}

static void add_information(void)
{
    memset(information, -1, sizeof information);
    for (unsigned k = 0; k < INFO_KINDS; k++)
        for (unsigned r = 0; r < ARRAY_SIZE(reasons); r++)
            if (stands_in(reasons[r].name, kinds[k].where))
                information[k][reasons[r].number] =
                    add(kinds[k].kind, reasons[r].name, "is falsified");
}

static void add_errors(void)
{
    static const uint8_t numbers[] = { 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 15, 26, 28 };
    memset(error_number, -1, sizeof error_number);
    for (unsigned k = 0; k < ARRAY_SIZE(numbers); k++) {
        char name[8];
        snprintf(name, sizeof name, "%u", numbers[k]);
        error_number[numbers[k]] = add("error", name, "is another VM-instruction error");
    }
}

/* MUTATE=NAME chooses a mutant; MUTATE=list prints all. */
static void __attribute__((constructor)) prepare(void)
{
    const char *chosen = getenv("MUTATE");
    add_generated();
    add_checks();
    first_control = mutant_count;
    for (unsigned k = 0; k < ARRAY_SIZE(controls); k++)
        add("control", controls[k].name, "counts as 0");
    add_fields();
    add_information();
    add_errors();
    if (chosen)
        mutate_chosen = mutate_number(chosen);
    if (!chosen || !*chosen || mutate_chosen >= 0)
        return;
    for (int n = 0; !strcmp(chosen, "list") && n < mutant_count; n++)
        printf("%s\t%s\n", mutants[n].name, mutants[n].about);
    if (strcmp(chosen, "list"))
        fprintf(stderr, "MUTATE=%s: there is no such mutant\n", chosen);
    exit(strcmp(chosen, "list") ? SP_EXIT_USAGE : 0);
}

/* ---- entry checks ---- */

bool plain_entry_check_passes(const struct entry *e, const struct entry_check *k);

static int check_number(const struct entry_check *k)
{
    const struct check_table *const tables[] = { &control_checks, &host_checks, &guest_checks };
    int n = first_check;
    for (unsigned t = 0; t < ARRAY_SIZE(tables); t++)
        for (unsigned s = 0; s < tables[t]->count; s++) {
            const struct check_section *in = &tables[t]->sections[s];
            if (k >= in->checks && k < in->checks + in->count)
                return n + (int)(k - in->checks);
            n += in->count;
        }
    return -1;
}

bool entry_check_passes(const struct entry *e, const struct entry_check *k)
{
    return plain_entry_check_passes(e, k) || acts(check_number(k));
}

/* ---- VM entry: a field or a control counts as 0 ---- */

enum outcome plain_vm_enter(struct cpu *c, bool resume);

/* What was changed in the VMCS, and what stood there. */
static struct {
    bool active;
    enum vmcs_field field;
    uint64_t was, is;
} lie;

static void tell_lie(struct cpu *c, enum vmcs_field f, uint64_t value)
{
    struct vmcs *v = &c->vmx->vmcs;
    lie.active = true;
    lie.field = f;
    lie.was = v->f[f];
    lie.is = v->f[f] = value;
    v->dirty = DIRTY_ALL;
}

static void take_back(struct cpu *c)
{
    struct vmcs *v = &c->vmx->vmcs;
    if (lie.active && v->f[lie.field] == lie.is) {
        v->f[lie.field] = lie.was;
        v->dirty = DIRTY_ALL;
    }
    lie.active = false;
}

static void lie_about_controls(struct cpu *c)
{
    static const enum vmcs_field fields[WORD_COUNT] = {
        [WORD_PIN] = PIN_BASED_VM_EXEC_CONTROL,
        [WORD_PROC] = CPU_BASED_VM_EXEC_CONTROL,
        [WORD_PROC2] = SECONDARY_VM_EXEC_CONTROL,
        [WORD_PROC3] = TERTIARY_VM_EXEC_CONTROL,
        [WORD_EXIT] = VM_EXIT_CONTROLS,
        [WORD_ENTRY] = VM_ENTRY_CONTROLS,
        [WORD_EXIT2] = SECONDARY_VM_EXIT_CONTROLS,
    };
    for (unsigned k = 0; k < ARRAY_SIZE(controls); k++) {
        enum vmcs_field f = fields[controls[k].word];
        uint64_t bit = BIT(controls[k].bit), value = c->vmx->vmcs.f[f];
        if (value & bit && !(vmx_allowed0(c->vmx->cap, controls[k].word) & bit) &&
            acts(first_control + (int)k))
            tell_lie(c, f, value & ~bit);
    }
}

enum outcome vm_enter(struct cpu *c, bool resume)
{
    lie.active = false;
    lie_about_controls(c);
    for (unsigned f = 0; f < VMCS_FIELD_COUNT; f++)
        if (c->vmx->vmcs.f[f] && acts(entry_field[f]))
            tell_lie(c, (enum vmcs_field)f, 0);
    enum outcome o = plain_vm_enter(c, resume);
    if (!c->vmx_nonroot)
        take_back(c);
    return o;
}

/* ---- VM exit ---- */

void plain_vm_exit(struct cpu *c, const struct vm_exit *x);
void plain_vm_exit_failed_entry(struct cpu *c, uint32_t reason, uint64_t qualification);

/* Of information on events nothing is defined unless its bit 31 says so, and of their error codes
 * unless bit 11 does. */
static bool is_defined(const uint64_t *f, enum vmcs_field field)
{
    switch (field) {
    case VM_EXIT_INTR_INFO: return f[VM_EXIT_INTR_INFO] & BIT(31);
    case VM_EXIT_INTR_ERROR_CODE: return f[VM_EXIT_INTR_INFO] & BIT(11);
    case IDT_VECTORING_INFO_FIELD: return f[IDT_VECTORING_INFO_FIELD] & BIT(31);
    case IDT_VECTORING_ERROR_CODE: return f[IDT_VECTORING_INFO_FIELD] & BIT(11);
    default: return true;
    }
}

static void falsify(struct cpu *c)
{
    uint64_t *f = c->vmx->vmcs.f;
    unsigned reason = f[VM_EXIT_REASON] & 0xffff;
    for (unsigned k = 0; k < INFO_KINDS && reason < REASONS; k++) {
        enum vmcs_field field = kinds[k].field;
        if (c->vmx->exists[field] && is_defined(f, field) && acts(information[k][reason]))
            f[field] ^= field == VMX_INSTRUCTION_INFO ? INFO_FLIPPED : 1;
    }
}

void vm_exit(struct cpu *c, const struct vm_exit *x)
{
    uint64_t before[VMCS_FIELD_COUNT], *f = c->vmx->vmcs.f;
    memcpy(before, f, sizeof before);
    plain_vm_exit(c, x);
    for (unsigned k = 0; k < VMCS_FIELD_COUNT; k++)
        if (before[k] != f[k] && acts(saved_field[k]))
            f[k] = before[k];
    if (vmcs_type(vmcs_fields[lie.field].encoding) != VMCS_GUEST)
        take_back(c);
    falsify(c);
    c->vmx->vmcs.dirty = DIRTY_ALL;
}

void vm_exit_failed_entry(struct cpu *c, uint32_t reason, uint64_t qualification)
{
    plain_vm_exit_failed_entry(c, reason, qualification);
    falsify(c);
}

/* ---- VMX instructions ---- */

enum outcome plain_vm_fail_valid(struct cpu *c, uint32_t error);
int plain_vmcs_find(uint64_t encoding, bool *high);
void plain_vmcs_set(struct vmcs *v, enum vmcs_field f, bool high, uint64_t value);

enum outcome vm_fail_valid(struct cpu *c, uint32_t error)
{
    return plain_vm_fail_valid(c, acts(error_number[error]) ? 30 : error);
}

int vmcs_find(uint64_t encoding, bool *high)
{
    int f = plain_vmcs_find(encoding, high);
    if (f < 0)
        return f;
    return acts(missing_field[f]) || (*high && acts(high_field[f])) ? -1 : f;
}

void vmcs_set(struct vmcs *v, enum vmcs_field f, bool high, uint64_t value)
{
    plain_vmcs_set(v, f, high, value);
    if (v->f[f] != value && !high && acts(wide_field[f]))
        v->f[f] = value;
}

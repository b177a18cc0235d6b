// SPDX-License-Identifier: Apache-2.0
// What no test misses is not tested.  tests/sabotage.sh runs the VMX tests once for each control
// bit, each field and each exit reason with VMX_SABOTAGE=item: the control or field is cleared
// before every VM entry, the exit's information is falsified after every VM exit, and some test has
// to fail.
#ifndef SP_TESTS_VMX_SABOTAGE_H
#define SP_TESTS_VMX_SABOTAGE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmx/capability.h"
#include "vmx/vmcs.h"
#include "vmx/vmx.h"

/* Whether the item is to be sabotaged.  Items that occur are listed in the file VMX_USES, if that
 * is set: a program that never meets an item need not run for it. */
static inline bool sabotages(const char *kind, const char *name)
{
    char item[80];
    const char *wanted = getenv("VMX_SABOTAGE"), *path = getenv("VMX_USES");
    FILE *uses = path ? fopen(path, "a") : NULL;
    snprintf(item, sizeof item, "%s %s", kind, name);
    if (uses) {
        fprintf(uses, "%s\n", item);
        fclose(uses);
    }
    return wanted && !strcmp(wanted, item);
}

/* Before a VM entry.  Bits that must be 1 are not a choice that the test has made. */
static inline void sabotage_controls(struct cpu *c)
{
    static const enum vmcs_field fields[WORD_COUNT] = {
        [WORD_PIN] = PIN_BASED_VM_EXEC_CONTROL,   [WORD_PROC] = CPU_BASED_VM_EXEC_CONTROL,
        [WORD_PROC2] = SECONDARY_VM_EXEC_CONTROL, [WORD_PROC3] = TERTIARY_VM_EXEC_CONTROL,
        [WORD_EXIT] = VM_EXIT_CONTROLS,           [WORD_ENTRY] = VM_ENTRY_CONTROLS,
        [WORD_EXIT2] = SECONDARY_VM_EXIT_CONTROLS,
    };
    static const struct {
        uint8_t word, bit;
        const char *name;
    } controls[] = {
#define CONTROL(word, bit, name, key) { WORD_##word, bit, #word "_" #name },
#include "vmx/controls.def"
    };
    for (unsigned k = 0; k < ARRAY_SIZE(controls); k++) {
        unsigned word = controls[k].word;
        uint32_t at = vmcs_fields[fields[word]].encoding;
        uint64_t value, bit = BIT(controls[k].bit);
        if (!fields[word] || !vmcs_read(c, at, &value) || !(value & bit) ||
            vmx_allowed0(c->model->vmx_capability, word) & bit)
            continue;
        if (sabotages("control", controls[k].name))
            vmcs_write(c, at, value & ~bit);
    }
}

/* The same for what else stands in the VMCS: as if nobody had written it. */
static inline void sabotage_fields(struct cpu *c)
{
    for (unsigned f = 0; f < VMCS_FIELD_COUNT; f++) {
        uint32_t at = vmcs_fields[f].encoding;
        uint64_t value;
        if (vmcs_type(vmcs_fields[f].encoding) != VMCS_EXIT_INFORMATION &&
            vmcs_read(c, at, &value) && value && sabotages("field", vmcs_fields[f].name))
            vmcs_write(c, at, 0);
    }
}

/* After a VM exit. */
static inline void sabotage_exit(struct cpu *c)
{
    static const struct {
        const char *kind;
        enum vmcs_field field;
    } information[] = {
        { "qualification", EXIT_QUALIFICATION },        { "length", VM_EXIT_INSTRUCTION_LEN },
        { "operands", VMX_INSTRUCTION_INFO },           { "event", VM_EXIT_INTR_INFO },
        { "vectoring", IDT_VECTORING_INFO_FIELD },      { "linear", GUEST_LINEAR_ADDRESS },
        { "physical", GUEST_PHYSICAL_ADDRESS },         { "event-code", VM_EXIT_INTR_ERROR_CODE },
        { "vectoring-code", IDT_VECTORING_ERROR_CODE }, { "msr-data", MSR_DATA },
    };
    uint64_t reason, value;
    vmcs_read(c, vmcs_fields[VM_EXIT_REASON].encoding, &reason);
    for (unsigned k = 0; k < ARRAY_SIZE(information); k++) {
        uint32_t at = vmcs_fields[information[k].field].encoding;
        if (sabotages(information[k].kind, vmx_exit_name((uint32_t)reason)) &&
            vmcs_read(c, at, &value))
            vmcs_write(c, at, value ^ 1);
    }
}

#endif

// SPDX-License-Identifier: Apache-2.0
// The current VMCS shown whole: in words, and as JSON that gives the verdict that VMLAUNCH gave.
#define _GNU_SOURCE
#include "vmx_guest.h"

#include "debug/vmcs_decode.h"
#include "debug/vmcs_print.h"
#include "debug/verdict.h"
#include "vmx/entry.h"

BARE_PROGRAM(print_guest, "mov $5, %edi\n rep movsb\n mov %cr3, %rax\n vmcall\n");

/* ---- in words ---- */

static void expect_words(enum vmcs_field f, uint64_t value, const char *words)
{
    static struct vmcs v;
    char text[512];
    v.f[f] = value;
    cr_expect_str_eq(vmcs_decode(&v, f, text, sizeof text), words, "%s = %#lx: %s",
                     vmcs_fields[f].name, value, text);
}

Test(vmcs_print, fields_in_words)
{
    expect_words(PIN_BASED_VM_EXEC_CONTROL, 0x36, "virtual nmis, others 0x16");
    expect_words(PIN_BASED_VM_EXEC_CONTROL, 0x29, "external interrupt exiting, nmi exiting, "
                                                  "virtual nmis");
    expect_words(CPU_BASED_VM_EXEC_CONTROL, 1u << 31 | 1 << 7, "hlt exiting, secondary controls");
    expect_words(SECONDARY_VM_EXEC_CONTROL, 0x22, "enable ept, enable vpid");
    expect_words(VM_EXIT_CONTROLS, 1 << 9, "host address space size");
    expect_words(VM_ENTRY_CONTROLS, 1 << 9, "ia32e mode guest");
    expect_words(VM_EXIT_REASON, 10, "CPUID");
    expect_words(VM_EXIT_REASON, 0x80000021, "ENTRY_FAILURE_GUEST_STATE, VM-entry failure");
    expect_words(VM_EXIT_REASON, 0x77 | 1 << 28, "UNKNOWN, pending MTF VM exit");
    expect_words(GUEST_CS_AR_BYTES, 0xa09b,
                 "code, readable, accessed, DPL 0, present, L, G");
    expect_words(GUEST_SS_AR_BYTES, 0xc0f7,
                 "data, expand-down, writable, accessed, DPL 3, present, D/B, G");
    expect_words(GUEST_TR_AR_BYTES, 0x8b, "busy TSS, DPL 0, present");
    expect_words(GUEST_LDTR_AR_BYTES, 0x10082, "unusable, LDT, DPL 0, present");
    expect_words(GUEST_LDTR_AR_BYTES, 0x20f00, "system type 0, DPL 0, not present, bit 8, bit 9, "
                                               "bit 10, bit 11, bit 17");
    expect_words(VM_ENTRY_INTR_INFO_FIELD, 0, "not valid");
    expect_words(VM_ENTRY_INTR_INFO_FIELD, 0x80000b0d, "hardware exception, #GP, error code");
    expect_words(VM_ENTRY_INTR_INFO_FIELD, 0x80000202, "NMI, vector 2");
    expect_words(VM_ENTRY_INTR_INFO_FIELD, 0x80000700, "other event, monitor trap flag");
    expect_words(VM_EXIT_INTR_INFO, 0x80001b0e,
                 "hardware exception, #PF, error code, NMIs unblocked by IRET");
    expect_words(IDT_VECTORING_INFO_FIELD, 0x80000430, "software interrupt, vector 48");
    expect_words(IDT_VECTORING_INFO_FIELD, 0x80000603, "software exception, #BP");
    expect_words(GUEST_ACTIVITY_STATE, 3, "wait-for-SIPI");
    expect_words(GUEST_INTERRUPTIBILITY_INFO, 9, "blocking by STI, blocking by NMI");
    expect_words(GUEST_PENDING_DBG_EXCEPTIONS, 0x5001, "B0, enabled breakpoint, BS");
    expect_words(GUEST_CR0, 0x80000031, "PE, ET, NE, PG");
    expect_words(GUEST_CR4, 0x2020, "PAE, VMXE");
    expect_words(GUEST_IA32_EFER, 0x500, "LME, LMA");
    expect_words(GUEST_RFLAGS, 0x202, "1, IF");
    expect_words(EPT_POINTER, 0x5e, "memory type 6, walk of 4 levels, accessed and dirty flags");
    expect_words(VM_INSTRUCTION_ERROR, 7, vmx_error_text(7));
    expect_words(GUEST_RIP, 0x1234, "");
}

static void expect_qualification(uint32_t reason, uint64_t q, const char *words)
{
    struct vmcs v = { .f[VM_EXIT_REASON] = reason, .f[EXIT_QUALIFICATION] = q };
    char text[512];
    cr_expect_str_eq(vmcs_decode(&v, EXIT_QUALIFICATION, text, sizeof text), words, "%u %#lx: %s",
                     reason, q, text);
}

Test(vmcs_print, qualifications_in_words)
{
    expect_qualification(28, 0x904, "MOV to CR4 from R9");
    expect_qualification(28, 0x13, "MOV from CR3 to RAX");
    expect_qualification(28, 0x20, "CLTS");
    expect_qualification(28, 0x10070, "LMSW of 0x1 from memory");
    expect_qualification(29, 0x17, "MOV from DR7");
    expect_qualification(30, 0x3f80008, "IN, port 0x3f8, 1 bytes");
    expect_qualification(30, 0x600031, "REP OUTS, port 0x60, 2 bytes");
    expect_qualification(48, 0x182, "write, linear address valid, of the linear address itself");
    expect_qualification(4, 0x9a, "vector 154");
    expect_qualification(10, 0, "");
}

/* A buffer that is too small cuts the text, and no more. */
Test(vmcs_print, words_are_cut)
{
    struct vmcs v = { .f[GUEST_CR0] = 0x80000031 };
    char text[8] = "xxxxxxx";
    vmcs_decode(&v, GUEST_CR0, text, 6);
    cr_expect_str_eq(text, "PE, E");
    cr_expect_eq(text[6], 'x');
}

/* ---- whole ---- */

static char *printed(struct vm *v)
{
    char *text;
    size_t n;
    FILE *out = open_memstream(&text, &n);
    cr_assert(vmcs_print(out, v->c, "a test"));
    fclose(out);
    return text;
}

Test(vmcs_print, every_field_has_its_line)
{
    static const char *const cpus[] = { "max", "prescott-vt" };
    for (size_t k = 0; k < ARRAY_SIZE(cpus); k++) {
        struct vm v = VM_ON(cpus[k], print_guest);
        put(&v, GUEST_RSP, 0x123456789a);
        char *text = printed(&v);
        cr_expect(strstr(text, "VMCS 0x201000 of processor 0, clear: a test\n"), "%s", text);
        cr_expect(strstr(text, "  GUEST_RSP                     681c  000000123456789a\n"));
        for (unsigned f = 0; f < VMCS_FIELD_COUNT; f++) {
            char line[64];
            snprintf(line, sizeof line, "  %-29s %04x  ", vmcs_fields[f].name,
                     vmcs_fields[f].encoding);
            cr_expect_eq(strstr(text, line) != NULL, vmcs_field_exists(v.c, f), "%s on %s",
                         vmcs_fields[f].name, cpus[k]);
        }
        free(text);
        machine_destroy(v.m);
    }
}

Test(vmcs_print, without_a_current_vmcs_nothing_is_printed)
{
    struct machine *m = bare_machine("max");
    cr_expect_not(vmcs_print(stderr, machine_cpu(m, 0), ""));
    cr_expect_null(vmcs_json(machine_cpu(m, 0), ""));
    machine_destroy(m);
}

/* ---- the way back ---- */

static struct verdicts judge(struct vm *v)
{
    struct sp_error e;
    struct dump_reader r;
    struct vmcs_dump dump;
    struct verdicts verdicts;
    json_t *o = vmcs_json(v->c, "a test");
    char *text = json_dumps(o, 0);
    cr_assert(dump_open(&r, "dump", text, strlen(text), &e), "%s", e.message);
    cr_assert(dump_next(&r, &dump, &e), "%s", e.message);
    for (unsigned f = 0; f < VMCS_FIELD_COUNT; f++)
        cr_assert(dump.known[f] == vmcs_field_exists(v->c, f) &&
                      (!dump.known[f] || dump.v.f[f] == get(v, (enum vmcs_field)f)),
                  "%s", vmcs_fields[f].name);
    cr_assert(verdicts_reach(&verdicts, v->c, &dump));
    dump_close(&r);
    free(text);
    json_decref(o);
    cr_expect_eq(verdicts.undecided, 0, "nothing is missing");
    return verdicts;
}

static char failed[64];
static void on_failure(void *user, struct cpu *c, const struct entry_failure *f)
{
    struct verdicts *out = user;
    struct vm v = { .c = c, .mem = c->mem };
    snprintf(failed, sizeof failed, "%s", f->broken[f->first].check->id);
    *out = judge(&v);
}

/* VMLAUNCH and the dump that is made when it fails name the same check. */
static void expect_same(const char *cpu, enum vmcs_field f, uint64_t value, const char *id)
{
    struct verdicts verdicts = { 0 };
    struct vm v = VM_ON(cpu, print_guest);
    machine_hooks(v.m)->user = &verdicts;
    machine_hooks(v.m)->vm_entry_failure = on_failure;
    put(&v, f, value);
    *failed = 0;
    enter_guest(&v);
    cr_expect_str_eq(failed, id, "%s", failed);
    cr_assert(verdicts.broken, "%s: the dump breaks no check", id);
    cr_expect_str_eq(verdicts.check[verdicts.first].broken.check->id, id);
    verdicts_free(&verdicts);
    machine_destroy(v.m);
}

Test(vmcs_print, a_broken_vmcs_names_the_same_check)
{
    static const char *const cpus[] = { "max", "skylake", "nehalem", "penryn", "prescott-vt" };
    for (size_t k = 0; k < ARRAY_SIZE(cpus); k++) {
        expect_same(cpus[k], GUEST_RFLAGS, 0, "guest_rflags_reserved");
        expect_same(cpus[k], GUEST_CS_AR_BYTES, 0xa0fb, "guest_cs_dpl");
        expect_same(cpus[k], HOST_CR0, 0, "host_cr0_fixed");
        expect_same(cpus[k], PIN_BASED_VM_EXEC_CONTROL, 0, "ctl_pin_reserved");
        expect_same(cpus[k], VMCS_LINK_POINTER, 0x7000, "guest_link_revision");
    }
}

Test(vmcs_print, a_good_vmcs_breaks_nothing)
{
    static const char *const cpus[] = { "max", "skylake", "nehalem", "penryn", "prescott-vt" };
    for (size_t k = 0; k < ARRAY_SIZE(cpus); k++) {
        struct vm v = VM_ON(cpus[k], print_guest);
        struct verdicts before = judge(&v);
        cr_expect_eq(before.broken, 0, "%s", cpus[k]);
        cr_expect_geq(enter_guest(&v), 0);
        struct verdicts after = judge(&v);
        cr_expect_eq(after.broken, 0, "%s", cpus[k]);
        verdicts_free(&before);
        verdicts_free(&after);
        machine_destroy(v.m);
    }
}

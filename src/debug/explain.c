// SPDX-License-Identifier: Apache-2.0
#include "debug/explain.h"

#include <stdlib.h>

#include "cpu/cpu.h"
#include "cpu/insn.h"
#include "vmx/entry.h"

/* SDM vol. 3, table "Protected-Mode Exceptions and Interrupts". */
static const char *const mnemonics[32] = {
    "#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", NULL, "#TS", "#NP", "#SS", "#GP",
    "#PF", NULL, "#MF", "#AC", "#MC", "#XM", "#VE", "#CP",
};

const char *explain_vector(unsigned vector)
{
    return vector < ARRAY_SIZE(mnemonics) && mnemonics[vector] ? mnemonics[vector]
                                                               : "a reserved vector";
}

const char *explain_exception(const struct event *e, char *out, size_t size)
{
    char name[16];
    if (e->type == EVENT_EXTERNAL || e->type == EVENT_SOFTWARE_INT || e->vector >= 32 ||
        !mnemonics[e->vector])
        snprintf(name, sizeof name, "%s %#x", e->type == EVENT_SOFTWARE_INT ? "INT" : "interrupt",
                 e->vector);
    else
        snprintf(name, sizeof name, "%s", mnemonics[e->vector]);
    int n = e->has_error ? snprintf(out, size, "%s(%#x)", name, e->error)
                         : snprintf(out, size, "%s", name);
    if (e->vector == EXC_PF && e->type == EVENT_HARDWARE && n > 0 && (size_t)n < size)
        snprintf(out + n, size - (size_t)n, " at address %#llx", (unsigned long long)e->address);
    return out;
}

uint64_t explain_rip(const struct cpu *c)
{
    return c->current ? insn_rip(c, c->current) : c->rip;
}

void explain_note(struct explain_log *log, struct cpu *c, const struct event *e)
{
    struct explain_event *n = &log->last[log->count++ % EXPLAIN_EVENTS];
    *n = (struct explain_event){ .event = *e, .rip = explain_rip(c), .rsp = c->gpr[RSP],
                                 .guest = c->vmx_nonroot };
    n->code = disasm_fetch(c, n->rip);
}

void explain_triple_fault(FILE *out, const struct explain_log *log, struct cpu *c,
                          const struct symbols *symbols)
{
    char what[96], where[256], code[96];
    uint64_t first = log->count > 3 ? log->count - 3 : 0;
    if (log->count)
        fprintf(out, "  the last exceptions, oldest first:\n");
    for (uint64_t k = first; k < log->count; k++) {
        const struct explain_event *n = &log->last[k % EXPLAIN_EVENTS];
        disasm_print(&n->code, n->rip, code, sizeof code);
        fprintf(out, "  %s at rip %s: %s; rsp %#llx%s\n",
                explain_exception(&n->event, what, sizeof what),
                symbols_print(symbols, n->rip, where, sizeof where), code,
                (unsigned long long)n->rsp, n->guest ? " [VMX non-root]" : "");
    }
    fprintf(out,
            "  idt base %#llx limit %#x, gdt base %#llx limit %#x, cr0 %#llx cr2 %#llx cr3 %#llx "
            "cr4 %#llx\n",
            (unsigned long long)c->idtr.base, c->idtr.limit, (unsigned long long)c->gdtr.base,
            c->gdtr.limit, (unsigned long long)c->cr0, (unsigned long long)c->cr2,
            (unsigned long long)c->cr3, (unsigned long long)c->cr4);
}

void explain_entry_failure(FILE *out, struct cpu *c, const struct entry_failure *failure,
                           const struct symbols *symbols)
{
    char where[256];
    size_t size = entry_explain(failure, NULL, 0) + 1;
    char *text = malloc(size);
    if (text)
        entry_explain(failure, text, size);
    fprintf(out, "silverpool: cpu %u at rip %s:\n%s", c->index,
            symbols_print(symbols, failure->rip, where, sizeof where), text ? text : "");
    free(text);
}

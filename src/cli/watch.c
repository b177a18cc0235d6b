// SPDX-License-Identifier: Apache-2.0
// What the command line observes of a run: -d log lines, faults for the triple-fault report, and
// VM-entry failures, which are always explained.
#include "cli/session.h"
#include "cpu/cpu.h"
#include "debug/explain_json.h"
#include "debug/walk.h"
#include "vmx/vmx.h"

static unsigned long long insns(const struct session *s)
{
    return (unsigned long long)machine_insns(s->machine);
}

static void on_exception(void *user, struct cpu *c, const struct event *e)
{
    struct session *s = user;
    char what[96], rip[256];
    if (e->type != EVENT_EXTERNAL)
        explain_note(&s->faults[c->index], c, e);
    if (s->log && s->options->log & LOG_INT)
        fprintf(s->log, "%llu cpu%u int %s at %s%s\n", insns(s), c->index,
                explain_exception(e, what, sizeof what),
                symbols_print(s->symbols, explain_rip(c), rip, sizeof rip),
                c->vmx_nonroot ? " [guest]" : "");
    if (s->log && s->options->log & LOG_WALK && e->vector == EXC_PF && e->type == EVENT_HARDWARE)
        walk_print_linear(s->log, c, e->address);
}

static void on_io(void *user, struct cpu *c, uint16_t port, unsigned size, bool in, uint32_t value)
{
    struct session *s = user;
    fprintf(s->log, "%llu cpu%u io %s%u %#x %#x\n", insns(s), c->index, in ? "in" : "out", 8 * size,
            port, value);
}

static void on_msr(void *user, struct cpu *c, uint32_t index, bool write, uint64_t value)
{
    struct session *s = user;
    fprintf(s->log, "%llu cpu%u %s %#x %#llx\n", insns(s), c->index, write ? "wrmsr" : "rdmsr",
            index, (unsigned long long)value);
}

static void on_vm_entry(void *user, struct cpu *c)
{
    struct session *s = user;
    fprintf(s->log, "%llu cpu%u vmx entry to %#llx\n", insns(s), c->index,
            (unsigned long long)c->rip);
}

enum { REASON_EPT_VIOLATION = 48, REASON_EPT_MISCONFIGURATION = 49, REASON_SPP_EVENT = 66 };
enum { QUALIFICATION_LINEAR = 1 << 7, QUALIFICATION_VERIFICATION = 1 << 15 };

/* The guest's state is still that of the exit. */
static void print_walk(struct session *s, struct cpu *c, uint32_t reason, uint64_t qualification)
{
    uint64_t linear = 0, physical = 0;
    vmcs_read(c, vmcs_fields[GUEST_LINEAR_ADDRESS].encoding, &linear);
    vmcs_read(c, vmcs_fields[GUEST_PHYSICAL_ADDRESS].encoding, &physical);
    if (reason == REASON_EPT_VIOLATION)
        fprintf(s->log, "%llu cpu%u ept violation: %s%s%s%s\n", insns(s), c->index,
                qualification & 1 ? "read " : "", qualification & 2 ? "write " : "",
                qualification & 4 ? "fetch " : "",
                qualification & QUALIFICATION_VERIFICATION ? "(guest-paging verification)" : "");
    else
        fprintf(s->log, "%llu cpu%u %s\n", insns(s), c->index,
                reason == REASON_SPP_EVENT ? "spp event" : "ept misconfiguration");
    bool has_linear = reason == REASON_SPP_EVENT || (reason == REASON_EPT_VIOLATION &&
                                                     qualification & QUALIFICATION_LINEAR);
    if (has_linear)
        walk_print_linear(s->log, c, linear);
    walk_print_ept(s->log, c, physical);
    if (has_linear)
        walk_print_memory_type(s->log, c, linear);
}

static void on_vm_exit(void *user, struct cpu *c, uint32_t reason, uint64_t qualification)
{
    struct session *s = user;
    bool walked = reason == REASON_EPT_VIOLATION || reason == REASON_EPT_MISCONFIGURATION ||
                  reason == REASON_SPP_EVENT;
    if (s->options->log & LOG_EPT && walked)
        print_walk(s, c, reason, qualification);
    if (!(s->options->log & LOG_VMX))
        return;
    fprintf(s->log, "%llu cpu%u vmx exit %s (%#x) qualification %#llx\n", insns(s), c->index,
            vmx_exit_name(reason), reason, (unsigned long long)qualification);
}

/* The check that is broken first, or what else kept the entry from succeeding. */
static void note_failure(struct run_result *r, const struct entry_failure *f)
{
    const char *text = f->kind == ENTRY_FAIL_INSTRUCTION ? vmx_error_text(f->error)
                       : f->kind == ENTRY_FAIL_MSR       ? "MSR loading"
                       : f->broken_count                 ? f->broken[f->first].check->id
                                                         : "";
    if (!*r->failure)
        snprintf(r->failure, sizeof r->failure, "%s", text);
}

static void on_entry_failure(void *user, struct cpu *c, const struct entry_failure *f)
{
    struct session *s = user;
    if (s->result) {
        note_failure(s->result, f);
        return;
    }
    console_poll(&s->serial);                   /* what the guest printed before stands before */
    void (*explain)(FILE *, struct cpu *, const struct entry_failure *, const struct symbols *) =
        s->options->json ? explain_entry_failure_json : explain_entry_failure;
    explain(s->log ? s->log : stderr, c, f, s->symbols);
    session_dump_vmcs(s, c, "VM-entry failure");
}

static void on_stale(void *user, struct cpu *c, const struct stale_use *use)
{
    struct session *s = user;
    console_poll(&s->serial);
    explain_stale_use(s->log ? s->log : stderr, c, use, s->symbols);
}

void session_watch(struct session *s)
{
    struct cpu_hooks *h = machine_hooks(s->machine);
    unsigned log = s->log ? s->options->log : 0;
    h->user = s;
    h->exception = on_exception;
    h->vm_entry_failure = on_entry_failure;
    h->stale = on_stale;
    h->vm_entry = log & LOG_VMX ? on_vm_entry : NULL;
    h->vm_exit = log & (LOG_VMX | LOG_EPT) ? on_vm_exit : NULL;
    h->io = log & LOG_IO ? on_io : NULL;
    h->msr = log & LOG_MSR ? on_msr : NULL;
    h->unmodelled = log & LOG_UNMODELLED ? session_unmodelled : NULL;
    if (log & LOG_UNMODELLED && *s->options->notes)
        fprintf(s->log, "options that change nothing here: %s\n", s->options->notes);
}

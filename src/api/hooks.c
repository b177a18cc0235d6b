// SPDX-License-Identifier: Apache-2.0
// The public API: hooks.  Each internal hook is set only while the class has a listener.
#include <string.h>

#include "api/internal.h"
#include "cpu/cpu.h"
#include "cpu/insn.h"
#include "trace/log.h"
#include "vmx/entry.h"

static void send_from(struct sp_machine *m, struct cpu *c, uint64_t rip, struct sp_event e)
{
    e.cpu = c->index;
    e.rip = rip;
    if (m->hooks[e.kind].hook)
        m->hooks[e.kind].hook(m->hooks[e.kind].user, m, &e);
    if (machine_stop_is_requested(m->machine))
        cpu_leave(c);
}

static void send(struct sp_machine *m, struct cpu *c, struct sp_event e)
{
    send_from(m, c, c->current ? insn_rip(c, c->current) : c->rip, e);
}

static void on_exception(void *user, struct cpu *c, const struct event *e)
{
    send(user, c,
         (struct sp_event){ .kind = SP_EVENT_EXCEPTION,
                            .vector = e->vector,
                            .has_error = e->has_error,
                            .error = e->error,
                            .address = e->address });
}

static void on_io(void *user, struct cpu *c, uint16_t port, unsigned size, bool in, uint32_t value)
{
    send(user, c,
         (struct sp_event){ .kind = SP_EVENT_IO,
                            .port = port,
                            .size = (uint8_t)size,
                            .write = !in,
                            .value = value });
}

static void on_msr(void *user, struct cpu *c, uint32_t index, bool write, uint64_t value)
{
    send(user, c,
         (struct sp_event){ .kind = SP_EVENT_MSR, .index = index, .write = write, .value = value });
}

static void on_vm_entry(void *user, struct cpu *c)
{
    send(user, c, (struct sp_event){ .kind = SP_EVENT_VM_ENTRY });
}

static void on_vm_exit(void *user, struct cpu *c, uint32_t reason, uint64_t qualification)
{
    send(user, c,
         (struct sp_event){
             .kind = SP_EVENT_VM_EXIT, .reason = reason, .qualification = qualification });
}

static void on_entry_failure(void *user, struct cpu *c, const struct entry_failure *f)
{
    char text[8192];
    entry_explain(f, text, sizeof text);
    send_from(user, c, f->rip,
              (struct sp_event){ .kind = SP_EVENT_VM_ENTRY_FAILURE, .text = text });
}

static void on_insn(void *user, struct cpu *c, const struct trace_insn *n)
{
    static const enum sp_operation operations[] = {
        [TRACE_NO_VMX] = SP_NO_VMX, [TRACE_ROOT] = SP_VMX_ROOT, [TRACE_NONROOT] = SP_VMX_NON_ROOT
    };
    send_from(user, c, n->rip,
              (struct sp_event){ .kind = SP_EVENT_INSTRUCTION,
                                 .address = n->address,
                                 .physical = n->physical,
                                 .bytes = n->bytes,
                                 .length = n->length,
                                 .code_bits = n->bits,
                                 .cpl = n->cpl,
                                 .operation = operations[n->world] });
}

static void on_access(void *user, struct cpu *c, uint64_t rip, bool between,
                      const struct trace_access *a)
{
    uint64_t value = 0;
    memcpy(&value, a->bytes, a->size < sizeof value ? a->size : sizeof value);
    send_from(user, c, rip,
              (struct sp_event){ .kind = SP_EVENT_MEMORY,
                                 .address = a->linear,
                                 .physical = a->physical,
                                 .bytes = a->bytes,
                                 .length = a->size,
                                 .value = value,
                                 .write = a->write,
                                 .system = a->system,
                                 .between = between });
}

bool api_hooks_trace(struct sp_machine *m)
{
    bool wanted = m->hooks[SP_EVENT_INSTRUCTION].hook || m->hooks[SP_EVENT_MEMORY].hook;
    struct trace_log *before = m->live;
    if (m->ipf || wanted == (before != NULL))
        return true;
    m->live = wanted ? trace_log_live() : NULL;
    bool ok = machine_trace(m->machine, m->live) && (m->live || !wanted);
    if (before)
        trace_log_close(before, NULL);
    return ok || api_fail(m, "no memory is left for hooks");
}

bool sp_hook_set(struct sp_machine *m, enum sp_event_class kind, sp_hook *hook, void *user)
{
    bool traced = kind == SP_EVENT_INSTRUCTION || kind == SP_EVENT_MEMORY;
    if ((unsigned)kind >= SP_EVENT_CLASSES)
        return api_fail(m, "there is no event class %u", (unsigned)kind);
    if (traced && hook && m->ipf)
        return api_fail(m, "instructions and memory of an Itanium machine have no hooks");
    if (traced && hook && m->running)
        return api_fail(m, "instructions and memory are hooked between runs");
    m->hooks[kind].hook = hook;
    m->hooks[kind].user = user;
    if (m->ipf)
        return api_ipf_hooks(m), true;
    struct cpu_hooks *h = machine_hooks(m->machine);
    h->user = m;
    switch (kind) {
    case SP_EVENT_EXCEPTION: h->exception = hook ? on_exception : NULL; break;
    case SP_EVENT_IO: h->io = hook ? on_io : NULL; break;
    case SP_EVENT_MSR: h->msr = hook ? on_msr : NULL; break;
    case SP_EVENT_VM_ENTRY: h->vm_entry = hook ? on_vm_entry : NULL; break;
    case SP_EVENT_VM_EXIT: h->vm_exit = hook ? on_vm_exit : NULL; break;
    case SP_EVENT_VM_ENTRY_FAILURE: h->vm_entry_failure = hook ? on_entry_failure : NULL; break;
    case SP_EVENT_INSTRUCTION: h->insn = hook ? on_insn : NULL; break;
    case SP_EVENT_MEMORY: h->access = hook ? on_access : NULL; break;
    case SP_EVENT_INTERRUPTION:
    case SP_EVENT_CLASSES: break;
    }
    return m->running || api_hooks_trace(m);
}

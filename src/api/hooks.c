// SPDX-License-Identifier: Apache-2.0
// The public API: hooks.  Each internal hook is set only while the class has a listener.
#include "api/internal.h"
#include "cpu/cpu.h"
#include "cpu/insn.h"
#include "vmx/entry.h"

static void send(struct sp_machine *m, struct cpu *c, struct sp_event e)
{
    e.cpu = c->index;
    if (!e.rip)
        e.rip = c->current ? insn_rip(c, c->current) : c->rip;
    if (m->hooks[e.kind].hook)
        m->hooks[e.kind].hook(m->hooks[e.kind].user, m, &e);
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
    send(user, c,
         (struct sp_event){ .kind = SP_EVENT_VM_ENTRY_FAILURE, .rip = f->rip, .text = text });
}

bool sp_hook_set(struct sp_machine *m, enum sp_event_class kind, sp_hook *hook, void *user)
{
    if ((unsigned)kind >= SP_EVENT_CLASSES)
        return api_fail(m, "there is no event class %u", (unsigned)kind);
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
    case SP_EVENT_INTERRUPTION:
    case SP_EVENT_CLASSES: break;
    }
    return true;
}

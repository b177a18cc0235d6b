// SPDX-License-Identifier: Apache-2.0
// The public API: Itanium machines.
#include "image/ipf.h"
#include "api/internal.h"
#include "ipf/cpu.h"
#include "ipf/translate.h"

/* Parts of the configuration that an Itanium machine has not. */
static bool check_config(struct sp_machine *m, size_t module_count)
{
    const struct sp_config *c = &m->config;
    const struct {
        bool given;
        const char *name;
    } rows[] = {
        { !m->default_cpu, "processor profiles" },
        { c->disk_count, "disks" },
        { c->debug_exit_port, "a debug-exit port" },
        { c->smm, "SMM" },
        { c->tlb != SP_TLB_EXACT, "other TLBs than its own" },
        { module_count > 1, "more than one module, an initrd" },
    };
    for (size_t k = 0; k < ARRAY_SIZE(rows); k++)
        if (rows[k].given)
            return api_fail(m, "an Itanium machine has not: %s", rows[k].name);
    return true;
}

bool api_ipf_load(struct sp_machine *m, const struct image *kernel, const char *command_line,
                  const struct image_module *modules, size_t module_count)
{
    const struct ipf_config config = {
        .cpus = m->config.processors,
        .ram_size = m->config.ram_size ? m->config.ram_size : 128 << 20,
        .serial = { m->config.serial_write, m->config.serial_read, m->config.user },
        .ssc = m->config.ssc,
        .ssc_folder = m->ssc_folder,
        .command_line = command_line,
    };
    if (!check_config(m, module_count))
        return false;
    struct ipf_machine *made = ipf_machine_create(&config, &m->failure);
    if (!made || !ipf_image_load(made, kernel, command_line ? command_line : "",
                                 module_count ? &modules[0].image : NULL, &m->failure)) {
        ipf_machine_destroy(made);
        return false;
    }
    machine_destroy(m->machine);
    m->machine = NULL;
    ipf_machine_destroy(m->ipf);
    m->ipf = made;
    api_ipf_hooks(m);
    return true;
}

struct ipf_cpu *api_ipf_cpu(struct sp_machine *m, unsigned index)
{
    if (index < ipf_machine_cpu_count(m->ipf))
        return ipf_machine_cpu(m->ipf, index);
    api_fail(m, "there is no processor %u", index);
    return NULL;
}

bool api_ipf_peek(struct sp_machine *m, unsigned cpu, uint64_t address, uint64_t *pa)
{
    struct ipf_cpu *c = api_ipf_cpu(m, cpu);
    return c && (ipf_peek(c, IPF_DATA, address, pa) ||
                 api_fail(m, "address %#llx is not mapped", (unsigned long long)address));
}

/* ---- hooks ---- */

static void on_interruption(void *user, struct ipf_cpu *c, const struct ipf_event *e)
{
    struct sp_machine *m = user;
    struct sp_event event = {
        .kind = SP_EVENT_INTERRUPTION,
        .cpu = c->index,
        .rip = e->ip,
        .slot = (uint8_t)e->slot,
        .vector = ipf_interruption_vector(e->what) >> 8,
        .isr = e->isr,
        .address = e->what == INT_BREAK ? 0 : e->value,
        .value = e->what == INT_BREAK ? e->value : 0,
        .text = ipf_interruption_name(e->what),
    };
    m->hooks[SP_EVENT_INTERRUPTION].hook(m->hooks[SP_EVENT_INTERRUPTION].user, m, &event);
    c->attention |= ATTENTION_PAUSE; /* if it called sp_stop(): at once */
}

void api_ipf_hooks(struct sp_machine *m)
{
    for (unsigned k = 0; k < ipf_machine_cpu_count(m->ipf); k++) {
        struct ipf_cpu *c = ipf_machine_cpu(m->ipf, k);
        c->interrupting = m->hooks[SP_EVENT_INTERRUPTION].hook ? on_interruption : NULL;
        c->interrupting_user = m;
    }
}

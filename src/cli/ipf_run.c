// SPDX-License-Identifier: Apache-2.0
// `silverpool run` of an Itanium image.
#include <stdlib.h>
#include <string.h>

#include "cli/session.h"
#include "image/ipf.h"

/* Options that ask for parts which this machine has not; what changes nothing is not among them. */
static bool check_options(const struct session *s, struct sp_error *e)
{
    const struct options *o = s->options;
    const struct {
        bool given;
        const char *name;
    } rows[] = {
        { o->loads, "load" },
        { o->matrix, "cpu-matrix" },
        { strcmp(o->debugcon, "none"), "debugcon" },
        { o->devices.disks || o->devices.virtio_serial, "device" },
        { o->debug_exit_port || o->pc_testdev || o->pci_testdev, "device" },
        { o->fw_cfgs, "fw_cfg" },
        { o->strict_tlb, "strict" },
        { o->tlb, "tlb" },
        { o->smm, "machine smm=on" },
        { o->save, "save" },
        { o->restore, "restore" },
        { o->dump_vmcs, "dump-vmcs" },
        { o->trace_filter, "trace-filter" },
    };
    for (size_t k = 0; k < ARRAY_SIZE(rows); k++)
        if (rows[k].given)
            return sp_fail(e, SP_EXIT_NOT_MODELLED, "%s: an Itanium machine has no -%s",
                           s->kernel.name, rows[k].name);
    if (s->module_count > 1)
        return sp_fail(e, SP_EXIT_NOT_MODELLED, "-initrd: an Itanium machine takes one");
    return true;
}

bool session_run_ipf(struct session *s, struct stop_report *report, struct sp_error *e)
{
    const struct options *o = s->options;
    struct ipf_model model;
    const struct ipf_config config = {
        .cpus = o->smp.processors,
        .ram_size = o->ram_size,
        .serial = console_sink(&s->serial),
        .ssc = o->ssc,
        .ssc_folder = o->ssc_folder,
        .command_line = o->append,
        .model = &model,
    };
    const struct machine_limits limits = { o->max_insns, session_poll, s };
    if (!check_options(s, e) || !ipf_model_parse(&model, o->cpu, e))
        return false;
    s->symbols = symbols_read(&s->kernel);
    s->ipf_faults = calloc(o->smp.processors, sizeof *s->ipf_faults);
    if (!s->symbols || !s->ipf_faults)
        return sp_fail(e, SP_EXIT_USAGE, "the host has no memory left");
    s->ipf = ipf_machine_create(&config, e);
    if (!s->ipf || !ipf_image_load(s->ipf, &s->kernel, o->append ? o->append : "",
                                   s->module_count ? &s->modules[0].image : NULL, e))
        return false;
    session_watch_ipf(s);
    if (!session_trace(s, e))
        return false;
    session_start(s);
    ipf_machine_run(s->ipf, &limits, report);
    return true;
}

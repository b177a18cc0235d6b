// SPDX-License-Identifier: Apache-2.0
// `silverpool run`: files, machine, run, exit code.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/matrix.h"
#include "cli/session.h"
#include "cpu/cpu.h"
#include "debug/explain_json.h"
#include "image/ipf.h"

int cli_fail(const struct sp_error *e)
{
    fprintf(stderr, "silverpool: %s\n", e->message);
    return e->code;
}

void cli_warn_model(const struct cpu_model *m)
{
    if (*m->unmodelled)
        fprintf(stderr,
                "silverpool: warning: -cpu: not modelled, so the guest does not see it: %s\n",
                m->unmodelled);
}

/* ---- files ---- */

static bool read_fw_cfg(struct session *s, struct sp_error *e)
{
    const struct options *o = s->options;
    for (unsigned k = 0; k < o->fw_cfgs; k++) {
        const struct fw_cfg_option *f = &o->fw_cfg[k];
        struct image *i = &s->fw_cfg[k];
        if (f->file ? !image_read_raw(i, f->file, e)
                    : !image_copy(i, f->name, f->string, strlen(f->string), e))
            return false;
        s->fw_cfg_file[k] = (struct fw_cfg_file){ f->name, i->data, i->size };
    }
    return true;
}

static bool open_disks(struct session *s, struct sp_error *e)
{
    const struct device_options *d = &s->options->devices;
    for (unsigned k = 0; k < d->disks; k++) {
        const struct drive_option *from = d->disk[k].source;
        enum disk_mode mode = from->read_only  ? DISK_READ_ONLY
                              : from->snapshot ? DISK_OVERLAY
                                               : DISK_WRITE_THROUGH;
        s->disk[k] = disk_open(from->file, mode, e);
        if (!s->disk[k])
            return false;
        s->disks[k] = (struct block_disk){ disk_store(s->disk[k]), d->disk[k].serial };
    }
    return true;
}

static bool read_files(struct session *s, struct sp_error *e)
{
    const struct options *o = s->options;
    if (o->kernel && !image_read(&s->kernel, o->kernel, e))
        return false;
    if (o->initrd && !image_modules_read(o->initrd, &s->kernel, &s->modules, &s->module_count, e))
        return false;
    if (o->bios && !image_read(&s->firmware, o->bios, e))
        return false;
    for (unsigned k = 0; k < o->loads; k++)
        if (!image_read(&s->load[k], o->load[k].file, e))
            return false;
    if (o->log_file && !(s->log = fopen(o->log_file, "w")))
        return sp_fail(e, SP_EXIT_USAGE, "%s: %s", o->log_file, strerror(errno));
    if (o->log && !s->log)
        s->log = stderr;
    return session_open_vmcs_file(s, e) && read_fw_cfg(s, e) && open_disks(s, e);
}

static bool open_consoles(struct session *s, struct sp_error *e)
{
    const struct options *o = s->options;
    const struct console_option serial = { o->serial, true, !o->keys_to_guest },
                                debugcon = { o->debugcon, false, false },
                                virtio = { o->devices.console, true, !o->keys_to_guest };
    return console_open(&s->serial, &serial, e) && console_open(&s->debugcon, &debugcon, e) &&
           console_open(&s->virtio, &virtio, e);
}

static bool make_machine(struct session *s, struct sp_error *e)
{
    const struct options *o = s->options;
    struct machine_config config = {
        .ram_size = o->ram_size,
        .processors = o->smp.processors,
        .cores = o->smp.cores,
        .threads = o->smp.threads,
        .cpu = o->cpu,
        .seed = o->seed,
        .serial = console_sink(&s->serial),
        .debugcon = console_sink(&s->debugcon),
        .debugcon_port = o->debugcon_port,
        .debug_exit_port = o->debug_exit_port,
        .debug_exit_size = o->debug_exit_size,
        .tlb = o->tlb,
        .smm = o->smm,
        .strict_tlb = o->strict_tlb,
        .pc_testdev = o->pc_testdev,
        .pci_testdev = o->pci_testdev,
        .firmware = o->firmware,
        .fw_cfg_files = s->fw_cfg_file,
        .fw_cfg_file_count = o->fw_cfgs,
        .disks = s->disks,
        .disk_count = o->devices.disks,
        .virtio_console = o->devices.virtio_serial,
        .virtio_console_sink = console_sink(&s->virtio),
    };
    s->faults = calloc(o->smp.processors, sizeof *s->faults);
    s->symbols = symbols_read(&s->kernel);
    s->machine = s->faults && s->symbols ? machine_create(&config, e) : NULL;
    if (s->machine)
        cli_warn_model(machine_cpu(s->machine, 0)->model);
    if (s->machine)
        session_watch(s);
    else if (!s->faults || !s->symbols)
        sp_fail(e, SP_EXIT_USAGE, "the host has no memory left");
    return s->machine;
}

/* Puts the images into memory; again after each reset. */
static bool load_images(struct session *s, struct sp_error *e)
{
    const struct options *o = s->options;
    if (!o->bios)
        flat_begin(s->machine);
    for (unsigned k = 0; k < o->loads; k++)
        if (!flat_load(s->machine, &s->load[k], o->load[k].address, e))
            return false;
    if (o->kernel)
        return kernel_load(s->machine, &s->kernel, o->append, s->modules, s->module_count, e);
    if (o->has_entry || !o->bios)
        return flat_enter(s->machine, o->has_entry ? o->entry : o->load[0].address, e);
    return true;
}

/* ---- running ---- */

static void note_stop(const struct session *s, enum machine_stop reason, struct stop_report *report)
{
    report->reason = reason;
    snprintf(report->text, sizeof report->text,
             reason == STOP_BUDGET ? "the instruction budget of %llu is spent"
                                   : "a stop was requested",
             (unsigned long long)s->options->max_insns);
}

/* A guest that resets again and again never runs long enough to be polled. */
static bool stops_between_runs(struct session *s, const struct machine_limits *limits,
                               struct stop_report *report)
{
    bool spent = s->options->max_insns && !limits->max_insns;
    if (!spent && !session_poll(s))
        return false;
    note_stop(s, spent ? STOP_BUDGET : STOP_REQUESTED, report);
    return true;
}

static bool save(struct session *s, struct sp_error *e)
{
    s->saved = true;
    return machine_save(s->machine, s->options->save, e);
}

/* Instructions until --save, 0: none.  Jumps over idle time count for limits, not for --save. */
static uint64_t until_save(const struct session *s)
{
    uint64_t insns = machine_insns(s->machine), at = s->saved ? 0 : s->options->save_at;
    return at > insns ? at - insns : 0;
}

static bool save_if_due(struct session *s, struct sp_error *e)
{
    uint64_t at = s->saved ? 0 : s->options->save_at;
    return !at || at != machine_insns(s->machine) || save(s, e);
}

/* Runs on, and saves the machine on the way if --save names a count that is still to come. */
static bool run_on(struct session *s, struct machine_limits limits, struct stop_report *report,
                   struct sp_error *e)
{
    for (;;) {
        uint64_t left = until_save(s);
        struct machine_limits piece = limits;
        bool cut = left && (!limits.max_insns || left < limits.max_insns);
        if (cut)
            piece.max_insns = left;
        machine_run(s->machine, &piece, report);
        if (!save_if_due(s, e))
            return false;
        if (!cut || report->reason != STOP_BUDGET)
            break;
        limits.max_insns -= limits.max_insns ? left : 0;
    }
    if (report->reason == STOP_BUDGET)
        note_stop(s, STOP_BUDGET, report);
    return true;
}

/* What the machine begins with: its images or, the first time, a saved machine. */
static bool begin(struct session *s, bool again, struct sp_error *e)
{
    const struct options *o = s->options;
    if (!o->restore)
        return load_images(s, e);
    if (!again)
        return machine_restore(s->machine, o->restore, e);
    if (o->kernel || o->bios || o->loads)
        return load_images(s, e);
    return sp_fail(e, SP_EXIT_USAGE,
                   "the guest reset the machine: give the images of the run that saved it, too");
}

static bool run_to_end(struct session *s, struct stop_report *report, struct sp_error *e)
{
    struct machine_limits limits = { s->options->max_insns, session_poll, s };
    session_start(s);
    for (bool again = false;; again = true) {
        if (!begin(s, again, e) || (!again && !session_trace(s, e)))
            return false;
        uint64_t before = machine_insns(s->machine);
        if (!run_on(s, limits, report, e))
            return false;
        if (report->reason != STOP_RESET || s->options->no_reboot)
            return true;
        limits.max_insns -= limits.max_insns ? machine_insns(s->machine) - before : 0;
        if (stops_between_runs(s, &limits, report))
            return true;
        machine_reset(s->machine);
    }
}

/* ---- the end ---- */

int session_stop_code(const struct session *s, const struct stop_report *r)
{
    switch (r->reason) {
    case STOP_BUDGET: return SP_EXIT_BUDGET;
    case STOP_REQUESTED: return s->signal ? 128 + s->signal : s->quit ? SP_EXIT_OK : SP_EXIT_BUDGET;
    case STOP_DEBUG_EXIT: return (int)r->value;
    case STOP_POWER_OFF: case STOP_RESET: return SP_EXIT_OK;
    case STOP_TRIPLE_FAULT: return SP_EXIT_TRIPLE_FAULT;
    case STOP_HALTED: return SP_EXIT_HALTED;
    case STOP_VMX_ABORT: return SP_EXIT_VMX_ABORT;
    case STOP_NOT_MODELLED: return SP_EXIT_NOT_MODELLED;
    }
    return SP_EXIT_NOT_MODELLED;
}

/* One line for every end that the guest did not ask for. */
static void report_stop(struct session *s, const struct stop_report *r)
{
    struct cpu *c = s->machine ? machine_cpu(s->machine, r->cpu) : NULL;
    char where[256];
    if (r->reason == STOP_DEBUG_EXIT || r->reason == STOP_POWER_OFF || r->reason == STOP_RESET)
        return;
    if (s->quit)
        fprintf(stderr, "silverpool: ended by Ctrl-A x\n");
    else if (s->timed_out)
        fprintf(stderr, "silverpool: time limit of %g s reached after %llu instructions\n",
                s->options->timeout, (unsigned long long)session_insns(s));
    else
        fprintf(stderr, "silverpool: %s\n", r->text);
    if ((c || s->ipf) && (r->reason == STOP_BUDGET || r->reason == STOP_REQUESTED))
        fprintf(stderr, "  cpu %u at %s %s\n", r->cpu, s->ipf ? "ip" : "rip",
                session_where(s, r->cpu, where, sizeof where));
    if (c && r->reason == STOP_TRIPLE_FAULT)
        (s->options->json ? explain_triple_fault_json : explain_triple_fault)(
            stderr, &s->faults[r->cpu], c, s->symbols);
    if (s->last)
        session_print_last(s, stderr);
    if (s->ipf)
        session_explain_ipf(s, r);
}

static void note_result(struct session *s, const struct stop_report *r)
{
    static const char *const ends[] = {
        [STOP_BUDGET] = "instruction budget",
        [STOP_REQUESTED] = "interrupted",
        [STOP_DEBUG_EXIT] = "debug exit",
        [STOP_POWER_OFF] = "power-off",
        [STOP_RESET] = "reset",
        [STOP_TRIPLE_FAULT] = "triple fault",
        [STOP_HALTED] = "halted for good",
        [STOP_VMX_ABORT] = "VMX abort",
        [STOP_NOT_MODELLED] = "not modelled",
    };
    s->result->code = session_stop_code(s, r);
    s->result->interrupted = s->signal || s->quit;
    s->result->end = s->timed_out ? "time limit" : ends[r->reason];
    s->result->totals = session_totals(s);
}

/* --save without a count, or with one that was not reached. */
static int save_at_end(struct session *s, int code)
{
    const struct options *o = s->options;
    struct sp_error e;
    if (!o->save || s->saved)
        return code;
    if (!o->save_at)
        return save(s, &e) ? code : cli_fail(&e);
    fprintf(stderr, "silverpool: --save: nothing saved, the run ended at instruction %llu\n",
            (unsigned long long)machine_insns(s->machine));
    return code;
}

static void close_consoles(struct session *s)
{
    console_close(&s->serial);
    console_close(&s->debugcon);
    console_close(&s->virtio);
}

static void session_free(struct session *s)
{
    close_consoles(s);
    machine_destroy(s->machine);
    ipf_machine_destroy(s->ipf);
    for (unsigned k = 0; k < DRIVES_MAX; k++)
        disk_close(s->disk[k]);
    symbols_free(s->symbols);
    free(s->faults);
    free(s->last);
    free(s->ipf_faults);
    image_modules_free(s->modules, s->module_count);
    image_free(&s->kernel);
    image_free(&s->firmware);
    for (unsigned k = 0; k < LOADS_MAX; k++)
        image_free(&s->load[k]);
    for (unsigned k = 0; k < FW_CFG_MAX; k++)
        image_free(&s->fw_cfg[k]);
    if (s->log && s->log != stderr)
        fclose(s->log);
    if (s->vmcs_file)
        fclose(s->vmcs_file);
}

static bool run(struct session *s, struct stop_report *report, struct sp_error *e)
{
    if (ipf_image_is(&s->kernel) && s->options->last)
        return sp_fail(e, SP_EXIT_NOT_MODELLED, "--last is not there for Itanium");
    if (ipf_image_is(&s->kernel))
        return session_run_ipf(s, report, e);
    if (s->options->ssc)
        return sp_fail(e, SP_EXIT_USAGE, "--ssc goes with a -kernel for Itanium");
    return make_machine(s, e) &&
           (!s->options->bios || s->options->restore ||
            firmware_load(s->machine, &s->firmware, e)) &&
           run_to_end(s, report, e);
}

int session_run(struct session *s)
{
    struct sp_error e;
    struct stop_report report = { 0 };
    s->serial.out = s->debugcon.out = s->virtio.out = -1;
    if (!read_files(s, &e) || !open_consoles(s, &e) || !session_record(s, &e) ||
        !run(s, &report, &e)) {
        struct sp_error also;
        session_trace_end(s, &report, &also);
        session_record_end(s, &also);
        session_free(s);
        return cli_fail(&e);
    }
    close_consoles(s);
    bool written = session_trace_end(s, &report, &e);
    written = session_record_end(s, &e) && written;
    if (s->result) {
        note_result(s, &report);
    } else {
        report_stop(s, &report);
        session_dump_end(s, &report);
        session_stats(s);
    }
    int code = save_at_end(s, session_stop_code(s, &report));
    session_free(s);
    return written ? code : cli_fail(&e);
}

int cli_run(int argc, char **argv, int first)
{
    struct options o;
    struct sp_error e;
    int code = 0;
    if (!options_parse(&o, argc, argv, first, &e)) {
        code = cli_fail(&e);
    } else if (o.help == HELP_CPU) {
        cli_print_profiles();
    } else if (o.help) {
        options_help(o.help);
    } else if (o.matrix) {
        code = matrix_run(&o);
    } else {
        struct session s = { .options = &o };
        code = session_run(&s);
    }
    options_free(&o);
    return code;
}

// SPDX-License-Identifier: Apache-2.0
// One run of one machine, as the command line asked for it.
#ifndef SP_CLI_SESSION_H
#define SP_CLI_SESSION_H

#include <stdio.h>
#include <time.h>

#include "cli/console.h"
#include "cli/options.h"
#include "debug/explain.h"
#include "debug/ipf_explain.h"
#include "image/disk.h"
#include "image/image.h"
#include "machine/ipf_machine.h"
#include "machine/machine.h"
#include "trace/filter.h"
#include "vmx/vmx.h"

/* What -d unmodelled named already. */
struct seen {
    uint64_t key[1024];
    unsigned count;
};

/* What all processors did together. */
struct session_totals {
    uint64_t insns, exceptions, exits;
    struct vmx_stats vmx;
};

/* How one of several runs ended (--cpu-matrix). */
struct run_result {
    int code;         /* what would be the process's exit code */
    const char *end;  /* in two words; NULL: it could not start */
    bool interrupted; /* by a signal or Ctrl-A x */
    char failure[64]; /* the first VM entry that failed: the check, or the error */
    struct session_totals totals;
};

struct session {
    struct options *options;
    struct run_result *result; /* not NULL: filled at the end, and nothing is printed */
    struct machine *machine;
    struct ipf_machine *ipf; /* instead of machine, if the kernel is one for Itanium */
    struct console serial, debugcon, virtio;
    struct disk *disk[DRIVES_MAX];
    struct block_disk disks[DRIVES_MAX];
    struct image kernel, firmware, load[LOADS_MAX], fw_cfg[FW_CFG_MAX];
    struct fw_cfg_file fw_cfg_file[FW_CFG_MAX];
    struct image_module *modules;
    size_t module_count;
    struct symbols *symbols;
    struct explain_log *faults;       /* one for each processor */
    struct ipf_explain_log *ipf_faults; /* the same */
    FILE *log;                        /* NULL: nothing is logged */
    struct trace_filter filter;       /* of --trace-filter */
    struct trace_log *trace;          /* of -trace or --last, NULL: none */
    struct last *last;                /* of --last, or NULL */
    FILE *vmcs_file;                  /* of --dump-vmcs, or NULL */
    unsigned vmcs_dumps;              /* in it */
    struct seen unmodelled;
    struct timespec start, progress;
    uint64_t seen_now, seen_insns;    /* at the last look: what went by since was idle or not */
    FILE *record;                     /* of -record, or NULL */
    uint64_t polls, replay_end;       /* looks at the run; the one at which -replay ends, 0: none */
    int replay_signal;                /* by this signal, 0: Ctrl-A x, -1: the time limit */
    bool timed_out, quit;             /* quit: Ctrl-A x */
    bool saved;                       /* --save has been done */
    int signal;                       /* SIGINT or SIGTERM that ended the run */
};

/* Attaches counters, the log and explanations to the machine (watch.c). */
void session_watch(struct session *s);
/* The hook of -d unmodelled: one line for each thing, where it was met first (unmodelled.c). */
void session_unmodelled(void *session, struct cpu *c, enum unmodelled kind, uint64_t what);
/* --dump-vmcs: the current VMCS of processor c, if there is one and somebody asked (vmcs.c). */
void session_dump_vmcs(struct session *s, struct cpu *c, const char *about);
/* Those of all processors at the end of the run; then the file is complete. */
void session_dump_end(struct session *s, const struct stop_report *r);
bool session_open_vmcs_file(struct session *s, struct sp_error *e);
struct session_totals session_totals(const struct session *s);
/* Prints the summary of --stats on standard output (stats.c). */
void session_stats(const struct session *s);
/* The parts of it about virtual machines of an Itanium machine: lines, members of the JSON object
 * (ipf_stats.c). */
void session_stats_vti(const struct session *s);
void session_json_vti(const struct session *s);
/* Seconds of the host's time since the run began. */
double session_seconds(const struct session *s);

/* -trace: begins it, and ends it when the run is over (tracing.c). */
bool session_trace(struct session *s, struct sp_error *e);
/* Parses --trace-filter. */
bool session_filter(const struct session *s, struct trace_filter *f, struct sp_error *e);
uint64_t session_hash_images(const struct session *s);
bool session_trace_end(struct session *s, const struct stop_report *r, struct sp_error *e);

/* --last: begins it, and prints what there is (last.c). */
bool session_last(struct session *s, struct sp_error *e);
void session_print_last(const struct session *s, FILE *out);

/* The clock of the run begins, and signals wait for session_poll() (poll.c). */
void session_start(struct session *s);
/* To be called every few milliseconds, with the session: consoles, progress; true: the run is to
 * end. */
bool session_poll(void *session);
uint64_t session_insns(const struct session *s);
/* Prints where a processor is, with the symbol.  Returns out. */
const char *session_where(const struct session *s, unsigned cpu, char *out, size_t size);

/* An Itanium machine for s->kernel, run to its end (ipf_run.c). */
bool session_run_ipf(struct session *s, struct stop_report *report, struct sp_error *e);
/* session_watch() for it, and the explanation of an end that the guest did not ask for (ipf_watch.c).
 */
void session_watch_ipf(struct session *s);
void session_explain_ipf(const struct session *s, const struct stop_report *r);

/* Reads the files, makes the machine, runs it to its end, and releases all (run.c).  Returns the
 * exit code, whose reason is on standard error. */
int session_run(struct session *s);

/* The process's exit code of a run that ended so. */
int session_stop_code(const struct session *s, const struct stop_report *r);

/* The verbs; they return the process's exit code. */
int cli_run(int argc, char **argv, int first);
int cli_features(int argc, char **argv, int first);
int cli_explain(int argc, char **argv, int first);
int cli_disasm(int argc, char **argv, int first);
int cli_trace(int argc, char **argv, int first);
int cli_conform(int argc, char **argv, int first);
/* Names on standard error what a -cpu text asked for in vain. */
void cli_warn_model(const struct cpu_model *m);
/* Prints the profiles of -cpu. */
void cli_print_profiles(void);
/* Prints "silverpool: MESSAGE" on standard error and returns the error's exit code. */
int cli_fail(const struct sp_error *e);

#endif

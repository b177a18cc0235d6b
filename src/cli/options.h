// SPDX-License-Identifier: Apache-2.0
// The command line of `silverpool run`.
#ifndef SP_CLI_OPTIONS_H
#define SP_CLI_OPTIONS_H

#include <stdint.h>

#include "base/error.h"
#include "cli/devices.h"
#include "cli/smp.h"
#include "machine/machine.h"

enum { LOADS_MAX = 32, FW_CFG_MAX = 32 };
enum stats_form { STATS_NONE, STATS_TABLE, STATS_JSON };
enum log_item {
    LOG_INT = 1 << 0,
    LOG_VMX = 1 << 1,
    LOG_IO = 1 << 2,
    LOG_MSR = 1 << 3,
    LOG_UNMODELLED = 1 << 4,
    LOG_EPT = 1 << 5,
    LOG_WALK = 1 << 6,
    LOG_VTI = 1 << 7,
};
enum help_topic { HELP_NONE, HELP_OPTIONS, HELP_CPU, HELP_DEVICE, HELP_LOG, HELP_TRACE,
                  HELP_VERSION };

struct load_option { char *file; uint64_t address; };
struct fw_cfg_option { char *name, *file, *string; };

struct options {
    const char *kernel, *initrd, *append, *bios;
    struct load_option load[LOADS_MAX];
    unsigned loads;
    bool has_entry;
    uint64_t entry;
    uint64_t ram_size;
    struct smp smp;
    const char *cpu;
    const char *matrix;                  /* --cpu-matrix: names, "": all profiles */
    const char *serial, *debugcon;       /* "stdio", "none" or "file:NAME" */
    bool keys_to_guest;                  /* Ctrl-C on a terminal, too */
    struct device_options devices;
    uint16_t debugcon_port;              /* 0: 0xe9 */
    struct firmware_settings firmware;
    uint16_t debug_exit_port;
    uint8_t debug_exit_size;
    bool pc_testdev, pci_testdev;
    struct fw_cfg_option fw_cfg[FW_CFG_MAX];
    unsigned fw_cfgs;
    enum tlb_mode tlb;
    bool smm;
    bool strict_tlb;
    bool no_reboot;
    bool ssc;                            /* Ski's simulator calls */
    const char *ssc_folder;              /* NULL: they see no files */
    bool json;                           /* explanations                  */
    char *save;                          /* the file of --save                */
    uint64_t save_at;                    /* its instruction count, 0: the end */
    const char *restore;
    bool dump_vmcs;
    const char *dump_vmcs_file;          /* NULL: where explanations go */
    uint64_t max_insns, seed;
    double timeout;                      /* seconds of the host's time, 0: none */
    enum stats_form stats;
    unsigned log;                        /* enum log_item */
    const char *log_file;
    char notes[512];                     /* options that change nothing, for -d unmodelled */
    const char *trace;                   /* a file, NULL: no trace */
    const char *trace_filter;            /* NULL: everything */
    const char *record, *replay;
    unsigned last;                       /* instructions to print at the end, 0: none */
    uint32_t trace_events;               /* enum trace_class */
    char *line;                          /* the command line, for the trace's header */
    enum help_topic help;
};

/* Parses argv[first..]; one dash or two, "--name value" and "--name=value".  On failure *e holds
 * one line and the exit code.  *o is to be freed in either case. */
bool options_parse(struct options *o, int argc, char **argv, int first, struct sp_error *e);
void options_free(struct options *o);
/* Prints what o->help asks for (not the processor profiles). */
void options_help(enum help_topic topic);

#endif

// SPDX-License-Identifier: Apache-2.0
// One table gives parsing and --help.  Names and meanings are QEMU's where QEMU has the option.
#include "cli/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "cli/firmware.h"
#include "cli/values.h"
#include "trace/event.h"

struct option_row {
    const char *name, *argument; /* argument NULL: takes none; "=X": optional, after '=' only */
    bool (*apply)(struct options *o, const struct option_row *row, const char *value,
                  struct sp_error *e);
    const char *help;                     /* NULL: not listed */
};

static bool set_text(const char **member, const struct option_row *row, const char *v,
                     struct sp_error *e)
{
    if (*member)
        return sp_fail(e, SP_EXIT_USAGE, "-%s: given twice", row->name);
    *member = v;
    return true;
}

static bool opt_kernel(struct options *o, const struct option_row *row, const char *v,
                       struct sp_error *e)
{
    return set_text(&o->kernel, row, v, e);
}
static bool opt_initrd(struct options *o, const struct option_row *row, const char *v,
                       struct sp_error *e)
{
    return set_text(&o->initrd, row, v, e);
}
static bool opt_append(struct options *o, const struct option_row *row, const char *v,
                       struct sp_error *e)
{
    return set_text(&o->append, row, v, e);
}
static bool opt_bios(struct options *o, const struct option_row *row, const char *v,
                     struct sp_error *e)
{
    return set_text(&o->bios, row, v, e);
}

static bool opt_load(struct options *o, const struct option_row *row, const char *v,
                     struct sp_error *e)
{
    const char *at = strrchr(v, '@');
    struct load_option *l = &o->load[o->loads];
    if (o->loads == LOADS_MAX)
        return sp_fail(e, SP_EXIT_USAGE, "--load: more than %d files", LOADS_MAX);
    if (!at || at == v || !value_number(at + 1, UINT64_MAX, &l->address))
        return sp_fail(e, SP_EXIT_USAGE, "--load %s: expected FILE@ADDRESS", v);
    l->file = strndup(v, (size_t)(at - v));
    o->loads++;
    return l->file || sp_fail(e, SP_EXIT_USAGE, "--load: no memory");
}

static bool opt_entry(struct options *o, const struct option_row *row, const char *v,
                      struct sp_error *e)
{
    o->has_entry = value_number(v, UINT64_MAX, &o->entry);
    return o->has_entry || sp_fail(e, SP_EXIT_USAGE, "--entry %s: expected an address", v);
}

/* Never more than the host has: the guest could otherwise bring the host to a halt. */
static bool opt_memory(struct options *o, const struct option_row *row, const char *v,
                       struct sp_error *e)
{
    uint64_t host = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    if (!strncmp(v, "size=", 5))
        v += 5;
    if (!value_size(v, &o->ram_size) || o->ram_size < 1 << 20 || o->ram_size & 0xfff)
        return sp_fail(e, SP_EXIT_USAGE,
                       "-m %s: expected a size of at least 1M, such as 512M or 2G", v);
    if (o->ram_size > host)
        return sp_fail(e, SP_EXIT_USAGE, "-m %s: this host has only %llu MiB of memory", v,
                       (unsigned long long)(host >> 20));
    return true;
}

static bool opt_smp(struct options *o, const struct option_row *row, const char *v,
                    struct sp_error *e)
{
    return smp_parse(&o->smp, v, e);
}

static bool opt_cpu(struct options *o, const struct option_row *row, const char *v,
                    struct sp_error *e)
{
    if (!strcmp(v, "help") || !strcmp(v, "?"))
        o->help = HELP_CPU;
    o->cpu = v;
    return true;
}

static bool opt_cpu_matrix(struct options *o, const struct option_row *row, const char *v,
                           struct sp_error *e)
{
    o->matrix = v ? v : "";
    return true;
}

static bool is_console(const char *v)
{
    return !strcmp(v, "stdio") || !strcmp(v, "none") || !strcmp(v, "null") ||
           (!strncmp(v, "file:", 5) && v[5]) || (!strncmp(v, "chardev:", 8) && v[8]);
}

/* "mon:stdio" gives Ctrl-C to the guest, as -nographic does. */
static bool set_console(struct options *o, const char **member, const struct option_row *row,
                        const char *v, struct sp_error *e)
{
    if (!strncmp(v, "mon:", 4)) {
        o->keys_to_guest = true;
        v += 4;
    }
    if (!is_console(v))
        return sp_fail(e, SP_EXIT_USAGE, "-%s %s: expected stdio, none or file:NAME", row->name, v);
    return set_text(member, row, v, e);
}
static bool opt_serial(struct options *o, const struct option_row *row, const char *v,
                       struct sp_error *e)
{
    return set_console(o, &o->serial, row, v, e);
}
static bool opt_debugcon(struct options *o, const struct option_row *row, const char *v,
                         struct sp_error *e)
{
    return set_console(o, &o->debugcon, row, v, e);
}

static bool note(struct options *o, const struct option_row *row, const char *v, struct sp_error *e)
{
    size_t used = strlen(o->notes);
    snprintf(o->notes + used, sizeof o->notes - used, "%s-%s%s%s", used ? ", " : "", row->name,
             v ? " " : "", v ? v : "");
    return true;
}

static bool not_modelled(struct options *o, const struct option_row *row, const char *v,
                         struct sp_error *e)
{
    return sp_fail(e, SP_EXIT_NOT_MODELLED, "-%s: not supported yet", row->name);
}

/* [type=]TYPE and properties of QEMU's PCs, in any version; the machine is always ours, and only
 * smm=on changes it. */
static bool opt_machine(struct options *o, const struct option_row *row, const char *v,
                        struct sp_error *e)
{
    const char *type = strncmp(v, "type=", 5) ? v : v + 5;
    size_t n = strcspn(type, ",");
    bool is_property = memchr(type, '=', n);
    if (!is_property && strncmp(type, "pc", 2) && strncmp(type, "q35", 3))
        return sp_fail(e, SP_EXIT_NOT_MODELLED,
                       "-%s %.*s: this machine is not modelled (pc and "
                       "q35 are accepted)",
                       row->name, (int)n, type);
    const char *smm = strstr(v, "smm=");
    if (smm && (smm == v || smm[-1] == ',')) {
        o->smm = !strncmp(smm + 4, "on", 2);
        return o->smm || !strncmp(smm + 4, "off", 3) ||
               sp_fail(e, SP_EXIT_USAGE, "-%s %s: smm is on or off", row->name, v);
    }
    return note(o, row, v, e);
}

static bool opt_vnc(struct options *o, const struct option_row *row, const char *v,
                    struct sp_error *e)
{
    return strcmp(v, "none") ? not_modelled(o, row, v, e) : note(o, row, v, e);
}

static bool opt_boot(struct options *o, const struct option_row *row, const char *v,
                     struct sp_error *e)
{
    bool ignored = false;
    return firmware_parse_boot(o, v, &ignored, e) && (!ignored || note(o, row, v, e));
}
static bool opt_global(struct options *o, const struct option_row *row, const char *v,
                       struct sp_error *e)
{
    bool ignored = false;
    return firmware_parse_global(o, v, &ignored, e) && (!ignored || note(o, row, v, e));
}

static bool opt_nographic(struct options *o, const struct option_row *row, const char *v,
                          struct sp_error *e)
{
    return o->keys_to_guest = true;
}

static bool opt_drive(struct options *o, const struct option_row *row, const char *v,
                      struct sp_error *e)
{
    return devices_add_drive(&o->devices, v, e);
}
static bool opt_chardev(struct options *o, const struct option_row *row, const char *v,
                        struct sp_error *e)
{
    return devices_add_chardev(&o->devices, v, e);
}

static bool opt_device(struct options *o, const struct option_row *row, const char *v,
                       struct sp_error *e)
{
    if (!strcmp(v, "help") || !strcmp(v, "?"))
        o->help = HELP_DEVICE;
    else
        return devices_add(o, v, e);
    return true;
}

static bool opt_fw_cfg(struct options *o, const struct option_row *row, const char *v,
                       struct sp_error *e)
{
    return firmware_parse_fw_cfg(o, v, e);
}

static bool opt_switch(struct options *o, const struct option_row *row, const char *v,
                       struct sp_error *e)
{
    return *(strcmp(row->name, "json") ? &o->no_reboot : &o->json) = true;
}

static bool opt_ssc(struct options *o, const struct option_row *row, const char *v,
                    struct sp_error *e)
{
    o->ssc_folder = v;
    return o->ssc = true;
}

static bool opt_max_insns(struct options *o, const struct option_row *row, const char *v,
                          struct sp_error *e)
{
    return (value_count(v, &o->max_insns) && o->max_insns) ||
           sp_fail(e, SP_EXIT_USAGE,
                   "--max-insns %s: expected a number above 0, such as 5000000 or 5M", v);
}

/* FILE or FILE@COUNT */
static bool opt_save(struct options *o, const struct option_row *row, const char *v,
                     struct sp_error *e)
{
    const char *at = strrchr(v, '@');
    if (o->save)
        return sp_fail(e, SP_EXIT_USAGE, "--save: given twice");
    bool counted = at && at > v && value_count(at + 1, &o->save_at);
    if (counted && !o->save_at)
        return sp_fail(e, SP_EXIT_USAGE, "--save %s: expected a number above 0", v);
    o->save = strndup(v, counted ? (size_t)(at - v) : strlen(v));
    return (o->save && *o->save) || sp_fail(e, SP_EXIT_USAGE, "--save: expected FILE[@COUNT]");
}
static bool opt_restore(struct options *o, const struct option_row *row, const char *v,
                        struct sp_error *e)
{
    return set_text(&o->restore, row, v, e);
}

static bool opt_seed(struct options *o, const struct option_row *row, const char *v,
                     struct sp_error *e)
{
    return value_number(v, UINT64_MAX, &o->seed) ||
           sp_fail(e, SP_EXIT_USAGE, "--seed %s: expected a number", v);
}

static bool opt_timeout(struct options *o, const struct option_row *row, const char *v,
                        struct sp_error *e)
{
    char *end;
    o->timeout = strtod(v, &end);
    return (*v && !*end && o->timeout > 0 && o->timeout < 1e9) ||
           sp_fail(e, SP_EXIT_USAGE, "--timeout %s: expected seconds", v);
}

static bool opt_strict(struct options *o, const struct option_row *row, const char *v,
                       struct sp_error *e)
{
    o->strict_tlb = !strcmp(v, "tlb");
    return o->strict_tlb || sp_fail(e, SP_EXIT_USAGE, "--strict %s: expected tlb", v);
}

static bool opt_tlb(struct options *o, const struct option_row *row, const char *v,
                    struct sp_error *e)
{
    static const char *const names[] = { "exact", "none", "sticky" };
    for (unsigned k = 0; k < ARRAY_SIZE(names); k++)
        if (!strcmp(v, names[k])) {
            o->tlb = (enum tlb_mode)k;
            return true;
        }
    return sp_fail(e, SP_EXIT_USAGE, "-tlb %s: expected exact, none or sticky", v);
}

static bool opt_stats(struct options *o, const struct option_row *row, const char *v,
                      struct sp_error *e)
{
    if (v && strcmp(v, "json"))
        return sp_fail(e, SP_EXIT_USAGE, "--stats=%s: expected --stats or --stats=json", v);
    o->stats = v ? STATS_JSON : STATS_TABLE;
    return true;
}

static const struct { const char *name, *help; unsigned bit;
} log_rows[] = {
    { "int", "exceptions and interrupts as they are delivered", LOG_INT },
    { "vmx", "VM entries, VM exits and VM-entry failures", LOG_VMX },
    { "ept", "the walk of each EPT violation, misconfiguration and SPP event, entry by entry",
      LOG_EPT },
    { "walk", "the way of the address of each page fault or Itanium translation fault", LOG_WALK },
    { "vti", "Itanium: virtualization faults, PAL's procedures and services for them, misuse",
      LOG_VTI },
    { "io", "accesses to I/O ports", LOG_IO },
    { "msr", "reads and writes of model-specific registers", LOG_MSR },
    { "unmodelled", "options, MSRs, instructions, ports and memory that are not there, once each",
      LOG_UNMODELLED },
};

static bool opt_dump_vmcs(struct options *o, const struct option_row *row, const char *v,
                          struct sp_error *e)
{
    o->dump_vmcs = true;
    return !v || (*v ? set_text(&o->dump_vmcs_file, row, v, e)
                     : sp_fail(e, SP_EXIT_USAGE, "--dump-vmcs=: expected a file"));
}

static bool opt_log(struct options *o, const struct option_row *row, const char *v,
                    struct sp_error *e)
{
    if (!strcmp(v, "help") || !strcmp(v, "?"))
        o->help = HELP_LOG;
    while (*v && o->help != HELP_LOG) {
        size_t n = strcspn(v, ","), k = 0;
        while (k < ARRAY_SIZE(log_rows) &&
               (strlen(log_rows[k].name) != n || strncmp(log_rows[k].name, v, n)))
            k++;
        if (k == ARRAY_SIZE(log_rows))
            return sp_fail(e, SP_EXIT_USAGE, "-d %.*s: no such log item (-d help)", (int)n, v);
        o->log |= log_rows[k].bit;
        v += n + (v[n] == ',');
    }
    return true;
}

static bool opt_log_file(struct options *o, const struct option_row *row, const char *v,
                         struct sp_error *e)
{
    return set_text(&o->log_file, row, v, e);
}

static bool opt_trace(struct options *o, const struct option_row *row, const char *v,
                      struct sp_error *e)
{
    return set_text(&o->trace, row, v, e);
}

static bool opt_trace_filter(struct options *o, const struct option_row *row, const char *v,
                             struct sp_error *e)
{
    return set_text(&o->trace_filter, row, v, e);
}

static bool opt_last(struct options *o, const struct option_row *row, const char *v,
                     struct sp_error *e)
{
    enum { LAST_MAX = 1000000 };
    uint64_t n;
    if (!value_count(v, &n) || !n || n > LAST_MAX)
        return sp_fail(e, SP_EXIT_USAGE, "--last %s: expected a number from 1 to %d", v, LAST_MAX);
    o->last = (unsigned)n;
    return true;
}

static bool opt_record(struct options *o, const struct option_row *row, const char *v,
                       struct sp_error *e)
{
    return set_text(&o->record, row, v, e);
}

static bool opt_replay(struct options *o, const struct option_row *row, const char *v,
                       struct sp_error *e)
{
    return set_text(&o->replay, row, v, e);
}

static bool opt_trace_events(struct options *o, const struct option_row *row, const char *v,
                             struct sp_error *e)
{
    const char *bad;
    unsigned n;
    if (!strcmp(v, "help") || !strcmp(v, "?")) {
        o->help = HELP_TRACE;
        return true;
    }
    return trace_parse_classes(v, &o->trace_events, &bad, &n) ||
           sp_fail(e, SP_EXIT_USAGE, "--trace-events %.*s: no such event (--trace-events help)",
                   (int)n, bad);
}

static bool opt_help(struct options *o, const struct option_row *row, const char *v,
                     struct sp_error *e)
{
    o->help = strcmp(row->name, "version") ? HELP_OPTIONS : HELP_VERSION;
    return true;
}

static const struct option_row rows[] = {
    { "kernel", "FILE", opt_kernel,
      "multiboot, PVH, bzImage or ELF (IA-32, Intel 64, Itanium); may be compressed" },
    { "initrd", "FILE[ ARGS][,...]", opt_initrd,
      "modules of multiboot and PVH kernels, or initrds for Linux" },
    { "append", "TEXT", opt_append, "command line of the kernel" },
    { "load", "FILE@ADDRESS", opt_load,
      "copy a flat binary to RAM; alone, it is entered there in real mode" },
    { "entry", "ADDRESS", opt_entry, "enter flat binaries here, in real mode" },
    { "bios", "FILE", opt_bios, "firmware: ends at 4 GiB, starts at the reset vector" },
    { "boot", "menu=on[,splash-time=MS]", opt_boot,
      "firmware offers its boot menu, and waits that long for a key" },
    { "m", "SIZE", opt_memory, "RAM: 128M, 2G; a bare number counts MiB (default 128M)" },
    { "smp", "N[,sockets=S][,cores=C][,threads=T]", opt_smp,
      "logical processors, 1 to 64 (default 1), on one socket" },
    { "cpu", "NAME[,+F][,-F]", opt_cpu, "processor profile; \"help\" lists them (default max)" },
    { "cpu-matrix", "=NAME,...", opt_cpu_matrix,
      "run on each of these processors (default: all profiles); print a table" },
    { "serial", "stdio|none|file:F", opt_serial, "COM1 (default stdio)" },
    { "debugcon", "stdio|none|file:F", opt_debugcon, "the console at port 0xe9 (default none)" },
    { "global", "DRIVER.PROPERTY=VALUE", opt_global,
      "isa-debugcon.iobase=0x402: the port where firmware looks for -debugcon" },
    { "device", "NAME[,KEY=VALUE]", opt_device,
      "virtio-blk-pci, virtconsole, isa-debug-exit ...; \"help\" lists them" },
    { "drive", "file=F,if=virtio,...", opt_drive,
      "raw disk image; never changed unless snapshot=off; readonly=on, if=none,id=ID" },
    { "chardev", "stdio|null|file,id=ID", opt_chardev,
      "a console for -device virtconsole or -serial chardev:ID" },
    { "fw_cfg", "name=N,file=F", opt_fw_cfg,
      "a file of the firmware configuration device (or string=S)" },
    { "ssc", "=FOLDER", opt_ssc,
      "Itanium: the calls of the Ski simulator; their files are those of the folder" },
    { "no-reboot", NULL, opt_switch, "end the run when the guest resets the machine" },
    { "max-insns", "N", opt_max_insns,
      "end the run after N instructions (K, M, G: powers of 1000)" },
    { "timeout", "SECONDS", opt_timeout, "end the run after this time of the host" },
    { "save", "FILE[@N]", opt_save,
      "save the machine after its Nth instruction, and go on; else when the run ends" },
    { "restore", "FILE", opt_restore,
      "go on from a saved machine; give the options of the run that saved it" },
    { "seed", "N", opt_seed, "what RDRAND and RDSEED return (default 0)" },
    { "tlb", "exact|none|sticky", opt_tlb,
      "how long translations live: as in real parts, not at all, as long as the SDM permits" },
    { "strict", "tlb", opt_strict,
      "report each use of a translation that an invalidation should have taken (slow)" },
    { "stats", "=json", opt_stats,
      "at the end print instructions, VM exits by reason and the state hash" },
    { "dump-vmcs", "=FILE", opt_dump_vmcs,
      "print the current VMCS, decoded, when a VM entry fails and when the run ends" },
    { "json", NULL, opt_switch, "explain VM-entry failures, triple faults and the like in lines of JSON" },
    { "trace", "FILE", opt_trace, "what the processors do, to a file for \"silverpool trace\"" },
    { "trace-events", "LIST", opt_trace_events,
      "... namely: exec, full (default), vmx, or instructions,registers,memory ...; \"help\"" },
    { "trace-filter", "KEY=VALUE,...", opt_trace_filter,
      "... only time=A-B, address=A[-B], cpl=N, cpu=N, operation=root|non-root|none, vmcs=A, start=X, stop=X" },
    { "last", "N", opt_last,
      "print the last N instructions of a run that ends as its guest did not want (slow)" },
    { "record", "FILE", opt_record, "what comes from outside: console input, the seed, how the run is ended" },
    { "replay", "FILE", opt_replay, "the same run again, with the same options" },
    { "d", "LIST", opt_log, "log to stderr: int,vmx,ept,walk,vti,io,msr,unmodelled; \"help\"" },
    { "D", "FILE", opt_log_file, "the log, and what explains failed VM entries, to a file" },
    { "nographic", NULL, opt_nographic, "Ctrl-C on a terminal goes to the guest" },
    { "help", NULL, opt_help, "this text" },
    { "h", NULL, opt_help, NULL },
    { "version", NULL, opt_help, "print the version" },
    { "display", "X", note, NULL },
    { "vnc", "none", opt_vnc, NULL },
    { "nodefaults", NULL, note, NULL },
    { "machine", "q35[,smm=on]", opt_machine, "smm=on: the chipset gives firmware SMIs" },
    { "M", "TYPE", opt_machine, NULL },
    { "enable-kvm", NULL, note, NULL },
    { "overcommit", "X", note, NULL },
    { "icount", "X", note, NULL },
    { "name", "X", note, NULL },
    { "vga", "X", note, NULL },
    { "monitor", "X", note, NULL },
    { "accel", "X", note, NULL },
    { "no-user-config", NULL, note, NULL },
    { "parallel", "X", note, NULL },
    { "net", "X", note, NULL },
    { "nic", "X", note, NULL },
    { "no-shutdown", NULL, not_modelled, NULL },
    { "hda", "X", not_modelled, NULL },
    { "cdrom", "X", not_modelled, NULL },
    { "gdb", "X", not_modelled, NULL },
    { "s", NULL, not_modelled, NULL },
    { "S", NULL, not_modelled, NULL },
    { "netdev", "X", not_modelled, NULL },
    { "chardev", "X", not_modelled, NULL },
    { "mon", "X", not_modelled, NULL },
    { "qmp", "X", not_modelled, NULL },
    { "incoming", "X", not_modelled, NULL },
    { "numa", "X", not_modelled, NULL },
    { "object", "X", not_modelled, NULL },
    { "smbios", "X", not_modelled, NULL },
    { "acpitable", "X", not_modelled, NULL },
};

static const struct option_row *find(const char *name, size_t n)
{
    for (size_t k = 0; k < ARRAY_SIZE(rows); k++)
        if (strlen(rows[k].name) == n && !strncmp(rows[k].name, name, n))
            return &rows[k];
    return NULL;
}

/* Handles argv[*k]; moves *k to its argument if it has one. */
static bool parse_one(struct options *o, int argc, char **argv, int *k, struct sp_error *e)
{
    const char *word = argv[*k], *name = word + 1 + (word[1] == '-');
    if (word[0] != '-' || !*name)
        return sp_fail(e, SP_EXIT_USAGE,
                       "%s: not an option (an image goes with -kernel, --load or -bios)", word);
    size_t n = strcspn(name, "=");
    const char *value = name[n] ? name + n + 1 : NULL;
    const struct option_row *row = find(name, n);
    if (!row)
        return sp_fail(e, SP_EXIT_USAGE, "%.*s: unknown option (--help lists them)",
                       (int)(name - word + (int)n), word);
    bool optional = row->argument && *row->argument == '=';
    if (!row->argument && value)
        return sp_fail(e, SP_EXIT_USAGE, "-%s: takes no value", row->name);
    if (row->argument && !optional && !value && !(value = ++*k < argc ? argv[*k] : NULL))
        return sp_fail(e, SP_EXIT_USAGE, "-%s: needs %s", row->name, row->argument);
    return row->apply(o, row, value, e);
}

/* Rules between options. */
static bool check(struct options *o, struct sp_error *e)
{
    if (o->help)
        return true;
    if (o->matrix && (o->save || o->restore))
        return sp_fail(e, SP_EXIT_USAGE, "--save and --restore do not go with --cpu-matrix");
    if (!o->kernel && !o->bios && !o->loads && !o->restore)
        return sp_fail(e, SP_EXIT_USAGE, "nothing to run: give -kernel, --load or -bios (--help)");
    if (o->kernel && (o->bios || o->has_entry))
        return sp_fail(e, SP_EXIT_USAGE, "-kernel does not go with -bios or --entry");
    if (!o->kernel && (o->initrd || o->append))
        return sp_fail(e, SP_EXIT_USAGE, "-initrd and -append need -kernel");
    if (!o->kernel && !o->bios && !o->has_entry && o->loads > 1)
        return sp_fail(e, SP_EXIT_USAGE, "several --load images need --entry ADDRESS");
    if (o->matrix && o->cpu)
        return sp_fail(e, SP_EXIT_USAGE, "-cpu does not go with --cpu-matrix");
    if (!o->trace && (o->trace_events || o->trace_filter))
        return sp_fail(e, SP_EXIT_USAGE, "--trace-events and --trace-filter go with -trace");
    if (o->matrix && (o->trace || o->last || o->record || o->replay))
        return sp_fail(e, SP_EXIT_USAGE,
                       "-trace, --last, -record and -replay do not go with --cpu-matrix");
    if (o->trace && o->last)
        return sp_fail(e, SP_EXIT_USAGE, "--last does not go with -trace, which has them all");
    o->trace_events = o->trace_events ? o->trace_events : TRACE_PRESET_FULL;
    o->cpu = o->cpu ? o->cpu : "max";
    return devices_resolve(o, e);
}

/* The arguments, without the names of trace and record, so that the same run gives the same trace; NULL: no
 * memory. */
static char *join(int argc, char **argv, int first)
{
    size_t n = 1;
    for (int k = first; k < argc; k++)
        n += strlen(argv[k]) + 1;
    char *line = calloc(1, n), *to = line;
    for (int k = first; line && k < argc; k++) {
        const char *name = argv[k] + (argv[k][0] == '-') + (argv[k][0] == '-' && argv[k][1] == '-');
        if (!strcmp(name, "trace") || !strcmp(name, "record") || !strcmp(name, "replay"))
            k++;
        else if (strncmp(name, "trace=", 6) && strncmp(name, "record=", 7) &&
                 strncmp(name, "replay=", 7))
            to += sprintf(to, "%s%s", to > line ? " " : "", argv[k]);
    }
    return line;
}

bool options_parse(struct options *o, int argc, char **argv, int first, struct sp_error *e)
{
    *o = (struct options){ .ram_size = 128 << 20, .smp = { 1, 1, 1, 1 } };
    for (int k = first; k < argc; k++)
        if (!parse_one(o, argc, argv, &k, e))
            return false;
    o->line = join(argc, argv, first);
    return check(o, e);
}

void options_free(struct options *o)
{
    free(o->save);
    free(o->line);
    for (unsigned k = 0; k < o->loads; k++)
        free(o->load[k].file);
    for (unsigned k = 0; k < o->fw_cfgs; k++) {
        free(o->fw_cfg[k].name);
        free(o->fw_cfg[k].file);
        free(o->fw_cfg[k].string);
    }
    devices_free(&o->devices);
}

static void print_options(void)
{
    printf("silverpool [run] OPTIONS   run an image\n"
           "silverpool features [-cpu NAME] [--json]   print what a processor profile has\n"
           "silverpool explain FILE [-cpu NAME] [--json]   which VM-entry checks a VMCS dump breaks\n"
           "silverpool disasm FILE   print the code of an ELF file (IA-32, Intel 64, Itanium)\n"
           "Option names and meanings are those of QEMU where QEMU has the option.\n\n");
    for (size_t k = 0; k < ARRAY_SIZE(rows); k++) {
        const char *argument = rows[k].argument ? rows[k].argument : "";
        char left[80];
        if (!rows[k].help)
            continue;
        bool optional = *argument == '=';
        const char *before = optional ? "[" : *argument ? " " : "";
        snprintf(left, sizeof left, "-%s%s%s%s", rows[k].name, before, argument,
                 optional ? "]" : "");
        printf("  %-32s %s\n", left, rows[k].help);
    }
    printf("\nExit codes: 0 power-off or -no-reboot, 2 usage, 4 bad image, 6 not modelled,\n"
           "100 triple fault (Itanium: handlers of interruptions that only fault), 102 budget spent, 106 halted for good, 108 VMX abort;\n"
           "isa-debug-exit gives (value << 1) | 1.\n"
           "Keys on a terminal: Ctrl-A x ends the run, Ctrl-A a sends Ctrl-A, Ctrl-A h helps.\n");
}

static void help_trace(void)
{
    for (unsigned k = 0; k < TRACE_CLASSES; k++)
        printf("%s\n", trace_class_name(k));
    printf("exec, full, vmx, vti: several of them\n");
}

void options_help(enum help_topic topic)
{
    if (topic == HELP_OPTIONS)
        print_options();
    else if (topic == HELP_DEVICE)
        devices_help();
    else if (topic == HELP_LOG)
        for (size_t k = 0; k < ARRAY_SIZE(log_rows); k++)
            printf("%-12s %s\n", log_rows[k].name, log_rows[k].help);
    else if (topic == HELP_TRACE)
        help_trace();
    else if (topic == HELP_VERSION)
        printf("silverpool %s\n", SP_VERSION);
}

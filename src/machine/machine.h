// SPDX-License-Identifier: Apache-2.0
// One machine: memory, logical processors, platform, and the loop that runs them.
#ifndef SP_MACHINE_MACHINE_H
#define SP_MACHINE_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "cpu/hooks.h"
#include "cpu/state.h"
#include "mem/phys.h"
#include "platform/block.h"       /* struct block_disk                      */
#include "platform/firmware.h"    /* struct fw_cfg_file, firmware_settings */
#include "platform/host.h"        /* struct char_sink   */

struct machine_config {
    uint64_t ram_size;             /* bytes, a multiple of 4 KiB                                 */
    unsigned processors;           /* 1 to 64                                                    */
    unsigned cores, threads;       /* of a package and of a core; 0: one package, 1 thread       */
    const char *cpu;               /* profile, model.h                                           */
    uint64_t seed;                 /* RDRAND and everything else that is random                  */
    struct char_sink serial;       /* COM1                                                       */
    struct char_sink debugcon;
    uint16_t debugcon_port;        /* 0: 0xe9                                                    */
    uint16_t debug_exit_port;      /* isa-debug-exit, 0: absent                                  */
    uint8_t debug_exit_size;
    bool smm;                      /* the chipset offers SMIs to firmware                        */
    bool pc_testdev, pci_testdev; /* QEMU's test devices                                        */
    struct firmware_settings firmware;
    enum tlb_mode tlb;
    bool strict_tlb;               /* report uses of stale translations (cpu/stale.h); slow       */
    bool bare;                     /* processors and RAM only: no platform at all (embedding)    */
    const struct fw_cfg_file *fw_cfg_files;
    size_t fw_cfg_file_count;
    const struct block_disk *disks; /* virtio-blk, in the order of their PCI slots        */
    size_t disk_count;
    bool virtio_console;
    struct char_sink virtio_console_sink;
};

enum machine_stop {
    STOP_BUDGET,          /* max_insns reached                                                   */
    STOP_REQUESTED,       /* machine_stop_request()                                              */
    STOP_DEBUG_EXIT,      /* isa-debug-exit; `value` is the exit code (v << 1) | 1                */
    STOP_POWER_OFF,       /* ACPI S5                                                             */
    STOP_RESET,           /* the guest asked for a reset: 0xcf9, 0x64, 0x92                      */
    STOP_TRIPLE_FAULT,
    STOP_HALTED,          /* every processor halted with interrupts off: nothing can happen      */
    STOP_VMX_ABORT,
    STOP_NOT_MODELLED,
};

struct machine_limits {
    /* Instructions of all processors together; each jump over idle time counts as one, too. 0: none
     */
    uint64_t max_insns;
    bool (*poll)(void *user);                /* called every few milliseconds; true stops        */
    void *poll_user;
};

struct stop_report {
    enum machine_stop reason;
    unsigned cpu;
    uint64_t value;
    char text[256];       /* one line, English: what stopped the run                             */
};

struct machine;
struct cpu_model;

/* Fills *model from a -cpu text: the name of a profile or of a QEMU model, then CPUID features,
 * vmx-* options, vmx-msrs=FILE and properties.  What QEMU knows and we do not model is listed in
 * model->unmodelled. */
bool machine_parse_model(struct cpu_model *model, const char *spec, struct sp_error *e);
/* QEMU's names of models that machine_parse_model() takes, NULL-terminated. */
const char *const *machine_qemu_models(void);

struct machine *machine_create(const struct machine_config *config, struct sp_error *e);
void machine_destroy(struct machine *m);

/* Runs until something stops it.  Deterministic: the same machine, limits and inputs give the same
 * state whatever max_insns was used to get there in pieces. */
void machine_run(struct machine *m, const struct machine_limits *limits,
                 struct stop_report *report);
void machine_stop_request(struct machine *m);      /* async-signal-safe */
/* One is waiting to be heard. */
bool machine_stop_is_requested(const struct machine *m);
/* Puts every processor and device in the power-on state; memory stays. */
void machine_reset(struct machine *m);

/* Maps firmware, at most 16 MiB of whole pages, so that it ends at 4 GiB. */
bool machine_set_firmware(struct machine *m, const uint8_t *bytes, size_t n);
/* The devices as firmware leaves them (platform.h). */
void machine_hand_over(struct machine *m);

struct cpu *machine_cpu(struct machine *m, unsigned index);     /* NULL if there is none */
unsigned machine_cpu_count(const struct machine *m);
struct mem *machine_mem(struct machine *m);
uint64_t machine_insns(const struct machine *m);                /* retired by all processors */
uint64_t machine_now(const struct machine *m);                  /* ticks; 1 tick = 1 ns     */
struct cpu_hooks *machine_hooks(struct machine *m);             /* to be filled by the embedder */
/* Traces what the processors do from now on, until the same is said with NULL; between runs.  False:
 * no memory is left. */
struct trace_log;
bool machine_trace(struct machine *m, struct trace_log *log);
/* Writes all of the machine's state to a file, and reads it into a machine of the same
 * configuration, whatever that did before; not from hooks.  From then on both go the same way, to
 * the bit: saving empties the TLBs of the machine that is saved, too.  False and *e on failure: the
 * machine is as it was.  But if the checksum was right and the state is none (a file made to
 * deceive), a part of it may have been loaded: the machine can only be destroyed or restored. */
bool machine_save(struct machine *m, const char *file, struct sp_error *e);
bool machine_restore(struct machine *m, const char *file, struct sp_error *e);
/* xxh64 of all processors' architectural state and of RAM. */
uint64_t machine_state_hash(const struct machine *m);
/* Physical address of the ACPI RSDP that the platform placed in RAM (0: none). */
uint64_t machine_rsdp(const struct machine *m);
/* The e820-style memory map: RAM and the ranges that the platform reserved. */
struct memory_range { uint64_t base, size; uint32_t type; /* 1 RAM, 2 reserved, 3 ACPI */ };
size_t machine_memory_map(const struct machine *m, struct memory_range *out, size_t capacity);

#endif

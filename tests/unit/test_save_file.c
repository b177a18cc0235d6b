// SPDX-License-Identifier: Apache-2.0
// The file of a saved machine: what is damaged or foreign gives one line, and changes nothing.
#include <xxhash.h>
#include <zstd.h>

#include "save.h"

enum { HEADER = 16, TRAILER = 24 };

static struct machine_config config(void)
{
    return (struct machine_config){ .ram_size = 2 << 20, .processors = 2, .cpu = "max",
                                    .pc_testdev = true, .pci_testdev = true };
}

static struct machine *create(const struct machine_config *c)
{
    struct sp_error e;
    struct machine *m = machine_create(c, &e);
    cr_assert(m, "%s", e.message);
    return m;
}

/* One that has done something: `inc ax; jmp` in real-address mode. */
static struct machine *worker(void)
{
    struct machine_config c = config();
    struct machine *m = create(&c);
    static const uint8_t code[] = { 0x40, 0xe6, 0x43, 0xeb, 0xfb };
    machine_hand_over(m);
    mem_write(machine_mem(m), 0x1000, code, sizeof code);
    machine_cpu(m, 0)->seg[CS].base = 0;
    machine_cpu(m, 0)->rip = 0x1000;
    cpu_mode_changed(machine_cpu(m, 0));
    run_for(m, 1000);
    return m;
}

static struct bytes saved_bytes_of(struct machine *m)
{
    char *name = temporary_name();
    save_to(m, name);
    struct bytes b = file_bytes(name);
    unlink(name);
    free(name);
    return b;
}

/* The file is refused with a line that names it and an offset; the machine is as it was. */
static void expect_refused(struct machine *m, const char *name, const void *bytes, size_t n,
                           const char *what)
{
    struct sp_error e = { 0 };
    uint64_t before = machine_state_hash(m);
    put_file(name, bytes, n);
    cr_expect_not(machine_restore(m, name, &e), "%s %zu", what, n);
    cr_expect_eq(e.code, SP_EXIT_BAD_IMAGE, "%s %zu: %s", what, n, e.message);
    cr_expect(strstr(e.message, name) && strstr(e.message, "offset "), "%s", e.message);
    cr_expect_eq(machine_state_hash(m), before, "%s %zu", what, n);
}

Test(save_file, truncated_files_are_refused)
{
    struct machine *m = worker();
    struct bytes b = saved_bytes_of(m);
    char *name = temporary_name();
    cr_assert(b.size > 200);
    for (size_t n = 0; n < b.size; n += n < 64 || n + 64 > b.size ? 1 : 97)
        expect_refused(m, name, b.data, n, "cut at");
    unlink(name);
    free(name);
    free(b.data);
    machine_destroy(m);
}

Test(save_file, flipped_bits_are_refused)
{
    struct machine *m = worker();
    struct bytes b = saved_bytes_of(m);
    char *name = temporary_name();
    for (size_t at = 0; at < b.size; at += at < 64 || at + 64 > b.size ? 1 : 61) {
        b.data[at] ^= (uint8_t)(1 << at % 8);
        expect_refused(m, name, b.data, b.size, "flipped at");
        b.data[at] ^= (uint8_t)(1 << at % 8);
    }
    b.data = realloc(b.data, b.size + 1);
    b.data[b.size] = 0;
    expect_refused(m, name, b.data, b.size + 1, "longer by 1:");
    unlink(name);
    free(name);
    free(b.data);
    machine_destroy(m);
}

Test(save_file, foreign_files_are_refused)
{
    struct machine *m = worker();
    struct bytes b = saved_bytes_of(m);
    char *name = temporary_name();
    struct sp_error e;
    expect_refused(m, name, "#!/bin/sh\nexec true; # and so on\n", 34, "a script of");
    cr_expect_not(machine_restore(m, "/tmp", &e));
    cr_expect(strstr(e.message, "/tmp: offset 0: not a regular file"), "%s", e.message);
    cr_expect_not(machine_restore(m, "/nowhere/at-all", &e));
    cr_expect(strstr(e.message, "No such file"), "%s", e.message);
    cr_expect_not(machine_save(m, "/nowhere/at-all", &e));
    cr_expect_eq(e.code, SP_EXIT_USAGE);
    b.data[12] ^= 1;
    expect_refused(m, name, b.data, b.size, "another layout of");
    put_file(name, b.data, b.size);
    cr_expect_not(machine_restore(m, name, &e));
    cr_expect(strstr(e.message, "offset 12: a machine saved by another version"), "%s", e.message);
    unlink(name);
    free(name);
    free(b.data);
    machine_destroy(m);
}

/* ---- the machine must be the same ---- */

static void expect_other(const char *name, const struct machine_config *c, const char *text)
{
    struct machine *m = create(c);
    struct sp_error e = { 0 };
    uint64_t before = machine_state_hash(m);
    cr_expect_not(machine_restore(m, name, &e));
    cr_expect_eq(e.code, SP_EXIT_USAGE);
    cr_expect(strstr(e.message, "other options") && strstr(e.message, text), "%s", e.message);
    cr_expect_eq(machine_state_hash(m), before);
    machine_destroy(m);
}

Test(save_file, other_options_are_named)
{
    struct machine *m = worker();
    char *name = temporary_name();
    struct machine_config c;
    struct fw_cfg_file file = { "opt/x", (const uint8_t *)"abc", 3 };
    save_to(m, name);
#define OTHER(member, value, text)                                                                 \
    c = config();                                                                                  \
    c.member = value;                                                                              \
    expect_other(name, &c, text)
    OTHER(ram_size, 4 << 20, "it has \"RAM (-m): 2048 KiB\", this one \"RAM (-m): 4096 KiB\"");
    OTHER(processors, 1, "processors (-smp): 1");
    OTHER(cores, 1, "cores 1");
    OTHER(cpu, "skylake", "processor (-cpu): skylake");
    OTHER(cpu, "max,-x2apic", "processor (-cpu)");
    OTHER(cpu, "max,-vmx-ept", "processor (-cpu)");
    OTHER(bare, true, "devices: none");
    OTHER(debug_exit_port, 0xf4, "isa-debug-exit: port 0xf4");
    OTHER(pci_testdev, false, "pci-testdev: 0");
    OTHER(firmware.boot_menu, true, "boot menu: 1");
    OTHER(virtio_console, true, "virtio console: 1");
    c = config();
    c.fw_cfg_files = &file;
    c.fw_cfg_file_count = 1;
    expect_other(name, &c, "fw_cfg opt/x: 3 bytes");
#undef OTHER
    unlink(name);
    free(name);
    machine_destroy(m);
}

/* ---- files that somebody made: every checksum is right ---- */

static struct bytes unpack(const struct bytes *file)
{
    struct bytes b = { .size = ZSTD_DStreamOutSize() };
    size_t packed = file->size - HEADER - TRAILER;
    memcpy(&b.size, file->data + file->size - 16, 8);
    b.data = malloc(b.size);
    cr_assert_eq(ZSTD_decompress(b.data, b.size, file->data + HEADER, packed), b.size);
    return b;
}

static struct bytes pack(const struct bytes *file, const struct bytes *state)
{
    struct bytes b = { .data = malloc(HEADER + ZSTD_compressBound(state->size) + TRAILER) };
    uint64_t n = ZSTD_compress(b.data + HEADER, ZSTD_compressBound(state->size), state->data,
                               state->size, 1), size = state->size;
    memcpy(b.data, file->data, HEADER);
    memcpy(b.data + HEADER + n, &n, 8);
    memcpy(b.data + HEADER + n + 8, &size, 8);
    uint64_t sum = XXH64(b.data, HEADER + n + 16, 0);
    memcpy(b.data + HEADER + n + 16, &sum, 8);
    b.size = HEADER + n + TRAILER;
    return b;
}

/* Any byte of the state may be anything: the machine runs on somehow, or one line says what cannot
 * be. */
Test(save_file, no_state_brings_the_simulator_down)
{
    struct machine *m = worker();
    struct machine_config c = config();
    struct bytes file = saved_bytes_of(m), state = unpack(&file);
    char *name = temporary_name();
    uint64_t random = 1;
    unsigned refused = 0, taken = 0;
    machine_destroy(m);
    m = create(&c);
    for (unsigned round = 0; round < 300; round++) {
        struct sp_error e = { 0 };
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
        size_t at = (size_t)((random >> 20) % state.size);
        uint8_t old = state.data[at];
        state.data[at] ^= (uint8_t)(1 << (random >> 61));
        struct bytes made = pack(&file, &state);
        state.data[at] = old;
        put_file(name, made.data, made.size);
        free(made.data);
        if (machine_restore(m, name, &e)) {
            run_for(m, 3000);
            taken++;
        } else {
            cr_expect(*e.message && strstr(e.message, name), "%s", e.message);
            refused++;
        }
    }
    cr_expect(refused && taken, "%u refused, %u taken", refused, taken);
    unlink(name);
    free(name);
    free(file.data);
    free(state.data);
    machine_destroy(m);
}

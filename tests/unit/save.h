// SPDX-License-Identifier: Apache-2.0
// Saved machines in tests: two machines that must do the same.
#ifndef SP_TESTS_SAVE_H
#define SP_TESTS_SAVE_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cpu/access.h"
#include "cpu/cpu.h"
#include "machine/machine.h"

struct bytes { uint8_t *data; size_t size; };

static inline char *temporary_name(void)
{
    char *name = strdup("/tmp/silverpool-save-XXXXXX");
    int fd = mkstemp(name);
    cr_assert(fd >= 0);
    close(fd);
    return name;
}

static inline struct bytes file_bytes(const char *name)
{
    struct bytes b = { 0 };
    FILE *f = fopen(name, "rb");
    cr_assert(f);
    fseek(f, 0, SEEK_END);
    b.size = (size_t)ftell(f);
    rewind(f);
    b.data = malloc(b.size + 1);
    cr_assert_eq(fread(b.data, 1, b.size, f), b.size);
    fclose(f);
    return b;
}

static inline void put_file(const char *name, const void *bytes, size_t n)
{
    FILE *f = fopen(name, "wb");
    cr_assert(f && fwrite(bytes, 1, n, f) == n && !fclose(f));
}

static inline void save_to(struct machine *m, const char *name)
{
    struct sp_error e = { 0 };
    cr_assert(machine_save(m, name, &e), "%s", e.message);
}

static inline void restore_from(struct machine *m, const char *name)
{
    struct sp_error e = { 0 };
    cr_assert(machine_restore(m, name, &e), "%s", e.message);
}

/* Every row of every table, processors' caches left out: what a saved file holds. */
static inline void same_state(struct machine *a, struct machine *b, const char *when)
{
    char *name[2] = { temporary_name(), temporary_name() };
    save_to(a, name[0]);
    save_to(b, name[1]);
    struct bytes x = file_bytes(name[0]), y = file_bytes(name[1]);
    cr_expect(x.size == y.size && !memcmp(x.data, y.data, x.size), "%s: another state", when);
    cr_expect_eq(machine_insns(a), machine_insns(b), "%s", when);
    cr_expect_eq(machine_state_hash(a), machine_state_hash(b), "%s", when);
    for (unsigned k = 0; k < 2; k++) {
        unlink(name[k]);
        free(name[k]);
    }
    free(x.data);
    free(y.data);
}

static inline struct stop_report run_for(struct machine *m, uint64_t insns)
{
    struct stop_report r;
    machine_run(m, &(struct machine_limits){ .max_insns = insns }, &r);
    return r;
}

/* Saves a, restores it into b, and lets both run to their end: the same end. */
static inline void same_future(struct machine *a, struct machine *b, uint64_t most)
{
    char *name = temporary_name(), when[64];
    snprintf(when, sizeof when, "saved at %llu", (unsigned long long)machine_insns(a));
    save_to(a, name);
    restore_from(b, name);
    unlink(name);
    free(name);
    cr_expect_eq(machine_state_hash(a), machine_state_hash(b), "%s", when);
    struct stop_report x = run_for(a, most), y = run_for(b, most);
    cr_expect_eq(x.reason, y.reason, "%s: %s, %s", when, x.text, y.text);
    same_state(a, b, when);
}

#endif

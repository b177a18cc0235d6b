// SPDX-License-Identifier: Apache-2.0
// Trace files: what is written is read, and what is damaged is said to be.
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "trace/writer.h"

static char path[] = "/tmp/sp-trace-XXXXXX";

static void make_path(void) { close(mkstemp(path)); }
static void remove_path(void) { unlink(path); }
TestSuite(trace_file, .init = make_path, .fini = remove_path);

static const struct trace_header header = {
    .arch = TRACE_IA32, .classes = TRACE_PRESET_FULL, .cpus = 2, .seed = UINT64_MAX,
    .image_hash = 7, .profile = "skylake", .options = "-m 32", .filter = "", .tlb_slots = 1024,
};

/* Instruction n of a made-up program: loops over 300 addresses on two processors. */
static struct trace_event event_of(unsigned n, struct trace_register *r, struct trace_access *a,
                                   uint8_t *bytes)
{
    struct trace_event e = { .kind = TRACE_EVENT_INSN, .cpu = n / 100 % 2, .time = n };
    e.index = n / 200 * 100 + n % 100;
    e.insn = (struct trace_insn){ .rip = 0x1000 + n % 300 * 2, .address = 0x1000 + n % 300 * 2,
                                  .physical = 0x1000 + n % 300 * 2, .length = 2, .bits = 64,
                                  .cpl = n % 7 ? 0 : 3, .status = n % 11 ? TRACE_RETIRED : TRACE_FAULTED,
                                  .bytes = { 0x90, (uint8_t)(n % 300) } };
    memcpy(bytes, &n, sizeof n);
    r[0] = (struct trace_register){ .id = n % 16, .value = { n * 0x123456789abcull } };
    r[1] = (struct trace_register){ .id = 19 + n % 16, .value = { n, ~(uint64_t)n } };
    a[0] = (struct trace_access){ .linear = n * 4096ull + 8, .physical = n * 8192ull + 8, .size = 4,
                                  .write = n % 2, .system = n % 3 == 0, .bytes = bytes };
    a[1] = (struct trace_access){ .linear = 100, .physical = 100, .size = 94, .bytes = bytes };
    if (n % 2) {
        e.insn.registers = r;
        e.insn.registers_n = 2;
        e.insn.accesses = a;
        e.insn.accesses_n = n % 5 ? 1 : 2;
    }
    return e;
}

static void write_trace(unsigned n)
{
    struct sp_error e;
    struct trace_writer *w = trace_writer_open(path, &header, &e);
    cr_assert(w, "%s", e.message);
    for (unsigned k = 0; k < n; k++) {
        struct trace_register r[2];
        struct trace_access a[2];
        uint8_t bytes[94] = { 0 };
        struct trace_event event = event_of(k, r, a, bytes);
        trace_writer_event(w, &event);
        if (k % 50 == 7) {
            struct trace_event msr = { .kind = TRACE_EVENT_MSR, .cpu = event.cpu,
                                       .index = event.index + 1, .time = event.time + 1,
                                       .msr = { 0xc0000080, 1, k } };
            trace_writer_event(w, &msr);
        }
    }
    cr_assert(trace_writer_close(w, &e), "%s", e.message);
}

static uint8_t *read_file(size_t *n)
{
    FILE *f = fopen(path, "rb");
    fseek(f, 0, SEEK_END);
    *n = (size_t)ftell(f);
    rewind(f);
    uint8_t *bytes = malloc(*n + 1);
    cr_assert_eq(fread(bytes, 1, *n, f), *n);
    fclose(f);
    return bytes;
}

static void check_access(const struct trace_access *got, const struct trace_access *want)
{
    cr_assert_eq(got->linear, want->linear);
    cr_assert_eq(got->physical, want->physical);
    cr_assert_eq(got->size, want->size);
    cr_assert_eq(got->write, want->write);
    cr_assert_eq(got->system, want->system);
    cr_assert_arr_eq(got->bytes, want->bytes, want->size);
}

static void check_insn(const struct trace_event *got, unsigned n)
{
    struct trace_register r[2];
    struct trace_access a[2];
    uint8_t bytes[94] = { 0 };
    struct trace_event want = event_of(n, r, a, bytes);
    cr_assert_eq(got->cpu, want.cpu);
    cr_assert_eq(got->index, want.index, "%u: %lu", n, got->index);
    cr_assert_eq(got->time, want.time);
    cr_assert_eq(got->insn.address, want.insn.address);
    cr_assert_eq(got->insn.rip, want.insn.rip);
    cr_assert_eq(got->insn.physical, want.insn.physical);
    cr_assert_eq(got->insn.length, 2);
    cr_assert_arr_eq(got->insn.bytes, want.insn.bytes, 16);
    cr_assert_eq(got->insn.cpl, want.insn.cpl);
    cr_assert_eq(got->insn.status, want.insn.status);
    cr_assert_eq(got->insn.registers_n, want.insn.registers_n);
    for (unsigned k = 0; k < want.insn.registers_n; k++) {
        cr_assert_eq(got->insn.registers[k].id, r[k].id);
        cr_assert_eq(got->insn.registers[k].value[0], r[k].value[0]);
        cr_assert_eq(got->insn.registers[k].value[1], r[k].value[1]);
    }
    cr_assert_eq(got->insn.accesses_n, want.insn.accesses_n);
    for (unsigned k = 0; k < want.insn.accesses_n; k++)
        check_access(&got->insn.accesses[k], &a[k]);
}

Test(trace_file, what_is_written_is_read)
{
    struct sp_error e;
    struct trace_event event;
    enum { N = 200000 };
    write_trace(N);
    struct trace_reader *r = trace_open(path, &e);
    cr_assert(r, "%s", e.message);
    const struct trace_header *h = trace_header_of(r);
    unsigned chunks, n = 0, msrs = 0;
    const struct trace_chunk *chunk = trace_chunks(r, &chunks);
    cr_assert_geq(chunks, 2);
    cr_assert_eq(h->seed, UINT64_MAX);
    cr_assert_str_eq(h->profile, "skylake");
    cr_assert_str_eq(h->registers[19].name, "xmm0");
    cr_assert_null(trace_truncated(r));
    enum trace_result result;
    while ((result = trace_next(r, &event, &e)) == TRACE_OK) {
        if (event.kind == TRACE_EVENT_MSR)
            cr_assert_eq(event.msr.value, (msrs++, n - 1));
        else
            check_insn(&event, n++);
    }
    cr_assert_eq(result, TRACE_END, "%s", e.message);
    cr_assert_eq(n, N);
    cr_assert_eq(msrs, N / 50);
    uint64_t sum = 0;
    for (unsigned k = 0; k < chunks; k++)
        sum += chunk[k].instructions;
    cr_assert_eq(sum, N);
    trace_seek(r, 150000);
    cr_assert_eq(trace_next(r, &event, &e), TRACE_OK, "%s", e.message);
    check_insn(&event, 150000);
    trace_close(r);
}

/* Reads all of it; false if some error was told. */
static bool reads_whole(const uint8_t *bytes, size_t n, unsigned *events, bool *cut)
{
    struct sp_error e = { 0 };
    struct trace_event event;
    enum trace_result result;
    struct trace_reader *r = trace_open_memory(bytes, n, "file", &e);
    *events = 0;
    if (!r) {
        cr_assert(!strncmp(e.message, "file: offset ", 13), "%s", e.message);
        cr_assert_eq(e.code, SP_EXIT_BAD_IMAGE);
        return false;
    }
    while ((result = trace_next(r, &event, &e)) == TRACE_OK)
        ++*events;
    *cut = trace_truncated(r);
    trace_close(r);
    if (result == TRACE_BAD)
        cr_assert(!strncmp(e.message, "file: offset ", 13), "%s", e.message);
    return result == TRACE_END;
}

Test(trace_file, cut_anywhere_it_reads_to_its_last_whole_chunk)
{
    write_trace(300);
    size_t n;
    uint8_t *bytes = read_file(&n);
    unsigned all, some;
    bool cut;
    cr_assert(reads_whole(bytes, n, &all, &cut));
    cr_assert_eq(all, 306);
    cr_assert_not(cut);
    for (size_t k = 0; k < n; k++) {
        uint8_t *copy = memcpy(malloc(k + 1), bytes, k);    /* for the address sanitizer */
        bool ok = reads_whole(copy, k, &some, &cut);
        cr_assert(!ok || (cut && (some == 0 || some == all)), "cut at %zu", k);
        free(copy);
    }
    free(bytes);
}

Test(trace_file, every_flipped_byte_is_found)
{
    write_trace(300);
    size_t n;
    uint8_t *bytes = read_file(&n);
    unsigned some;
    bool cut;
    for (size_t k = 0; k < n; k++) {
        uint8_t old = bytes[k];
        bytes[k] ^= (uint8_t)(1 + k % 255);
        cr_assert_not(reads_whole(bytes, n, &some, &cut), "byte %zu", k);
        bytes[k] = old;
    }
    free(bytes);
}

Test(trace_file, a_slice_has_its_part)
{
    struct sp_error e;
    struct trace_event event;
    write_trace(200000);
    char part[] = "/tmp/sp-slice-XXXXXX";
    close(mkstemp(part));
    struct trace_reader *r = trace_open(path, &e);
    cr_assert(trace_slice(r, 100, 199000, part, &e), "%s", e.message);
    trace_close(r);
    r = trace_open(part, &e);
    cr_assert(r, "%s", e.message);
    unsigned n = 100;
    while (trace_next(r, &event, &e) == TRACE_OK)
        if (event.kind == TRACE_EVENT_INSN)
            check_insn(&event, n++);
    cr_assert_eq(n, 199000);
    trace_close(r);
    unlink(part);
}

// SPDX-License-Identifier: Apache-2.0
// Runs the compiled C torture programs of a directory (index.jsonl, one object a line) and compares
// the registers that each is expected to end with.  A program ends at its first HLT, which is
// #GP(0) at CPL 3; any other exception, or too many instructions, is a failure.
//
//   torture DIRECTORY [NAME...]
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user_mode.h"

enum { EXIT_SKIPPED = 77, PROGRAM_BASE = 0x10000, PATH_MAX_LENGTH = 4096, HLT = 0xf4 };
#define MAX_INSNS UINT64_C(50000000)
#define RAM_SIZE UINT64_C(0x1000000)

struct suite {
    const char *directory;
    unsigned passed, failed;
};

/* Addresses are strings, as JSON has no hexadecimal; a missing value counts as 0. */
static uint64_t number(const json_t *v)
{
    if (json_is_string(v))
        return strtoull(json_string_value(v), NULL, 0);
    return (uint64_t)json_integer_value(v);
}

static bool load_file(struct user_machine *u, const char *directory, const char *name)
{
    char path[PATH_MAX_LENGTH], bytes[PAGE_SIZE];
    uint64_t at = PROGRAM_BASE;
    size_t n;
    if (snprintf(path, sizeof path, "%s/%s", directory, name) >= (int)sizeof path)
        return false;
    FILE *f = fopen(path, "rb");
    if (!f)
        return false;
    bool ok = true;
    while (ok && (n = fread(bytes, 1, sizeof bytes, f)) > 0) {
        ok = user_map(u, at, n, USER_WRITE | USER_EXECUTE) && user_write(u, at, bytes, n);
        at += n;
    }
    fclose(f);
    return ok && at > PROGRAM_BASE;
}

/* No program of the collection has "memdata"; one that has is refused. */
static bool load_program(struct user_machine *u, const char *directory, const json_t *program)
{
    size_t k;
    json_t *entry;
    if (!load_file(u, directory, json_string_value(json_object_get(program, "bin"))))
        return false;
    json_array_foreach(json_object_get(program, "mem"), k, entry)
        if (!user_map(u, number(json_object_get(entry, "base")),
                      number(json_object_get(entry, "size")), USER_WRITE | USER_EXECUTE))
            return false;
    u->cpu->rip = PROGRAM_BASE;
    return json_array_size(json_object_get(program, "memdata")) == 0;
}

static int register_number(const char *name)
{
    static const char *const names[] = { "RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI" };
    for (unsigned k = 0; k < ARRAY_SIZE(names); k++)
        if (!strcmp(names[k], name))
            return (int)k;
    return -1;
}

/* NULL if the program ended as expected, else what was wrong. */
static const char *judge(struct user_machine *u, const json_t *expect, char *text, size_t size)
{
    const char *name;
    json_t *values;
    const uint8_t *at = u->faulted ? user_page(u, u->fault_rip) : NULL;
    if (!u->faulted)
        return "did not end";
    if (u->event.vector != EXC_GP || !at || *at != HLT) {
        snprintf(text, size, "exception %u, error %#x, at RIP %#llx, address %#llx",
                 u->event.vector, u->event.error, (unsigned long long)u->fault_rip,
                 (unsigned long long)u->event.address);
        return text;
    }
    json_object_foreach((json_t *)expect, name, values) {
        int r = register_number(name);
        uint64_t wanted = number(json_array_get(values, 0));
        uint64_t got = r < 0 ? 0 : u->bits == 64 ? u->cpu->gpr[r] : (uint32_t)u->cpu->gpr[r];
        if (r < 0 || got != wanted) {
            snprintf(text, size, "%s = %#llx, not %#llx", name, (unsigned long long)got,
                     (unsigned long long)wanted);
            return text;
        }
    }
    return NULL;
}

static void run_program(struct suite *s, const json_t *program)
{
    const char *name = json_string_value(json_object_get(program, "name")), *wrong;
    unsigned bits = (unsigned)json_integer_value(json_object_get(program, "bits"));
    struct user_machine u;
    struct sp_error e;
    char text[200];
    if (!user_create(&u, bits, RAM_SIZE, &e)) {
        wrong = e.message;
    } else {
        if (!load_program(&u, s->directory, program)) {
            wrong = "cannot be loaded";
        } else {
            user_run(&u, MAX_INSNS);
            wrong = judge(&u, json_object_get(program, "expect"), text, sizeof text);
        }
        user_destroy(&u);
    }
    s->passed += !wrong;
    s->failed += wrong != NULL;
    if (wrong)
        printf("FAIL %s: %s\n", name, wrong);
}

static bool wanted(const char *name, char **names, int count)
{
    for (int k = 0; k < count; k++)
        if (!strcmp(name, names[k]))
            return true;
    return count == 0;
}

int main(int argc, char **argv)
{
    struct suite s = { .directory = argc > 1 ? argv[1] : "." };
    char path[PATH_MAX_LENGTH], *line = NULL;
    size_t capacity = 0;
    snprintf(path, sizeof path, "%s/index.jsonl", s.directory);
    FILE *index = fopen(path, "r");
    if (!index) {
        printf("%s is not there: skipped\n", path);
        return EXIT_SKIPPED;
    }
    while (getline(&line, &capacity, index) > 0) {
        json_t *program = json_loads(line, 0, NULL);
        const char *name = json_string_value(json_object_get(program, "name"));
        if (name && wanted(name, argv + 2, argc - 2))
            run_program(&s, program);
        json_decref(program);
    }
    free(line);
    fclose(index);
    printf("%u passed, %u failed\n", s.passed, s.failed);
    return s.failed || !s.passed ? EXIT_FAILURE : EXIT_SUCCESS;
}

// SPDX-License-Identifier: Apache-2.0
// The child processes of `silverpool conform`: one of our machines, or a command of the user.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/conform.h"
#include "image/image.h"
#include "machine/machine.h"

enum { RAM_SIZE = 256 << 20, EXIT_PORT = 0xf4, COMMAND_MAX = 65536 };

/* ---- our machine ---- */

static void write_all(void *user, const uint8_t *bytes, size_t n)
{
    while (n) {
        ssize_t done = write(STDOUT_FILENO, bytes, n);
        if (done < 0 && errno != EINTR)
            _exit(SP_EXIT_USAGE);
        bytes += done > 0 ? done : 0;
        n -= done > 0 ? (size_t)done : 0;
    }
}

/* Bytes come one by one; whole lines are passed on. */
static void write_lines(void *user, const uint8_t *bytes, size_t n)
{
    static uint8_t line[4096];
    static size_t used;
    for (size_t k = 0; k < n; k++) {
        line[used++] = bytes[k];
        if (bytes[k] == '\n' || used == sizeof line) {
            write_all(user, line, used);
            used = 0;
        }
    }
}

static void say(const char *text) { write_all(NULL, (const uint8_t *)text, strlen(text)); }

static struct machine *make(const struct conform_start *s, struct sp_error *e)
{
    struct machine_config config = {
        .ram_size = RAM_SIZE,
        .processors = s->options->processors,
        .cpu = s->cpu,
        .debugcon = { .write = write_lines },
        .debug_exit_port = EXIT_PORT,
        .debug_exit_size = 4,
        .tlb = s->options->tlb,
    };
    struct machine *m = machine_create(&config, e);
    if (m && kernel_load(m, s->image, s->words, NULL, 0, e))
        return m;
    machine_destroy(m);
    return NULL;
}

_Noreturn void conform_child_machine(const struct conform_start *s)
{
    struct sp_error e;
    struct stop_report report;
    struct machine_limits limits = { 0 };
    char line[400];
    struct machine *m = make(s, &e);
    if (m) {
        machine_run(m, &limits, &report);
        snprintf(line, sizeof line, "\nend %s\n",
                 report.reason == STOP_DEBUG_EXIT ? "the image ended the run" : report.text);
    } else {
        snprintf(line, sizeof line, "\nend %.300s\n", e.message);
    }
    say(line);
    _exit(0);
}

/* ---- a command ---- */

bool conform_target_starts(const char *command)
{
    return strstr(command, "{image}") || strstr(command, "{iso}") || strstr(command, "{args}");
}

/* In single quotes, for the shell. */
static void append_quoted(char *out, size_t size, const char *text)
{
    size_t n = strlen(out);
    if (n + 1 < size)
        out[n++] = '\'';
    for (; *text && n + 6 < size; text++)
        if (*text == '\'')
            n += (size_t)sprintf(out + n, "'\\''");
        else
            out[n++] = *text;
    if (n + 1 < size)
        out[n++] = '\'';
    out[n] = 0;
}

static _Noreturn void give_up(const char *what)
{
    char line[600];
    snprintf(line, sizeof line, "\nend %.300s: %s\n", what, strerror(errno));
    say(line);
    _exit(SP_EXIT_USAGE);
}

static void write_file(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(bytes, 1, n, f) != n || fclose(f))
        give_up(path);
}

/* A disc image from which GRUB starts the image with its words. */
static void make_iso(const struct conform_start *s, const char *iso)
{
    char path[512], menu[COMMAND_MAX], command[2048];
    snprintf(path, sizeof path, "%s/%u", s->folder, s->number);
    if (mkdir(path, 0700))
        give_up(path);
    snprintf(path, sizeof path, "%s/%u/boot", s->folder, s->number);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/%u/boot/grub", s->folder, s->number);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/%u/boot/grub/grub.cfg", s->folder, s->number);
    snprintf(menu, sizeof menu,
             "set timeout=0\nset default=0\nmenuentry conform {\n  multiboot /conform.elf %s\n}\n",
             s->words);
    write_file(path, menu, strlen(menu));
    snprintf(path, sizeof path, "%s/%u/conform.elf", s->folder, s->number);
    write_file(path, s->image->data, s->image->size);
    snprintf(command, sizeof command, "grub-mkrescue -o '%s' '%s/%u' > '%s/%u.log' 2>&1", iso,
             s->folder, s->number, s->folder, s->number);
    if (system(command)) {
        say("\nend grub-mkrescue failed: are grub-pc-bin, xorriso and mtools installed?\n");
        _exit(SP_EXIT_USAGE);
    }
}

/* The command with {image}, {iso}, {folder} and {args} filled in. */
static void fill_in(const struct conform_start *s, char *out, size_t size, const char *image,
                    const char *iso)
{
    const struct {
        const char *name, *value;
    } places[] = {
        { "{image}", image }, { "{iso}", iso }, { "{folder}", s->folder }, { "{args}", s->words }
    };
    *out = 0;
    for (const char *p = s->options->target; *p;) {
        size_t k = 0, n = strlen(out);
        while (k < ARRAY_SIZE(places) && strncmp(p, places[k].name, strlen(places[k].name)))
            k++;
        if (k < ARRAY_SIZE(places)) {
            append_quoted(out, size, places[k].value);
            p += strlen(places[k].name);
        } else {
            if (n + 1 < size)
                memcpy(out + n, (char[]){ *p, 0 }, 2);
            p++;
        }
    }
}

_Noreturn void conform_child_target(const struct conform_start *s)
{
    char image[512], iso[512], command[COMMAND_MAX];
    snprintf(image, sizeof image, "%s/%u.elf", s->folder, s->number);
    snprintf(iso, sizeof iso, "%s/%u.iso", s->folder, s->number);
    if (strstr(s->options->target, "{image}"))
        write_file(image, s->image->data, s->image->size);
    if (strstr(s->options->target, "{iso}"))
        make_iso(s, iso);
    fill_in(s, command, sizeof command, image, iso);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    give_up("/bin/sh");
}

// SPDX-License-Identifier: Apache-2.0
// Shows: what instructions cost in the simulator.  Runs the workloads that the command line names,
// each as NAME or NAME:ROUNDS, or else all kernels; prints "BEGIN name" and "END name checksum" on
// COM1 around each, at last "DONE".
#include "bench.h"

#include <stdbool.h>
#include <stddef.h>

#include "console.h"
#include "vmcs.h"

enum { BOOT_MAGIC = 0x2badb002, HAS_COMMAND_LINE = 1 << 2, COMMAND_LINE = 4 };
enum { DEBUG_EXIT_PORT = 0xf4 };
extern uint32_t boot_magic, boot_information;            /* start.S */

/* Multiboot specification, "Boot information format". */
static const char *command_line(void)
{
    const uint32_t *information = (const uint32_t *)(uintptr_t)boot_information;
    if (boot_magic != BOOT_MAGIC || !(information[0] & HAS_COMMAND_LINE))
        return "";
    return (const char *)(uintptr_t)information[COMMAND_LINE];
}

static void run(const struct workload *w, uint64_t rounds)
{
    console_text("BEGIN ");
    console_text(w->name);
    console_text("\n");
    uint64_t sum = w->run(rounds);
    console_text("END ");
    console_text(w->name);
    console_text(" ");
    console_hex(sum);
    console_text("\n");
}

/* Behind the word at `text`, if it is `name`, or `name` and the number of rounds; else null. */
static const char *match(const char *text, const char *name, uint64_t *rounds)
{
    while (*name && *text == *name)
        text++, name++;
    if (*name)
        return NULL;
    if (*text == ':')
        for (*rounds = 0, text++; *text >= '0' && *text <= '9'; text++)
            *rounds = *rounds * 10 + (uint64_t)(*text - '0');
    return *text && *text != ' ' ? NULL : text;
}

static bool run_word(const char *word, const struct workload *w)
{
    for (; w->name; w++) {
        uint64_t rounds = w->rounds;
        if (match(word, w->name, &rounds)) {
            run(w, rounds);
            return true;
        }
    }
    return false;
}

/* Called by boot.S in 64-bit mode. */
void hypervisor_main(void);
void hypervisor_main(void)
{
    bool chosen = false;
    console_init();
    __asm__ volatile("fninit");
    vmx_enable();
    for (const char *c = command_line(); *c;) {
        chosen |= run_word(c, loops) || run_word(c, kernels);
        while (*c && *c != ' ')
            c++;
        while (*c == ' ')
            c++;
    }
    for (const struct workload *w = kernels; !chosen && w->name; w++)
        run(w, w->rounds);
    console_text("DONE\n");
    out32(DEBUG_EXIT_PORT, 0);
}

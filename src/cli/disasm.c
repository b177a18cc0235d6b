// SPDX-License-Identifier: Apache-2.0
// `silverpool disasm FILE`: the code of an ELF file, as the processors here decode it.
#include <inttypes.h>
#include <string.h>

#include "cli/session.h"
#include "debug/disasm.h"
#include "image/elf.h"
#include "ipf/disasm.h"

static void print_label(const struct symbols *s, uint64_t address)
{
    uint64_t distance = 0;
    const char *name = symbols_find(s, address, &distance);
    if (name && !distance)
        printf("\n%s:\n", name);
}

/* ---- Itanium: a line for each slot; the template stands before the first, stops are ;; ---- */

static void print_slot(const struct ipf_bundle *b, const struct ipf_template *t, unsigned slot,
                       uint64_t address)
{
    struct ipf_slot s;
    char text[200] = "(reserved)";
    if (ipf_decode((enum ipf_unit)t->unit[slot], b->slot[slot], b->slot[1], &s))
        ipf_print(text, sizeof text, &s, address);
    size_t n = strlen(text);
    while (n && text[n - 1] == ' ')
        n--;
    printf("%.*s%s\n", (int)n, text, t->stops >> slot & 1 ? " ;;" : "");
}

static void print_bundle(uint64_t low, uint64_t high, uint64_t address)
{
    struct ipf_bundle b = ipf_bundle(low, high);
    const struct ipf_template *t = ipf_template(b.template);
    if (t->unit[0] == IPF_L) {
        printf("%16" PRIx64 "  (reserved template %#x)\n", address, b.template);
        return;
    }
    for (unsigned k = 0; k < 3; k++) {
        if (t->unit[k] == IPF_L) /* the instruction stands in the last slot */
            continue;
        if (k)
            printf("%16s        ", "");
        else
            printf("%16" PRIx64 "  %c%c%c   ", address, "AIMBFXL"[t->unit[0]],
                   "AIMBFXL"[t->unit[1]], "AIMBFXL"[t->unit[2]]);
        print_slot(&b, t, k, address);
    }
}

static void print_itanium(void *user, const struct elf_code *code, bool is_64)
{
    printf("\nsection %s\n", code->name);
    for (uint64_t at = 0; code->size - at >= 16; at += 16) {
        uint64_t words[2];
        memcpy(words, code->bytes + at, 16);
        print_label(user, code->address + at);
        print_bundle(words[0], words[1], code->address + at);
    }
}

/* ---- IA-32 and Intel 64 ---- */

static void print_x86(void *user, const struct elf_code *code, bool is_64)
{
    printf("\nsection %s\n", code->name);
    for (uint64_t at = 0, n; at < code->size; at += n) {
        char text[200];
        n = disasm_bytes(code->bytes + at, code->size - at, is_64 ? 64 : 32, code->address + at,
                         text, sizeof text);
        n = n ? n : 1;
        print_label(user, code->address + at);
        printf("%16" PRIx64 "  %s\n", code->address + at, text);
    }
}

int cli_disasm(int argc, char **argv, int first)
{
    struct image image;
    struct sp_error e;
    if (argc != first + 1 || argv[first][0] == '-') {
        sp_fail(&e, SP_EXIT_USAGE, "disasm: expected one file");
        return cli_fail(&e);
    }
    if (!image_read(&image, argv[first], &e))
        return cli_fail(&e);
    struct symbols *symbols = symbols_read(&image);
    bool itanium = elf_is_itanium(&image);
    bool ok = elf_is(&image) ||
              sp_fail(&e, SP_EXIT_BAD_IMAGE, "%s: offset 0: not an ELF file", argv[first]);
    ok = ok && elf_each_code(&image, itanium ? ELF_ITANIUM : ELF_X86,
                             itanium ? print_itanium : print_x86, symbols, &e);
    symbols_free(symbols);
    image_free(&image);
    return ok ? SP_EXIT_OK : cli_fail(&e);
}

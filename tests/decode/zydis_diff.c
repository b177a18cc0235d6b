// SPDX-License-Identifier: Apache-2.0
// Differential test of the decoder against Zydis: length and validity must agree on random byte
// strings in 16-, 32- and 64-bit code and on the code of real programs, but for the differences in
// exceptions.h.
//
//   zydis-diff [--count N] [--seed N] [--show N] [--verbose] [ELF files of 64-bit code]
#include <Zydis/Zydis.h>
#include <elf.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/decode.h"
#include "exceptions.h"

enum { WINDOW = 16 };                    /* one byte more than the longest instruction */

struct diff {
    struct decoder ours;
    ZydisDecoder theirs;
    unsigned bits;
    uint64_t cases, valid, different, skipped[EXCEPTIONS_MAX];
    uint64_t random;
    uint64_t shown;          /* differences to print */
    bool verbose;
};

static uint64_t next_random(struct diff *d)           /* xorshift64* */
{
    d->random ^= d->random >> 12;
    d->random ^= d->random << 25;
    d->random ^= d->random >> 27;
    return d->random * UINT64_C(0x2545f4914f6cdd1d);
}

/* Modes off: without the extension these encodings are older instructions (BSR for LZCNT, NOP for
 * CET). */
static bool start_mode(struct diff *d, unsigned bits)
{
    static const ZydisDecoderMode off[] = {
        ZYDIS_DECODER_MODE_AMD_BRANCHES, ZYDIS_DECODER_MODE_KNC, ZYDIS_DECODER_MODE_MPX,
        ZYDIS_DECODER_MODE_CET, ZYDIS_DECODER_MODE_LZCNT, ZYDIS_DECODER_MODE_TZCNT,
        ZYDIS_DECODER_MODE_WBNOINVD, ZYDIS_DECODER_MODE_CLDEMOTE,
    };
    ZydisMachineMode mode = bits == 64   ? ZYDIS_MACHINE_MODE_LONG_64
                            : bits == 32 ? ZYDIS_MACHINE_MODE_LEGACY_32
                                         : ZYDIS_MACHINE_MODE_LEGACY_16;
    ZydisStackWidth stack = bits == 64   ? ZYDIS_STACK_WIDTH_64
                            : bits == 32 ? ZYDIS_STACK_WIDTH_32
                                         : ZYDIS_STACK_WIDTH_16;
    d->bits = bits;
    bool ok = ZYAN_SUCCESS(ZydisDecoderInit(&d->theirs, mode, stack));
    for (unsigned k = 0; ok && k < ARRAY_SIZE(off); k++)
        ok = ZYAN_SUCCESS(ZydisDecoderEnableMode(&d->theirs, off[k], ZYAN_FALSE));
    return ok;
}

static void show(struct diff *d, const uint8_t *bytes, const char *ours, const char *theirs)
{
    if (d->different++ >= d->shown)
        return;
    printf("%u-bit", d->bits);
    for (unsigned k = 0; k < WINDOW - 1; k++)
        printf(" %02x", bytes[k]);
    printf("  ours: %s, zydis: %s\n", ours, theirs);
}

static bool skip(struct diff *d, const struct zydis_view *v)
{
    int row = find_exception(v);
    if (row >= 0)
        d->skipped[row]++;
    return row >= 0;
}

/* Compares the instruction at `bytes` (WINDOW readable); returns its length, 1 if it is
 * undefined. */
static unsigned compare(struct diff *d, const uint8_t *bytes)
{
    struct zydis_view v = { .bytes = bytes, .bits = d->bits };
    struct insn i;
    char ours[64], theirs[64];
    v.theirs_ok = ZYAN_SUCCESS(
        ZydisDecoderDecodeInstruction(&d->theirs, ZYAN_NULL, bytes, WINDOW, &v.zydis));
    v.ours_ok = decode(&d->ours, bytes, WINDOW, d->bits, &i) == DECODE_OK;
    if (v.ours_ok && insn_rows[i.row].attributes & A_NO_REP && i.prefix & (PFX_REP | PFX_REPNE))
        v.ours_ok = false;               /* the engine turns these into #UD when it binds the row */
    v.insn = &i;
    d->cases++;
    d->valid += v.ours_ok && v.theirs_ok;
    if (v.ours_ok == v.theirs_ok && (!v.ours_ok || i.len == v.zydis.length))
        return v.ours_ok ? i.len : 1;
    if (!skip(d, &v)) {
        snprintf(ours, sizeof ours, v.ours_ok ? "%s, %u bytes" : "undefined",
                 v.ours_ok ? insn_rows[i.row].name : "", i.len);
        snprintf(theirs, sizeof theirs, v.theirs_ok ? "%s (%s), %u bytes" : "undefined",
                 v.theirs_ok ? ZydisMnemonicGetString(v.zydis.mnemonic) : "",
                 v.theirs_ok ? ZydisISASetGetString(v.zydis.meta.isa_set) : "", v.zydis.length);
        show(d, bytes, ours, theirs);
    }
    return v.theirs_ok ? v.zydis.length : 1;
}

/* Half of the strings are uniform; the others lead into the larger maps: prefixes, 0F, 0F 38, 0F
 * 3A. */
static void random_string(struct diff *d, uint8_t *bytes)
{
    static const uint8_t prefixes[] = {
        0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x2e, 0x36, 0x64, 0x48, 0x41,
    };
    uint64_t r = next_random(d);
    unsigned at = 0;
    for (unsigned k = 0; k < WINDOW; k += 8) {
        uint64_t word = next_random(d);
        memcpy(bytes + k, &word, 8);
    }
    if (r & 1)
        return;
    for (unsigned k = r >> 1 & 3; k > 1; k--, r >>= 8)
        bytes[at++] = prefixes[(r >> 8 & 0xff) % ARRAY_SIZE(prefixes)];
    if (r >> 32 & 1)
        return;
    bytes[at++] = 0x0f;
    if ((r >> 33 & 3) == 0)
        bytes[at++] = r >> 35 & 1 ? 0x38 : 0x3a;
}

static void compare_random(struct diff *d, uint64_t count)
{
    uint8_t bytes[WINDOW];
    for (uint64_t k = 0; k < count; k++) {
        random_string(d, bytes);
        compare(d, bytes);
    }
}

static void compare_text(struct diff *d, const uint8_t *file, size_t size)
{
    Elf64_Ehdr h;
    if (size < sizeof h)
        return;
    memcpy(&h, file, sizeof h);
    for (unsigned k = 0; k < h.e_phnum && h.e_phoff + (k + 1) * sizeof(Elf64_Phdr) <= size; k++) {
        Elf64_Phdr p;
        memcpy(&p, file + h.e_phoff + k * sizeof p, sizeof p);
        if (p.p_type != PT_LOAD || !(p.p_flags & PF_X) || p.p_offset > size ||
            p.p_filesz > size - p.p_offset)
            continue;
        for (size_t at = p.p_offset, end = at + p.p_filesz; at + WINDOW <= end;)
            at += compare(d, file + at);
    }
}

static bool compare_file(struct diff *d, const char *path)
{
    FILE *f = fopen(path, "rb");
    uint8_t *bytes = NULL;
    long size = -1;
    if (f && fseek(f, 0, SEEK_END) == 0 && (size = ftell(f)) > 0 && fseek(f, 0, SEEK_SET) == 0)
        bytes = malloc((size_t)size);
    bool ok = bytes && fread(bytes, 1, (size_t)size, f) == (size_t)size &&
              memcmp(bytes, ELFMAG, SELFMAG) == 0 && bytes[EI_CLASS] == ELFCLASS64;
    if (ok)
        compare_text(d, bytes, (size_t)size);
    free(bytes);
    if (f)
        fclose(f);
    return ok;
}

static int report(const struct diff *d)
{
    if (d->verbose)
        for (unsigned k = 0; k < exception_count; k++)
            printf("%12" PRIu64 "  %s\n", d->skipped[k], exceptions[k].reason);
    printf("%" PRIu64 " strings, %" PRIu64 " valid, %" PRIu64 " unexplained differences\n",
           d->cases, d->valid, d->different);
    return d->different ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int usage(const char *name)
{
    fprintf(stderr, "usage: %s [--count N] [--seed N] [--show N] [--verbose] [FILE...]\n", name);
    return 2;
}

int main(int argc, char **argv)
{
    static const unsigned modes[] = { 16, 32, 64 };
    struct diff d = { .random = 1, .shown = 50 };
    uint64_t count = 300000;
    int at = 1;
    for (; at < argc && argv[at][0] == '-'; at++) {
        if (!strcmp(argv[at], "--count") && at + 1 < argc)
            count = strtoull(argv[++at], NULL, 0);
        else if (!strcmp(argv[at], "--seed") && at + 1 < argc)
            d.random = strtoull(argv[++at], NULL, 0) | 1;
        else if (!strcmp(argv[at], "--show") && at + 1 < argc)
            d.shown = strtoull(argv[++at], NULL, 0);
        else if (!strcmp(argv[at], "--verbose"))
            d.verbose = true;
        else
            return usage(argv[0]);
    }
    if (!decoder_init(&d.ours))
        return EXIT_FAILURE;
    for (unsigned k = 0; k < ARRAY_SIZE(modes); k++) {
        if (!start_mode(&d, modes[k]))
            return EXIT_FAILURE;
        compare_random(&d, count);
    }
    for (; at < argc; at++)              /* the last mode is the 64-bit one */
        if (!compare_file(&d, argv[at]))
            printf("%s: not a 64-bit ELF file, passed over\n", argv[at]);
    decoder_free(&d.ours);
    return report(&d);
}

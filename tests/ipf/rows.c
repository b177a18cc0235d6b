// SPDX-License-Identifier: Apache-2.0
// rows BUNDLES TEXT: writes every row of insn.def with random operands, one a bundle beside nops,
// and how the disassembler prints it; objdump.sh compares that with binutils.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "ipf/disasm.h"

enum { TIMES = 64 };

static uint64_t random_bits(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Bits that revision 2.3 ignores or reserves, and later processors use: hints of loads and stores.
 */
static uint64_t without_later_bits(const struct ipf_row *row, uint64_t bits)
{
    const char *text = ipf_format_text((enum ipf_format)row->format);
    if (!strncmp(text, "%H", 2) || !strncmp(text, "%L", 2)) {
        bool store = strstr(text, "[%r3]=");
        bits &= strstr(text, "%d") ? ~UINT64_C(0) : ~(store ? BIT(12) : BIT(19));
        bits &= strncmp(text, "%L", 2) ? ~BIT(29) : ~(BIT(12) | BIT(19));
        if (!strncmp(row->name, "st", 2))
            bits &= ~BIT(28);
    }
    if (!strncmp(row->name, "mov", 3) && !strncmp(text, "%M", 2))
        bits &= ~BIT(21);
    if (!strncmp(text, "%V", 2))
        bits |= BIT(32);
    if (row->format == IPF_FORMAT_B7)
        bits &= ~BIT(3);
    return bits;
}

/* Where a unit stands: template and slot. */
static void place(enum ipf_unit unit, unsigned *template, unsigned *at)
{
    *template = unit == IPF_B ? 0x10 : unit == IPF_F ? 0x0c : unit == IPF_X ? 0x04 : 0x00;
    *at = unit == IPF_B || unit == IPF_X ? 2 : unit == IPF_F || unit == IPF_I ? 1 : 0;
}

int main(int argc, char **argv)
{
    FILE *bundles = argc == 3 ? fopen(argv[1], "wb") : NULL;
    FILE *text = argc == 3 ? fopen(argv[2], "w") : NULL;
    if (!bundles || !text)
        return 2;
    uint64_t state = 88172645463325252u, ip = 0, mask, match;
    const struct ipf_row *row;
    enum ipf_unit unit;
    for (unsigned n = 0; ipf_row_at(n, &row, &unit, &mask, &match); n++)
        for (unsigned k = 0; k < TIMES; k++, ip += 16) {
            const uint64_t nop = BIT(27);
            uint64_t slot[3] = { nop, unit == IPF_F ? nop : nop, nop };
            unsigned template, at;
            place(unit, &template, &at);
            uint64_t bits = (random_bits(&state) & (BIT(41) - 1) & ~mask) | match;
            bits = without_later_bits(row, bits & ~mask) | match;
            slot[at] = bits;
            if (template == 0x10)
                slot[1] = nop;
            uint64_t low = unit == IPF_X ? random_bits(&state) & (BIT(41) - 1) : nop;
            slot[1] = unit == IPF_X ? low : slot[1];
            uint64_t words[2] = { template | slot[0] << 5 | slot[1] << 46,
                                  slot[1] >> 18 | slot[2] << 23 };
            fwrite(words, 8, 2, bundles);
            struct ipf_slot s;
            char line[200] = "reserved";
            if (ipf_decode(unit, bits, low, &s))
                ipf_print(line, sizeof line, &s, ip);
            if (s.row != row)
                printf("row %u %s decodes as %s\n", n, row->name, s.row ? s.row->name : "nothing");
            fprintf(text, "%" PRIx64 ":%u\t%010" PRIx64 "\t%s\n", ip,
                    at == 1 && unit == IPF_X ? 2 : at, bits, line);
        }
    fclose(bundles);
    fclose(text);
    return 0;
}

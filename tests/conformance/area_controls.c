// SPDX-License-Identifier: Apache-2.0
// Each bit of each control word, against the capability MSRs (SDM vol. 3, "Checks on VMX Controls").
#include "areas.h"
#include "suite.h"
#include "vm.h"

enum { RULE_NAME = 80 };

static const char *rule_of(enum word w, unsigned bit, char name[RULE_NAME])
{
    const char *text = control_text(w, bit);
    text_put(name, RULE_NAME, "controls.%s.%s", word_name(w), text ? text : "reserved");
    return name;
}
static unsigned bits_of(enum word w) { return w == PROC3 || w == EXIT2 ? 64 : 32; }

static bool lacks_word(enum word w)
{
    return (w == PROC2 && lacks(ACTIVATE_SECONDARY)) || (w == PROC3 && lacks(ACTIVATE_TERTIARY)) ||
           (w == EXIT2 && lacks(ACTIVATE_SECONDARY_EXIT));
}

static bool never(enum control c) { return c == ENTRY_TO_SMM || c == DEACTIVATE_DUAL_MONITOR; }

static void set_bit(enum word w, unsigned bit)
{
    enum control c = w << 8 | bit;
    vm_reset(MODE_64);
    vm_set_valid(c);
    if (can(c) && !never(c))
        expect_entered();
    else
        expect_refused(ERROR_CONTROLS);
}

static void clear_bit(enum word w, unsigned bit)
{
    enum control c = w << 8 | bit;
    vm_reset(c == IA32E_GUEST ? MODE_32 : MODE_64);
    if (w == PROC2 || w == PROC3 || w == EXIT2)
        vm_set(c);                                        /* activates the word */
    vm_clear(c);
    if (!can_clear(c))
        expect_refused(ERROR_CONTROLS);
    else if (c == HOST_64)
        expect_refused(ERROR_HOST);
    else
        expect_entered();
}

/* A word that is not activated is not looked at. */
static void set_inactive(enum word w, unsigned bit)
{
    vm_reset(MODE_64);
    vmwrite(word_field(w), BIT(bit));
    expect_entered();
}

void area_controls(void)
{
    char rule[RULE_NAME];
    for (enum word w = 0; w < WORDS; w++)
        for (unsigned bit = 0; bit < bits_of(w); bit++) {
            rule_of(w, bit, rule);
            CASE(rule, "bit-%u-set", bit)
            {
                if (!lacks_word(w))
                    set_bit(w, bit);
            }
            CASE(rule, "bit-%u-clear", bit)
            {
                if (!lacks_word(w))
                    clear_bit(w, bit);
            }
            if (w != PROC2 && w != PROC3 && w != EXIT2)
                continue;
            CASE(rule, "bit-%u-inactive", bit)
            {
                if (!lacks_word(w))
                    set_inactive(w, bit);
            }
        }
}

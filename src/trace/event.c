// SPDX-License-Identifier: Apache-2.0
// Names of events, fields and classes.
#include "trace/event.h"

#include <string.h>

#include "base/bits.h"

const struct trace_kind_row trace_kinds[TRACE_KINDS] = {
    [TRACE_EVENT_INSN] = { .name = "insn", .class_bit = TRACE_INSTRUCTIONS },
#define TRACE_EVENT(KIND, name_, class_)                                \
    [TRACE_EVENT_##KIND] = { .name = #name_, .class_bit = TRACE_##class_, \
                             .fields = sizeof(struct trace_##name_) / 8, .field = {
#define TRACE_FIELD(name, meaning) #name,
#define TRACE_END(KIND, name) } },
#include "trace/event.def"
#undef TRACE_EVENT
#undef TRACE_FIELD
#undef TRACE_END
};

#define TRACE_EVENT(KIND, name, class_) \
    _Static_assert(sizeof(struct trace_##name) <= 8 * TRACE_FIELDS_MAX, "a row of fields is short");
#define TRACE_FIELD(name, meaning)
#define TRACE_END(KIND, name)
#include "trace/event.def"
#undef TRACE_EVENT
#undef TRACE_FIELD
#undef TRACE_END

static const char *const class_names[TRACE_CLASSES] = {
    "instructions", "registers", "memory", "exceptions", "interrupts", "vmx",
    "vmcs", "msr", "io", "tlb", "pal", "vti", "marks",
};
static const struct { const char *name; uint32_t mask; } presets[] = {
    { "exec", TRACE_PRESET_EXEC }, { "full", TRACE_PRESET_FULL },
    { "vmx", TRACE_PRESET_VMX }, { "vti", TRACE_PRESET_VTI },
};

const char *trace_class_name(unsigned n) { return class_names[n]; }

static bool is_word(const char *word, unsigned n, const char *name)
{
    return strlen(name) == n && !memcmp(word, name, n);
}

/* A preset wins over the class of its name: it holds it. */
static uint32_t mask_of(const char *word, unsigned n)
{
    for (unsigned k = 0; k < ARRAY_SIZE(presets); k++)
        if (is_word(word, n, presets[k].name))
            return presets[k].mask;
    for (unsigned k = 0; k < TRACE_CLASSES; k++)
        if (is_word(word, n, class_names[k]))
            return 1u << k;
    return 0;
}

bool trace_parse_classes(const char *list, uint32_t *mask, const char **bad, unsigned *bad_length)
{
    *mask = 0;
    for (const char *word = list;; word++) {
        unsigned n = (unsigned)strcspn(word, ",");
        uint32_t m = mask_of(word, n);
        if (!m) {
            *bad = word;
            *bad_length = n;
            return false;
        }
        *mask |= m;
        word += n;
        if (!*word)
            break;
    }
    if (*mask & (TRACE_REGISTERS | TRACE_MEMORY))
        *mask |= TRACE_INSTRUCTIONS;
    return true;
}

unsigned trace_ia32_bits(unsigned id)
{
    static const uint8_t bits_of[] = {
#define REGISTER(NAME, name, bits) bits,
#include "trace/registers.def"
#undef REGISTER
    };
    return id < ARRAY_SIZE(bits_of) ? bits_of[id] : 64;
}

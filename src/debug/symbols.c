// SPDX-License-Identifier: Apache-2.0
#include "debug/symbols.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/elf.h"

struct symbol { uint64_t value, size; char *name; };

struct symbols {
    struct symbol *symbol;      /* by value */
    size_t count, capacity;
};

static void add(void *user, const char *name, uint64_t value, uint64_t size)
{
    struct symbols *s = user;
    if (s->count == s->capacity) {
        size_t capacity = s->capacity ? 2 * s->capacity : 256;
        struct symbol *p = realloc(s->symbol, capacity * sizeof *p);
        if (!p)
            return;
        s->symbol = p, s->capacity = capacity;
    }
    struct symbol *last = &s->symbol[s->count];
    last->value = value;
    last->size = size;
    last->name = strdup(name);
    s->count += last->name != NULL;
}

/* Among several names of one address the one with a size wins: it stands last. */
static int by_value(const void *a, const void *b)
{
    const struct symbol *x = a, *y = b;
    if (x->value != y->value)
        return x->value < y->value ? -1 : 1;
    if (x->size != y->size)
        return x->size < y->size ? -1 : 1;
    return strcmp(y->name, x->name);
}

struct symbols *symbols_read(const struct image *image)
{
    struct symbols *s = calloc(1, sizeof *s);
    if (s)
        elf_symbols(image, add, s);
    if (s && s->count)
        qsort(s->symbol, s->count, sizeof *s->symbol, by_value);
    return s;
}

void symbols_free(struct symbols *s)
{
    for (size_t k = 0; s && k < s->count; k++)
        free(s->symbol[k].name);
    if (s)
        free(s->symbol);
    free(s);
}

const char *symbols_find(const struct symbols *s, uint64_t address, uint64_t *distance)
{
    enum { FAR = 1 << 20 };     /* a label without a size does not reach further */
    size_t low = 0, high = s ? s->count : 0;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (s->symbol[middle].value <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (!low)
        return NULL;
    const struct symbol *found = &s->symbol[low - 1];
    *distance = address - found->value;
    return *distance < (found->size ? found->size : FAR) ? found->name : NULL;
}

bool symbols_address(const struct symbols *s, const char *name, uint64_t *address)
{
    for (size_t k = 0; k < s->count; k++)
        if (!strcmp(s->symbol[k].name, name)) {
            *address = s->symbol[k].value;
            return true;
        }
    return false;
}

const char *symbols_print(const struct symbols *s, uint64_t address, char *out, size_t size)
{
    uint64_t distance = 0;
    const char *name = symbols_find(s, address, &distance);
    if (!name)
        snprintf(out, size, "%#llx", (unsigned long long)address);
    else if (!distance)
        snprintf(out, size, "%#llx (%s)", (unsigned long long)address, name);
    else
        snprintf(out, size, "%#llx (%s+%#llx)", (unsigned long long)address, name,
                 (unsigned long long)distance);
    return out;
}

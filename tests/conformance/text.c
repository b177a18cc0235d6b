// SPDX-License-Identifier: Apache-2.0
#include "text.h"

#include "x86.h"

enum { COM1 = 0x3f8, INTERRUPT_ENABLE = COM1 + 1, LINE_CONTROL = COM1 + 3, LINE_STATUS = COM1 + 5 };
enum { EIGHT_BITS_NO_PARITY = 3, TRANSMITTER_EMPTY = 1 << 5, PATIENCE = 1 << 20, LINE = 400 };
enum { DEBUGCON = 0xe9 };

struct sink { char *at, *end; };

static void put(struct sink *s, char c)
{
    if (s->at < s->end)
        *s->at++ = c;
}

static void put_number(struct sink *s, uint64_t v, unsigned base)
{
    char digits[20];
    unsigned n = 0;
    do
        digits[n++] = "0123456789abcdef"[v % base];
    while (v /= base);
    while (n)
        put(s, digits[--n]);
}

static void put_text(struct sink *s, const char *text)
{
    while (*text)
        put(s, *text++);
}

unsigned text_format(char *to, unsigned size, const char *format, va_list arguments)
{
    struct sink s = { to, to + size - 1 };
    for (; *format; format++) {
        if (*format != '%') {
            put(&s, *format);
            continue;
        }
        bool wide = *++format == 'l';
        format += wide;
        if (*format == 's')
            put_text(&s, va_arg(arguments, const char *));
        else if (*format == 'c')
            put(&s, (char)va_arg(arguments, int));
        else
            put_number(&s, wide ? va_arg(arguments, uint64_t) : va_arg(arguments, uint32_t),
                       *format == 'x' ? 16 : 10);
    }
    *s.at = 0;
    return (unsigned)(s.at - to);
}

unsigned text_put(char *to, unsigned size, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    unsigned n = text_format(to, size, format, arguments);
    va_end(arguments);
    return n;
}

void print_init(void)
{
    out8(LINE_CONTROL, EIGHT_BITS_NO_PARITY);
    out8(INTERRUPT_ENABLE, 0);
}

void print(const char *format, ...)
{
    char line[LINE];
    va_list arguments;
    va_start(arguments, format);
    text_format(line, sizeof line, format, arguments);
    va_end(arguments);
    for (const char *c = line; *c; c++) {
        for (unsigned k = 0; k < PATIENCE && !(in8(LINE_STATUS) & TRANSMITTER_EMPTY); k++)
            ;
        out8(COM1, (uint8_t)*c);
        out8(DEBUGCON, (uint8_t)*c);
    }
}

bool text_equal(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

bool text_fits(const char *text, const char *pattern, const char *end)
{
    for (; pattern < end && *pattern != '*'; pattern++, text++)
        if (!*text || (*pattern != '?' && *pattern != *text))
            return false;
    if (pattern == end)
        return !*text;
    do
        if (text_fits(text, pattern + 1, end))
            return true;
    while (*text++);
    return false;
}

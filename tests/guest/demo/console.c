// SPDX-License-Identifier: Apache-2.0
// Shows: polled output on a 16550 UART (COM1); the rate is left as it is, the frame is set to 8N1.
#include "console.h"

enum { COM1 = 0x3f8, INTERRUPT_ENABLE = COM1 + 1, LINE_CONTROL = COM1 + 3, LINE_STATUS = COM1 + 5 };
enum { EIGHT_BITS_NO_PARITY = 3, TRANSMITTER_EMPTY = 1 << 5 };

void console_init(void)
{
    out8(LINE_CONTROL, EIGHT_BITS_NO_PARITY);
    out8(INTERRUPT_ENABLE, 0);
}

void console_char(char c)
{
    while (!(in8(LINE_STATUS) & TRANSMITTER_EMPTY))
        ;
    out8(COM1, (uint8_t)c);
}

void console_text(const char *text)
{
    while (*text)
        console_char(*text++);
}

void console_hex(uint64_t value)
{
    unsigned shift = 60;
    while (shift && !(value >> shift))
        shift -= 4;
    console_text("0x");
    for (;; shift -= 4) {
        console_char("0123456789abcdef"[value >> shift & 15]);
        if (!shift)
            return;
    }
}

void console_decimal(uint64_t value, unsigned width)
{
    char digits[20];
    unsigned n = 0;
    do
        digits[n++] = (char)('0' + value % 10);
    while (value /= 10);
    for (unsigned k = n; k < width; k++)
        console_char(' ');
    while (n)
        console_char(digits[--n]);
}

void console_padded(const char *text, unsigned width)
{
    for (; *text; text++, width -= width > 0)
        console_char(*text);
    while (width--)
        console_char(' ');
}

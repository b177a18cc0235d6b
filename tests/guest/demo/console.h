// SPDX-License-Identifier: Apache-2.0
// Shows: the serial console of the hypervisor (COM1), and the port instructions of both sides.
#ifndef DEMO_CONSOLE_H
#define DEMO_CONSOLE_H

#include <stdint.h>

static inline void out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}
static inline void out32(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}
static inline uint8_t in8(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

void console_init(void);
void console_char(char c);
void console_text(const char *text);
void console_hex(uint64_t value);                       /* without leading zeroes */
void console_decimal(uint64_t value, unsigned width);   /* right-aligned          */
void console_padded(const char *text, unsigned width);  /* left-aligned           */

#endif

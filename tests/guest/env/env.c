// SPDX-License-Identifier: Apache-2.0
// Shows: what a kernel started by kvm-unit-tests' command line finds: its command line, its
// environment in a module, the number of processors in fw_cfg, and the way out by isa-debug-exit.
#include <stdint.h>

enum { COM1 = 0x3f8, FW_CFG_SELECT = 0x510, FW_CFG_DATA = 0x511, NB_CPUS = 5, DEBUG_EXIT = 0xf4 };
enum { BOOT_MAGIC = 0x2badb002, HAS_COMMAND_LINE = 1 << 2, HAS_MODULES = 1 << 3 };

/* Multiboot specification, "Boot information format". */
struct boot_info {
    uint32_t flags, lower, upper, device, command_line, module_count, modules;
};
struct module {
    uint32_t start, end, text, reserved;
};

void start_64(uint32_t magic, const struct boot_info *info);

static void outb(uint16_t port, uint8_t v)
{
    __asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}
static uint8_t inb(uint16_t port)
{
    uint8_t v;
    __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}
static void leave(uint32_t code)
{
    __asm__ volatile("outl %0, %w1" : : "a"(code), "d"(DEBUG_EXIT));
}

static void print(const char *s, const char *end)
{
    for (; s != end && *s; s++)
        outb(COM1, (uint8_t)*s);
}
static void line(const char *what, const char *s, const char *end)
{
    print(what, 0);
    print(s, end);
    print("\n", 0);
}

static unsigned processors(void)
{
    __asm__ volatile("outw %w0, %w1" : : "a"(NB_CPUS), "d"(FW_CFG_SELECT));
    unsigned low = inb(FW_CFG_DATA);
    return low | (unsigned)inb(FW_CFG_DATA) << 8;
}

static const char *text_at(uint32_t address) { return (const char *)(uintptr_t)address; }

void start_64(uint32_t magic, const struct boot_info *info)
{
    const char number[] = { (char)('0' + processors() % 10), 0 };
    if (magic != BOOT_MAGIC || !(info->flags & HAS_COMMAND_LINE))
        leave(1);
    line("command line: ", text_at(info->command_line), 0);
    line("processors: ", number, 0);
    if (info->flags & HAS_MODULES) {
        const struct module *m = (const struct module *)(uintptr_t)info->modules;
        line("environment: ", text_at(m->start), text_at(m->end));
    }
    leave(0);
}

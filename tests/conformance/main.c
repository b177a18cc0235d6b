// SPDX-License-Identifier: Apache-2.0
#include "apic.h"
#include "areas.h"
#include "fault.h"
#include "smp.h"
#include "suite.h"
#include "vm.h"

enum { DEBUG_EXIT = 0xf4, MULTIBOOT1 = 0x2badb002, MULTIBOOT2 = 0x36d76289 };
enum { HAS_COMMAND_LINE = 1 << 2, COMMAND_LINE_AT = 16, TAG_END = 0, TAG_COMMAND_LINE = 1 };

void conformance_main(uint32_t magic, uint32_t information);

/* Multiboot specifications, "Boot information format". */
static const char *command_line(uint32_t magic, uint64_t information)
{
    if (magic == MULTIBOOT1 && *dword_at(information) & HAS_COMMAND_LINE)
        return (const char *)(uint64_t)*dword_at(information + COMMAND_LINE_AT);
    if (magic == MULTIBOOT2)
        for (uint64_t tag = information + 8; *dword_at(tag) != TAG_END;
             tag += (*dword_at(tag + 4) + 7) & ~7u)
            if (*dword_at(tag) == TAG_COMMAND_LINE)
                return (const char *)tag + 8;
    return "";
}

static void run_areas(void)
{
#define AREA(name) area_##name();
#include "areas.def"
}

void conformance_main(uint32_t magic, uint32_t information)
{
    suite_configure(command_line(magic, information));
    print_init();
    fault_init();
    apic_init();
    const char *problem = vm_init();
    if (problem) {
        print("conform 1\ninfo problem %s\ndone 0 0 0 0\n", problem);
    } else {
        smp_init();
        suite_head();
        run_areas();
    }
    unsigned failed = problem ? 1 : suite_finish();
    out32(DEBUG_EXIT, failed != 0);
    for (;;)
        __asm__ volatile("cli; hlt");
}

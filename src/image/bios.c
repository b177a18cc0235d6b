// SPDX-License-Identifier: Apache-2.0
#include "image/bios.h"

#include "image/place.h"

/* The extended BIOS data area: the reserved KiB below 640 KiB.  The handlers stand at its start,
 * behind the byte that says how large it is; the memory map follows them. */
enum { EBDA = 0x9fc00, EBDA_SEGMENT = EBDA >> 4, EBDA_SIZE = 1024, CODE_AT = 16 };
enum { CONVENTIONAL_KIB = 639 };
enum { DATA_AREA = 0x400, E820_ENTRY = 20, RESET_VECTOR = 0xffff0, FAR_JUMP = 0xea };

/* Offsets in this code count from the start of the EBDA.  bios_table: the number of E820 entries,
 * then they. */
__asm__(".pushsection .rodata\n"
        ".code16\n"
        ".set at, bios_code - 16\n"
        "bios_code:\n"
        "bios_ignore: iret\n"
        "bios_int12: mov $639, %ax\n"
        "    iret\n"
        "bios_int15: cmp $0xe820, %eax\n"
        "    jne bios_fail\n"
        "    cmp $0x534d4150, %edx\n"           /* "SMAP" */
        "    jne bios_fail\n"
        "    cmp %cs:bios_table - at, %bx\n"
        "    jae bios_fail\n"
        "    push %si\n push %di\n push %cx\n"
        "    mov %bx, %ax\n"
        "    imul $20, %ax, %si\n"
        "    add $bios_table - at + 2, %si\n"
        "    mov $10, %cx\n"
        "    cld\n"
        "    rep movsw %cs:(%si), %es:(%di)\n"
        "    pop %cx\n pop %di\n pop %si\n"
        "    inc %bx\n"
        "    cmp %cs:bios_table - at, %bx\n"
        "    jb 1f\n"
        "    xor %ebx, %ebx\n"                  /* that was the last one */
        "1:  mov %edx, %eax\n"
        "    mov $20, %ecx\n"
        "    push %bp\n mov %sp, %bp\n"
        "    andb $0xfe, 6(%bp)\n"              /* CF = 0 in the FLAGS that IRET restores */
        "    pop %bp\n"
        "    iret\n"
        "bios_fail: mov $0x86, %ah\n"
        "    push %bp\n mov %sp, %bp\n"
        "    orb $1, 6(%bp)\n"
        "    pop %bp\n"
        "    iret\n"
        "bios_reset: mov $0xcf9, %dx\n"
        "    mov $2, %al\n out %al, %dx\n"
        "    mov $6, %al\n out %al, %dx\n"
        "    hlt\n"
        "bios_table:\n"
        ".code64\n"
        ".popsection");
extern const uint8_t bios_code[], bios_ignore[], bios_int12[], bios_int15[], bios_fail[],
    bios_reset[], bios_table[];

/* Bytes of code before a label. */
static size_t code_before(const uint8_t *label)
{
    return (size_t)((uintptr_t)label - (uintptr_t)bios_code);
}

static uint16_t ebda_offset(const uint8_t *label)
{
    return (uint16_t)(CODE_AT + code_before(label));
}

static void set_vector(struct mem *mem, unsigned vector, const uint8_t *handler)
{
    mem_write_le(mem, 4 * vector, 4, (uint32_t)EBDA_SEGMENT << 16 | ebda_offset(handler));
}

static void set_vectors(struct mem *mem)
{
    static const uint8_t services[] = { 0x10, 0x13, 0x14, 0x16, 0x17, 0x1a };
    for (unsigned k = 0; k < 256; k++)
        set_vector(mem, k, bios_ignore);
    for (unsigned k = 0; k < sizeof services; k++)
        set_vector(mem, services[k], bios_fail);
    set_vector(mem, 0x12, bios_int12);
    set_vector(mem, 0x15, bios_int15);
}

/* Kernels that restart the machine "by the BIOS" jump to F000:FFF0. */
static void set_reset_vector(struct mem *mem)
{
    mem_write_le(mem, RESET_VECTOR, 1, FAR_JUMP);
    mem_write_le(mem, RESET_VECTOR + 1, 2, ebda_offset(bios_reset));
    mem_write_le(mem, RESET_VECTOR + 3, 2, EBDA_SEGMENT);
}

/* The BIOS data area: COM1, the EBDA's segment, memory, an 80 by 25 text screen. */
static void set_data_area(struct mem *mem)
{
    static const struct { uint8_t at, size; uint16_t value; } fields[] = {
        { 0x00, 2, 0x3f8 },  { 0x0e, 2, EBDA_SEGMENT },
        { 0x10, 2, 0x0220 }, { 0x13, 2, CONVENTIONAL_KIB },
        { 0x49, 1, 3 },      { 0x4a, 2, 80 },
        { 0x63, 2, 0x3d4 },  { 0x84, 1, 24 },
        { 0x85, 2, 16 },
    };
    for (unsigned k = 0; k < sizeof fields / sizeof *fields; k++)
        mem_write_le(mem, DATA_AREA + fields[k].at, fields[k].size, fields[k].value);
}

static void write_map(struct mem *mem, const struct memory_range *map, size_t count)
{
    uint64_t at = EBDA + ebda_offset(bios_table);
    size_t room = (EBDA + EBDA_SIZE - at - 2) / E820_ENTRY;
    count = count < room ? count : room;
    mem_write_le(mem, at, 2, count);
    for (size_t k = 0; k < count; k++) {
        mem_write_le(mem, at + 2 + E820_ENTRY * k, 8, map[k].base);
        mem_write_le(mem, at + 10 + E820_ENTRY * k, 8, map[k].size);
        mem_write_le(mem, at + 18 + E820_ENTRY * k, 4, map[k].type);
    }
}

void bios_install(struct machine *m)
{
    struct memory_range map[64];
    struct mem *mem = machine_mem(m);
    size_t count = machine_memory_map(m, map, sizeof map / sizeof *map);
    if (!count || map[0].base || map[0].size > EBDA)      /* a bare machine has no such area */
        return;
    set_vectors(mem);
    set_data_area(mem);
    set_reset_vector(mem);
    mem_write_le(mem, EBDA, 1, EBDA_SIZE / 1024);
    mem_write(mem, EBDA + CODE_AT, bios_code, code_before(bios_table));
    write_map(mem, map, count);
}

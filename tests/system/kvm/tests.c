// SPDX-License-Identifier: Apache-2.0
// The guests and what they must report.
#include "client.h"

#define ENTRY(name) extern const uint8_t name[]
#define EXPECT(...)                                                                                \
    {                                                                                              \
        (const uint32_t[]){ __VA_ARGS__ }, sizeof((const uint32_t[]){ __VA_ARGS__ }) / 4           \
    }
/* One vCPU; with three modes, the same values in each. */
#define ONE(entry_, mode_, chip_, ...)                                                             \
    {                                                                                              \
        .name = #entry_, .entry = entry_, .mode = mode_, .chip = chip_, .vcpus = 1, .expect = {    \
            EXPECT(__VA_ARGS__)                                                                    \
        }                                                                                          \
    }
#define THREE(name_, chip_, ...)                                                                   \
    ONE(name_##_16, REAL_16, chip_, __VA_ARGS__),                                                  \
        ONE(name_##_32, PROTECTED_32, chip_, __VA_ARGS__),                                         \
        ONE(name_##_64, LONG_64, chip_, __VA_ARGS__)
#define TWO(entry_, chip_, first, second)                                                          \
    {                                                                                              \
        .name = #entry_, .entry = entry_, .mode = LONG_64, .chip = chip_, .vcpus = 2, .expect = {  \
            EXPECT first,                                                                          \
            EXPECT second                                                                          \
        }                                                                                          \
    }

ENTRY(ports_16), ports_32[], ports_64[], ports_long_16[], ports_long_32[], ports_long_64[];
ENTRY(mmio_16), mmio_32[], mmio_64[], mmio_string_16[], mmio_string_32[], mmio_string_64[];
ENTRY(mmio_wide_64), rom_64[], dirty_64[], touch_64[];
ENTRY(modes), tasks_32[], vm86_32[];
ENTRY(exceptions_16), exceptions_32[], exceptions_64[], user_32[], user_64[];
ENTRY(paging_32), paging_pae[], paging_64[];
ENTRY(cpuid_64), msrs_64[], tsc_64[], control_64[], float_64[], code_64[], hypercall_64[];
ENTRY(xcr0_64), shutdown_32[], shutdown_64[], steps_64[], break_64[], smm_64[];
ENTRY(inject_16), inject_32[], inject_64[], pic_16[], pic_32[], pic_64[], apic_32[], apic_64[];
ENTRY(cr8_64), timer_64[], deadline_64[], pit_16[], pit_32[], nmi_guest_32[], nmi_guest_64[];
ENTRY(count_64), ipi_64[], broadcast_64[], shootdown_64[];

#define EXCEPTIONS(bs)                                                                             \
    0x00000, 0x60000, 0x30000, 0xdfff8, 0xd0018, 0xd03fa, 0x70000, 0x70000, 0xd0000, 0xd0000,      \
        0xd0000, 0xd0000, 0x10000, bs, 0x10000, 2, BUFFER
#define PAGING(...)                                                                                \
    0xabcd, 0x20, 0xef01, 0x60, 0xe0000, 0x40000000, 0xe0002, 0x40000008, 0xe0003, 0x40000010,     \
        0x7777, 6, 1, ##__VA_ARGS__
#define APIC 0xaa, 0x104a, 0x104a, 0x1044, 0xbb, 0xcc, 0x1045, 0xdd, 0x1066, 0x1046, 0xee, 0x14, 0
#define SHUTDOWN (0x80000000 | KVM_EXIT_SHUTDOWN)
#define NMI 0x1002, 0x2222, 0x1002, 0xaa, 0x1002, 0xbb
#define TASK_2 TSS_2_SELECTOR, 0x4000

const struct test tests[] = {
    /* 600 bytes follow 0, 1, 2 ... 255, 0 ...: the sum of k * (k mod 256), modulo 65536. */
    THREE(ports, NO_CHIP, 1, 0x0302, 0x07060504, 0x21201f1e, 0x15141312, BUFFER + 44, 0x70187),
    THREE(ports_long, NO_CHIP, 0x2f00 + 600, 0x2f00 + 600, 600u << 16 | 0x4984),
    THREE(mmio, NO_CHIP, 0x5544, 0x55, 0x92235645, 1, 0x9989, 1, 0xcafe1234, 13 << 16 | 10),
    THREE(mmio_string, NO_CHIP, 0x1c, 0x03020100, 95, 0x05040302, 0xa50706),
    ONE(mmio_wide_64, LONG_64, NO_CHIP, 0x2211, 0x4433, 0x44332211, 1, 0x11223344, 0xffff,
        0x11223344),
    ONE(touch_64, LONG_64, NO_CHIP, 0x400 * 0x401 / 2),
    { .name = "rom_64",
      .entry = rom_64,
      .mode = LONG_64,
      .capability = KVM_CAP_READONLY_MEM,
      .vcpus = 1,
      .expect = { EXPECT(0x600d600d, 0x600d600d, 0x2bad2bad, 1) },
      .prepare = rom_prepare },
    { .name = "dirty_64",
      .entry = dirty_64,
      .mode = LONG_64,
      .vcpus = 1,
      .expect = { EXPECT(10, 135, 1, 5, 0, 0) },
      .prepare = dirty_prepare },

    ONE(modes, REAL_16, NO_CHIP, 0, 1, 0x80000001, 0x80000001, 0x80000011, 0x80000011, 0x80000011,
        0x9abcdef0, 0x80000011, 1, 0, 0x9abcdef0),
    ONE(tasks_32, PAGED_32, NO_CHIP, 0x777, TASK_2, TSS_SELECTOR, TSS_SELECTOR, TASK_2, 0x1111,
        0x3333, 0x2222, 8),
    ONE(vm86_32, PROTECTED_32, NO_CHIP, 0x1050, 0xd0000, 0x1051),

    ONE(exceptions_16, REAL_16, NO_CHIP, 0, 0x60000, 0x30000, 0x1041, 0x40000, 0x50000, 0xd0000),
    ONE(exceptions_32, PROTECTED_32, NO_CHIP, EXCEPTIONS(0x4000)),
    ONE(exceptions_64, LONG_64, NO_CHIP, EXCEPTIONS(0x4000)),
    ONE(user_32, PAGED_32, NO_CHIP, CODE32, 0xd0000, 0xd0010, 0x4567, USER_DATA | 3, 0x1050, 0x1051,
        STACK_3),
    ONE(user_64, LONG_64, NO_CHIP, 0x7777, 0, 0x200, 0x2222, 0xd0000, 0xd0000, 0xd0000, 0xd0000,
        0x1050, 0x1051, (USER_DATA | 3) << 16 | USER_CODE64 | 3),
    ONE(paging_32, PAGED_32, NO_CHIP, PAGING()),
    ONE(paging_pae, PAE_32, NO_CHIP, PAGING(0xe0011, 0x40000001, 0xe0009, 0x40000001)),
    ONE(paging_64, LONG_64, NO_CHIP, PAGING(0xe0011, 0x40000001, 0xe0009, 0x40000001)),

    ONE(cpuid_64, LONG_64, NO_CHIP, 0x11111111, 0x22222222, 3, 0, 0x4b4d564b, 0x80000000),
    ONE(msrs_64, LONG_64, NO_CHIP, 0x00000001, 0x00180008, 0x12345678, 0xffffffff, 0x00047700, 0,
        0x89abcdef, 0x00001234, 0x76543210, 0xffff8000, 0x11223344, 0x00000055, 0x10, 0, 0x33445566,
        0xffffffff, 0x778899aa, 0xffffff00, 0x00070406, 0x00070406, 0xc06, 0, 0xd0000, 0xd0000,
        0x00070406, 0xe0000, 0x76543210),
    ONE(tsc_64, LONG_64, NO_CHIP, 0, 0x100),
    ONE(control_64, LONG_64, NO_CHIP, GDT_BYTES - 1, GDT, IDT, 0, 0xf200, 7, 0xb, 3, 7, 0x12345678,
        0xffff0ff0, 0x400),
    ONE(code_64, LONG_64, NO_CHIP, 5050),
    ONE(hypercall_64, LONG_64, NO_CHIP, (uint32_t)-1000),
    { .name = "xcr0_64",
      .entry = xcr0_64,
      .mode = LONG_64,
      .capability = KVM_CAP_XCRS,
      .vcpus = 1,
      .expect = { EXPECT(3, 0xd0000, 0xd0000) } },
    ONE(shutdown_32, PROTECTED_32, NO_CHIP, SHUTDOWN),
    ONE(shutdown_64, LONG_64, NO_CHIP, SHUTDOWN),
    { .name = "steps_64",
      .entry = steps_64,
      .mode = LONG_64,
      .vcpus = 1,
      .expect = { EXPECT(1, 0x14000, 2, 0x14000, 3, 0x14000) },
      .prepare = steps_prepare,
      .handle_exit = steps_exit },
    { .name = "break_64",
      .entry = break_64,
      .mode = LONG_64,
      .vcpus = 1,
      .expect = { EXPECT(1, 0x10001, 1, 0x30000) },
      .prepare = break_prepare,
      .handle_exit = break_exit },
    { .name = "smm_64",
      .entry = smm_64,
      .mode = LONG_64,
      .chip = IRQ_CHIP,
      .capability = KVM_CAP_X86_SMM,
      .vcpus = 1,
      .expect = { EXPECT(0, 0x1000) },
      .prepare = smm_prepare },

    THREE(inject, NO_CHIP, 0xaa, 0x1040, 0xbb, 0x1040, 0xcc, 0x1041, 0xdd),
    THREE(pic, IRQ_CHIP, 0xaa, 0x106a, 0x1063, 0x1065, 0xbb, 0x1064, 0xcc, 0x1065),
    ONE(apic_32, PAGED_32, IRQ_CHIP, APIC),
    ONE(apic_64, LONG_64, IRQ_CHIP, APIC),
    ONE(cr8_64, LONG_64, IRQ_CHIP, 0xaa, 0x40, 0x1045, 0xbb, 5),
    ONE(timer_64, LONG_64, IRQ_CHIP, 1, 0, 1),
    ONE(deadline_64, LONG_64, IRQ_CHIP, 5, 0),
    ONE(pit_16, REAL_16, PIT_CHIP, 0x1060, 0x1060, 0x1060, 0xaa),
    ONE(pit_32, PROTECTED_32, PIT_CHIP, 0x1060, 0x1060, 0x1060, 0xaa),
    ONE(nmi_guest_32, PROTECTED_32, IRQ_CHIP, NMI),
    ONE(nmi_guest_64, LONG_64, NO_CHIP, NMI),

    TWO(count_64, NO_CHIP, (20000), (20000)),
    TWO(float_64, NO_CHIP, (20, 20), (21, 21)),
    TWO(ipi_64, IRQ_CHIP, (100), (1, 50)),
    { .name = "broadcast_64",
      .entry = broadcast_64,
      .mode = LONG_64,
      .chip = IRQ_CHIP,
      .vcpus = 2,
      .expect = { { NULL, 0 }, EXPECT(0x1047, 0x1048, 0x1002) } },
    { .name = "shootdown_64",
      .entry = shootdown_64,
      .mode = LONG_64,
      .chip = IRQ_CHIP,
      .vcpus = 2,
      .expect = { { NULL, 0 }, EXPECT(1, 2) } },
};
const size_t test_count = sizeof tests / sizeof tests[0];

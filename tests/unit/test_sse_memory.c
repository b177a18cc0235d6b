// SPDX-License-Identifier: Apache-2.0
// Memory forms of MMX and SSE, FXSAVE and XSAVE: the same program runs natively and on a bare
// machine over the same data area at RBX, and must leave the same bytes.  Then the faults of
// memory operands.
#include <cpuid.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bare.h"
#include "cpu/decode.h"
#include "cpu/ops.h"

enum { AREA_BYTES = 4096, FAR_ENOUGH = 400 };

/* Natively the registers hold whatever they held. */
#define CLEAR_REGISTERS                                                                            \
    "pxor %xmm0, %xmm0\n pxor %xmm1, %xmm1\n pxor %xmm2, %xmm2\n pxor %xmm3, %xmm3\n"              \
    "pxor %xmm4, %xmm4\n pxor %xmm5, %xmm5\n pxor %xmm6, %xmm6\n pxor %xmm7, %xmm7\n"              \
    "pxor %xmm8, %xmm8\n pxor %xmm9, %xmm9\n pxor %xmm10, %xmm10\n pxor %xmm11, %xmm11\n"          \
    "pxor %xmm12, %xmm12\n pxor %xmm13, %xmm13\n pxor %xmm14, %xmm14\n pxor %xmm15, %xmm15\n"      \
    "fninit\n fldz\n fldz\n fldz\n fldz\n fldz\n fldz\n fldz\n fldz\n fninit\n"

BARE_PROGRAM(moves, ".code64\n" CLEAR_REGISTERS
    "movups 1(%rbx), %xmm0\n movaps 16(%rbx), %xmm1\n movss 5(%rbx), %xmm2\n movsd 9(%rbx), %xmm3\n"
    "movlps 3(%rbx), %xmm0\n movhps 7(%rbx), %xmm1\n movlpd 3(%rbx), %xmm2\n"
    "movhpd 7(%rbx), %xmm3\n"
    "movq 33(%rbx), %xmm4\n movd 37(%rbx), %xmm5\n movddup 41(%rbx), %xmm6\n"
    "movsldup 48(%rbx), %xmm7\n"
    "movshdup 64(%rbx), %xmm8\n lddqu 67(%rbx), %xmm9\n movntdqa 80(%rbx), %xmm10\n"
    "pmovzxbq 1(%rbx), %xmm11\n pmovsxwd 3(%rbx), %xmm12\n insertps $0xd8, 13(%rbx), %xmm11\n"
    "pinsrb $5, 3(%rbx), %xmm12\n pinsrw $2, 7(%rbx), %xmm13\n pinsrq $1, 9(%rbx), %xmm14\n"
    "movups %xmm0, 1025(%rbx)\n movaps %xmm1, 1056(%rbx)\n movss %xmm2, 1073(%rbx)\n"
    "movsd %xmm3, 1081(%rbx)\n movlps %xmm4, 1090(%rbx)\n movhps %xmm5, 1099(%rbx)\n"
    "movq %xmm6, 1109(%rbx)\n movd %xmm7, 1119(%rbx)\n movntps %xmm8, 1136(%rbx)\n"
    "movntdq %xmm9, 1152(%rbx)\n movups %xmm10, 1177(%rbx)\n movups %xmm11, 1193(%rbx)\n"
    "movups %xmm12, 1209(%rbx)\n movups %xmm13, 1225(%rbx)\n movups %xmm14, 1241(%rbx)\n"
    "pextrb $3, %xmm9, 1257(%rbx)\n pextrw $3, %xmm9, 1258(%rbx)\n pextrd $3, %xmm9, 1260(%rbx)\n"
    "pextrq $1, %xmm9, 1264(%rbx)\n extractps $2, %xmm9, 1272(%rbx)\n"
    "lea 1300(%rbx), %rdi\n maskmovdqu %xmm9, %xmm10\n"
    "movq 1(%rbx), %mm0\n movd 5(%rbx), %mm1\n paddb 9(%rbx), %mm0\n punpcklbw 17(%rbx), %mm1\n"
    "pshufw $0x1b, 21(%rbx), %mm2\n pinsrw $1, 3(%rbx), %mm2\n psrlw 2000(%rbx), %mm0\n"
    "movq %mm0, 1331(%rbx)\n movd %mm1, 1341(%rbx)\n movntq %mm2, 1352(%rbx)\n"
    "lea 1365(%rbx), %rdi\n maskmovq %mm0, %mm1\n emms\n");

BARE_PROGRAM(arithmetic, ".code64\n" CLEAR_REGISTERS
    "stmxcsr 3001(%rbx)\n movups (%rbx), %xmm0\n addps 16(%rbx), %xmm0\n mulsd 33(%rbx), %xmm0\n"
    "movups 7(%rbx), %xmm1\n sqrtss 3(%rbx), %xmm1\n cvtps2pd 5(%rbx), %xmm2\n"
    "cvtdq2pd 13(%rbx), %xmm3\n"
    "cvtsi2sdl 9(%rbx), %xmm4\n cvtsi2ssq 9(%rbx), %xmm5\n cvttsd2si 3(%rbx), %rax\n"
    "cmpss $1, 7(%rbx), %xmm1\n"
    "cvtpi2ps 8(%rbx), %xmm6\n cvtps2pi 24(%rbx), %mm3\n roundsd $2, 3(%rbx), %xmm7\n"
    "movl $0x7f80, 3005(%rbx)\n ldmxcsr 3005(%rbx)\n addpd 48(%rbx), %xmm3\n"
    "divps 64(%rbx), %xmm4\n"
    "pcmpistrm $0x4c, 3(%rbx), %xmm2\n pcmpistri $0, 3(%rbx), %xmm2\n"
    "stmxcsr 3009(%rbx)\n mov %rax, 3013(%rbx)\n mov %rcx, 3021(%rbx)\n movq %mm3, 3032(%rbx)\n"
    "emms\n"
    "movups %xmm0, 2000(%rbx)\n movups %xmm1, 2016(%rbx)\n movups %xmm2, 2032(%rbx)\n"
    "movups %xmm3, 2048(%rbx)\n"
    "movups %xmm4, 2064(%rbx)\n movups %xmm5, 2080(%rbx)\n movups %xmm6, 2096(%rbx)\n"
    "movups %xmm7, 2112(%rbx)\n"
    "movl $0x1f80, 3005(%rbx)\n ldmxcsr 3005(%rbx)\n");

/* FOP, FIP, FDP and MXCSR_MASK, which differ between processors, are overwritten in memory. */
BARE_PROGRAM(fxsave, ".code64\n" CLEAR_REGISTERS
    "fninit\n movups (%rbx), %xmm0\n movups 7(%rbx), %xmm15\n fldpi\n fld1\n fldl2e\n faddp\n"
    "fxsave 1024(%rbx)\n"
    "movw $0x1234, 1024(%rbx)\n movw $0x2a00, 1026(%rbx)\n movb $0xa5, 1028(%rbx)\n"
    "movw $0x123, 1030(%rbx)\n"
    "movups 64(%rbx), %xmm0\n movups %xmm0, 1184(%rbx)\n"
    "fxrstor 1024(%rbx)\n fxsave64 2048(%rbx)\n"
    "xor %eax, %eax\n mov %rax, 1032(%rbx)\n mov %rax, 1040(%rbx)\n mov %eax, 1052(%rbx)\n"
    "mov %rax, 2056(%rbx)\n mov %rax, 2064(%rbx)\n mov %eax, 2076(%rbx)\n"
    "fninit\n pxor %xmm0, %xmm0\n");

BARE_PROGRAM(xsave, ".code64\n" CLEAR_REGISTERS
    "fninit\n movups (%rbx), %xmm0\n movups 7(%rbx), %xmm15\n fldpi\n fld1\n"
    "xor %edx, %edx\n lea 1536(%rbx), %rdi\n xor %eax, %eax\n mov $8, %ecx\n rep stosq\n"
    "mov $3, %eax\n xsave 1024(%rbx)\n"
    "lea 2560(%rbx), %rdi\n xor %eax, %eax\n mov $8, %ecx\n rep stosq\n"
    "mov $2, %eax\n movups 33(%rbx), %xmm3\n xsave 2048(%rbx)\n"             /* only SSE state */
    "movq $1, 2560(%rbx)\n mov $3, %eax\n"
    "xrstor 2048(%rbx)\n"     /* x87 from memory, XMM initial */
    "movups %xmm3, 3008(%rbx)\n fnstcw 3024(%rbx)\n fnstsw 3026(%rbx)\n"
    "movq $2, 1536(%rbx)\n"
    "xrstor 1024(%rbx)\n"                    /* XMM from memory, x87 initial */
    "movups %xmm15, 3040(%rbx)\n fnstcw 3056(%rbx)\n fnstsw 3058(%rbx)\n"
    "xor %eax, %eax\n mov %rax, 1032(%rbx)\n mov %rax, 1040(%rbx)\n mov %eax, 1052(%rbx)\n"
    "mov %ax, 1030(%rbx)\n mov %eax, 2076(%rbx)\n fninit\n pxor %xmm0, %xmm0\n");

/* The same in the compacted format, with XSAVEOPT.  All state is in use when it is saved: a
 * processor may track a component as in use although it is initial. */
BARE_PROGRAM(xsavec, ".code64\n" CLEAR_REGISTERS
    "fninit\n movups (%rbx), %xmm0\n movups 7(%rbx), %xmm15\n fldpi\n fld1\n"
    "xor %edx, %edx\n lea 1536(%rbx), %rdi\n xor %eax, %eax\n mov $8, %ecx\n rep stosq\n"
    "mov $3, %eax\n xsavec 1024(%rbx)\n"
    "lea 2560(%rbx), %rdi\n xor %eax, %eax\n mov $8, %ecx\n rep stosq\n"
    "mov $2, %eax\n movups 33(%rbx), %xmm3\n xsaveopt 2048(%rbx)\n"
    "movl $0x1f85, 1048(%rbx)\n movq $1, 1536(%rbx)\n mov $3, %eax\n"
    "xrstor 1024(%rbx)\n"     /* x87 from memory, SSE state initial with MXCSR */
    "stmxcsr 2980(%rbx)\n movups %xmm3, 3008(%rbx)\n fnstcw 3024(%rbx)\n fnstsw 3026(%rbx)\n"
    "movq $2, 1536(%rbx)\n"
    "xrstor 1024(%rbx)\n"                    /* SSE state from memory, x87 initial */
    "stmxcsr 2984(%rbx)\n movups %xmm15, 3040(%rbx)\n fnstcw 3056(%rbx)\n fnstsw 3058(%rbx)\n"
    "xor %eax, %eax\n mov %rax, 1032(%rbx)\n mov %rax, 1040(%rbx)\n mov %eax, 1052(%rbx)\n"
    "mov %ax, 1030(%rbx)\n mov %eax, 2076(%rbx)\n fninit\n pxor %xmm0, %xmm0\n"
    "movl $0x1f80, 2988(%rbx)\n ldmxcsr 2988(%rbx)\n");

static void fill(uint8_t *area)
{
    uint64_t r = 0x123456789abcdef;
    for (unsigned k = 0; k < AREA_BYTES; k++) {
        r = r * UINT64_C(6364136223846793005) + 1442695040888963407;
        area[k] = (uint8_t)(r >> 56);
    }
    /* An x87 image that XRSTOR takes without exceptions. */
    for (unsigned k = 2048; k < 2072; k++)
        area[k] = k == 2048 ? 0x7f : k == 2049 ? 3 : 0;
}

static void run_natively(const uint8_t *start, size_t n, uint8_t *area)
{
    uint8_t *code =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert(code != MAP_FAILED && n < 4096);
    memcpy(code, start, n);
    code[n] = 0xc3;
    __asm__ volatile("leaq -128(%%rsp), %%rsp\n\t call *%%rsi\n\t leaq 128(%%rsp), %%rsp"
                     : "+S"(code) : "b"(area)
                     : "memory", "cc", "rax", "rcx", "rdx", "rdi", "xmm0", "xmm1", "xmm2",
                       "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
                       "xmm12", "xmm13", "xmm14", "xmm15", "mm0", "mm1", "mm2", "mm3");
    munmap(code, 4096);
}

static void compare(const char *name, const uint8_t *start, const uint8_t *end)
{
    static const uint8_t stay[] = { 0xeb, 0xfe };
    uint8_t *area = aligned_alloc(64, AREA_BYTES), result[AREA_BYTES];
    struct machine *m = bare_machine("max");
    struct cpu *c = bare_load(m, start, end);
    mem_write(machine_mem(m), BARE_CODE + (uint64_t)(end - start), stay, sizeof stay);
    cpu_load_cr4(c, c->cr4 | CR4_OSXSAVE);
    cpu_mode_changed(c);
    c->xcr0 = 3;
    c->gpr[RBX] = BARE_DATA;
    fill(area);
    mem_write(machine_mem(m), BARE_DATA, area, AREA_BYTES);
    cr_assert_eq(bare_run(m, FAR_ENOUGH), STOP_BUDGET, "%s faults", name);
    mem_read(machine_mem(m), BARE_DATA, result, AREA_BYTES);
    run_natively(start, (size_t)(end - start), area);
    for (unsigned k = 0; k < AREA_BYTES; k++)
        cr_expect_eq(area[k], result[k], "%s: byte %u is %02x, natively %02x", name, k, result[k],
                     area[k]);
    machine_destroy(m);
    free(area);
}

Test(sse_memory, moves) { compare("moves", moves_start, moves_end); }
Test(sse_memory, arithmetic) { compare("arithmetic", arithmetic_start, arithmetic_end); }
Test(sse_memory, fxsave) { compare("fxsave", fxsave_start, fxsave_end); }
Test(sse_memory, xsave) { compare("xsave", xsave_start, xsave_end); }
Test(sse_memory, xsavec)
{
    unsigned a = 0, b, c, d, both = 3; /* CPUID leaf 0DH, sub-leaf 1: XSAVEOPT and XSAVEC */
    if (__get_cpuid_max(0, NULL) >= 0xd)
        __cpuid_count(0xd, 1, a, b, c, d);
    if ((a & both) != both)
        cr_skip_test("the host has no XSAVEC");
    compare("xsavec", xsavec_start, xsavec_end);
}

/* ---- faults ---- */

static struct cpu *c;
static struct decoder decoder;
static struct machine *machine;

static void set_up(void)
{
    machine = bare_machine("max");
    c = bare_load(machine, NULL, NULL);
    c->xcr0 = 3;
    c->gpr[RBX] = BARE_DATA;
    cr_assert(decoder_init(&decoder));
}
static void tear_down(void)
{
    decoder_free(&decoder);
    machine_destroy(machine);
}

/* The exception that the instruction raises, or -1. */
static int exception_of(const char *bytes, unsigned n)
{
    struct insn i;
    cr_assert_eq(decode(&decoder, (const uint8_t *)bytes, n, 64, &i), DECODE_OK);
    return insn_rows[i.row].op(c, &i) == FAULTED ? c->event.vector : -1;
}
#define EXCEPTION(bytes) exception_of(bytes, sizeof bytes - 1)

Test(sse_memory, alignment, .init = set_up, .fini = tear_down)
{
    c->gpr[RBX] = BARE_DATA + 8;
    cr_expect_eq(EXCEPTION("\x0f\x58\x03"), EXC_GP, "addps");
    cr_expect_eq(EXCEPTION("\x0f\x28\x03"), EXC_GP, "movaps");
    cr_expect_eq(EXCEPTION("\x0f\x29\x03"), EXC_GP, "movaps to memory");
    cr_expect_eq(EXCEPTION("\x66\x0f\xe7\x03"), EXC_GP, "movntdq");
    cr_expect_eq(EXCEPTION("\x66\x0f\xfc\x03"), EXC_GP, "paddb");
    cr_expect_eq(EXCEPTION("\x0f\xae\x03"), EXC_GP, "fxsave");
    cr_expect_eq(EXCEPTION("\x0f\xae\x0b"), EXC_GP, "fxrstor");
    cr_expect_eq(EXCEPTION("\xf2\x0f\x58\x03"), -1, "addsd");
    cr_expect_eq(EXCEPTION("\x0f\x10\x03"), -1, "movups");
    cr_expect_eq(EXCEPTION("\x0f\xfc\x03"), -1, "paddb mm");
    cr_expect_eq(EXCEPTION("\x66\x0f\x3a\x63\x03\x00"), -1, "pcmpistri");
    c->gpr[RBX] = BARE_DATA + 16;
    cr_expect_eq(EXCEPTION("\x0f\xae\x23"), EXC_GP, "xsave");
    cr_expect_eq(EXCEPTION("\x0f\xae\x2b"), EXC_GP, "xrstor");
}

Test(sse_memory, reserved_bits, .init = set_up, .fini = tear_down)
{
    struct mem *mem = machine_mem(machine);
    c->gpr[RAX] = 3;
    mem_write_le(mem, BARE_DATA, 4, 0x10000);
    cr_expect_eq(EXCEPTION("\x0f\xae\x13"), EXC_GP, "ldmxcsr");
    mem_write_le(mem, BARE_DATA, 4, 0x37f);
    mem_write_le(mem, BARE_DATA + 24, 4, 0x10000);
    cr_expect_eq(EXCEPTION("\x0f\xae\x0b"), EXC_GP, "fxrstor");
    cr_expect_eq(EXCEPTION("\x0f\xae\x2b"), EXC_GP, "xrstor with a wrong MXCSR");
    mem_write_le(mem, BARE_DATA + 24, 4, 0x1f80);
    cr_expect_eq(EXCEPTION("\x0f\xae\x2b"), -1, "xrstor");
    mem_write_le(mem, BARE_DATA + 512, 8, 4);
    cr_expect_eq(EXCEPTION("\x0f\xae\x2b"), EXC_GP, "xrstor of a component that XCR0 lacks");
    mem_write_le(mem, BARE_DATA + 512, 8, 3);
    mem_write_le(mem, BARE_DATA + 520, 8, BIT(63));
    cr_expect_eq(EXCEPTION("\x0f\xae\x2b"), EXC_GP, "xrstor of the compacted form");
    mem_write_le(mem, BARE_DATA + 520, 8, 0);
    mem_write_le(mem, BARE_DATA + 528, 8, 1);
    cr_expect_eq(EXCEPTION("\x0f\xae\x2b"), EXC_GP, "xrstor with a reserved header byte");
}

Test(sse_memory, an_unmasked_exception_is_xm_or_ud, .init = set_up, .fini = tear_down)
{
    c->fpu.xmm[0].d[0] = 0x3f800000;
    c->fpu.xmm[1].d[0] = 0;
    c->fpu.mxcsr = 0x1d80;
    cr_expect_eq(EXCEPTION("\xf3\x0f\x5e\xc1"), EXC_XM, "1 / 0");
    cr_expect_eq(c->fpu.mxcsr, 0x1d84);
    cr_expect_eq(c->fpu.xmm[0].d[0], 0x3f800000);
    c->cr4 &= ~(uint64_t)CR4_OSXMMEXCPT;
    cr_expect_eq(EXCEPTION("\xf3\x0f\x5e\xc1"), EXC_UD, "1 / 0");
}

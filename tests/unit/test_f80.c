// SPDX-License-Identifier: Apache-2.0
// Every x87 row against the host processor: the same registers, control and status words, operands
// and instruction natively (FXRSTOR, instruction, FXSAVE) and through the decoder and handler.  All
// registers, status, tags, FIP, memory, RFLAGS and AX must agree, with masked and with unmasked
// exceptions, for every rounding and precision.  Results of transcendental instructions may differ
// by one unit in the last place, their C1 is not compared: the SDM leaves both to the
// implementation.
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bare.h"
#include "cpu/decode.h"
#include "cpu/ops.h"
#include "cpu/x87.h"

enum { CASES_PER_ROW = 4000, OPERAND_BYTES = 128 };

/* The legacy FXSAVE64 area. */
struct image {
    uint16_t fcw, fsw;
    uint8_t ftw, reserved;
    uint16_t fop;
    uint64_t fip, fdp;
    uint32_t mxcsr, mxcsr_mask;
    struct { uint64_t frac; uint16_t sexp, padding[3]; } st[8];
    uint8_t rest[512 - 160];
} __attribute__((aligned(16)));

/* What one case starts from and ends with. */
struct trial {
    struct image fpu;
    uint8_t memory[OPERAND_BYTES];
    uint64_t rax, rflags;
};

/* ---- native ---- */

static uint8_t *code_page;

static void native_setup(void)
{
    code_page =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert(code_page != MAP_FAILED);
}

/* The instruction on page finds its memory operand at [RSI].  FXSAVE and FNINIT do not wait, so
 * that a pending exception never traps. */
static void run_native(struct trial *t, const uint8_t *bytes, unsigned length)
{
    memcpy(code_page, bytes, length);
    code_page[length] = 0xc3;
    __asm__ volatile("leaq -256(%%rsp), %%rsp\n\t" /* keep clear of the red zone */
                     "fxrstor64 (%[fpu])\n\t"
                     "pushq %[flags]\n\t popfq\n\t"
                     "call *%[code]\n\t"
                     "pushfq\n\t popq %[flags]\n\t"
                     "fxsave64 (%[fpu])\n\t fninit\n\t"
                     "leaq 256(%%rsp), %%rsp"
                     : [flags] "+b"(t->rflags), "+a"(t->rax)
                     : [fpu] "D"(&t->fpu), [code] "d"(code_page), "S"(t->memory)
                     : "memory", "cc", "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)",
                       "st(7)");
    t->rflags &= FLAGS_STATUS;
}

/* ---- simulated ---- */

static void run_simulated(struct cpu *c, struct mem *m, const struct insn *i, struct trial *t)
{
    struct fpu *f = &c->fpu;
    fpu_set_control_word(f, t->fpu.fcw);
    fpu_set_status_word(f, t->fpu.fsw);
    f->tag = t->fpu.ftw;
    f->ip = t->fpu.fip;
    for (unsigned k = 0; k < 8; k++)
        *fpu_st(f, k) = (struct f80){ t->fpu.st[k].frac, t->fpu.st[k].sexp };
    mem_write(m, BARE_DATA, t->memory, OPERAND_BYTES);
    flags_set_status(c, t->rflags);
    c->gpr[RAX] = t->rax;
    c->gpr[RSI] = BARE_DATA;
    c->gpr[REG_BLOCK_RIP] = (uint64_t)(uintptr_t)code_page;

    cr_assert_eq(insn_rows[i->row].op(c, i), RETIRED, "%s faulted", insn_rows[i->row].name);

    t->fpu.fcw = f->control;
    t->fpu.fsw = fpu_status_word(f);
    t->fpu.ftw = f->tag;
    t->fpu.fip = f->ip;
    for (unsigned k = 0; k < 8; k++) {
        t->fpu.st[k].frac = fpu_st(f, k)->frac;
        t->fpu.st[k].sexp = fpu_st(f, k)->sexp;
    }
    mem_read(m, BARE_DATA, t->memory, OPERAND_BYTES);
    t->rflags = flags_status(c);
    t->rax = c->gpr[RAX];
}

/* ---- operands ---- */

static uint64_t random_state = 1;
static uint64_t random64(void)
{
    uint64_t z = (random_state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static uint64_t random_frac(void)
{
    unsigned n = random64() & 63;
    switch (random64() & 7) {
    case 0: return 0;
    case 1: return ~UINT64_C(0) << n;
    case 2: return BIT(n);
    case 3: return ~BIT(n);
    case 4: return random64() << 56;
    default: return random64();
    }
}

/* A value of any kind, supported or not; many have an exponent near `about`. */
static struct f80 random_f80(int about)
{
    uint64_t r = random64(), frac = random_frac(), normal = frac | BIT(63);
    bool sign = r & 1;
    unsigned spread = r >> 8 & 63;
    switch (r >> 60) {
    case 0: return f80_zero(sign);
    case 1: return f80_infinity(sign);
    case 2: return f80_make(sign, 0x7fff, normal);        /* NaNs                   */
    case 3: return f80_make(sign, 0, frac);               /* (pseudo-)denormals     */
    case 4: return f80_make(sign, r >> 8 & 0x7fff, frac); /* unsupported, too       */
    case 5: return f80_make(sign, r >> 8 & 0x7fff, normal);
    case 6: return f80_make(sign, 1 + spread, normal);
    case 7: return f80_make(sign, 0x7ffe - spread, normal);
    case 8: return f80_make(sign, 16383 + (spread & 3), (r >> 16 & 7) << 61 | BIT(63));
    case 9: return f80_make(sign, 16383 - 32 + spread, normal);
    default: return f80_make(sign, (unsigned)(about + (int)(spread & 7)) & 0x7fff, normal);
    }
}

/* Operands of every format; each is also some bit pattern of the others. */
static void random_memory(uint8_t *m)
{
    static const uint32_t edge32[] = { 0,          0x80000000, 0x7f800000, 0x7fa00000,
                                       0xffc00001, 1,          0x807fffff };
    static const uint64_t edge_high[] = { 0,          0x80000000, 0x7ff00000, 0x7ff40000,
                                          0xfff80001, 1,          0x800fffff };
    uint64_t r = random64();
    uint32_t single = (uint32_t)random64() & (r & 64 ? 0x807fffff : ~0u);
    uint64_t high = edge_high[r % 7] << 32;
    struct f80 extended = random_f80(16383);
    int64_t integer = (int64_t)random64() >> (r >> 16 & 63);
    for (unsigned k = 0; k < OPERAND_BYTES; k++)
        m[k] = (uint8_t)random64();
    switch (r >> 61) {
    case 0: memcpy(m, &edge32[r % 7], 4); break;
    case 1: memcpy(m, &single, 4); break;
    case 2: memcpy(m, &high, 8); break;
    case 3: memcpy(m, &extended.frac, 8), memcpy(m + 8, &extended.sexp, 2); break;
    case 4: memcpy(m, &integer, 8); break;
    case 5:
        for (unsigned k = 0; k < 9; k++)
            m[k] = (uint8_t)((m[k] >> 4) % 10 << 4 | (m[k] & 15) % 10);
        break;
    default: break;
    }
}

/* No exception is pending at the start. */
static void random_fpu(struct image *v, bool masked)
{
    uint64_t r = random64();
    int about = r & 1 ? 16383 - 4 : (int)(r >> 1 & 0x7fff);
    v->fcw =
        (uint16_t)(0x40 | (r >> 16 & 0xf00) | (masked ? FPU_EXCEPTIONS : r >> 32 & FPU_EXCEPTIONS));
    v->fsw = (uint16_t)(r >> 40 & 0x7f7f);
    v->fsw &= (uint16_t)~(r & 2 ? FPU_EXCEPTIONS : ~v->fcw & FPU_EXCEPTIONS);
    v->ftw = (uint8_t)(r >> 56 & 3 ? 0xff : random64());
    if (r & 4)                                             /* room for a push */
        v->ftw &= (uint8_t)~(1 << (((v->fsw >> 11) - 1) & 7));
    v->fip = 0x1234;
    for (unsigned k = 0; k < 8; k++) {
        struct f80 a = random_f80(about);
        v->st[k].frac = a.frac;
        v->st[k].sexp = a.sexp;
    }
}

static void random_trial(struct trial *t, bool masked)
{
    random_fpu(&t->fpu, masked);
    random_memory(t->memory);
    t->rax = random64();
    t->rflags = (random64() & FLAGS_STATUS) | 2;
}

/* ---- comparison ---- */

static bool is_transcendental(const struct insn_row *row)
{
    return row->op == op_f2xm1 || row->op == op_fyl2x || row->op == op_fyl2xp1 ||
           row->op == op_fptan || row->op == op_fpatan || row->op == op_fsin ||
           row->op == op_fcos || row->op == op_fsincos;
}

static bool adjacent(uint64_t fa, uint16_t sa, uint64_t fb, uint16_t sb)
{
    unsigned __int128 a = (unsigned __int128)(sa & 0x7fff) << 63 | (fa & ~BIT(63));
    unsigned __int128 b = (unsigned __int128)(sb & 0x7fff) << 63 | (fb & ~BIT(63));
    return sa >> 15 == sb >> 15 && (a > b ? a - b : b - a) <= 1;
}

/* Removes from both what may differ; the host's FOP, FDP and selectors depend on its generation
 * (SDM vol. 1, "x87 FPU Instruction and Data (Operand) Pointers"). */
static void forgive(const struct insn *i, struct trial *native, struct trial *simulated)
{
    const struct insn_row *row = &insn_rows[i->row];
    unsigned word = i->size == 2 ? 2 : 4;
    simulated->fpu.fop = native->fpu.fop;
    simulated->fpu.fdp = native->fpu.fdp;
    if (row->op == op_fnstenv || row->op == op_fnsave)
        memcpy(simulated->memory + 3 * word, native->memory + 3 * word, 4 * word);
    if (row->op == op_fldenv || row->op == op_frstor)
        simulated->fpu.fip = native->fpu.fip;
    if (!is_transcendental(row))
        return;
    simulated->fpu.fsw = (simulated->fpu.fsw & (uint16_t)~FSW_C1) | (native->fpu.fsw & FSW_C1);
    for (unsigned k = 0; k < 2; k++)
        if (adjacent(native->fpu.st[k].frac, native->fpu.st[k].sexp, simulated->fpu.st[k].frac,
                     simulated->fpu.st[k].sexp))
            simulated->fpu.st[k] = native->fpu.st[k];
}

static bool agree(const struct trial *a, const struct trial *b)
{
    return memcmp(&a->fpu, &b->fpu, 24) == 0 &&
           memcmp(a->fpu.st, b->fpu.st, sizeof(a->fpu.st)) == 0 &&
           memcmp(a->memory, b->memory, OPERAND_BYTES) == 0 && a->rax == b->rax &&
           a->rflags == b->rflags;
}

static void report(const char *name, unsigned modrm, const struct trial *in,
                   const struct trial *native, const struct trial *simulated)
{
    const struct trial *trials[] = { in, native, simulated };
    static const char *const titles[] = { "input", "native", "simulated" };
    for (unsigned k = 0; k < 3; k++) {
        const struct image *v = &trials[k]->fpu;
        uint64_t m;
        memcpy(&m, trials[k]->memory, 8);
        cr_log_error("%s %02x %-9s fcw %04x fsw %04x ftw %02x fip %lx flags %lx m %016lx", name,
                     modrm, titles[k], v->fcw, v->fsw, v->ftw, v->fip, trials[k]->rflags, m);
        for (unsigned n = 0; n < 8; n++)
            cr_log_error("    st%u %04x.%016lx", n, v->st[n].sexp, v->st[n].frac);
    }
}

/* ---- the rows ---- */

static bool is_tested(const struct insn_row *row)
{
    return row->map == 0 && (row->opcode & 0xf8) == 0xd8;
}

/* A random encoding of the row, with [RSI] as memory operand. */
static unsigned encode(const struct insn_row *row, uint8_t *out)
{
    unsigned n = 0, ext = row->form >> 11 & 7;
    unsigned rm = row->form & F_HAS_RM ? row->form >> 15 & 7 : random64() & 7;
    if ((random64() & 7) == 0)
        out[n++] = 0x66;
    out[n++] = row->opcode;
    out[n++] = (uint8_t)(row->form & F_MEM ? ext << 3 | 6 : 0xc0 | ext << 3 | rm);
    return n;
}

static unsigned test_row(struct machine *m, const struct decoder *d, const struct insn_row *row,
                         bool masked)
{
    unsigned bad = 0;
    for (unsigned k = 0; k < CASES_PER_ROW; k++) {
        uint8_t bytes[4];
        struct insn i;
        unsigned n = encode(row, bytes);
        cr_assert_eq(decode(d, bytes, n, 64, &i), DECODE_OK, "%s does not decode", row->name);
        cr_assert_eq(insn_rows[i.row].op, row->op, "%s decodes as another row", row->name);
        i.off = 0;
        struct trial in, native, simulated;
        __asm__ volatile("fxsave64 %0" : "=m"(in.fpu));          /* MXCSR as it is */
        random_trial(&in, masked);
        native = simulated = in;
        simulated.rflags &= FLAGS_STATUS;
        run_native(&native, bytes, i.len);
        run_simulated(machine_cpu(m, 0), machine_mem(m), &i, &simulated);
        forgive(&i, &native, &simulated);
        if (!agree(&native, &simulated) && bad++ < 2)
            report(row->name, i.modrm, &in, &native, &simulated);
    }
    return bad;
}

static bool host_is_intel(void)
{
    uint32_t a = 0, b, c, d;
    __asm__("cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d));
    return b == 0x756e6547;      /* "Genu" */
}

static void test_rows(bool masked)
{
    static const uint8_t nothing[1];
    struct decoder d;
    unsigned bad = 0, rows = 0;
    if (!host_is_intel())
        cr_skip_test("undefined results are compared with an Intel processor");
    struct machine *m = bare_machine("max");
    bare_load(m, nothing, nothing + 1);
    cr_assert(decoder_init(&d));
    native_setup();
    for (unsigned r = 0; r < insn_row_count; r++) {
        if (!is_tested(&insn_rows[r]))
            continue;
        rows++;
        bad += test_row(m, &d, &insn_rows[r], masked);
    }
    decoder_free(&d);
    machine_destroy(m);
    cr_expect_gt(rows, 130);
    cr_expect_eq(bad, 0, "%u of %u cases differ", bad, rows * CASES_PER_ROW);
}

Test(f80, rows_agree_with_the_host_when_exceptions_are_masked) { test_rows(true); }
Test(f80, rows_agree_with_the_host_when_exceptions_are_unmasked) { test_rows(false); }

/* ---- what the host cannot show ---- */

BARE_PROGRAM(divide_by_zero,
             ".code64\n fninit\n fnstcw 0x100000\n andw $0xfffb, 0x100000\n fldcw 0x100000\n"
             "fld1\n fldz\n fdivrp\n fnstsw %ax\n fwait\n hlt");

/* An unmasked divide-by-zero waits for FWAIT: #MF there; FNSTSW before it does not wait. */
Test(f80, unmasked_exception_faults_at_the_next_waiting_instruction)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = bare_load(m, divide_by_zero_start, divide_by_zero_end);
    bare_run(m, 9);
    cr_expect_eq(c->gpr[RAX] & 0xffff, 0xb084, "FSW = %lx", c->gpr[RAX]);
    cr_expect(fpu_pending(c));
    cr_expect_eq(fpu_check_pending(c), FAULTED);
    cr_expect_eq(c->event.vector, EXC_MF);
    machine_destroy(m);
}

/* The address of the last instruction is linear in the formats of real-address mode. */
Test(f80, environment_of_real_mode_holds_linear_addresses)
{
    static const uint8_t nothing[1];
    struct machine *m = bare_machine("max");
    struct cpu *c = bare_load(m, nothing, nothing + 1);
    struct insn i = { .opcode = 0xd9,
                      .modrm = 0x36,
                      .size = 4,
                      .prefix = PFX_MEM,
                      .rm = RSI,
                      .index = REG_ZERO,
                      .sib = 3 << 5 | DS << 2 };
    uint32_t word[7];
    c->gpr[RSI] = BARE_DATA;
    fpu_init(c);
    c->fpu.cs = 0x1234, c->fpu.ip = 0x5678, c->fpu.opcode = 0x123;
    c->fpu.ds = 0xf000, c->fpu.dp = 0xfff0;
    c->cr0 &= ~(CR0_PE | CR0_PG);
    cr_assert_eq(op_fnstenv(c, &i), RETIRED);
    mem_read(machine_mem(m), BARE_DATA, word, sizeof(word));
    cr_expect_eq(word[0], 0xffff037f);
    cr_expect_eq(word[2], 0xffffffff);
    cr_expect_eq(word[3], 0xffff79b8);       /* 12340 + 5678 = 179b8 */
    cr_expect_eq(word[4], 0x00001123);
    cr_expect_eq(word[5], 0xfffffff0);       /* f0000 + fff0 = ffff0 */
    cr_expect_eq(word[6], 0x0000f000);
    fpu_init(c);
    i.modrm = 0x26;
    cr_assert_eq(op_fldenv(c, &i), RETIRED);
    cr_expect_eq(c->fpu.ip, 0x179b8);
    cr_expect_eq(c->fpu.dp, 0xffff0);
    cr_expect_eq(c->fpu.opcode, 0x123);
    machine_destroy(m);
}

// SPDX-License-Identifier: Apache-2.0
// x87 control: FNINIT, FNCLEX, FWAIT, control and status words, stack pointer, images in memory.
#include <string.h>

#include "cpu/cpu.h"
#include "cpu/ops.h"
#include "cpu/x87.h"

enum outcome op_fwait(struct cpu *c, const struct insn *i) { return fpu_check_pending(c); }

enum outcome op_fninit(struct cpu *c, const struct insn *i)
{
    fpu_init(c);
    return RETIRED;
}

enum outcome op_fnclex(struct cpu *c, const struct insn *i)
{
    c->fpu.status &= (uint16_t)~(FPU_EXCEPTIONS | FSW_SF | FSW_ES | FSW_B);
    return RETIRED;
}

/* FNENI, FNDISI and FNSETPM of the 8087 and 80287: nothing since the 80387. */
enum outcome op_fnobsolete(struct cpu *c, const struct insn *i) { return RETIRED; }

enum outcome op_fnop(struct cpu *c, const struct insn *i) { return fpu_begin(c, i); }

enum outcome op_fldcw(struct cpu *c, const struct insn *i)
{
    uint64_t v;
    if (fpu_check_pending(c) != RETIRED)
        return FAULTED;
    FAULT_IF(!seg_read(c, insn_seg(i), insn_ea(c, i), 2, &v));
    fpu_set_control_word(&c->fpu, (uint16_t)v);
    return RETIRED;
}

enum outcome op_fnstcw(struct cpu *c, const struct insn *i)
{
    FAULT_IF(!seg_write(c, insn_seg(i), insn_ea(c, i), 2, c->fpu.control));
    return RETIRED;
}

enum outcome op_fnstsw(struct cpu *c, const struct insn *i)
{
    FAULT_IF(!seg_write(c, insn_seg(i), insn_ea(c, i), 2, fpu_status_word(&c->fpu)));
    return RETIRED;
}

enum outcome op_fnstsw_ax(struct cpu *c, const struct insn *i)
{
    reg_write(c, RAX, 2, fpu_status_word(&c->fpu));
    return RETIRED;
}

static enum outcome move_top(struct cpu *c, const struct insn *i, unsigned by)
{
    if (fpu_begin(c, i) != RETIRED)
        return FAULTED;
    c->fpu.top = (c->fpu.top + by) & 7;
    fpu_conditions(&c->fpu, FSW_C1, 0);
    return RETIRED;
}

enum outcome op_fincstp(struct cpu *c, const struct insn *i) { return move_top(c, i, 1); }
enum outcome op_fdecstp(struct cpu *c, const struct insn *i) { return move_top(c, i, 7); }

enum outcome op_ffree(struct cpu *c, const struct insn *i)
{
    if (fpu_begin(c, i) != RETIRED)
        return FAULTED;
    c->fpu.tag &= (uint8_t)~(1 << ((c->fpu.top + i->modrm) & 7));
    fpu_conditions(&c->fpu, FSW_C1, 0);
    return RETIRED;
}

enum outcome op_ffreep(struct cpu *c, const struct insn *i)
{
    if (op_ffree(c, i) != RETIRED)
        return FAULTED;
    fpu_pop(&c->fpu);
    return RETIRED;
}

/* ---- images in memory ---- */

/* SDM vol. 1, "Protected Mode x87 FPU State Image in Memory, 32-Bit Format", and the three other
 * figures: seven words of 2 or 4 bytes, FCW, FSW, FTW, and two for each pointer. */

enum { ENV_FCW, ENV_FSW, ENV_FTW, ENV_IP, ENV_IP_HIGH, ENV_DP, ENV_DP_HIGH, ENV_WORDS };
struct environment { uint32_t word[ENV_WORDS]; };

static unsigned environment_word_size(const struct insn *i) { return i->size == 2 ? 2 : 4; }

/* Real-address and virtual-8086 mode keep linear addresses: bits 15:0 in the first word, the rest
 * from bit 12 of the second. */
static uint32_t real_low(uint16_t selector, uint64_t offset)
{
    return (((uint32_t)selector << 4) + (uint32_t)offset) & 0xffff;
}
static uint32_t real_high(uint16_t selector, uint64_t offset)
{
    return (((uint32_t)selector << 4) + (uint32_t)offset) >> 16 << 12;
}

static struct environment environment_of(const struct cpu *c)
{
    const struct fpu *f = &c->fpu;
    struct environment v = { .word = { f->control, fpu_status_word(f), fpu_full_tag(f) } };
    if (in_real_or_v86(c)) {
        v.word[ENV_IP] = real_low(f->cs, f->ip);
        v.word[ENV_IP_HIGH] = real_high(f->cs, f->ip) | (f->opcode & 0x7ff);
        v.word[ENV_DP] = real_low(f->ds, f->dp);
        v.word[ENV_DP_HIGH] = real_high(f->ds, f->dp);
    } else {
        v.word[ENV_IP] = (uint32_t)f->ip;
        v.word[ENV_IP_HIGH] = f->cs | (uint32_t)(f->opcode & 0x7ff) << 16;
        v.word[ENV_DP] = (uint32_t)f->dp;
        v.word[ENV_DP_HIGH] = f->ds;
    }
    return v;
}

/* Reserved halves of 32-bit words read as ones. */
static unsigned encode_environment(const struct cpu *c, const struct insn *i, uint8_t *image)
{
    struct environment v = environment_of(c);
    unsigned size = environment_word_size(i);
    for (unsigned k = 0; k < 3; k++)
        v.word[k] |= 0xffff0000;
    if (in_real_or_v86(c)) {
        v.word[ENV_IP] |= 0xffff0000;
        v.word[ENV_DP] |= 0xffff0000;
    } else {
        v.word[ENV_DP_HIGH] |= 0xffff0000;
    }
    for (unsigned k = 0; k < ENV_WORDS; k++)
        memcpy(image + k * size, &v.word[k], size);
    return ENV_WORDS * size;
}

static void decode_environment(struct cpu *c, const struct insn *i, const uint8_t *image)
{
    struct environment v = { .word = { 0 } };
    struct fpu *f = &c->fpu;
    unsigned size = environment_word_size(i);
    for (unsigned k = 0; k < ENV_WORDS; k++)
        memcpy(&v.word[k], image + k * size, size);
    if (in_real_or_v86(c)) {
        f->cs = f->ds = 0;
        f->opcode = v.word[ENV_IP_HIGH] & 0x7ff;
        f->ip = (v.word[ENV_IP] & 0xffff) | (v.word[ENV_IP_HIGH] & 0x0ffff000) << 4;
        f->dp = (v.word[ENV_DP] & 0xffff) | (v.word[ENV_DP_HIGH] & 0x0ffff000) << 4;
    } else {
        f->cs = (uint16_t)v.word[ENV_IP_HIGH];
        f->ds = (uint16_t)v.word[ENV_DP_HIGH];
        f->opcode = v.word[ENV_IP_HIGH] >> 16 & 0x7ff;   /* the 16-bit format has none: 0 */
        f->ip = v.word[ENV_IP];
        f->dp = v.word[ENV_DP];
    }
    fpu_set_full_tag(f, (uint16_t)v.word[ENV_FTW]);
    f->control = ((uint16_t)v.word[ENV_FCW] & FCW_WRITABLE) | FCW_RESERVED_ONE;
    fpu_set_status_word(f, (uint16_t)v.word[ENV_FSW]);
}

enum { ENV_MAX = 28, STATE_MAX = ENV_MAX + 80 };

enum outcome op_fnstenv(struct cpu *c, const struct insn *i)
{
    uint8_t image[ENV_MAX];
    unsigned n = encode_environment(c, i, image);
    FAULT_IF(!seg_write_bytes(c, insn_seg(i), insn_ea(c, i), image, n, 0));
    fpu_set_control_word(&c->fpu, c->fpu.control | FPU_EXCEPTIONS);
    return RETIRED;
}

enum outcome op_fldenv(struct cpu *c, const struct insn *i)
{
    uint8_t image[ENV_MAX];
    unsigned n = ENV_WORDS * environment_word_size(i);
    if (fpu_check_pending(c) != RETIRED)
        return FAULTED;
    FAULT_IF(!seg_read_bytes(c, insn_seg(i), insn_ea(c, i), image, n, 0));
    decode_environment(c, i, image);
    return RETIRED;
}

enum outcome op_fnsave(struct cpu *c, const struct insn *i)
{
    uint8_t image[STATE_MAX];
    unsigned n = encode_environment(c, i, image);
    for (unsigned k = 0; k < 8; k++, n += 10) {
        memcpy(image + n, &fpu_st(&c->fpu, k)->frac, 8);
        memcpy(image + n + 8, &fpu_st(&c->fpu, k)->sexp, 2);
    }
    FAULT_IF(!seg_write_bytes(c, insn_seg(i), insn_ea(c, i), image, n, 0));
    fpu_init(c);
    return RETIRED;
}

enum outcome op_frstor(struct cpu *c, const struct insn *i)
{
    uint8_t image[STATE_MAX];
    unsigned n = ENV_WORDS * environment_word_size(i);
    if (fpu_check_pending(c) != RETIRED)
        return FAULTED;
    FAULT_IF(!seg_read_bytes(c, insn_seg(i), insn_ea(c, i), image, n + 80, 0));
    decode_environment(c, i, image);
    for (unsigned k = 0; k < 8; k++, n += 10) {
        memcpy(&fpu_st(&c->fpu, k)->frac, image + n, 8);
        memcpy(&fpu_st(&c->fpu, k)->sexp, image + n + 8, 2);
    }
    return RETIRED;
}

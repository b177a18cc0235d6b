// SPDX-License-Identifier: Apache-2.0
// Moves, exchanges, conversions and addresses (SDM vol. 1, "Data Transfer Instructions").
#include "cpu/access.h"
#include "cpu/ops.h"

enum outcome op_mov(struct cpu *c, const struct insn *i)
{
    uint64_t v;
    FAULT_IF(!src_read(c, i, &v));
    if ((i->shape & 3) == DST_REG)
        reg_write(c, i->reg, i->size, v);
    else
        FAULT_IF(!rm_write(c, i, i->size, v));
    return RETIRED;
}

/* MOV of rAX from or to an offset that stands in the instruction. */
enum outcome op_mov_from_offset(struct cpu *c, const struct insn *i)
{
    uint64_t v;
    FAULT_IF(!seg_read(c, insn_seg(i), i->imm & size_mask(insn_asize(i)), i->size, &v));
    reg_write(c, RAX, i->size, v);
    return RETIRED;
}

enum outcome op_mov_to_offset(struct cpu *c, const struct insn *i)
{
    uint64_t v = reg_read(c, RAX, i->size);
    FAULT_IF(!seg_write(c, insn_seg(i), i->imm & size_mask(insn_asize(i)), i->size, v));
    return RETIRED;
}

/* The rows of byte sources carry A_RM8, so that decode has told AH..BH apart. */
enum outcome op_movzx_byte(struct cpu *c, const struct insn *i)
{
    uint64_t v;
    FAULT_IF(!rm_read(c, i, 1, &v));
    reg_write(c, i->reg, i->size, v);
    return RETIRED;
}

enum outcome op_movzx_word(struct cpu *c, const struct insn *i)
{
    uint64_t v;
    FAULT_IF(!rm_read(c, i, 2, &v));
    reg_write(c, i->reg, i->size, v);
    return RETIRED;
}

enum outcome op_movsx_byte(struct cpu *c, const struct insn *i)
{
    uint64_t v;
    FAULT_IF(!rm_read(c, i, 1, &v));
    reg_write(c, i->reg, i->size, (uint64_t)sign_extend(v, 1));
    return RETIRED;
}

enum outcome op_movsx_word(struct cpu *c, const struct insn *i)
{
    uint64_t v;
    FAULT_IF(!rm_read(c, i, 2, &v));
    reg_write(c, i->reg, i->size, (uint64_t)sign_extend(v, 2));
    return RETIRED;
}

/* With 16-bit operands the source is 16 bits wide too. */
enum outcome op_movsxd(struct cpu *c, const struct insn *i)
{
    unsigned size = i->size == 2 ? 2 : 4;
    uint64_t v;
    FAULT_IF(!rm_read(c, i, size, &v));
    reg_write(c, i->reg, i->size, (uint64_t)sign_extend(v, size));
    return RETIRED;
}

enum outcome op_lea(struct cpu *c, const struct insn *i)
{
    reg_write(c, i->reg, i->size, insn_ea(c, i));
    return RETIRED;
}

enum outcome op_xchg(struct cpu *c, const struct insn *i)
{
    struct rmw d;
    FAULT_IF(!dst_rmw(c, i, &d));
    uint64_t s = reg_read(c, i->reg, i->size);
    reg_write(c, i->reg, i->size, d.value);
    rmw_write(c, &d, s);
    return RETIRED;
}

/* XCHG rAX, r.  With rAX itself it is NOP: the upper half of RAX stays even at 32 bits. */
enum outcome op_xchg_acc(struct cpu *c, const struct insn *i)
{
    if (i->rm == RAX)
        return RETIRED;
    uint64_t a = reg_read(c, RAX, i->size);
    reg_write(c, RAX, i->size, reg_read(c, i->rm, i->size));
    reg_write(c, i->rm, i->size, a);
    return RETIRED;
}

/* The source is read, and the destination written, even when the condition is false. */
enum outcome op_cmovcc(struct cpu *c, const struct insn *i)
{
    uint64_t v;
    FAULT_IF(!src_read(c, i, &v));
    if (!lazy_condition(i->opcode & 15, c->res, c->aux))
        v = reg_read(c, i->reg, i->size);
    reg_write(c, i->reg, i->size, v);
    return RETIRED;
}

enum outcome op_setcc(struct cpu *c, const struct insn *i)
{
    FAULT_IF(!rm_write(c, i, 1, lazy_condition(i->opcode & 15, c->res, c->aux)));
    return RETIRED;
}

static uint64_t byte_swap(uint64_t v, unsigned size)
{
    return __builtin_bswap64(v) >> (64 - 8 * size);
}

/* The 16-bit form is undefined; processors clear the register's low word. */
enum outcome op_bswap(struct cpu *c, const struct insn *i)
{
    uint64_t v = i->size == 2 ? 0 : byte_swap(reg_read(c, i->rm, i->size), i->size);
    reg_write(c, i->rm, i->size, v);
    return RETIRED;
}

enum outcome op_movbe_load(struct cpu *c, const struct insn *i)
{
    uint64_t v;
    FAULT_IF(!rm_read(c, i, i->size, &v));
    reg_write(c, i->reg, i->size, byte_swap(v, i->size));
    return RETIRED;
}

enum outcome op_movbe_store(struct cpu *c, const struct insn *i)
{
    FAULT_IF(!rm_write(c, i, i->size, byte_swap(reg_read(c, i->reg, i->size), i->size)));
    return RETIRED;
}

/* CBW, CWDE, CDQE */
enum outcome op_cbw(struct cpu *c, const struct insn *i)
{
    reg_write(c, RAX, i->size, (uint64_t)sign_extend(c->gpr[RAX], i->size / 2));
    return RETIRED;
}

/* CWD, CDQ, CQO */
enum outcome op_cwd(struct cpu *c, const struct insn *i)
{
    reg_write(c, RDX, i->size, (uint64_t)(sign_extend(c->gpr[RAX], i->size) >> 63));
    return RETIRED;
}

enum outcome op_xlat(struct cpu *c, const struct insn *i)
{
    uint64_t v, offset = (c->gpr[RBX] + (c->gpr[RAX] & 0xff)) & size_mask(insn_asize(i));
    FAULT_IF(!seg_read(c, insn_seg(i), offset, 1, &v));
    reg_write(c, RAX, 1, v);
    return RETIRED;
}

/* ---- CRC32: polynomial 11EDC6F41H, bits reflected ---- */

static uint32_t crc32c(uint32_t crc, uint64_t v, unsigned bytes)
{
    static const uint32_t nibble[16] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
        0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
        0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
    };
    for (unsigned k = 0; k < 2 * bytes; k++, v >>= 4)
        crc = crc >> 4 ^ nibble[(crc ^ v) & 15];
    return crc;
}

enum outcome op_crc32_byte(struct cpu *c, const struct insn *i)
{
    uint64_t v;
    FAULT_IF(!rm_read(c, i, 1, &v));
    reg_write(c, i->reg, 8, crc32c((uint32_t)c->gpr[i->reg], v, 1));
    return RETIRED;
}

enum outcome op_crc32(struct cpu *c, const struct insn *i)
{
    uint64_t v;
    FAULT_IF(!rm_read(c, i, i->size, &v));
    reg_write(c, i->reg, 8, crc32c((uint32_t)c->gpr[i->reg], v, i->size));
    return RETIRED;
}

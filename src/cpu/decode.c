// SPDX-License-Identifier: Apache-2.0
// SDM vol. 2, chapter 2 "Instruction Format" and appendix A "Opcode Map".
#include "cpu/decode.h"

#include <stdlib.h>
#include <string.h>

struct operands_row { uint8_t regs, imm, size, shape; };
static const struct operands_row operands_rows[] = {
#define OPERANDS(name, regs, imm, size, dst, src) { regs, imm, size, (dst) | (src) << 2 },
#include "cpu/operands.def"
};

struct cursor {
    const uint8_t *bytes;
    unsigned n, at, bits;
    enum decode_result result;
    uint8_t rex;
    int segment;             /* override, or -1 */
    bool ds, fs_gs;          /* such prefixes stand there */
    bool address_prefix;
    uint8_t repeat;          /* PFX_REP or PFX_REPNE, the last one given */
    uint8_t prefix;
};

bool decoder_init(struct decoder *d)
{
    memset(d->first, 0xff, sizeof d->first);
    d->next = malloc(insn_row_count * sizeof *d->next);
    if (!d->next)
        return false;
    for (unsigned row = insn_row_count; row-- > 0;) {
        uint16_t *head = &d->first[insn_rows[row].map][insn_rows[row].opcode];
        d->next[row] = *head;
        *head = (uint16_t)row;
    }
    return true;
}

void decoder_free(struct decoder *d)
{
    free(d->next);
}

/* The next byte; 0 and a failed cursor at the end of the window or after 15 bytes. */
static uint8_t next_byte(struct cursor *k)
{
    if (k->at < k->n && k->at < INSN_MAX_BYTES)
        return k->bytes[k->at++];
    if (k->result == DECODE_OK)
        k->result = k->at >= INSN_MAX_BYTES ? DECODE_TOO_LONG : DECODE_TRUNCATED;
    return 0;
}

/* A little-endian value of `size` bytes, sign-extended. */
static int64_t next_value(struct cursor *k, unsigned size)
{
    uint64_t v = 0;
    for (unsigned j = 0; j < size; j++)
        v |= (uint64_t)next_byte(k) << (8 * j);
    return sign_extend(v, size);
}

/* In 64-bit mode these overrides are ignored: one for FS or GS before them stays. */
static void override_flat(struct cursor *k, int segment)
{
    if (k->bits != 64)
        k->segment = segment;
}

/* Consumes legacy prefixes and REX; returns the first opcode byte. */
static uint8_t parse_prefixes(struct cursor *k)
{
    for (;;) {
        uint8_t b = next_byte(k);
        if (k->result != DECODE_OK)
            return 0;
        switch (b) {
        case 0x26: override_flat(k, ES); break;
        case 0x2e: override_flat(k, CS); break;
        case 0x36: override_flat(k, SS); break;
        case 0x3e: override_flat(k, DS); k->ds = true; break;
        case 0x64: k->segment = FS; k->fs_gs = true; break;
        case 0x65: k->segment = GS; k->fs_gs = true; break;
        case 0x66: k->prefix |= PFX_66; break;
        case 0x67: k->address_prefix = true; break;
        case 0xf0: k->prefix |= PFX_LOCK; break;
        case 0xf2: k->repeat = PFX_REPNE; break;
        case 0xf3: k->repeat = PFX_REP; break;
        default:
            if (k->bits == 64 && (b & 0xf0) == 0x40) {
                k->rex = b;              /* counts only when the opcode follows at once */
                continue;
            }
            return b;
        }
        k->rex = 0;
    }
}

static uint8_t parse_opcode(struct cursor *k, unsigned *map)
{
    uint8_t b = parse_prefixes(k);
    *map = 0;
    if (b != 0x0f)
        return b;
    *map = 1;
    b = next_byte(k);
    if (b != 0x38 && b != 0x3a)
        return b;
    *map = b == 0x38 ? 2 : 3;
    return next_byte(k);
}

static bool form_has_modrm(uint32_t form)
{
    return form & (F_HAS_EXT | F_HAS_RM | F_MEM | F_REG);
}

/* MOV to and from control and debug registers ignore ModRM.mod (SDM vol. 2, "MOV - Move to/from
 * Control Registers"). */
static bool always_register_form(unsigned map, uint8_t opcode)
{
    return map == 1 && opcode >= 0x20 && opcode <= 0x23;
}

static bool form_matches(const struct cursor *k, uint32_t form, uint8_t modrm)
{
    uint32_t mandatory = k->repeat == PFX_REP ? F_F3 : k->repeat == PFX_REPNE ? F_F2 :
                         k->prefix & PFX_66 ? F_66 : F_NP;
    if (form & (F_NP | F_66 | F_F3 | F_F2) && !(form & mandatory))
        return false;
    if ((form & F_64 && k->bits != 64) || (form & F_NO64 && k->bits == 64))
        return false;
    if ((form & F_W0 && k->rex & 8) || (form & F_W1 && !(k->rex & 8)))
        return false;
    if (form & F_HAS_EXT && (form >> 11 & 7) != (modrm >> 3 & 7))
        return false;
    if (form & F_HAS_RM && (form >> 15 & 7) != (modrm & 7))
        return false;
    bool memory = modrm >> 6 != 3;
    return !(form & F_MEM && !memory) && !(form & F_REG && memory);
}

/* The first row whose form matches; *has_modrm tells whether a ModRM byte follows the opcode. */
static uint16_t find_row(const struct decoder *d, const struct cursor *k, unsigned map,
                         uint8_t opcode, bool *has_modrm)
{
    uint8_t modrm = k->at < k->n ? k->bytes[k->at] : 0;
    *has_modrm = false;
    for (uint16_t row = d->first[map][opcode]; row != ROW_NONE; row = d->next[row]) {
        uint32_t form = insn_rows[row].form;
        bool wants =
            form_has_modrm(form) || operands_rows[insn_rows[row].operands].regs == REGS_MODRM;
        *has_modrm |= wants;
        if (form_matches(k, form, modrm)) {
            *has_modrm = wants;
            return row;
        }
    }
    return ROW_NONE;
}

static uint8_t operand_size(const struct cursor *k, enum size_rule rule)
{
    bool small = k->prefix & PFX_66;
    switch (rule) {
    case SZ_B: return 1;
    case SZ_W: return 2;
    case SZ_D: return 4;
    case SZ_Q: return 8;
    case SZ_Y: return k->rex & 8 ? 8 : 4;
    case SZ_SYS: return k->bits == 64 ? 8 : 4;
    case SZ_X: return 16;
    case SZ_F64: if (k->bits == 64) return 8; break;
    case SZ_V64: if (k->bits == 64) return small && !(k->rex & 8) ? 2 : 8; break;
    case SZ_V: if (k->bits == 64 && k->rex & 8) return 8; break;
    }
    return (k->bits == 16) != small ? 2 : 4;
}

static uint8_t address_size(const struct cursor *k)
{
    if (k->bits == 64)
        return k->address_prefix ? 4 : 8;
    return (k->bits == 16) != k->address_prefix ? 2 : 4;
}

/* SDM vol. 2, table 2-1 "16-Bit Addressing Forms with the ModR/M Byte". */
static void parse_memory_16(struct cursor *k, struct insn *i, int *segment)
{
    static const uint8_t base[8] = { RBX, RBX, RBP, RBP, RSI, RDI, RBP, RBX };
    static const uint8_t index[8] = { RSI, RDI, RSI, RDI, REG_ZERO, REG_ZERO, REG_ZERO, REG_ZERO };
    unsigned mod = i->modrm >> 6, rm = i->modrm & 7;
    i->rm = base[rm];
    i->index = index[rm];
    if (mod == 0 && rm == 6) {
        i->rm = REG_ZERO;
        i->disp = (int32_t)next_value(k, 2);
    } else if (mod) {
        i->disp = (int32_t)next_value(k, mod);
    }
    *segment = i->rm == RBP ? SS : DS;
}

/* SDM vol. 2, tables 2-2 and 2-3; 64-bit mode: "RIP-Relative Addressing", REX.X and REX.B. */
static void parse_memory_32(struct cursor *k, struct insn *i, int *segment)
{
    unsigned mod = i->modrm >> 6, rm = i->modrm & 7;
    i->rm = (uint8_t)(rm | (k->rex & 1) << 3);
    if (rm == 4) {
        uint8_t sib = next_byte(k);
        unsigned index = (sib >> 3 & 7) | (k->rex & 2) << 2;
        i->sib |= sib >> 6;
        i->index = index == 4 ? REG_ZERO : (uint8_t)index;
        i->rm = (uint8_t)((sib & 7) | (k->rex & 1) << 3);
        if (i->index == REG_ZERO)
            i->sib &= (uint8_t)~3;
        rm = sib & 7;
        if (mod == 0 && rm == 5)
            i->rm = REG_ZERO;
    } else if (mod == 0 && rm == 5) {
        i->rm = k->bits == 64 ? REG_BLOCK_RIP : REG_ZERO;
    }
    if (mod == 1)
        i->disp = (int32_t)next_value(k, 1);
    else if (mod == 2 || i->rm >= REG_ZERO)
        i->disp = (int32_t)next_value(k, 4);
    *segment = i->rm == RSP || i->rm == RBP ? SS : DS;
}

static void parse_modrm(struct cursor *k, struct insn *i, bool register_form, int *segment)
{
    i->modrm = next_byte(k);
    i->reg = (uint8_t)((i->modrm >> 3 & 7) | (k->rex & 4) << 1);
    if (register_form || i->modrm >> 6 == 3) {
        i->rm = (uint8_t)((i->modrm & 7) | (k->rex & 1) << 3);
        return;
    }
    i->prefix |= PFX_MEM;
    if (insn_asize(i) == 2)
        parse_memory_16(k, i, segment);
    else
        parse_memory_32(k, i, segment);
}

/* Without REX, byte registers 4 to 7 are AH, CH, DH, BH. */
static uint8_t byte_register(const struct cursor *k, uint8_t r)
{
    return !k->rex && r >= 4 && r < 8 ? (uint8_t)(REG_HIGH + r - 4) : r;
}

static void parse_immediate(struct cursor *k, struct insn *i, enum imm_kind kind)
{
    unsigned z = i->size == 2 ? 2 : 4;
    switch (kind) {
    case IMM_NONE: break;
    case IMM_B: case IMM_JB: i->imm = (uint64_t)next_value(k, 1); break;
    case IMM_UB: i->imm = next_byte(k); break;
    case IMM_W: i->imm = (uint16_t)next_value(k, 2); break;
    case IMM_Z: case IMM_JZ: i->imm = (uint64_t)next_value(k, z); break;
    case IMM_V: i->imm = (uint64_t)next_value(k, i->size); break;
    case IMM_WB: i->imm = (uint16_t)next_value(k, 2); i->imm |= (uint64_t)next_byte(k) << 16; break;
    case IMM_FAR:
        i->imm = (uint64_t)next_value(k, z) & size_mask(z);
        i->imm |= (uint64_t)(uint16_t)next_value(k, 2) << 32;
        break;
    case IMM_MOFFS:
        i->imm = (uint64_t)next_value(k, insn_asize(i)) & size_mask(insn_asize(i));
        break;
    }
}

/* SDM vol. 1, "No-track Prefix for Near Indirect CALL/JMP": 3EH without FS or GS, or the last of the
 * segment prefixes.  These instructions have no immediate: it stands there. */
static void mark_no_track(const struct cursor *k, struct insn *i, unsigned map)
{
    unsigned extension = i->modrm >> 3 & 7;
    if (map == 0 && i->opcode == 0xff && (extension == 2 || extension == 4))
        i->imm = k->bits == 64 ? k->ds && !k->fs_gs : k->segment == DS;
}

/* LOCK is legal only where a row says so, on a memory destination (SDM vol. 2, "LOCK"). */
static bool lock_misused(const struct insn *i)
{
    return i->prefix & PFX_LOCK &&
           !(insn_rows[i->row].attributes & A_LOCK && insn_is_mem(i));
}

enum decode_result decode(const struct decoder *d, const uint8_t *bytes, unsigned n, unsigned bits_,
                          struct insn *i)
{
    struct cursor k = { .bytes = bytes, .n = n, .bits = bits_, .segment = -1 };
    unsigned map;
    bool has_modrm;
    *i = (struct insn){ .index = REG_ZERO };
    i->opcode = parse_opcode(&k, &map);
    if (k.result == DECODE_OK)
        i->row = find_row(d, &k, map, i->opcode, &has_modrm);
    else
        has_modrm = false;
    if (k.result == DECODE_OK && has_modrm && k.at >= k.n)
        next_byte(&k);
    i->len = (uint8_t)k.at;
    if (k.result != DECODE_OK)
        return k.result;
    if (i->row == ROW_NONE) {
        i->len = (uint8_t)(k.at + has_modrm);
        return DECODE_UNDEFINED;
    }

    const struct insn_row *row = &insn_rows[i->row];
    const struct operands_row *o = &operands_rows[row->operands];
    int segment = DS;
    i->prefix =
        (uint8_t)(k.prefix | k.repeat | (k.rex ? PFX_REX : 0) | (k.rex & 8 ? PFX_REX_W : 0));
    i->size = operand_size(&k, o->size);
    i->shape = o->shape;
    i->sib = (uint8_t)(__builtin_ctz(address_size(&k)) << 5);
    if (has_modrm)
        parse_modrm(&k, i, always_register_form(map, i->opcode), &segment);
    else if (o->regs == REGS_OPCODE)
        i->rm = (uint8_t)((i->opcode & 7) | (k.rex & 1) << 3);
    if (o->size == SZ_B)
        i->reg = byte_register(&k, i->reg);
    if ((o->size == SZ_B || row->attributes & A_RM8) && !insn_is_mem(i) && o->regs != REGS_ACC)
        i->rm = byte_register(&k, i->rm);
    if (k.segment >= 0 && (k.bits != 64 || k.segment >= FS)) {
        segment = k.segment;
        i->prefix |= PFX_SEG;
    }
    i->sib |= (uint8_t)(segment << 2);
    parse_immediate(&k, i, o->imm);
    mark_no_track(&k, i, map);
    i->len = (uint8_t)k.at;
    if (k.result != DECODE_OK)
        return k.result;
    return lock_misused(i) ? DECODE_UNDEFINED : DECODE_OK;
}

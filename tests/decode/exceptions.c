// SPDX-License-Identifier: Apache-2.0
// The table of deliberate differences from Zydis 4.0.0, each with its reason.
#include "exceptions.h"

static bool one_of(int value, const int *list, unsigned n)
{
    for (unsigned k = 0; k < n; k++)
        if (list[k] == value)
            return true;
    return false;
}
#define ONE_OF(value, ...) one_of(value, (const int[]){ __VA_ARGS__ }, \
                                  sizeof((int[]){ __VA_ARGS__ }) / sizeof(int))

static bool vector_encoding(const struct zydis_view *v)
{
    return !v->ours_ok && v->theirs_ok &&
           ONE_OF(v->zydis.encoding,
                  ZYDIS_INSTRUCTION_ENCODING_VEX, ZYDIS_INSTRUCTION_ENCODING_EVEX,
                  ZYDIS_INSTRUCTION_ENCODING_XOP, ZYDIS_INSTRUCTION_ENCODING_MVEX,
                  ZYDIS_INSTRUCTION_ENCODING_3DNOW);
}

/* Instructions of extensions that no processor profile advertises: #UD on a processor
 * without them. */
static bool extension_not_modelled(const struct zydis_view *v)
{
    return !v->ours_ok && v->theirs_ok &&
           ONE_OF(v->zydis.meta.isa_ext, ZYDIS_ISA_EXT_AES, ZYDIS_ISA_EXT_PCLMULQDQ,
                  ZYDIS_ISA_EXT_SHA, ZYDIS_ISA_EXT_GFNI, ZYDIS_ISA_EXT_KEYLOCKER,
                  ZYDIS_ISA_EXT_KEYLOCKER_WIDE, ZYDIS_ISA_EXT_AMX_TILE,
                  ZYDIS_ISA_EXT_RTM, ZYDIS_ISA_EXT_TSX_LDTRK, ZYDIS_ISA_EXT_SGX,
                  ZYDIS_ISA_EXT_SGX_ENCLV, ZYDIS_ISA_EXT_TDX,
                  ZYDIS_ISA_EXT_MOVDIR, ZYDIS_ISA_EXT_ENQCMD,
                  ZYDIS_ISA_EXT_SERIALIZE, ZYDIS_ISA_EXT_HRESET, ZYDIS_ISA_EXT_PCONFIG,
                  ZYDIS_ISA_EXT_PT, ZYDIS_ISA_EXT_CLFLUSHOPT, ZYDIS_ISA_EXT_CLWB,
                  ZYDIS_ISA_EXT_VMFUNC);
}

static bool other_vendor(const struct zydis_view *v)
{
    return !v->ours_ok && v->theirs_ok &&
           ONE_OF(v->zydis.meta.isa_ext,
                  ZYDIS_ISA_EXT_AMD3DNOW, ZYDIS_ISA_EXT_SSE4A, ZYDIS_ISA_EXT_SVM, ZYDIS_ISA_EXT_SNP,
                  ZYDIS_ISA_EXT_AMD_INVLPGB, ZYDIS_ISA_EXT_CLZERO, ZYDIS_ISA_EXT_MCOMMIT,
                  ZYDIS_ISA_EXT_MONITORX, ZYDIS_ISA_EXT_RDPRU, ZYDIS_ISA_EXT_TBM,
                  ZYDIS_ISA_EXT_PADLOCK);
}

/* MOV to and from CR1, CR5 and so on: #UD comes from the handler, for CR8 depends on the mode. */
static bool absent_control_register(const struct zydis_view *v)
{
    return v->ours_ok && !v->theirs_ok && v->insn->opcode >= 0x20 && v->insn->opcode <= 0x23 &&
           insn_rows[v->insn->row].map == 1;
}

/* WRMSRNS, RDMSRLIST, WRMSRLIST: 0F 01 C6. */
static bool newer_than_zydis(const struct zydis_view *v)
{
    return v->ours_ok && !v->theirs_ok && insn_rows[v->insn->row].map == 1 &&
           v->insn->opcode == 0x01 && v->insn->modrm == 0xc6;
}

const struct difference exceptions[] = {
    { vector_encoding, "VEX, EVEX, XOP and 3DNow! encodings are not modelled" },
    { extension_not_modelled, "the extension is not modelled, no profile advertises it" },
    { other_vendor, "AMD's and VIA's extensions: Intel processors do not have them" },
    { newer_than_zydis, "Zydis 4.0.0 does not know the instruction yet" },
    { absent_control_register, "the handler of MOV CR/DR tells which registers do not exist" },
};
const unsigned exception_count = ARRAY_SIZE(exceptions);
_Static_assert(ARRAY_SIZE(exceptions) <= EXCEPTIONS_MAX, "room for the counters");

int find_exception(const struct zydis_view *v)
{
    for (unsigned k = 0; k < exception_count; k++)
        if (exceptions[k].applies(v))
            return (int)k;
    return -1;
}

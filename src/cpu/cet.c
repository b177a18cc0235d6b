// SPDX-License-Identifier: Apache-2.0
// IA32_U_CET and IA32_S_CET, and the state components of CET.
#include "cpu/cet.h"

#include <string.h>

enum {
    SHSTK_BITS = CET_SH_STK_EN | CET_WR_SHSTK_EN,
    IBT_BITS = CET_ENDBR_EN | CET_LEG_IW_EN | CET_NO_TRACK_EN | CET_SUPPRESS_DIS | CET_SUPPRESS |
               CET_TRACKER,
};

bool cet_exists(const struct cpu *c) { return cpu_has(c, FEAT_SHSTK) || cpu_has(c, FEAT_IBT); }

uint64_t cet_control_reserved(const struct cpu_model *m)
{
    uint64_t exists = (model_has(m, FEAT_SHSTK) ? SHSTK_BITS : 0) |
                      (model_has(m, FEAT_IBT) ? IBT_BITS | CET_BITMAP_BASE : 0);
    return ~exists;
}

bool cet_control_legal(const struct cpu *c, uint64_t v)
{
    bool both = v & CET_SUPPRESS && v & CET_TRACKER;
    return !(v & cet_control_reserved(c->model)) && !both && is_canonical(c, v);
}

/* ---- state components ---- */

struct cet_u { uint64_t u_cet, pl3_ssp; };
struct cet_s { uint64_t ssp[3]; };

void save_CET_U(const struct cpu *c, void *image)
{
    memcpy(image, &(struct cet_u){ c->msr.u_cet, c->msr.pl_ssp[3] }, sizeof(struct cet_u));
}
bool legal_CET_U(const struct cpu *c, const void *image)
{
    struct cet_u u;
    memcpy(&u, image, sizeof u);
    return cet_control_legal(c, u.u_cet) && ssp_legal(c, u.pl3_ssp);
}
void load_CET_U(struct cpu *c, const void *image)
{
    struct cet_u u;
    memcpy(&u, image, sizeof u);
    c->msr.u_cet = u.u_cet;
    c->msr.pl_ssp[3] = u.pl3_ssp;
    cpu_mode_changed(c);
}

void save_CET_S(const struct cpu *c, void *image)
{
    memcpy(image, c->msr.pl_ssp, sizeof(struct cet_s));
}
bool legal_CET_S(const struct cpu *c, const void *image)
{
    struct cet_s s;
    memcpy(&s, image, sizeof s);
    return ssp_legal(c, s.ssp[0]) && ssp_legal(c, s.ssp[1]) && ssp_legal(c, s.ssp[2]);
}
void load_CET_S(struct cpu *c, const void *image)
{
    memcpy(c->msr.pl_ssp, image, sizeof(struct cet_s));
}

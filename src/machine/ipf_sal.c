// SPDX-License-Identifier: Apache-2.0
// SAL procedures (SAL Specification, "SAL Procedures"): one entry point, in0 is the number.
#include "machine/ipf_firmware.h"

#define SAL_UNIMPLEMENTED ((uint64_t)-1)
#define SAL_INVALID_ARGUMENT ((uint64_t)-2)
#define SAL_NO_INFORMATION ((uint64_t)-5)
enum { SAL_DONE = 0, SAL_FIRST = 0x01000000 };

static uint64_t nothing(struct ipf_call *x) { return SAL_DONE; }
static uint64_t no_information(struct ipf_call *x) { return SAL_NO_INFORMATION; }

/* in1: which; address, gp and length of an entry point, for OS_INIT two of them: the monarch's, and
 * the other processors'. */
static uint64_t set_vectors(struct ipf_call *x)
{
    if (x->in[1] >= SAL_VECTORS)
        return SAL_INVALID_ARGUMENT;
    x->firmware->vector[x->in[1]] = (struct sal_vector){
        .entry = x->in[2], .gp = x->in[3], .slave_entry = x->in[5], .slave_gp = x->in[6]
    };
    return SAL_DONE;
}

/* in1: rendezvous interrupt, wake-up, corrected platform errors; in2: by interrupt or memory; in3:
 * vector or address.  No machine check comes that would use them. */
static uint64_t set_parameters(struct ipf_call *x)
{
    enum { RENDEZVOUS = 1, CORRECTED_ERRORS = 3, BY_INTERRUPT = 1, BY_MEMORY = 2, VECTOR_MIN = 16 };
    bool vector = x->in[3] >= VECTOR_MIN && x->in[3] <= 0xff;
    bool valid = x->in[1] >= RENDEZVOUS && x->in[1] <= CORRECTED_ERRORS &&
                 (x->in[2] == BY_INTERRUPT ? vector : x->in[2] == BY_MEMORY);
    return valid ? SAL_DONE : SAL_INVALID_ARGUMENT;
}

/* There is no device on PCI: what nobody answers reads all ones. */
static uint64_t pci_read(struct ipf_call *x)
{
    if (x->in[2] != 1 && x->in[2] != 2 && x->in[2] != 4)
        return SAL_INVALID_ARGUMENT;
    x->result[1] = size_mask((unsigned)x->in[2]);
    return SAL_DONE;
}

/* The platform's clock, the interval time counter (1 tick = 1 ns), the real-time clock; and how
 * far they drift, which is not known. */
static uint64_t frequency(struct ipf_call *x)
{
    static const uint64_t hertz[] = { 100000000, TICKS_PER_SECOND, TICKS_PER_SECOND };
    if (x->in[1] >= ARRAY_SIZE(hertz))
        return SAL_INVALID_ARGUMENT;
    x->result[1] = hertz[x->in[1]];
    x->result[2] = UINT64_MAX;
    return SAL_DONE;
}

void ipf_sal(struct ipf_call *x)
{
    static uint64_t (*const procedures[])(struct ipf_call * x) = {
        [0] = set_vectors,    [1] = no_information,
        [2] = nothing,                        /* SAL_GET_STATE_INFO_SIZE: 0 bytes */
        [3] = nothing,                        /* SAL_CLEAR_STATE_INFO */
        [4] = nothing,                        /* SAL_MC_RENDEZ */
        [5] = set_parameters, [6] = nothing,  /* SAL_REGISTER_PHYSICAL_ADDR */
        [8] = nothing,                        /* SAL_CACHE_FLUSH */
        [9] = nothing,                        /* SAL_CACHE_INIT */
        [16] = pci_read,      [17] = nothing, /* SAL_PCI_CONFIG_WRITE */
        [18] = frequency,
    };
    uint64_t n = x->in[0] - SAL_FIRST;
    x->result[0] =
        n < ARRAY_SIZE(procedures) && procedures[n] ? procedures[n](x) : SAL_UNIMPLEMENTED;
}

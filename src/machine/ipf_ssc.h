// SPDX-License-Identifier: Apache-2.0
// The simulator calls of HP's Ski, which bare-metal programs and the kernels for it use: break
// 0x80001 (or 0x80000) with the number in r15, arguments in in0 to in3, the result in r8. Addresses
// are physical.
#ifndef SP_MACHINE_IPF_SSC_H
#define SP_MACHINE_IPF_SSC_H

#include "ipf/cpu.h"
#include "mem/phys.h"
#include "platform/host.h"

enum { SSC_FILES = 16 };

struct ipf_ssc {
    struct mem *mem;
    struct char_sink console;
    const char *arguments; /* what GET_ARGS answers                            */
    int folder;            /* descriptor of the folder whose files it sees, -1 */
    struct ssc_file {
        int fd; /* -1: free                                                    */
        bool transfer;
        uint32_t moved; /* bytes of the transfer                               */
    } file[SSC_FILES];
};

/* Opens the folder (NULL: the guest sees no files); names and symbolic links that lead out of it do
 * not.  On failure *e holds one line. */
bool ssc_open(struct ipf_ssc *s, struct mem *mem, struct char_sink console, const char *arguments,
              const char *folder, struct sp_error *e);
void ssc_close(struct ipf_ssc *s);
/* struct ipf_cpu's ssc, with a struct ipf_ssc as user. */
bool ssc_call(void *ssc, struct ipf_cpu *c, uint64_t number);

#endif

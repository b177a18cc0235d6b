// SPDX-License-Identifier: Apache-2.0
// -smp, QEMU's text for the number of processors and their topology.
#ifndef SP_CLI_SMP_H
#define SP_CLI_SMP_H

#include "base/error.h"

struct smp {
    unsigned processors, sockets, cores, threads;
};

/* Reads [cpus=]N[,maxcpus=N][,sockets=N][,dies=1][,cores=N][,threads=N].  As in QEMU since 6.2,
 * what is not given is 1, but for the cores (the sockets, if the cores are given), which make up
 * the number. */
bool smp_parse(struct smp *out, const char *text, struct sp_error *e);

#endif

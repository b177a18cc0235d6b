// SPDX-License-Identifier: Apache-2.0
#include "cli/smp.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "cli/values.h"

enum { PROCESSORS_MAX = 64, NUMBER_MAX = 4096 };
#define NOT_GIVEN UINT64_MAX

/* NOT_GIVEN while they are read, then 0 where none was given. */
struct counts {
    uint64_t cpus, maxcpus, sockets, dies, clusters, cores, threads;
};

/* A number that is given is not 0. */
static bool settle(uint64_t *n)
{
    if (*n == NOT_GIVEN)
        return !(*n = 0);
    return *n;
}

static bool read_counts(struct counts *n, const char *text, struct sp_error *e)
{
    char spec[256];
    const struct value_key keys[] = {
        { "cpus", NUMBER_MAX, &n->cpus },       { "maxcpus", NUMBER_MAX, &n->maxcpus },
        { "sockets", NUMBER_MAX, &n->sockets }, { "dies", 1, &n->dies },
        { "clusters", 1, &n->clusters },        { "cores", NUMBER_MAX, &n->cores },
        { "threads", NUMBER_MAX, &n->threads },
    };
    bool bare = *text >= '0' && *text <= '9';
    if ((size_t)snprintf(spec, sizeof spec, "%s%s", bare ? "cpus=" : "", text) < sizeof spec &&
        *text && value_keys("-smp", spec, keys, ARRAY_SIZE(keys), e)) {
        bool ok = true;
        for (size_t k = 0; k < ARRAY_SIZE(keys); k++)
            ok &= settle(keys[k].out);
        if (ok)
            return true;
    }
    return sp_fail(e, SP_EXIT_USAGE,
                   "-smp %s: expected a number of processors from 1 to %d"
                   "[,sockets=N][,cores=N][,threads=N][,maxcpus=N]",
                   text, PROCESSORS_MAX);
}

static uint64_t or_one(uint64_t n) { return n ? n : 1; }

/* Cores come before sockets, and both before threads, to make up what is missing. */
static void complete(struct counts *n)
{
    uint64_t most = n->maxcpus ? n->maxcpus : n->cpus;
    bool counted = most;
    if (!counted || !n->cores || !n->sockets)
        n->threads = or_one(n->threads);
    if (counted && !n->cores)
        n->sockets = or_one(n->sockets), n->cores = most / (n->sockets * n->threads);
    else if (counted && !n->sockets)
        n->sockets = most / (n->cores * n->threads);
    else if (counted && !n->threads)
        n->threads = most / (n->cores * n->sockets);
    if (!counted)
        n->sockets = or_one(n->sockets), n->cores = or_one(n->cores);
    n->maxcpus = counted ? most : n->sockets * n->cores * n->threads;
    n->cpus = n->cpus ? n->cpus : n->maxcpus;
}

static bool is_power_of_2(uint64_t n) { return n && !(n & (n - 1)); }

bool smp_parse(struct smp *out, const char *text, struct sp_error *e)
{
    struct counts n = {
        NOT_GIVEN, NOT_GIVEN, NOT_GIVEN, NOT_GIVEN, NOT_GIVEN, NOT_GIVEN, NOT_GIVEN
    };
    if (!read_counts(&n, text, e))
        return false;
    complete(&n);
    if (n.sockets * n.cores * n.threads != n.maxcpus || n.cpus > n.maxcpus || !n.cpus)
        return sp_fail(
            e, SP_EXIT_USAGE,
            "-smp %s: %llu sockets of %llu cores of %llu threads are not %llu processors", text,
            (unsigned long long)n.sockets, (unsigned long long)n.cores,
            (unsigned long long)n.threads, (unsigned long long)n.maxcpus);
    if (n.cpus > PROCESSORS_MAX)
        return sp_fail(e, SP_EXIT_USAGE, "-smp %s: expected a number of processors from 1 to %d",
                       text, PROCESSORS_MAX);
    /* An APIC ID has a field of bits for each level, and ours count without gaps. */
    if ((n.cores * n.sockets > 1 && !is_power_of_2(n.threads)) ||
        (n.sockets > 1 && !is_power_of_2(n.cores)))
        return sp_fail(
            e, SP_EXIT_NOT_MODELLED,
            "-smp %s: not modelled: APIC IDs with gaps (cores in one of several sockets, "
            "and threads of a core, must be a power of 2)",
            text);
    *out = (struct smp){ (unsigned)n.cpus, (unsigned)n.sockets, (unsigned)n.cores,
                         (unsigned)n.threads };
    return true;
}

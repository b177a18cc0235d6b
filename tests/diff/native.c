// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "native.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "native_low.h"

enum { HWCAP2_FSGSBASE_BIT = 1 << 1, PATIENCE_MS = 20000, PATH_BYTES = 4096 };

bool native_create(struct native *n, unsigned bits)
{
    *n = (struct native){ .memory = -1, .to_child = -1, .from_child = -1 };
    if (!(getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE_BIT)) {
        fprintf(stderr, "the host lacks FSGSBASE\n");
        return false;
    }
    if (bits < 64 && !native_ldt())
        return false;
    signal(SIGPIPE, SIG_IGN); /* a child that is gone shows in native_wait() */
    n->memory = memfd_create("cases", MFD_CLOEXEC);
    if (n->memory < 0 || ftruncate(n->memory, sizeof *n->shared))
        return false;
    n->shared = mmap(NULL, sizeof *n->shared, PROT_READ | PROT_WRITE, MAP_SHARED, n->memory, 0);
    if (n->shared == MAP_FAILED)
        return false;
    n->shared->bits = bits;
    n->shared->per_cpu = native_per_cpu();
    return true;
}

static void stop_child(struct native *n)
{
    if (n->child <= 0)
        return;
    kill(n->child, SIGKILL);
    waitpid(n->child, NULL, 0);
    close(n->to_child);
    close(n->from_child);
    n->child = 0;
}

void native_destroy(struct native *n)
{
    stop_child(n);
    munmap(n->shared, sizeof *n->shared);
    close(n->memory);
}

/* The child's program stands beside this one. */
static void become_child(const struct native *n, int in, int out)
{
    char path[PATH_BYTES];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    int memory = fcntl(n->memory, F_DUPFD, 10); /* out of the way of 0, 1 and NATIVE_FD */
    if (length > 0 && memory >= 0) {
        path[length] = 0;
        strncat(path, "-child", sizeof path - (size_t)length - 1);
        dup2(in, STDIN_FILENO);
        dup2(out, STDOUT_FILENO);
        dup2(memory, NATIVE_FD);
        execl(path, path, (char *)NULL);
    }
    perror("host-diff-child");
    _exit(EXIT_FAILURE);
}

bool native_start(struct native *n)
{
    int down[2], up[2];
    stop_child(n);
    if (pipe2(down, O_CLOEXEC) || pipe2(up, O_CLOEXEC))
        return false;
    n->child = fork();
    if (n->child == 0)
        become_child(n, down[0], up[1]);
    close(down[0]);
    close(up[1]);
    n->to_child = down[1];
    n->from_child = up[0];
    return n->child > 0;
}

void native_run(struct native *n, unsigned which)
{
    uint8_t byte = (uint8_t)which;
    if (write(n->to_child, &byte, 1) != 1)
        fprintf(stderr, "the native child is gone\n");
}

bool native_wait(struct native *n)
{
    struct pollfd p = { .fd = n->from_child, .events = POLLIN };
    uint8_t which;
    return poll(&p, 1, PATIENCE_MS) == 1 && read(n->from_child, &which, 1) == 1;
}

// SPDX-License-Identifier: Apache-2.0
// kvm_client [NAME...]: runs these tests, or all.  One line for each: "ok NAME", "skipped NAME" or
// "FAILED NAME: reason"; the exit code is 1 if one failed.
#include "client.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { SECONDS = 10 };

/* A guest that does not end is a failure of its test and of the whole program. */
static void too_long(int signal_number)
{
    static const char text[] = "FAILED: this test does not end\n";
    (void)signal_number;
    if (write(STDOUT_FILENO, text, sizeof text - 1) < 0)
        _exit(2);
    _exit(1);
}

static void *thread(void *vcpu)
{
    vcpu_run(vcpu);
    return NULL;
}

static void run_all(struct vm *vm)
{
    pthread_t others[VCPUS];
    for (unsigned k = 1; k < vm->vcpus; k++)
        if (pthread_create(&others[k], NULL, thread, &vm->vcpu[k]) != 0)
            check(-1, "pthread_create");
    vcpu_run(&vm->vcpu[0]);
    for (unsigned k = 1; k < vm->vcpus; k++)
        pthread_join(others[k], NULL);
}

/* The place of the first value that differs, or of the end of the shorter list; -1 if none does. */
static int first_difference(const struct vcpu *vcpu, const uint32_t *expected, unsigned count)
{
    for (unsigned k = 0; k < vcpu->values && k < count; k++)
        if (vcpu->value[k] != expected[k])
            return (int)k;
    return vcpu->values == count ? -1 : (int)(count < vcpu->values ? count : vcpu->values);
}

static bool compare(const struct vm *vm)
{
    for (unsigned k = 0; k < vm->vcpus; k++) {
        const struct vcpu *vcpu = &vm->vcpu[k];
        unsigned count = vm->test->expect[k].count;
        int d = first_difference(vcpu, vm->test->expect[k].value, count);
        if (d < 0)
            continue;
        printf("FAILED %s: vCPU %u, value %d of %u", vm->test->name, k, d, count);
        if ((unsigned)d < count)
            printf(", which is %08x", vm->test->expect[k].value[d]);
        printf("; it has reported");
        for (unsigned v = 0; v < vcpu->values; v++)
            printf(" %x", vcpu->value[v]);
        puts("");
        return false;
    }
    return true;
}

static bool run_test(int kvm, const struct test *test)
{
    static struct vm vm;
    bool good;
    if (test->capability && ioctl(kvm, KVM_CHECK_EXTENSION, test->capability) <= 0) {
        printf("skipped %s\n", test->name);
        return true;
    }
    alarm(SECONDS);
    vm_open(&vm, kvm, test);
    run_all(&vm);
    good = compare(&vm);
    vm_close(&vm);
    alarm(0);
    if (good)
        printf("ok %s\n", test->name);
    return good;
}

static bool is_chosen(const char *name, int argc, char **argv)
{
    for (int k = 1; k < argc; k++)
        if (strcmp(argv[k], name) == 0)
            return true;
    return argc < 2;
}

int main(int argc, char **argv)
{
    unsigned failures = 0, count = 0;
    int kvm = check(open("/dev/kvm", O_RDWR), "/dev/kvm");
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGALRM, too_long);
    for (size_t k = 0; k < test_count; k++)
        if (is_chosen(tests[k].name, argc, argv)) {
            count++;
            failures += !run_test(kvm, &tests[k]);
        }
    printf("kvm_client: %u guests, %u failed\n", count, failures);
    return failures > 0 || !count;
}

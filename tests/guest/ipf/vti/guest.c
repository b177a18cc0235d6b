// SPDX-License-Identifier: Apache-2.0
// The guest's kernel: executes everything that is virtualized, looks at what comes of it, and asks
// the hypervisor how often it was left for it.  A line with a name for each check.
#include "guest.h"

enum { ON = MODE_ACCELERATED };
static u64 mode, number;
static int failed;

// ---- the hypervisor ----

static u64 hypercall(u64 function, u64 argument)
{
    register u64 r15 __asm__("r15") = function;
    register u64 r14 __asm__("r14") = argument;
    register u64 r8 __asm__("r8");
    __asm__ volatile("break %1" : "=r"(r8) : "i"(HYPERCALL), "r"(r15), "r"(r14) : "memory");
    return r8;
}
static void print(const char *text)
{
    while (*text) {
        u64 bytes = 0;
        for (int k = 0; k < 64 && *text; k += 8)
            bytes |= (u64)(u8)*text++ << k;
        hypercall(CALL_PUT, bytes);
    }
}
static void print_hex(u64 v)
{
    char text[17], *at = text + 16;
    *at = 0;
    do
        *--at = "0123456789abcdef"[v & 15];
    while (v >>= 4);
    print(at);
}
static void print_mode(void)
{
    print(mode & MODE_BENCH      ? "bench"
          : mode & MODE_KVM      ? "kvm"
          : mode & MODE_DISABLED ? "disabled"
                                 : "xen");
    print(mode & MODE_DISABLED ? " " : mode & ON ? "-on " : "-off ");
    print(number ? "vp1 " : "vp0 ");
}
static void line(const char *name, int holds)
{
    print(holds ? "ok " : "FAILED ");
    print_mode();
    print(name);
    failed |= !holds;
}
static void check(const char *name, int holds)
{
    line(name, holds);
    print("\n");
}
// A value that is shown when it is wrong.
static void equal(const char *name, u64 value, u64 expected)
{
    line(name, value == expected);
    if (value != expected) {
        print(": ");
        print_hex(value);
        print(", not ");
        print_hex(expected);
    }
    print("\n");
}
static u64 count(u64 cause) { return hypercall(CALL_COUNT, cause); }
// How many virtualization faults of a cause a statement makes.
#define COUNTED(cause, statement)                                                                  \
    __extension__({                                                                                \
        u64 before_ = count(cause);                                                                \
        statement;                                                                                 \
        count(cause) - before_;                                                                    \
    })
#define ASM(text, ...) __asm__ volatile(text : : __VA_ARGS__ : "memory")
#define GET(text, ...)                                                                             \
    __extension__({                                                                                \
        u64 got_;                                                                                  \
        __asm__ volatile(text : "=r"(got_) : __VA_ARGS__ : "memory");                              \
        got_;                                                                                      \
    })
#define READ_(what) GET("mov %0 = " what, "i"(0))
#define WRITE_(what, value) ASM("mov " what " = %0 ;; srlz.d", "r"((u64)(value)))
#define MASK_INTERRUPTS() ASM("rsm psr.i ;;", "i"(0))
#define ALLOW_INTERRUPTS() ASM("ssm psr.i ;; srlz.d", "i"(0))

// The fault of the statement: the handler skips the instruction.
#define FAULT(statement)                                                                           \
    __extension__({                                                                                \
        u64 before_ = record.count;                                                                \
        record.action = ACTION_SKIP;                                                               \
        record.vector = 1;                                                                         \
        statement;                                                                                 \
        __asm__ volatile("" ::: "memory");                                                         \
        record.count - before_ == 1 ? record.vector : 1;                                           \
    })

// ---- PSR ----

#define PSR_BASE (PSR_IC | PSR_DT | PSR_RT | PSR_IT)
#define PSR_SEEN (0x18ffffffffUL & ~0x3eUL) // what mov r1=psr shows, but for the user mask

static void test_psr(void)
{
    u64 accelerated = mode & ON ? 0 : 1, psr;
    equal("mov-from-psr intercepts", COUNTED(7, psr = READ_("psr")), accelerated);
    equal("mov-from-psr", psr & PSR_SEEN, PSR_BASE);
    equal("ssm-i intercepts", COUNTED(24, ALLOW_INTERRUPTS()), accelerated);
    equal("ssm-i", READ_("psr") & PSR_SEEN, PSR_BASE | PSR_I);
    equal("rsm-i intercepts", COUNTED(25, MASK_INTERRUPTS()), accelerated);
    equal("rsm-i", READ_("psr") & PSR_SEEN, PSR_BASE);
    equal("rsm-ic intercepts", COUNTED(25, ASM("rsm psr.ic ;; srlz.d", "i"(0))), 1);
    equal("rsm-ic", READ_("psr") & PSR_SEEN, PSR_BASE & ~PSR_IC);
    equal("ssm-ic intercepts", COUNTED(24, ASM("ssm psr.ic ;; srlz.d", "i"(0))), 1);
    equal("mov-to-psr intercepts",
          COUNTED(6, ASM("mov psr.l = %0 ;; srlz.d", "r"((psr & 0xffffffff) | 1 << 20))), 1);
    equal("mov-to-psr", READ_("psr") & PSR_SEEN, PSR_BASE | 1 << 20);
    ASM("rsm %0 ;; srlz.d", "i"(1 << 20));
    equal("rsm-sp", READ_("psr") & PSR_SEEN, PSR_BASE);
}

// What runs natively must not leave the guest.
static u64 all_counts(void)
{
    u64 sum = 0;
    for (u64 k = 1; k < 48; k++)
        sum += count(k);
    return sum;
}
static void test_native(void)
{
    static u64 word __attribute__((aligned(64)));
    u64 before = all_counts(), r;
    ASM("sum 8 ;; rum 8 ;;", "i"(0));
    r = READ_("psr.um");
    ASM("mov psr.um = %0 ;;", "r"(r));
    ASM("mov ar.k7 = %0 ;;", "r"(0x1234ul));
    r = READ_("ar.k7");
    ASM("flushrs ;;", "i"(0));
    ASM("invala ;; invala.e r20 ;;", "i"(0));
    ASM("fc %0 ;; fc.i %0 ;; sync.i ;; srlz.i ;; srlz.d ;; mf ;;", "r"(&word));
    u64 probed = GET("probe.r %0 = %1, 0", "r"(&word));
    ASM("lfetch [%0] ;; hint @pause ;;", "r"(&word));
    ASM("clrrrb ;;", "i"(0));
    (void)GET("mov %0 = pmd[%1]", "r"(4ul));
    equal("native instructions intercept", all_counts() - before, 0);
    equal("kernel register", r, 0x1234);
    equal("probe", probed, 1);
}

// ---- control registers ----

#define ROUND(number_, name, value)                                                                \
    do {                                                                                           \
        u64 old_ = READ_("cr" #number_), to_, from_, got_ = 0;                                     \
        to_ = COUNTED(4, WRITE_("cr" #number_, value));                                            \
        from_ = COUNTED(5, got_ = READ_("cr" #number_));                                           \
        equal(name, got_, value);                                                                  \
        equal(name " intercepts", to_ * 16 + from_, expected);                                     \
        WRITE_("cr" #number_, old_);                                                               \
    } while (0)
static void test_control_registers(void)
{
    u64 expected = 0x11;
    ROUND(0, "dcr", 0x7f00);
    ROUND(2, "iva", 0xe000000000208000);
    ROUND(8, "pta", 0x2000000000000000 | 20 << 2);
    ROUND(64, "lid", 0x5a000000);
    ROUND(73, "pmv", 0x10020);
    ROUND(74, "cmcv", 0x10030);
    ROUND(80, "lrr0", 0x10000);
    ROUND(81, "lrr1", 0x10000);
    expected = mode & MODE_DISABLED ? 0 : 0x11;
    ROUND(1, "itm", 0x7fffffffffff0000);
    ROUND(72, "itv", 0x10040);
    expected = mode & ON ? 0 : 0x11;
    ROUND(66, "tpr", 0x10020);
    equal("ivr with nothing pending", READ_("cr.ivr"), 15);
    equal("irr3", READ_("cr.irr3"), 0);

    u64 to = 0, from;
    from = COUNTED(5, to = COUNTED(4, equal("interruption registers",
                                            interruption_registers(0xe000000000123458), 0)));
    equal("interruption registers intercept", to * 16 + from, mode & ON ? 0 : 0x99);
    check("mov-to-ipsr with psr.ic is illegal",
          FAULT(ASM("mov cr.ipsr = r0 ;;", "i"(0))) == 0x5400 && !(record.isr & 0xffff));
    check("mov-from-iha with psr.ic is illegal",
          FAULT((void)READ_("cr.iha")) == 0x5400 && !(record.isr & 0xffff));
}

static void test_cpuid(void)
{
    for (u64 k = 0; k < 5; k++) {
        static char name[] = "cpuid0", intercepts[] = "cpuid0 intercepts";
        u64 value = 0;
        name[5] = intercepts[5] = (char)('0' + k);
        equal(intercepts, COUNTED(23, value = GET("mov %0 = cpuid[%1]", "r"(k))),
              mode & ON ? 0 : 1);
        equal(name, value, 0x1000 * (number + 1) + k);
    }
}

// ---- register files ----

#define FILE_(name, file, to, from, index, value, native)                                          \
    do {                                                                                           \
        u64 index_ = (index), old_ = GET("mov %0 = " file "[%1]", "r"(index_)), got_ = 0, to_;     \
        to_ = COUNTED(to, ASM("mov " file "[%0] = %1 ;; srlz.d", "r"(index_), "r"((u64)(value)))); \
        u64 from_ = COUNTED(from, got_ = GET("mov %0 = " file "[%1]", "r"(index_)));               \
        equal(name, got_, value);                                                                  \
        equal(name " intercepts", to_ * 16 + from_, native ? 0 : 0x11);                            \
        ASM("mov " file "[%0] = %1 ;; srlz.d", "r"(index_), "r"(old_));                            \
    } while (0)
static void test_files(void)
{
    u64 disabled = mode & MODE_DISABLED;
    FILE_("rr2", "rr", 10, 18, 2ul << 61, 0x1200 << 8 | 16 << 2, 0);
    FILE_("rr5", "rr", 10, 18, 5ul << 61, 0x1500 << 8 | 12 << 2, 0);
    FILE_("pkr3", "pkr", 13, 21, 3, 0x5500, 0);
    FILE_("dbr2", "dbr", 11, 19, 2, 0x12345678, disabled);
    FILE_("ibr4", "ibr", 12, 20, 4, 0x12345670, disabled);
    FILE_("pmc4", "pmc", 14, 22, 4, 0, disabled);
    u64 got = 0;
    equal("mov-to-pmd intercepts", COUNTED(15, ASM("mov pmd[%0] = %1 ;;", "r"(4ul), "r"(77ul))),
          disabled ? 0 : 1);
    got = GET("mov %0 = pmd[%1]", "r"(4ul));
    if (disabled)
        equal("pmd4", got, 77);
}

// ---- address translation ----

#define PTE(gpa, ar) ((gpa) | 0x61 | (u64)(ar) << 9)
#define HERE(x) ((u64)(x)-KERNEL)
static u64 page[2][2048] __attribute__((aligned(16384)));
static u64 load(u64 va) { return *(volatile u64 *)va; }
static void store(u64 va, u64 v) { *(volatile u64 *)va = v; }
#define ITIR (PAGE_LOG2 << 2)

static void insert_with(const char *name, u64 cause, int kind, u64 va, u64 pte)
{
    u64 before = count(cause);
    ASM("rsm psr.ic ;; srlz.i", "i"(0));
    WRITE_("cr.ifa", va);
    WRITE_("cr.itir", (u64)ITIR);
    switch (kind) {
    case 0: ASM("itc.d %0 ;; srlz.d", "r"(pte)); break;
    case 1: ASM("itc.i %0 ;; srlz.i", "r"(pte)); break;
    case 2: ASM("itr.d dtr[%1] = %0 ;; srlz.d", "r"(pte), "r"(3ul)); break;
    default: ASM("itr.i itr[%1] = %0 ;; srlz.i", "r"(pte), "r"(3ul));
    }
    ASM("ssm psr.ic ;; srlz.d", "i"(0));
    equal(name, count(cause) - before, 1);
}
static int misses(u64 va)
{
    u64 got;
    return FAULT(got = load(va); (void)got) == 0x1000 && record.ifa == va;
}

static void test_tlb(void)
{
    u64 va = 0x2000000000040000, pte = PTE(HERE(page[0]), 2), other = PTE(HERE(page[1]), 2);
    page[0][0] = 0x1111, page[1][0] = 0x2222;
    check("no translation: alternate data TLB", misses(va + 8));
    equal("miss: isr", record.isr & 0xff00000000ul, 0x400000000);
    equal("miss: itir", record.itir & 0xfc, ITIR);
    FAULT(store(va, 1));
    equal("miss of a store: isr", record.isr & 0xff00000000ul, 0x200000000);

    insert_with("itc.d intercepts", 8, 0, va, pte);
    equal("load through itc.d", load(va), 0x1111);
    insert_with("itc.d again", 8, 0, va, other);
    equal("the newer translation", load(va), 0x2222);
    equal("ptc.l intercepts", COUNTED(26, ASM("ptc.l %0, %1 ;; srlz.d", "r"(va), "r"((u64)ITIR))),
          1);
    check("ptc.l purges", misses(va));
    insert_with("itc.d for ptc.g", 8, 0, va, pte);
    equal("load before ptc.g", load(va), 0x1111);
    equal("ptc.g intercepts", COUNTED(27, ASM("ptc.g %0, %1 ;; srlz.d", "r"(va), "r"((u64)ITIR))),
          1);
    check("ptc.g purges", misses(va));
    insert_with("itc.d for ptc.ga", 8, 0, va, pte);
    equal("load before ptc.ga", load(va), 0x1111);
    equal("ptc.ga intercepts", COUNTED(28, ASM("ptc.ga %0, %1 ;; srlz.d", "r"(va), "r"((u64)ITIR))),
          1);
    check("ptc.ga purges", misses(va));
    insert_with("itr.d intercepts", 16, 2, va, pte);
    equal("ptc.e intercepts", COUNTED(35, ASM("ptc.e %0 ;; srlz.d", "r"(0ul))), 1);
    equal("a register outlives ptc.e", load(va), 0x1111);
    equal("tpa intercepts",
          COUNTED(33, equal("tpa", GET("tpa %0 = %1", "r"(va + 40)), HERE(page[0]) + 40)), 1);
    equal("tak intercepts", COUNTED(34, equal("tak", GET("tak %0 = %1", "r"(va)), 0)), 1);
    equal("tak without translation", GET("tak %0 = %1", "r"(va + 0x1000000)), 1);
    check("tpa without translation",
          FAULT((void)GET("tpa %0 = %1", "r"(va + 0x1000000))) == 0x1000 && record.isr >> 35 & 1);
    u64 rr = GET("mov %0 = rr[%1]", "r"(va));
    ASM("mov rr[%0] = %1 ;; srlz.d", "r"(va), "r"(rr + (0x77 << 8)));
    check("another region identifier misses", misses(va));
    ASM("mov rr[%0] = %1 ;; srlz.d", "r"(va), "r"(rr));
    equal("the old identifier hits", load(va), 0x1111);
    equal("ptr.d intercepts", COUNTED(29, ASM("ptr.d %0, %1 ;; srlz.d", "r"(va), "r"((u64)ITIR))),
          1);
    check("ptr.d purges", misses(va));

    record.pte = pte, record.pte_itir = ITIR, record.action = ACTION_INSERT_D;
    equal("a handler inserts", load(va + 16), page[0][2]);
    ASM("ptc.l %0, %1 ;; srlz.d", "r"(va), "r"((u64)ITIR));
    equal("nested TLB miss", nested(va), 1);
}

static void test_code(void)
{
    u64 va = 0x2000000000080000;
    insert_with("itc.i intercepts", 9, 1, va, PTE(HERE(page_code), 1));
    equal("code through itc.i", call(va, 0), 42);
    insert_with("itr.i intercepts", 17, 3, va, PTE(HERE(page_code), 1));
    equal("code through itr.i", call(va, 0), 42);
    equal("ptr.i intercepts", COUNTED(30, ASM("ptr.i %0, %1 ;; srlz.i", "r"(va), "r"((u64)ITIR))),
          1);
    record.pte = PTE(HERE(page_code), 1), record.pte_itir = ITIR, record.action = ACTION_INSERT_I;
    record.vector = 1;
    equal("a handler inserts code", call(va, 0), 42);
    equal("fetch miss: vector", record.vector, 0x0c00);
    equal("fetch miss: ifa", record.ifa, va);
    ASM("ptc.l %0, %1 ;; srlz.i", "r"(va), "r"((u64)ITIR));
}

// Faults of pages that are there.
static u64 vector_of(u64 pte, int writes)
{
    u64 va = 0x20000000000c0000, vector;
    ASM("rsm psr.ic ;; srlz.i", "i"(0));
    WRITE_("cr.ifa", va);
    WRITE_("cr.itir", (u64)ITIR);
    ASM("itc.d %0 ;; srlz.d", "r"(pte));
    ASM("ssm psr.ic ;; srlz.d", "i"(0));
    if (writes)
        vector = FAULT(store(va, 1));
    else
        vector = FAULT((void)load(va));
    ASM("ptc.l %0, %1 ;; srlz.d", "r"(va), "r"((u64)ITIR));
    return vector;
}
static void test_pages(void)
{
    u64 pte = PTE(HERE(page[0]), 2);
    equal("page not present", vector_of(pte & ~1ul, 0), 0x5000);
    equal("data access rights", vector_of(PTE(HERE(page[0]), 0), 1), 0x5300);
    equal("dirty bit", vector_of(pte & ~0x40ul, 1), 0x2000);
    equal("data access bit", vector_of(pte & ~0x20ul, 0), 0x2800);
    equal("a page that permits it", vector_of(pte, 1), 1);
    equal("NaT page", vector_of(pte | 7 << 2, 0), 0x5600);
}

// ---- the hash table ----

static u64 table[4096] __attribute__((aligned(32768)));

static void test_vhpt(void)
{
    u64 va = 0x4000000000000000 + (5 << PAGE_LOG2), rr = GET("mov %0 = rr[%1]", "r"(va));
    u64 pta = 0x1ffffffffff8000 | 15 << 2 | 1, at = 0, tag = 0;
    pta &= ~0x7f00ul;
    WRITE_("cr.pta", pta);
    ASM("mov rr[%0] = %1 ;; srlz.d", "r"(va), "r"(rr | 1));
    equal("thash intercepts", COUNTED(31, at = GET("thash %0 = %1", "r"(va))), 1);
    equal("thash, short format", at, 0x4000000000000000 | (pta & 0x1ffffffffff8000) | 5 << 3);
    equal("ttag intercepts", COUNTED(32, (void)GET("ttag %0 = %1", "r"(va))), 1);
    equal("no table: VHPT translation", FAULT((void)load(va)), 0x0000);
    equal("no table: iha", record.iha, at);
    insert_with("itr.d of the table", 16, 2, at & ~0x3ffful, PTE(HERE(table), 2));
    table[5] = 0;
    equal("empty entry: data TLB", FAULT((void)load(va)), 0x0800);
    page[0][0] = 0x3333;
    table[(at & 0x3fff) / 8] = PTE(HERE(page[0]), 2);
    equal("short format", load(va), 0x3333);
    ASM("ptr.d %0, %1 ;; srlz.d", "r"(at & ~0x3ffful), "r"((u64)ITIR));
    ASM("ptc.e %0 ;; srlz.d", "r"(0ul));

    pta = ((u64)table & ~0x7ffful) | 15 << 2 | 0x100 | 1;
    WRITE_("cr.pta", pta);
    at = GET("thash %0 = %1", "r"(va));
    tag = GET("ttag %0 = %1", "r"(va));
    check("thash, long format", at >= (u64)table && at < (u64)table + 32768 && !(at & 31));
    check("ttag", !(tag >> 63));
    u64 *entry = (u64 *)at;
    entry[2] = tag ^ 1;
    entry[1] = ITIR;
    entry[0] = PTE(HERE(page[0]), 2);
    equal("another tag: data TLB", FAULT((void)load(va)), 0x0800);
    entry[2] = tag;
    equal("long format", load(va), 0x3333);
    entry[2] = 1ul << 63;
    ASM("ptc.e %0 ;; srlz.d", "r"(0ul));
    equal("invalid tag: data TLB", FAULT((void)load(va)), 0x0800);
    ASM("mov rr[%0] = %1 ;; srlz.d", "r"(va), "r"(rr));
    WRITE_("cr.pta", 15 << 2);
}

// ---- the hidden address bit, and addresses in general ----

static int unimplemented(u64 isr)
{
    return record.vector == 0x5400 && (record.isr & 0xff) == 0x30 &&
           (record.isr & 0xf00000000) == isr;
}
static void test_hidden(void)
{
    u64 hidden = VMM_OFFSET + VMM_BASE;
    FAULT((void)load(hidden));
    check("load from a hidden address", unimplemented(0x400000000) && record.ifa == hidden);
    FAULT(store(hidden, 0));
    check("store to a hidden address", unimplemented(0x200000000));
    u64 nat = GET("ld8.s %0 = [%1] ;; tnat.nz p6, p7 = %0 ;; (p6) mov %0 = 1 ;; (p7) mov %0 = 2",
                  "r"(hidden));
    equal("speculative load from a hidden address", nat, 1);
    FAULT(ASM("fc %0 ;;", "r"(hidden)));
    check("fc of a hidden address",
          record.vector == 0x5400 && (record.isr & 0xf0) == 0x30 && record.isr >> 35 & 1);
    FAULT(ASM("ptc.l %0, %1 ;;", "r"(hidden), "r"((u64)ITIR)));
    check("ptc.l of a hidden address",
          unimplemented(0) || (record.vector == 0x5400 && (record.isr & 0xf0) == 0x30));
    FAULT((void)GET("tpa %0 = %1", "r"(hidden)));
    check("tpa of a hidden address", record.vector == 0x5400 && (record.isr & 0xf0) == 0x30);
    equal("probe of a hidden address", GET("probe.r %0 = %1, 0", "r"(hidden)), 0);
    record.action = ACTION_GO, record.target = (u64)landing, record.vector = 1;
    go_to(hidden);
    check("branch to a hidden address", record.vector == 0x5e00 && record.isr & 0x10);
    record.action = ACTION_GO, record.vector = 1;
    rfi_to(hidden, PSR_BASE | PSR_BN);
    check("rfi to a hidden address", record.vector == 0x5e00 && record.isr & 0x10);
}

static void test_physical(void)
{
    page[0][1] = 0x4444;
    equal("load with psr.dt = 0", load_physical(HERE(&page[0][1])), 0x4444);
    equal("the same, uncacheable", load_physical(HERE(&page[0][1]) | 1ul << 63), 0x4444);
    equal("and virtual again", load((u64)&page[0][1]), 0x4444);
}

// ---- banks, frames, rfi, privilege levels ----

static void test_frames(void)
{
    u64 none = mode & ON ? 0 : 1, one = 0, wrong = 0;
    one = COUNTED(38, wrong = banks());
    equal("banks", wrong, 0);
    equal("bsw.0 intercepts", one, 2 * none);
    one = COUNTED(39, wrong = bank_nats());
    equal("NaT bits of the banks", wrong, 0);
    equal("bsw.1 intercepts", one, 2 * none);
    u64 ifs = 0, rfis = 0;
    one = COUNTED(36, rfis = COUNTED(37, ifs = cover_frame()));
    equal("cover", ifs, 1ul << 63 | 5 << 7 | 9);
    equal("cover intercepts", one, none);
    equal("rfi intercepts", rfis, 1);
    record.action = ACTION_COVER;
    u64 before = record.count;
    ASM("break 0x77", "i"(0));
    check("break", record.count == before + 1 && record.vector == 0x2c00 && record.iim == 0x77);
    check("cover in a handler", record.ifs >> 63 && (record.ifs & 0x7f) != 0);
    equal("deep", deep(60), 4 * 60 * 61 / 2);
}

static void test_user(void)
{
    u64 level3 = PSR_BASE | PSR_BN | PSR_CPL;
    record.action = ACTION_GO, record.target = (u64)landing, record.vector = 1;
    u64 from_psr = COUNTED(7, rfi_to((u64)user_psr, level3));
    check("mov-from-psr at level 3", record.vector == 0x5400 && (record.isr & 0xff) == 0x10);
    equal("it does not intercept", from_psr, 0);
    equal("ipsr.cpl of level 3", record.ipsr >> PSR_CPL_SHIFT & 3, 3);

    u64 thash = count(31), ttag = count(32), cpuid = count(23), cover = count(36);
    record.vector = 1;
    rfi_to((u64)user_mixed, level3);
    check("break at level 3", record.vector == 0x2c00 && record.iim == USER_ENDS);
    equal("thash at level 3 intercepts", count(31) - thash, 1);
    equal("ttag at level 3 intercepts", count(32) - ttag, 1);
    equal("cpuid at level 3 intercepts", count(23) - cpuid, mode & ON ? 0 : 1);
    equal("cover at level 3 intercepts", count(36) - cover, 0);
    equal("cpuid at level 3", user_results[0], 0x1000 * (number + 1) + 1);
    equal("thash at level 3", user_results[1], GET("thash %0 = %1", "r"(1ul << 14)));
    equal("ttag at level 3", user_results[2], GET("ttag %0 = %1", "r"(1ul << 14)));
    check("vmsw is illegal", FAULT(ASM("vmsw.1 ;;", "i"(0))) == 0x5400 && !(record.isr & 0xffff));
    equal("vmsw intercepts", COUNTED(40, FAULT(ASM("vmsw.0 ;;", "i"(0)))), 1);

    record.action = ACTION_GO, record.target = (u64)landing, record.vector = 1;
    step_over(1ul << 40);
    equal("single step", record.vector, 0x6000);
    record.action = ACTION_GO, record.vector = 1;
    step_over(1ul << 26);
    equal("taken branch", record.vector, 0x5f00);
}

// ---- time ----

static void wait_for_interrupts(u64 n)
{
    for (u64 k = 0; k < 100000 && record.interrupts < n; k++)
        __asm__ volatile("nop 0" ::: "memory");
}

static void test_time(void)
{
    u64 a = 0, b;
    equal("mov-from-itc intercepts", COUNTED(3, a = READ_("ar.itc")), 1);
    b = READ_("ar.itc");
    check("time goes on", b > a && b - a < 10000000);
    equal("mov-to-itc intercepts", COUNTED(1, ASM("mov ar.itc = %0 ;; srlz.d", "r"(1ul << 40))), 1);
    b = READ_("ar.itc");
    check("mov-to-itc", b >= 1ul << 40 && b - (1ul << 40) < 10000000);
    equal("mov-to-itc of a constant intercepts",
          COUNTED(2, ASM("mov ar.itc = 0 ;; srlz.d", "i"(0))), 1);
    check("mov-to-itc of a constant", READ_("ar.itc") < 10000000);

    record.interrupts = 0;
    WRITE_("cr.itv", 0x50);
    if (mode & MODE_DISABLED) // the guest's ITC has an offset to that which ITM is compared with
        return;
    WRITE_("cr.itm", READ_("ar.itc") + 20000);
    ALLOW_INTERRUPTS();
    wait_for_interrupts(1);
    MASK_INTERRUPTS();
    equal("timer: interrupts", record.interrupts, 1);
    equal("timer: vector", record.list[0], 0x50);
    b = READ_("ar.itc");
    check("timer: when", b >= READ_("cr.itm"));
    WRITE_("cr.itv", 0x10000);
    WRITE_("cr.itm", 0);
}

// ---- virtual interrupts ----

static void test_interrupts(void)
{
    u64 virtual_before = hypercall(CALL_VIRTUAL, 0);
    record.interrupts = 0;
    hypercall(CALL_INTERRUPT, 0x40);
    equal("psr.i = 0: not taken", record.interrupts, 0);
    equal("psr.i = 0: pending", READ_("cr.irr1"), 1);
    ALLOW_INTERRUPTS();
    equal("ssm psr.i: taken", record.interrupts, 1);
    equal("ssm psr.i: vector", record.list[0], 0x40);
    equal("virtual external interrupts", hypercall(CALL_VIRTUAL, 0) - virtual_before,
          mode & ON ? 1 : 0);
    hypercall(CALL_INTERRUPT, 0x41);
    equal("psr.i = 1: taken at once", record.interrupts, 2);

    WRITE_("cr.tpr", 0x40);
    hypercall(CALL_INTERRUPT, 0x4f);
    equal("tpr masks its class", record.interrupts, 2);
    hypercall(CALL_INTERRUPT, 0x50);
    equal("tpr lets a higher class through", record.interrupts, 3);
    equal("the higher vector", record.list[2], 0x50);
    WRITE_("cr.tpr", 0x30);
    equal("a lower tpr: taken", record.interrupts, 4);
    equal("a lower tpr: vector", record.list[3], 0x4f);
    WRITE_("cr.tpr", 0x10000);
    hypercall(CALL_INTERRUPT, 0xfe);
    hypercall(CALL_INTERRUPT, 0);
    equal("tpr.mmi masks all", record.interrupts, 4);
    hypercall(CALL_NMI, 0);
    equal("but NMI", record.interrupts, 5);
    equal("NMI: vector", record.list[4], 2);
    WRITE_("cr.tpr", 0);
    equal("tpr 0: both", record.interrupts, 7);
    equal("ExtINT comes first", record.list[5] << 8 | record.list[6], 0x00fe);

    record.interrupts = 0, record.keep_in_service = 1;
    hypercall(CALL_INTERRUPT, 0x60);
    hypercall(CALL_INTERRUPT, 0x58);
    equal("in service: a lower one waits", record.interrupts, 1);
    hypercall(CALL_INTERRUPT, 0x70);
    equal("in service: a higher one does not", record.interrupts, 2);
    WRITE_("cr.eoi", 0);
    equal("eoi of the higher", record.interrupts, 2);
    record.keep_in_service = 0;
    WRITE_("cr.eoi", 0);
    equal("eoi of both", record.interrupts, 3);
    equal("the one that waited", record.list[2], 0x58);
    MASK_INTERRUPTS();
}

// ---- the other virtual processor, another logical processor ----

static void test_switch(void)
{
    equal("registers survive a switch", registers_survive(0x1234567890ul + number, CALL_YIELD), 0);
    record.interrupts = 0;
    hypercall(CALL_SEND, 0x90);
    hypercall(CALL_YIELD, 0);
    hypercall(CALL_YIELD, 0);
    ALLOW_INTERRUPTS();
    MASK_INTERRUPTS();
    equal("an interrupt of the other", record.interrupts, 1);
    equal("its vector", record.list[0], 0x90);
}
// To another logical processor; if there is none, everything leaves PAL's environment and comes
// back.
static void test_move(const char *way)
{
    u64 here = hypercall(CALL_WHERE, 0);
    print("to ");
    print(way);
    print(":\n");
    equal("registers survive a move", registers_survive(0x9876543210ul + number, CALL_MOVE), 0);
    equal("another processor", hypercall(CALL_WHERE, 0) != here, hypercall(CALL_CPUS, 0) > 1);
    equal("psr after a move", READ_("psr") & PSR_SEEN, PSR_BASE);
    record.interrupts = 0;
    hypercall(CALL_INTERRUPT, 0x80);
    ALLOW_INTERRUPTS();
    MASK_INTERRUPTS();
    equal("interrupts after a move", record.interrupts, 1);
    equal("banks after a move", banks(), 0);
}

// ---- the benchmark: round trips of one kind, to be timed from outside (tools/bench_vti) ----

enum { ROUNDS = 200000, ROUNDS_ACCELERATED = 4000000 };
#define REPEAT(name, statement)                                                                    \
    do {                                                                                           \
        print("BEGIN ");                                                                           \
        print(name);                                                                               \
        print(mode &ON ? "-on\n" : "-off\n");                                                      \
        u64 rounds_ = mode & ON ? ROUNDS_ACCELERATED : ROUNDS;                                     \
        for (u64 k_ = 0; k_ < rounds_; k_++)                                                       \
            statement;                                                                             \
        print("END ");                                                                             \
        print(name);                                                                               \
        print(mode &ON ? "-on " : "-off ");                                                        \
        print_hex(rounds_);                                                                        \
        print("\n");                                                                               \
    } while (0)
static void benchmark(void)
{
    u64 zero = 0;
    REPEAT("psr", (void)READ_("psr"));
    REPEAT("tpr", ASM("mov cr.tpr = %0 ;;", "r"(zero)));
    REPEAT("cpuid", (void)GET("mov %0 = cpuid[%1]", "r"(zero)));
    REPEAT("ssm-rsm", ASM("rsm psr.i ;; ssm psr.i ;;", "i"(0)));
    if (mode & ON)
        return;
    REPEAT("rr", (void)GET("mov %0 = rr[%1]", "r"(zero)));
    REPEAT("break", hypercall(CALL_NUMBER, 0));
}

void main(void)
{
    mode = hypercall(CALL_MODE, 0);
    number = hypercall(CALL_NUMBER, 0);
    if (mode & MODE_BENCH) {
        if (!number)
            benchmark();
        hypercall(CALL_END, 0);
    }
    test_psr();
    test_native();
    test_control_registers();
    test_cpuid();
    test_files();
    test_tlb();
    test_code();
    test_pages();
    test_vhpt();
    test_hidden();
    test_physical();
    test_frames();
    test_user();
    test_interrupts();
    test_switch();
    test_move("the other");
    test_move("the first");
    test_time();
    hypercall(CALL_END, (u64)failed);
}

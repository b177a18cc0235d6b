# SPDX-License-Identifier: Apache-2.0
"""What instructions with a rule do: docs/trace-format.md, "Rules"."""
M64 = (1 << 64) - 1
CF, PF, AF, ZF, SF, OF, ALL = 1, 4, 16, 64, 128, 2048, 2261
ones = lambda n: (1 << 8 * n) - 1
sign = lambda v, n: (v & ones(n)) - ((v & ones(n)) >> 8 * n - 1 << 8 * n)


class Rule:
    def __init__(self, s):
        self.three = s.byte() & 1
        self.kind, self.size, self.frm, self.dst, self.src = s.take(5)
        memory = 64 in (self.dst, self.src)
        if memory:
            self.base, self.index, self.scale, self.disp = *s.take(3), s.signed()
        self.imm = s.signed() if self.src == 65 or self.three else 0
        k = self.kind
        self.loads = (8 if k in (29, 30, 32) else 0 if not memory or k in (1, 18) or k in (2, 34) and self.src != 64
                      else self.frm if k in (16, 17) else self.size)

    def do(self, cpu, load, rip, after, slots):
        """The registers and accesses of one instruction."""
        n, m, k, top, R, told, done = self.size, ones(self.size), self.kind, 8 * self.size - 1, cpu.reg, {}, []

        def access(a, size, write, v):
            array = 2 * cpu.view + (write or self.dst == 64 and k not in (10, 11))
            page = cpu.page.get((array, a >> 12 & slots - 1), 0)
            done.append((a, page << 12 | a & 4095, write, 0, (v & ones(size)).to_bytes(size, "little")))
            return v & ones(size)

        def address():
            a = self.disp + (R[self.base] if self.base < 16 else rip if self.base == 17 else 0)
            return a + (R[self.index] << self.scale if self.index < 16 else 0) & M64

        def get(o, n=n):
            return (access(address(), n, 0, load) if o == 64 else self.imm & ones(n) if o == 65 else 0 if o == 66 else
                    R[o - 13] & ones(n) if o >= 32 else R[o & 3] >> 8 & 255 if o >= 16 else R[o] & ones(n))

        def put(o, v, n=n):
            if o == 64:
                return access(address(), n, 1, v)
            r, keep, v = ((o & 3, ~0xff00, (v & 255) << 8) if 16 <= o < 20 else
                          (o - 13 if o >= 32 else o, 0 if 4 <= n and o < 32 or n == 16 else ~ones(n), v & ones(n)))
            told.setdefault(r, R[r])
            R[r] = R[r] & keep | v

        def flags(v, which=ALL):
            told.setdefault(16, R[16])
            R[16] = R[16] & ~which | v & which

        def result(r, c=0):
            """Flags of a result and of the carries out of every bit."""
            return (PF * (~bin(r & 255).count("1") & 1) | ZF * (not r & m) | SF * (r >> top & 1) | CF * (c >> top & 1) |
                    OF * ((c >> top ^ c >> top - 1) & 1) | AF * (c >> 3 & 1))

        def condition():
            f = R[16]
            less = bool(f & SF) != bool(f & OF)
            v = (f & OF, f & CF, f & ZF, f & (CF | ZF), f & SF, f & PF, less, f & ZF or less)[self.frm >> 1 & 7]
            return bool(v) != bool(self.frm & 1)

        if 3 <= k <= 15:
            b = get(64) if self.src == 64 else 0
            a = get(self.dst)
            b = 1 if k in (12, 13) else b if self.src == 64 else get(self.src)
            a, b, c = (0, a, 0) if k == 14 else (a, b, R[16] & 1 if k in (5, 6) else 0)
            if k in (3, 5, 12):
                r = a + b + c & m
                flags(result(r, a & b | (a | b) & ~r), ALL & ~(CF * (k == 12)))
            elif k in (6, 8, 10, 13, 14):
                r = a - b - c & m
                flags(result(r, ~a & b | ~(a ^ b) & r), ALL & ~(CF * (k == 13)))
            elif k == 15:
                r = ~a & m
            else:
                r = a | b if k == 4 else a ^ b if k == 9 else a & b
                flags(result(r))
            if k not in (10, 11):
                put(self.dst, r)
        elif k in (2, 16, 17):
            v = get(self.src, n if k == 2 else self.frm)
            put(self.dst, sign(v, self.frm) if k == 17 else v)
        elif k == 18:
            put(self.dst, address())
        elif k == 19:
            put(2, -(R[0] >> top & 1))
        elif k == 20:
            v = sign(get(self.src), n) * sign(self.imm if self.three else get(self.dst), n)
            flags(result(v) & (SF | PF) | (CF | OF) * (sign(v, n) != v))
            put(self.dst, v)
        elif 21 <= k <= 25:
            a, s = get(self.dst), self.imm & top
            r, c, o = ((a << s, a >> top + 1 - s, (a ^ a << 1) >> top), (a >> s, a >> s - 1, a >> top),
                       (sign(a, n) >> s, sign(a, n) >> s - 1, 0), (a << s | a >> top + 1 - s, a >> top + 1 - s, 0),
                       (a >> s | a << top + 1 - s, a >> s - 1, 0))[k - 21]
            flags(result(r) | CF * (c & 1) | OF * (o & 1), CF if k > 23 else ALL)
            put(self.dst, r)
        elif k == 26:
            put(self.dst, condition())
        elif k == 27 and (condition() or n == 4):
            put(self.dst, get(self.src if condition() else self.dst))
        elif k in (28, 31):
            v = get(self.src, 8)
            access(R[4] - 8 & M64, 8, 1, after if k == 31 else v)
            put(4, R[4] - 8, 8)
        elif k in (29, 30, 32):
            at = R[5 if k == 30 else 4]
            access(at, 8, 0, load)
            put(4, at + 8, 8)
            if k != 32:
                put(5 if k == 30 else self.dst, load, 8)
        elif k == 33:
            get(self.src)
        elif k in (34, 35):
            v = get(self.src)
            put(self.dst, v ^ R[self.dst - 13] if k == 35 else v, 16 if self.src == 64 and self.dst != 64 else n)
        return [(r, R[r]) for r in sorted(told) if R[r] != told[r]], done

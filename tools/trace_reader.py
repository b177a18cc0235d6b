#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints a trace, a line for each event, by docs/trace-format.md alone: trace_reader.py FILE"""
import json
import struct
import subprocess
import sys

M64 = (1 << 64) - 1
CF, PF, AF, ZF, SF, OF, ALL = 1, 4, 16, 64, 128, 2048, 2261


def check(ok, what):
    if not ok:
        sys.exit("damaged: " + what)


class Stream:
    def __init__(self, b):
        self.b, self.at = b, 0

    def take(self, n):
        self.at += n
        check(self.at <= len(self.b), "a stream ends too early")
        return self.b[self.at - n:self.at]

    def byte(self):
        return self.take(1)[0]

    def number(self):
        b = self.byte()
        return b if b < 128 else b & 127 | self.number() << 7

    def signed(self, v=None):
        v = self.number() if v is None else v
        return v >> 1 ^ -(v & 1)


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


class Cpu:
    def __init__(self):
        self.index, self.view, self.reg, self.page = 0, 0, {}, {}


class Block:
    def __init__(self, s, physical):
        self.physical = physical + s.signed()
        self.rip, self.bits, self.next, self.insns = self.physical + s.signed(), s.byte(), 0, []
        for _ in range(s.byte()):
            head = s.byte()
            code = s.take(head & 31)
            self.insns.append((code, head >> 5 & 3, Rule(s) if head & 128 else None, [[0, 0], [0, 0]]))


class Chunk:
    def __init__(self, trace, contents, sizes, time):
        self.t, self.time, self.streams = trace, time, []
        for n in sizes:
            self.streams.append(Stream(contents[:n]))
            contents = contents[n:]
        self.code, self.flow, self.tags, self.values, self.explicit, self.items = self.streams
        self.last, self.linear, self.page = {}, 0, {}

    def value(self, memory):
        tag = self.tags.byte()
        if 1 <= tag <= 8:
            memory[1] = self.values.signed(int.from_bytes(self.values.take(tag), "little"))
        memory[0] = memory[0] + memory[1] & M64 if tag else memory[0]
        return memory[0]

    def record(self):
        s, regs, accesses = self.explicit, [], []
        head = s.byte()
        for _ in range(s.number() if head & 8 else 0):
            r, v = s.byte(), 0
            for half in range(1 + (self.t.header["registers"][r][1] > 64)):
                self.last[r, half] = self.last.get((r, half), 0) + s.signed() & M64
                v |= self.last[r, half] << 64 * half
            self.t.cpu.reg[r] = v
            regs.append((r, v))
        for _ in range(s.number() if head & 16 else 0):
            flags = s.byte()
            n = 1 << (flags & 7) if flags & 7 < 5 else s.number()
            self.linear = self.linear + s.signed() & M64
            slot = self.linear >> 12 & 63
            self.page[slot] = self.page[slot] if flags & 32 else s.number()
            data = accesses[-1][4] if flags & 64 else s.take(n)
            accesses.append((self.linear, self.page[slot] << 12 | self.linear & 4095, flags >> 3 & 1, flags >> 4 & 1, data))
        return head & 7, regs, accesses

    def moves(self):
        by = self.items.signed()
        self.time, self.t.cpu.index = self.time + by, self.t.cpu.index + by

    def item(self, kind):
        t, s = self.t, self.items
        if kind == 2:
            name, fields = t.header["events"][s.byte()]
            by = s.signed()
            t.show(self.time + by, t.cpu.index + by, name, *("%s=%x" % (f, s.number()) for f in fields))
        elif kind in (3, 4):
            self.moves()
            status, regs, accesses = self.record()
            if kind == 3 and (regs or accesses):
                t.insn(self.time, 0, 0, b"", 0, 0, t.state(), status, regs, accesses)
        elif kind == 5:
            array, slot = s.byte(), s.number()
            t.cpu.page[array, slot] = s.number()
        elif kind == 6:
            t.cpu.view = s.byte()
        elif kind == 7:
            t.running = s.number()
            t.cpu = t.cpus[t.running]
            self.time += s.signed()
            t.cpu.index = s.number()

    def read(self):
        t, s, blocks, physical, previous = self.t, self.items, [Block(Stream(bytes(4)), 0)], 0, None
        while self.flow.at < len(self.flow.b):
            token = self.flow.number()
            number = (token - 2) >> 1 if token > 1 else previous.next if previous else 0
            if number == len(blocks):
                blocks.append(Block(self.code, physical))
                physical = blocks[-1].physical
            if previous:
                previous.next = number
            b = previous = blocks[number]
            flags = s.byte() if token & 1 else 0
            b.rip = b.rip + s.signed() & M64 if flags & 1 else b.rip
            begun, rip = s.byte() if flags & 2 else len(b.insns), b.rip
            kind = s.byte() if flags & 4 else 0
            for k in range(begun + 1):
                at = s.number() if kind and k == 0 else begun if not kind else at
                while kind > 1 and at == k:
                    self.item(kind)
                    kind = s.byte()
                    at = s.number() if kind else begun
                if k < begun:
                    code, slot, rule, memory = b.insns[k]
                    replaced = kind == 1 and at == k
                    address, state = rip if b.bits >= 64 else rip + t.cpu.reg.get(t.cs_base, 0) & 0xffffffff, t.state()
                    if rule and not replaced:
                        load = self.value(memory[0]) if rule.loads else 0
                        load |= self.value(memory[1]) << 64 if rule.loads > 8 else 0
                        status, (regs, accesses) = 0, rule.do(t.cpu, load, b.rip, rip + len(code), t.header["tlb_slots"])
                    else:
                        status, regs, accesses = self.record()
                    t.insn(self.time, address, b.physical + rip - b.rip, code, b.bits, slot, state, status, regs, accesses)
                    self.time, t.cpu.index = self.time + 1, t.cpu.index + 1
                    rip = rip + (len(code) if b.bits < 128 else 0) & M64
                    if replaced:
                        kind = s.byte()
                        at = s.number() if kind else begun


class Trace:
    def __init__(self, b):
        """Opens the bytes of a file; read() goes through it."""
        check(b[:8] == b"SPTRACE\n" and struct.unpack_from("<I", b, 8)[0] == 1, "not a trace of version 1")
        self.b, self.at = b, 24 + struct.unpack_from("<I", b, 12)[0]
        self.header = json.loads(b[24:self.at])
        self.cpus, self.running = [Cpu() for _ in range(self.header["cpus"])], 0
        self.cpu, names = self.cpus[0], [r[0] for r in self.header["registers"]]
        self.cpl, self.world, self.cs_base = (names.index(n) if n in names else -1 for n in ("cpl", "vmx", "cs_base"))

    def read(self):
        while self.b[self.at:self.at + 8] == b"SPTCHUNK":
            head = struct.unpack_from("<8I8Q", self.b, self.at + 8)
            packed = self.b[self.at + 112:self.at + 112 + head[0]]
            contents = subprocess.run(["zstd", "-dcq"], input=packed, stdout=subprocess.PIPE, check=True).stdout
            Chunk(self, contents, head[2:8], head[8]).read()
            self.at += 112 + head[0]
        check(self.b[self.at:self.at + 8] == b"SPTINDEX", "the file ends before its index")

    def show(self, time, index, *words):
        first, last = int(self.header["first"], 16), int(self.header["last"], 16)
        if first <= time < last:
            print(time, index, self.running, *words)

    def state(self):
        return self.cpu.reg.get(self.cpl, 0), self.cpu.reg.get(self.world, 0)

    def insn(self, time, address, physical, code, bits, slot, state, status, regs, accesses):
        words = ["%s=%x" % (self.header["registers"][r][0], v) for r, v in regs]
        words += ["%s%s[%x/%x]=%s" % ("s" * system, "rw"[write], a, at, data.hex()) for a, at, write, system, data in accesses]
        self.show(time, self.cpu.index, "insn", "%x" % address, "%x" % physical, code.hex() or "-", bits, slot,
                  *state, status, *words)


if __name__ == "__main__":
    with open(sys.argv[1], "rb") as trace:
        Trace(trace.read()).read()

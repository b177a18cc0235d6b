#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints a trace, a line for each event, by docs/trace-format.md alone: trace_reader.py FILE"""
import json
import struct
import subprocess
import sys

from trace_rules import Rule

M64 = (1 << 64) - 1


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
            r, v = s.number(), 0
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

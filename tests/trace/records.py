#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""records.py champsim|drmemtrace FILE: checks the layout of converted traces of make_trace and counts what is in them."""
import collections
import struct
import sys


def champsim(data):
    assert len(data) % 64 == 0, "not a whole number of records"
    count = collections.Counter()
    for ip, is_branch, taken, *rest in struct.iter_unpack("<QBB6B6Q", data):
        registers, memory = rest[:6], rest[6:]
        destination, source = registers[:2], registers[2:]
        assert is_branch in (0, 1) and taken <= is_branch
        count["instructions"] += 1
        count["loads"] += sum(m != 0 for m in memory[2:])
        count["stores"] += sum(m != 0 for m in memory[:2])
        if is_branch:
            assert 26 in destination, "a branch that does not write the instruction pointer"
            sp, flags, ip_read = 6 in source, 25 in source, 26 in source
            kind = ("call" if sp and ip_read else "return" if sp else "conditional" if flags else "jump")
            count[kind + (" taken" if taken else " not taken")] += 1
    return count


def drmemtrace(data):
    assert len(data) % 12 == 0, "not a whole number of records"
    names = {0: "loads", 1: "stores", 10: "instructions", 11: "jump", 12: "indirect jump", 14: "call",
             15: "indirect call", 16: "return", 48: "conditional taken", 49: "conditional not taken"}
    count, code, target = collections.Counter(), 0, None
    entries = list(struct.iter_unpack("<HHQ", data))
    assert entries[0] == (25, 0, 5) and entries[1] == (28, 12, 5) and entries[2] == (28, 9, 0x240)
    assert entries[-1][0] == 26 and entries[-2][0] == 23
    for kind, size, value in entries[3:-2]:
        if kind == 47:
            code += size
        elif kind == 28 and size == 29:
            target = value
        elif kind in names:
            if kind >= 10:
                assert code == size, "an instruction without its bytes"
                assert (kind in (12, 15, 16)) == (target is not None), "indirect branches have targets"
                code, target = 0, None
            count[names[kind]] += 1
        else:
            assert kind in (22, 24, 28), f"record of type {kind}"
    return count


with open(sys.argv[2], "rb") as file:
    for name, n in sorted({"champsim": champsim, "drmemtrace": drmemtrace}[sys.argv[1]](file.read()).items()):
        print(n, name)

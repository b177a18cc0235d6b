#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""perfetto.py FILE: reads a Perfetto trace (protobuf wire format, by hand), checks that every track is declared, that
slices nest and time never runs backwards on a track, and prints one line for each track and each kind of slice."""
import collections
import sys


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


def fields(data):
    """The fields of a message: (number, value), value an int or bytes."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        elif key & 7 == 2:
            size, at = varint(data, at)
            value = data[at:at + size]
            assert len(value) == size, "a field runs over the end of its message"
            at += size
        else:
            raise AssertionError(f"wire type {key & 7}")
        yield key >> 3, value


def message(data):
    result = collections.defaultdict(list)
    for number, value in fields(data):
        result[number].append(value)
    return result


def main(name):
    tracks, stack, last, count = {}, collections.defaultdict(list), {}, collections.Counter()
    with open(name, "rb") as file:
        trace = file.read()
    for number, packet in fields(trace):
        assert number == 1, f"field {number} in Trace"
        packet = message(packet)
        assert packet[10], "a packet without a sequence"
        for descriptor in packet[60]:
            d = message(descriptor)
            parent = d[5][0] if d[5] else None
            assert parent is None or parent in tracks, "a track whose parent is not declared"
            if d[3]:
                title = message(d[3][0])[6][0]
            else:
                title = (message(d[4][0])[5] if d[4] else d[2])[0]
            tracks[d[1][0]] = title.decode()
        for event in packet[11]:
            e, time = message(event), packet[8][0]
            track, kind = e[11][0], e[9][0]
            assert track in tracks, "an event on a track that is not declared"
            assert time >= last.get(track, 0), "time runs backwards"
            last[track] = time
            if kind == 1:
                stack[track].append(e[23][0].decode())
            elif kind == 2:
                assert stack[track], "a slice ends that did not begin"
                count[track, stack[track].pop()] += 1
            else:
                assert kind == 3, f"event of type {kind}"
                count[track, e[23][0].decode()] += 1
    assert not any(stack.values()), "a slice that never ends"
    for uuid, title in tracks.items():
        print("track", title)
        for (track, slice_name), n in sorted(count.items()):
            if track == uuid:
                print(f"    {n:8} {slice_name}")


main(sys.argv[1])

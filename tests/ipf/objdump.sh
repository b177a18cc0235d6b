#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# objdump.sh ROWS PROGRAM: every row of insn.def with random operands, and the code of programs where there are any,
# is printed as objdump of binutils prints it.  Exit code 77: there is no objdump for Itanium.
set -u
rows=$1 program=$2
root=$(cd "$(dirname "$0")/../.." && pwd)
guests=${SILVERPOOL_IA64:-$root/../shared/guests/ia64}
objdump=ia64-linux-gnu-objdump
command -v "$objdump" > /dev/null || exit 77
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Objdump's lines as "address <tab> text", without the template and the stop.
plain() {
    awk -F '\t' -v OFS='\t' '
        $1 ~ /^ *[0-9a-f]+:$/ && NF >= 3 {
            sub(/^ */, "", $1); sub(/:/, "", $1)
            sub(/^\[[A-Z]*\]/, "", $3); gsub(/^ +|;; *$| +$/, "", $3); gsub(/ +/, " ", $3)
            if (match($3, /[0-9a-f]+ <[^>]*>$/)) {          # with a symbol a target has no 0x
                at = substr($3, RSTART); sub(/ .*/, "", at)
                $3 = substr($3, 1, RSTART - 1) "0x" at
            }
            print $1, $3
        }'
}

"$rows" "$work/bundles" "$work/ours" || exit 1
"$objdump" -D -z -b binary -m ia64 "$work/bundles" | plain > "$work/binutils"
# binutils shows movl, brl and break.x at the second slot.
awk -F '\t' -v OFS='\t' '
    function hex(s,   k, v) { for (k = 1; k <= length(s); k++) v = 16 * v + index("0123456789abcdef", substr(s, k, 1)) - 1; return v }
    NR == FNR { text[hex($1)] = $2; next }
    {
        split($1, at, ":")
        address = hex(at[1]) + 6 * at[2]
        if (at[2] == 2 && !(address in text) || $3 ~ /movl|brl|\.x /)
            address = hex(at[1]) + 6
        sub(/ +$/, "", $3)
        # The one exception: binutils prints the operand of hint.m in decimal, and takes it without bit 36 only.
        if ($3 ~ /hint\.m/)
            next
        n++
        if (text[address] != $3 && ++bad <= 20)
            print "bits " $2 ": " $3 "; binutils: " text[address]
    }
    END { print n - bad " of " n " agree"; exit bad > 0 || n < 40000 }' "$work/binutils" "$work/ours" || exit 1

# Programs, through `silverpool disasm`.  What is no instruction (data among the code) is not compared.
for file in "$root/tests/guest/ipf/hello.elf" "$guests/bench.elf" "$guests/vmlinux-6.1"; do
    [[ -f $file ]] || continue
    "$program" disasm "$file" | awk -v OFS='\t' '
        $1 ~ /^[0-9a-f]+$/ && $2 ~ /^[MIBFLX]+$/ && length($0) > 24 { bundle = $1; slot = -1 }
        length($0) > 24 && !/^section/ {
            slot++
            text = substr($0, 25); sub(/ *;;$/, "", text); gsub(/ +/, " ", text)
            print substr(bundle, 1, length(bundle) - 1) substr("06c", slot + 1, 1), text
        }' > "$work/ours"
    "$objdump" -d -z "$file" | plain > "$work/binutils"
    awk -F '\t' -v name="$(basename "$file")" '
        NR == FNR { text[$1] = $2; next }
        $2 ~ /hint\.m|reserved/ || text[$1] ~ /data8/ { next }
        { n++ }
        text[$1] != $2 && ++bad <= 10 { print $1 ": " $2 "; binutils: " text[$1] }
        END { print name ": " n - bad " of " n " agree"; exit bad > 0 || n < 50 }' "$work/binutils" "$work/ours" || exit 1
done

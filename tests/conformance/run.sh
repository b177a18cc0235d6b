#!/bin/bash
# The conformance image on Silverpool: run.sh PROGRAM IMAGE (quick | matrix).  quick: three profiles;
# matrix: every profile, each -tlb mode, one processor and two.  Fails if a case fails, or if a run does
# not come to its end.
program=$1 image=$2 what=$3 failed=0
out=$(mktemp)
trap 'rm -f "$out"' EXIT

one() # profile, TLB mode, processors
{
    "$program" -kernel "$image" -append smp -cpu "$1" -tlb "$2" -smp "$3" -m 128 -serial none \
        -debugcon "file:$out" -device isa-debug-exit,iobase=0xf4,iosize=4 2> /dev/null
    local end
    end=$(tail -n 1 "$out")
    echo "$1 -tlb $2 -smp $3: $end"
    grep '^not ok' "$out"
    [[ $end =~ ^done\ [1-9][0-9]*\ [0-9]+\ 0\ [0-9]+$ ]] || failed=1
}

if [ "$what" = quick ]; then
    for profile in max prescott-vt nehalem; do
        one $profile exact 1
    done
else
    for profile in prescott-vt penryn nehalem skylake icelake max; do
        for tlb in exact none sticky; do
            one $profile $tlb 1
            one $profile $tlb 2
        done
    done
fi
exit $failed

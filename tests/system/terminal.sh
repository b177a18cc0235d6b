#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A console on a terminal: the keys that are ours, those of the guest, and the terminal's state afterwards.  script(1)
# gives the terminal.
. "$(dirname "$0")/lib.sh"
command -v script > /dev/null || { echo "skipped: there is no script(1)"; exit 77; }

# Sends each byte that COM1 receives back: mov dx,3fdh; in al,dx; test al,1; jz; mov dx,3f8h; in al,dx; out dx,al; jmp
printf '\xba\xfd\x03\xec\xa8\x01\x74\xf8\xba\xf8\x03\xec\xee\xeb\xf1' > "$work/echo"

cat > "$work/inside" <<'INSIDE'
ulimit -c 0
stty -a > "$work/before"
"$program" --load "$work/echo@0x7c00" --timeout 30 "$@" &
echo $! > "$work/pid"
fg > /dev/null
echo "code $?" > "$work/code"
stty -a > "$work/after"
INSIDE

# session NAME KEYS OPTION...: types KEYS ("~" waits) and, at "!SIGNAL", sends a signal.
session() {
    local name=$1 keys=$2 key
    shift 2
    rm -f "$work"/{before,after,code,pid}
    {
        for key in $keys; do
            sleep 0.4
            case $key in
            !*) kill "-${key#!}" "$(cat "$work/pid")" ;;
            *) printf '%b' "$key" ;;
            esac
        done
        for (( n = 0; n < 100; n++ )); do [[ -f $work/after ]] && break; sleep 0.1; done
    } | work=$work program=$program script -qec "bash -m '$work/inside' $*" /dev/null > "$work/$name" 2> "$work/$name.err"
    cmp -s "$work/before" "$work/after" && pass || fail "$name: the terminal is not as it was"
}
ended() { [[ $(cat "$work/code") == "code $1" ]] && pass || fail "exit: $(cat "$work/code"), not $1"; }

session quit '~ seen \x01h \x01x' -serial stdio
ended 0
has "$work/quit" "seen"
has "$work/quit" "Ctrl-A x  end the simulation"
has "$work/quit" "ended by Ctrl-A x"

session escape '~ \x01a \x01q left \x01\x01 \x01x' -serial stdio
ended 0
has "$work/escape" "left"
[[ $(grep -o $'\x01' "$work/escape" | wc -l) == 2 ]] && pass || fail "Ctrl-A a and Ctrl-A Ctrl-A send one Ctrl-A each"

session interrupt '~ \x03' -serial stdio
ended 130
session guest_interrupt '~ \x03 \x1c \x1a \x01x' -serial mon:stdio
ended 0
[[ $(grep -o $'[\x03\x1c\x1a]' "$work/guest_interrupt" | wc -l) == 3 ]] && pass || fail "Ctrl-C, Ctrl-\\ and Ctrl-Z go to the guest"
session nographic '~ \x03 \x01x' -nographic
ended 0

for signal in TERM:143 INT:130 HUP:129 SEGV:139 ABRT:134 QUIT:131; do
    session "${signal%:*}" "~ !${signal%:*}" -serial stdio
    ended "${signal#*:}"
done
finish

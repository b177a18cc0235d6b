#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# silverpool trace convert and html, checked by readers of these formats: convert.sh PROGRAM MAKE_TRACE GUESTS
make=$2 folder=$(cd "$(dirname "$0")" && pwd)
. "$folder/../system/lib.sh" "$1" . "$3"
cd "$work" || exit 1
"$make" a 2000 cpus=2 || exit 1
# is NAME LINE: the file out has this very line.
is() { grep -qxF -- "$2" out && pass || fail "$1: no line '$2' in: $(head -5 out)"; }
convert() { timeout 100 "$program" trace convert a "$@" || fail "convert $*: exit code $?"; }

convert --to perfetto -o a.perfetto
python3 "$folder/perfetto.py" a.perfetto > out || fail "perfetto: not a good trace"
is perfetto "track virtual machine, EPTP 0x701e"
is perfetto "         375 CPUID"
is perfetto "         250 runs on cpu 1"

convert --to champsim --cpu 0 -o a.champsim
python3 "$folder/records.py" champsim a.champsim > out || fail "champsim: bad records"
is champsim "1000 return taken"
is champsim "250 conditional not taken"
is champsim "750 conditional taken"
is champsim "2000 loads"

convert --to drmemtrace --cpu 0 -o a.drmemtrace
python3 "$folder/records.py" drmemtrace a.drmemtrace > out || fail "drmemtrace: bad records"
is drmemtrace "1000 return"
is drmemtrace "250 conditional not taken"
is drmemtrace "2500 instructions"

convert --to folded -o out
is folded "root;0x100000;0x100000 4000"
is folded "non-root;0x200000 1000"

convert --to ctf -o ctf
if command -v babeltrace2 > /dev/null; then
    babeltrace2 ctf > out || fail "ctf: babeltrace2 does not read it"
    (( $(grep -c ' kvm_entry: ' out) == 500 && $(grep -c ' kvm_exit: ' out) == 500 )) && pass || fail "ctf: entries and exits"
    (( $(grep -c 'kvm_exit: .*"CPUID" : container = 10' out) == 375 )) && pass || fail "ctf: exit reasons"
    (( $(grep -c 'kvm_inj_virq: .*vector = 239' out) == 31 )) && pass || fail "ctf: injected interrupts"
else
    echo "SKIPPED: ctf: babeltrace2 is not installed"
fi

# ---- a guest's trace: what is counted in it is what is found ----
timeout 100 "$program" -kernel "$guests/demo.elf" -serial none -device isa-debug-exit,iobase=0xf4,iosize=4 \
    -trace demo --trace-events full < /dev/null > /dev/null 2>&1
exits=$("$program" trace grep demo --event vm_exit --count)
real() { timeout 100 "$program" trace convert demo "$@" || fail "convert demo $*: exit code $?"; }
equal() { [[ $2 == "$3" ]] && pass || fail "$1: $2, not $3"; }
real --to perfetto -o demo.perfetto
python3 "$folder/perfetto.py" demo.perfetto > out || fail "perfetto: not a good trace of a guest"
is perfetto "         220 IO_INSTRUCTION"
real --to champsim -o demo.champsim
python3 "$folder/records.py" champsim demo.champsim > out || fail "champsim: bad records of a guest"
real --to drmemtrace -o demo.drmemtrace
python3 "$folder/records.py" drmemtrace demo.drmemtrace > out || fail "drmemtrace: bad records of a guest"
real --to folded --kernel "$guests/demo.elf" -o out
equal folded "$(awk '{ n += $NF } END { print n }' out)" "$("$program" trace grep demo --event insn --count)"
if command -v babeltrace2 > /dev/null; then
    real --to ctf -o demo.ctf
    babeltrace2 demo.ctf > out || fail "ctf: babeltrace2 does not read a guest's trace"
    equal ctf "$(grep -c ' kvm_exit: ' out)" "$exits"
fi

# ---- the page ----
"$program" trace html a -o page.html || fail "html: exit code $?"
[[ $(grep -c '@DATA@' page.html) == 0 ]] && ! grep -qE '(src|href)=' page.html && pass || fail "html: not self-contained"
if command -v chromium > /dev/null; then
    "$make" many 2000000 && "$program" trace html many -o many.html       # a million entries and exits
    "$program" trace html demo -o demo.html
    for name in page:500 many:500000 "demo:$exits"; do
        cat >> "${name%:*}.html" << 'SCRIPT'
<script>
const all = $("range").textContent, canvas = $("lanes");
const colours = () => new Set(new Uint32Array(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.buffer));
document.body.dataset.colours = colours().size > 2;
dispatchEvent(new KeyboardEvent("keydown", { key: "+" }));
canvas.dispatchEvent(new WheelEvent("wheel", { deltaY: -1, clientX: 300, clientY: canvas.getBoundingClientRect().top + 5 }));
document.body.dataset.zoomed = all !== $("range").textContent && colours().size > 2;
dispatchEvent(new KeyboardEvent("keydown", { key: "0" }));
document.body.dataset.whole = all === $("range").textContent;
</script>
SCRIPT
        timeout 120 chromium --headless --no-sandbox --disable-gpu --user-data-dir="$work/profile" --dump-dom \
            "file://$work/${name%:*}.html" > out 2> /dev/null
        grep -q "data-drawn=\"${name#*:}\"" out && pass || fail "html: ${name%:*} is not drawn"
        for what in colours zoomed whole; do
            grep -q "data-$what=\"true\"" out && pass || fail "html: ${name%:*}: $what"
        done
    done
else
    echo "SKIPPED: html: chromium is not installed"
fi
finish

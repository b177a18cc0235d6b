#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Bad input gives one clear line on standard error and the documented exit code.
. "$(dirname "$0")/lib.sh"

# expect CODE TEXT ARGUMENTS...: one line that contains TEXT (none if TEXT is empty).
expect() {
    local code=$1 text=$2 got lines
    shift 2
    timeout 60 "$program" "$@" < /dev/null > "$work/out" 2> "$work/err"
    got=$?
    lines=$(wc -l < "$work/err")
    if (( got != code )); then
        fail "$* : exit code $got, not $code: $(head -1 "$work/err")"
    elif [[ -n $text ]] && { (( lines != 1 )) || ! grep -qF -- "$text" "$work/err"; }; then
        fail "$* : expected one line with '$text', got: $(cat "$work/err")"
    else
        pass
    fi
}

head -c 65536 /dev/zero > "$work/zeros"
head -c 65536 /dev/urandom > "$work/random"
printf '\x0f\x0b' > "$work/ud2"                                    # real mode, IVT ignores it: never ends
printf '\xfa\xf4' > "$work/halt"                                   # cli; hlt
printf '\xb0\x2a\xe6\xf4\xf4' > "$work/exit42"                     # mov al,42; out 0xf4,al
printf '\x0f\x01\x1e\x00\x7e\xcc' > "$work/triple"                 # lidt [7e00h] (limit 0); int3
printf '\xb0\xfe\xe6\x64\xeb\xfe' > "$work/reset"                  # pulse the reset line

expect 2 "nothing to run"
expect 2 "unknown option" -frobnicate
expect 2 "unknown option" --no-such-thing=1 -kernel "$work/zeros"
expect 2 "neither a verb" frobnicate
expect 2 "needs FILE" -kernel
expect 2 "this host has only" -kernel "$work/zeros" -m 100000G
expect 2 "expected a size" -kernel "$work/zeros" -m lots
expect 2 "expected a size" -kernel "$work/zeros" -m 99999999999999999999
expect 2 "expected a number of processors" -kernel "$work/zeros" -smp 1000
expect 2 "not 5 processors" -kernel "$work/zeros" -smp 5,sockets=2
expect 6 "gaps" -kernel "$work/zeros" -smp 6,sockets=2,cores=3
expect 6 "not modelled" -kernel "$work/zeros" -cpu max,+avx2,enforce
expect 2 "not a processor feature" -kernel "$work/zeros" -cpu max,+avx3
expect 2 "not a processor profile" -kernel "$work/zeros" -cpu z80
expect 2 "expected FILE@ADDRESS" --load "$work/zeros"
expect 2 "--entry" --load "$work/zeros@0x1000" --load "$work/zeros@0x20000"
expect 2 "no such log item" -kernel "$work/zeros" -d everything
expect 6 "not modelled" -kernel "$work/zeros" -device e1000
expect 6 "not supported yet" -kernel "$work/zeros" -gdb tcp::1234
expect 6 "give if=virtio" -kernel "$work/zeros" -drive "file=$work/zeros,format=raw"
expect 6 "flash memory is not modelled" -kernel "$work/zeros" -drive "if=pflash,format=raw,unit=0,readonly=on,file=$work/zeros"
expect 6 "only raw images" -kernel "$work/zeros" -drive "file=$work/zeros,format=qcow2,if=virtio"
expect 2 "expected file=FILE" -kernel "$work/zeros" -drive if=virtio
expect 2 "bad setting \"colour\"" -kernel "$work/zeros" -drive "file=$work/zeros,if=virtio,colour=red"
expect 2 "expected on or off" -kernel "$work/zeros" -drive "file=$work/zeros,if=virtio,snapshot=no"
expect 2 "there is no -drive if=none,id=d" -kernel "$work/zeros" -device virtio-blk-pci,drive=d
expect 2 "two devices use it" -kernel "$work/zeros" -drive "file=$work/zeros,if=none,id=d" \
    -device virtio-blk-pci,drive=d -device virtio-blk-pci,drive=d
expect 2 "expected drive=ID" -kernel "$work/zeros" -device virtio-blk-pci
expect 2 "needs -device virtio-serial-pci" -kernel "$work/zeros" -chardev null,id=c -device virtconsole,chardev=c
expect 2 "expected chardev=ID" -kernel "$work/zeros" -device virtio-serial-pci -device virtconsole,chardev=c
expect 2 "belongs to one console" -kernel "$work/zeros" -serial stdio -chardev stdio,id=c -device virtio-serial-pci \
    -device virtconsole,chardev=c
expect 2 "-chardev socket,id=c" -kernel "$work/zeros" -chardev socket,id=c
expect 2 "there is no -chardev id=c" -kernel "$work/zeros" -serial chardev:c
expect 4 "No such file" --load "$work/halt@0x7c00" -drive "file=$work/nothing,if=virtio"
expect 4 "neither a regular file" --load "$work/halt@0x7c00" -drive "file=$work,if=virtio"
expect 4 "this file has 2" --load "$work/halt@0x7c00" -drive "file=$work/halt,if=virtio"
expect 4 "in use" --load "$work/halt@0x7c00" -drive "file=$work/zeros,if=virtio" \
    -drive "file=$work/zeros,if=virtio,snapshot=off"
expect 106 "" --load "$work/halt@0x7c00" -drive "file=$work/zeros,if=virtio" -drive "file=$work/zeros,if=virtio"
expect 4 "No such file" -kernel "$work/nothing"
expect 4 "not a regular file" -kernel "$work"
expect 4 "neither multiboot nor ELF" -kernel "$work/zeros"
expect 4 "neither multiboot nor ELF" -kernel "$work/random"
expect 4 "neither multiboot nor ELF" -kernel /etc/hostname
expect 4 "No such file" --load "$work/nothing@0"
expect 4 "do not fit" --load "$work/zeros@0xffffffffffff0000" --entry 0
expect 4 "do not fit" -m 1M --load "$work/zeros@0xfffff"
expect 4 "multiple of 4 KiB" -bios "$work/halt"
expect 0 "" --help
expect 0 "" -cpu help
expect 0 "" features -cpu penryn

# Capability MSRs from a listing.
printf '0x480: 0x005a08000000000d\n0x482: 0xf7f9fffe0401e172\nIA32_VMX_PROCBASED_CTLS2 0x4100000000\n' > "$work/msrs"
expect 0 "warning: -cpu: not modelled, so the guest does not see it: vmx-dual-monitor" features -cpu "max,vmx-msrs=$work/msrs"
has "$work/out" "IA32_VMX_PROCBASED_CTLS      0x482  f7f9fffe0401e172"
has "$work/out" "IA32_VMX_PROCBASED_CTLS2     0x48b  0000004100000000"
expect 6 "enforce" features -cpu "max,vmx-msrs=$work/msrs,enforce"
expect 2 "has no VMX" features -cpu "max,-vmx,vmx-msrs=$work/msrs"
expect 4 "No such file" features -cpu "max,vmx-msrs=$work/nothing"
expect 4 "no line gives" features -cpu "max,vmx-msrs=$work/zeros"
printf '480: 1\n480: 2\n' > "$work/msrs"
expect 4 "msrs:2: IA32_VMX_BASIC has another value" --load "$work/halt@0x7c00" -cpu "max,vmx-msrs=$work/msrs"

# What a processor has, decoded; the JSON form is a listing of MSRs, too.
expect 0 "" features -cpu icelake
has "$work/out" "IA32_VMX_EPT_VPID_CAP"
has "$work/out" "vmx-page-walk-4 vmx-page-walk-5"
expect 0 "" features --json -cpu icelake
has "$work/out" '"leaf": "0x80000008"'
has "$work/out" '"IA32_VMX_TRUE_PROCBASED_CTLS": "0xfff9fffe04006172"'
has "$work/out" '"vmx-activity-hlt": true'
has "$work/out" '"name": "CR3_LOAD_EXITING"'
cp "$work/out" "$work/msrs"
expect 0 "" features --json -cpu "icelake,vmx-msrs=$work/msrs"
if cmp -s "$work/out" "$work/msrs"; then pass; else fail "the JSON form, imported, gives something else"; fi
expect 0 "" features --json -cpu $'max,-vmx,model-id=\xff'
has "$work/out" '"brand": "?"'
expect 2 "features: -cpu: expected" features -cpu
expect 2 "features: penryn: expected" features penryn
expect 106 "" --load "$work/halt@0x7c00"
expect 85 "" --load "$work/exit42@0x7c00" -device isa-debug-exit,iobase=0xf4,iosize=1
expect 100 "" --load "$work/triple@0x7c00"
expect 100 "" --load "$work/triple@0x7c00" --last 64
has "$work/err" "the last 2 instructions, oldest first:"
has "$work/err" "  0 16-0 0000000000007c05 cc             int3"
expect 100 "" --load "$work/triple@0x7c00" --last 1 --json
has "$work/err" '"rip":"0x7c05","physical":"0x7c05","bits":16'
expect 106 "" --load "$work/halt@0x7c00" --last 1
has "$work/err" "  0 16-0 0000000000007c01 f4             hlt"
expect 85 "" --load "$work/exit42@0x7c00" -device isa-debug-exit,iobase=0xf4,iosize=1 --last 5
if [[ -s $work/err ]]; then fail "--last: a guest that ends as it wants has no last instructions: $(cat "$work/err")"; else pass; fi
expect 2 "from 1 to" --load "$work/halt@0x7c00" --last 0
expect 2 "does not go with -trace" --load "$work/halt@0x7c00" --last 3 -trace "$work/trace"
expect 0 "" --load "$work/reset@0x7c00" -no-reboot
expect 102 "" --load "$work/reset@0x7c00" --max-insns 100000 --timeout 2
expect 102 "" --load "$work/zeros@0x7c00" --max-insns 1000
expect 102 "" --load "$work/ud2@0x7c00" --timeout 0.2

# -d unmodelled names a thing once, however often the guest comes by: interrupts return to where they came from.
unmodelled() {   # unmodelled BYTES TEXT: one line with TEXT, or none at all
    printf "$1" > "$work/touch"
    expect 102 "" --load "$work/touch@0x7c00" -m 1M --max-insns 1000 -d unmodelled -D "$work/log"
    if [[ $(sed 's/^[0-9]* cpu0 //' "$work/log") == "$2" ]]; then pass; else fail "-d unmodelled: $(cat "$work/log")"; fi
}
unmodelled '\xb9\x34\x00\x0f\x32' "unmodelled rdmsr 0x34: #GP(0) at 0x7c03"
unmodelled '\xb9\x34\x00\x0f\x30' "unmodelled wrmsr 0x34: #GP(0) at 0x7c03"
unmodelled '\x66\x0f\x38\xdc\xd1' "unmodelled aesenc xmm2, xmm1: #UD at 0x7c00"
unmodelled '\xe4\x99\xeb\xfc' "unmodelled read of port 0x99: no device at 0x7c00"
unmodelled '\xe6\x99\xeb\xfc' "unmodelled write to port 0x99: no device at 0x7c00"
unmodelled '\xbe\xff\xff\x8e\xde\xa1\x34\x12\xeb\xfb' "unmodelled read of memory 0x101000: nothing there at 0x7c05"
unmodelled '\xbe\xff\xff\x8e\xde\xa3\x34\x12\xeb\xfb' "unmodelled write to memory 0x101000: nothing there at 0x7c05"
unmodelled '\x0f\x0b' ""
unmodelled '\x0f\x04' ""
unmodelled '\xf0\x90' ""

# What kvm-unit-tests' x86/run and unittests.cfg write on a command line; with it its scripts look for the test device,
# and they take any line on standard error that is no warning for a failure.
machine=(--no-reboot -nodefaults -global kvm-pit.lost_tick_policy=discard -device pc-testdev
    -device isa-debug-exit,iobase=0xf4,iosize=0x4 -vnc none -serial stdio -device pci-testdev -machine accel=kvm)
printf 'QEMU_ACCEL=kvm\nERRATA=y\n' > "$work/env.txt"
unit() {   # unit STDERR ARGUMENTS...
    local text=$1
    shift
    expect 1 "$text" "${machine[@]}" -kernel "$guests/env.elf" "$@" -initrd "$work/env.txt"
    has "$work/out" "environment: QEMU_ACCEL=kvm"
    has "$work/out" "ERRATA=y"
}
unit "" -smp 1
has "$work/out" "command line: $guests/env.elf"
unit "" -smp 2 -append "a b=1" -cpu qemu64,+x2apic,+tsc-deadline
has "$work/out" "env.elf a b=1"
has "$work/out" "processors: 2"
unit "" -smp 1,maxcpus=256 -cpu max,host-phys-bits,+vmx,-vmx-mbec,-pku -m 2560
unit "" -cpu qemu64,+pcid,+invpcid -M q35,kernel-irqchip=split -overcommit cpu-pm=on
unit "" -cpu max,vendor=GenuineIntel,pmu=off -machine pit=off -enable-kvm -display none
unit "warning" -cpu IvyBridge,phys-bits=36,host-phys-bits=off,+vmx
unit "warning: -cpu: not modelled, so the guest does not see it: hv_passthrough" -cpu host,hv_passthrough
unit "kvm-pv-ipi" -cpu qemu64,-x2apic,+tsc-deadline,+kvm-pv-ipi
unit "svm" -cpu max,+svm,-npt -m 1g
expect 6 "not modelled" "${machine[@]}" -cpu Opteron_G1,vendor=AuthenticAMD -kernel "$guests/env.elf"
expect 6 "not modelled" "${machine[@]}" -cpu host -device hyperv-testdev -kernel "$guests/env.elf"
expect 0 "" -device '?'
has "$work/out" '"pc-testdev"'
expect 0 "" --help
has "$work/out" "QEMU"

# One image on several processors.
expect 0 "" --cpu-matrix --load "$work/halt@0x7c00"
has "$work/out" "prescott-vt       106  halted for good"
has "$work/out" "icelake           106  halted for good"
expect 0 "" --load "$work/ud2@0x7c00" --max-insns 1000 --cpu-matrix=penryn,max --stats=json
has "$work/out" '{"cpu":"max","exit_code":102,"end":"instruction budget","instructions":1000,'
expect 2 "does not go with --cpu-matrix" --load "$work/halt@0x7c00" --cpu-matrix -cpu max
expect 2 "not a processor profile" --load "$work/halt@0x7c00" --cpu-matrix=max,z80
expect 2 "snapshot=off" --load "$work/halt@0x7c00" --cpu-matrix -drive "file=$work/zeros,if=virtio,snapshot=off"
expect 2 "exact, none or sticky" -tlb loose -kernel x
expect 2 "smm is on or off" -machine q35,smm=maybe -kernel x
expect 4 "No such file" --load "$work/nothing@0x7c00" --cpu-matrix
if [[ -f $guests/demo.elf ]]; then
    expect 1 "" -kernel "$guests/demo.elf" --cpu-matrix -serial "file:$work/serial"
    has "$work/out" "triple fault"                                  # no EPT, no MSR bitmaps
    has "$work/out" "guest_rflags_reserved"
    has "$work/serial.skylake" "guest: done"
    expect 0 "" -kernel "$guests/demo.elf" --cpu-matrix=nehalem,skylake,icelake,max
fi

# The demonstration, cut at many places: never a crash, always exit code 4 or a run of the guest.
if [[ -f $guests/demo.elf ]]; then
    size=$(stat -c %s "$guests/demo.elf")
    for (( n = 0; n < size; n += size / 40 + 64 )); do
        head -c "$n" "$guests/demo.elf" > "$work/cut"
        expect 4 "$work/cut" -kernel "$work/cut" --max-insns 1000
    done
fi
finish

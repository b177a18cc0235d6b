#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Debian's KVM on our VMX.  First a client of ours (kvm/), whose guests check modes, paging, I/O, interrupts, timers and two
# processors, with KVM's parameters that make it go other ways; then Debian's QEMU, which boots the same Linux kernel as
# KVM's guest; and in that Linux KVM again, with the client's guests.
. "$(dirname "$0")/lib.sh"
. "$here/linux_lib.sh"
need_linux
need qemu-system-x86 qemu-system-data qemu-system-common seabios $(closure qemu-system-x86 | grep -E '^lib|^zlib1g')

# The small system: loads KVM and runs the client, once for each of the kernel's arguments kvm=PARAMETER,...
{
    init_prologue
    cat << 'INIT'
echo "BOOTED on $(grep -c ^processor /proc/cpuinfo) processors$(grep -qw hypervisor /proc/cpuinfo && echo ', which are virtual')"
uname -srm
for word in $(cat /proc/cmdline); do
    case $word in
    kvm=*) modprobe="insmod /kvm-intel.ko $(echo "${word#kvm=}" | tr , ' ')"
        [ -d /sys/module/kvm ] || { insmod /irqbypass.ko; insmod /kvm.ko; }
        $modprobe && /kvm_client > /results && echo "PASSED $word."
        grep -v '^ok' /results
        rmmod kvm_intel ;;
    esac
done
poweroff -f
INIT
} > "$work/init"

"${CC:-cc}" -std=gnu17 -O1 -static -pthread -o "$work/kvm_client" "$here"/kvm/*.c "$here/kvm/guest.S" -I "$here/kvm" ||
    fail "the client does not compile"
kvm_modules() {
    entry 100644 irqbypass.ko "$modules/virt/lib/irqbypass.ko"
    entry 100644 kvm.ko "$modules/arch/x86/kvm/kvm.ko"
    entry 100644 kvm-intel.ko "$modules/arch/x86/kvm/kvm-intel.ko"
}
{
    begin_archive
    entry 100755 init "$work/init"
    entry 100755 kvm_client "$work/kvm_client"
    kvm_modules
    end_archive
} > "$work/small"

# The large system: QEMU with the small one.  Arguments: machine=NAME, cpus=N, inner=ARGUMENT
{
    init_prologue
    cat << 'INIT'
echo "BOOTED on $(grep -c ^processor /proc/cpuinfo) processors"
machine=pc cpus=1 inner=
for word in $(cat /proc/cmdline); do
    case $word in machine=*|cpus=*|inner=*) eval "$word" ;; esac
done
insmod /irqbypass.ko && insmod /kvm.ko && insmod /kvm-intel.ko
qemu-system-x86_64 -L /usr/share/qemu -L /usr/share/seabios -accel kvm -cpu host -M "$machine" -smp "$cpus" -m 256 \
    -nodefaults -no-user-config -display none -serial stdio -no-reboot -kernel /vmlinuz -initrd /small \
    -append "console=ttyS0 panic=-1 $inner" < /dev/null
echo "QEMU ended with $?"
poweroff -f
INIT
} > "$work/init"
qemu=$packages/usr/bin/qemu-system-x86_64
{
    begin_archive
    entry 100755 init "$work/init"
    entry 100755 bin/qemu-system-x86_64 "$qemu"
    libraries "$qemu"
    for name in kvmvapic.bin linuxboot_dma.bin; do entry 100644 "usr/share/qemu/$name" "$packages/usr/share/qemu/$name"; done
    for name in bios-256k.bin bios-microvm.bin; do
        entry 100644 "usr/share/seabios/$name" "$packages/usr/share/seabios/$name"
    done
    entry 100644 vmlinuz "$kernel"
    entry 100644 small "$work/small"
    kvm_modules
    end_archive
} > "$work/large"

# boot NAME INITRD ARGUMENTS OPTION...: runs to the power-off; the console goes to NAME.out.
boot() {
    local name=$1 initrd=$2 arguments=$3 code
    shift 3
    timeout 900 "$program" -kernel "$kernel" -initrd "$work/$initrd" -append "console=ttyS0 $arguments" -m 1024 \
        -serial stdio --timeout 600 --stats "$@" < /dev/null > "$work/$name.out" 2> "$work/$name.err"
    code=$?
    (( code == 0 )) && pass || fail "$name: exit code $code, not 0 (power-off): $(tail -1 "$work/$name.err")"
    has "$work/$name.out" " 0  VM-entry failures"
    good "$name"
}
# good NAME: the kernel in NAME.out came to its init, and neither it nor KVM complains.
good() {
    local name=$1
    has "$work/$name.out" "BOOTED on"
    if complains "$work/$name.out"; then fail "$name: the kernel complains"; fi
    if grep -iE 'kvm(-intel|_intel)?( \[[^]]*\]|\[[^]]*\])?:.*(unhandled|vmwrite|vmread|support|disabled|missing|inconsistent)' \
        "$work/$name.out"; then fail "$name: KVM complains"; fi
}

# client NAME PARAMETERS... -- OPTION...: the client with each set of KVM's parameters; no guest may fail.
client() {
    local name=$1 arguments='' word
    shift
    while [[ $1 != -- ]]; do arguments+=" kvm=$1"; shift; done
    shift
    boot "$name" small "quiet$arguments" "$@"
    for word in $arguments; do
        grep -qF "PASSED $word." "$work/$name.out" && pass || fail "$name: not all guests with $word"
    done
}

default=nested=1
client one $default ept=0 vpid=0 ept=0,vpid=0 unrestricted_guest=0 preemption_timer=0 vnmi=0 eptad=0 nested=0 --
client two $default -- -smp 2
client again $default -- -smp 2
cmp "$work/two.out" "$work/again.out" && pass || fail "two runs differ (the summary has the state hash)"
client four $default -- -smp 4

# On every profile, from that without EPT, MSR bitmaps and secondary controls on.
timeout 900 "$program" -kernel "$kernel" -initrd "$work/small" -append "console=ttyS0 quiet kvm=$default" -m 1024 \
    --cpu-matrix -serial "file:$work/profile" --timeout 600 > "$work/table" 2> "$work/table.err" && pass ||
    fail "the profiles differ: $(cat "$work/table" "$work/table.err")"
for name in prescott-vt penryn nehalem skylake icelake max; do
    grep -q "^$name  .* power-off .* 0  *[0-9]*$" "$work/table" && pass || fail "$name: $(grep "^$name " "$work/table")"
    mv "$work/profile.$name" "$work/$name.out"
    good "$name"
    grep -qF "PASSED kvm=$default." "$work/$name.out" && pass || fail "$name: not all guests"
done

boot pc large "machine=pc inner=kvm=$default"
has "$work/pc.out" "BOOTED on 1 processors, which are virtual"
has "$work/pc.out" "PASSED kvm=$default."
boot q35 large "machine=q35 cpus=2" -smp 2
has "$work/q35.out" "BOOTED on 2 processors, which are virtual"
boot microvm large "machine=microvm"
has "$work/microvm.out" "BOOTED on 1 processors, which are virtual"
for name in pc q35 microvm; do has "$work/$name.out" "QEMU ended with 0"; done
(( failed )) && for name in one two prescott-vt penryn nehalem skylake icelake max pc q35 microvm; do echo "== $name"; tail -n 40 "$work/$name.out"; done
finish

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Debian's Xen with Debian's Linux as its dom0, and Debian's xl: Xen gives its dom0 no VMX, but runs a PVH and an HVM
# guest in VMX non-root operation.  Both guests boot Debian's cloud kernel to a shell, which is then typed at.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/linux_lib.sh"

# What xl, its daemons and qemu do without: interpreters, and what only configures packages.
unneeded='adduser|cdebconf|debconf|dpkg|gcc-|install-info|ipxe|iso-codes|lsb-base|mailcap|media-types|mime-support|passwd'
unneeded+='|perl|python3|readline|sensible-utils|sysvinit|tar$|ucf|udev'
unneeded+='|lib(audit|cap-ng|db5|debian|gdbm|gssapi|k5|krb|keyutils|newt|nsl|pam|perl|python|readline|semanage|sepol|slang|sqlite'
unneeded+='|textwrap|tirpc)'
need "$(depends_on linux-image-amd64 linux-image)" "$(depends_on linux-image-cloud-amd64 linux-image)" busybox-static \
    xen-hypervisor-4.17-amd64 $(closure xen-utils-4.17 qemu-system-xen seabios | grep -vE "^($unneeded)")
xen=$packages/boot/xen-4.17-amd64.gz
guest_kernel=$(echo "$packages"/boot/vmlinuz-*-cloud-amd64)
dom0_kernel=${guest_kernel/-cloud/}
modules=$packages/lib/modules/${dom0_kernel##*/vmlinuz-}/kernel

# The guests' initramfs: a shell on the console.
{
    init_prologue
    cat << 'INIT'
export PS1='guest# '
echo "GUEST BOOTED on $(grep -c ^processor /proc/cpuinfo) processors"
dmesg | grep -E 'Hypervisor detected|Booting|DMI:'
exec setsid sh -c 'exec sh < /dev/hvc0 > /dev/hvc0 2>&1'
INIT
} > "$work/guest_init"
{
    begin_archive
    entry 100755 init "$work/guest_init"
    end_archive
} > "$work/guest_initrd"

configuration() {
    printf '%s\n' "name = \"$1\"" "type = \"$1\"" 'kernel = "/boot/vmlinuz"' 'ramdisk = "/boot/initrd"' 'memory = 160' \
        'extra = "console=hvc0 panic=-1"' 'on_reboot = "destroy"' "$2"
}
configuration pvh 'vcpus = 2' > "$work/pvh"
configuration hvm $'vcpus = 2\nvga = "none"\nvnc = 0' > "$work/hvm"

# dom0: the daemons, then a guest for each "guest=" of its command line, each typed at and gone when it powers off.
{
    init_prologue
    cat << 'INIT'
export PATH=/bin:/usr/lib/xen-4.17/bin
mkdir -p /dev/pts /run/lock /run/xen /run/xenstored /var/lib/xen /var/lib/xenstored /var/log/xen
mount -t devpts devpts /dev/pts
ln -s /run /var/run
ln -s /run/lock /var/lock
echo "BOOTED on $(grep -c ^processor /proc/cpuinfo) processors"
echo "the sum is $(for i in 1 2 3 4; do (seq 1 20000 | sha256sum) & done | sort -u)"
for m in xen-evtchn xen-gntdev xen-gntalloc xen-privcmd xenfs; do insmod /modules/$m.ko; done
mount -t xenfs xenfs /proc/xen
xenstored --pid-file=/run/xenstored.pid
while ! xenstore-exists /; do sleep 0.1; done
xen-init-dom0
xenconsoled --log=guest --log-dir=/var/log/xen --pid-file=/run/xenconsoled.pid
xl info
for type in $(sed 's/ /\n/g' /proc/cmdline | sed -n 's/^guest=//p'); do
    log=/var/log/xen/guest-$type.log
    xl create /etc/xen/$type || { cat /var/log/xen/qemu-dm-$type.log; continue; }
    xl list
    (timeout 60 sh -c "until grep -q 'guest# ' $log; do sleep 0.1; done" 2> /dev/null
     echo 'echo the answer is $((6 * 7))'; sleep 0.5; echo 'poweroff -f'; sleep 0.5) |
        timeout 70 xenconsole --interactive $(xl domid $type) > /dev/null
    for i in 1 2 3 4 5 6 7 8 9 10; do
        xl domid $type > /dev/null 2>&1 || { echo "$type is gone"; break; }
        sleep 0.5
    done
    sed "s/^/$type: /" $log
done
echo "dom0 is done"
poweroff -f
INIT
} > "$work/dom0_init"
xen_bin=$packages/usr/lib/xen-4.17/bin
{
    begin_archive
    entry 100755 init "$work/dom0_init"
    for name in xl xenstored xen-init-dom0 xenconsoled xenconsole libxl-save-helper; do
        entry 100755 "usr/lib/xen-4.17/bin/$name" "$xen_bin/$name"
    done
    entry 100755 bin/xenstore-exists "$packages/usr/bin/xenstore-exists"
    entry 100755 usr/libexec/xen-qemu-system-i386 "$packages/usr/libexec/xen-qemu-system-i386"
    libraries "$xen_bin"/{xl,xenstored,xenconsoled} "$packages"/usr/{bin/xenstore-exists,libexec/xen-qemu-system-i386}
    entry 100755 lib/libgcc_s.so.1 "$packages/lib/x86_64-linux-gnu/libgcc_s.so.1"     # for pthread_cancel
    for name in xen-evtchn xen-gntdev xen-gntalloc xen-privcmd xenfs/xenfs; do
        entry 100644 "modules/${name##*/}.ko" "$modules/drivers/xen/$name.ko"
    done
    entry 100644 usr/lib/xen-4.17/boot/hvmloader "$packages/usr/lib/xen-4.17/boot/hvmloader"
    entry 100644 usr/share/seabios/bios-256k.bin "$packages/usr/share/seabios/bios-256k.bin"
    for name in kvmvapic linuxboot linuxboot_dma; do
        entry 100644 "usr/share/qemu/$name.bin" "$packages/usr/share/qemu/$name.bin"
    done
    entry 100644 usr/share/qemu/keymaps/en-us "$packages/usr/share/qemu/keymaps/en-us"
    entry 100644 etc/xen/xl.conf /dev/null
    entry 100644 etc/xen/pvh "$work/pvh"
    entry 100644 etc/xen/hvm "$work/hvm"
    entry 100644 boot/vmlinuz "$guest_kernel"
    entry 100644 boot/initrd "$work/guest_initrd"
    end_archive
} > "$work/initrd"

# boot NAME ARGUMENTS OPTION...: Xen and dom0 until dom0's power-off; the console goes to NAME.
boot() {
    local name=$1 arguments=$2 code
    shift 2
    timeout 900 "$program" -kernel "$xen" -initrd "$dom0_kernel console=hvc0 $arguments,$work/initrd" \
        -append "console=com1 com1=115200,8n1 loglvl=all guest_loglvl=all noreboot dom0_mem=640M,max:640M" -m 1280 \
        -serial stdio --timeout 800 --stats "$@" < /dev/null > "$work/$name" 2> "$work/$name.err"
    code=$?
    (( code == 0 )) && pass || fail "$name: exit code $code, not 0 (power-off): $(tail -1 "$work/$name.err")"
    has "$work/$name" "the sum is $sum"
    has "$work/$name" "dom0 is done"
    if grep -E '\(XEN\).*(rror|ailed|BUG|WARN|crash|\bfault|unexpected|nsupported)' "$work/$name" |
        grep -v 'xenoprof: Initialization failed'; then         # it knows no processor after Nehalem
        fail "$name: Xen complains"
    fi
    if complains "$work/$name" || grep 'unchecked MSR' "$work/$name"; then fail "$name: a kernel complains"; fi
}
# ran NAME TYPE SENTENCE: the guest booted, said so, answered what was typed at it, and is gone.
ran() {
    has "$work/$1" "$2: GUEST BOOTED on 2 processors"
    grep -q "^$2: .*$3" "$work/$1" && pass || fail "$1: no line of the $2 guest with: $3"
    has "$work/$1" "$2: the answer is 42"
    has "$work/$1" "$2 is gone"
    has "$work/$1" " 0  VM-entry failures"
}

sum=$(seq 1 20000 | sha256sum)
boot one "guest=pvh"
has "$work/one" "BOOTED on 1 processors"
ran one pvh "Booting kernel on Xen PVH"
boot two "guest=pvh guest=hvm" -smp 2
has "$work/two" "BOOTED on 2 processors"
ran two pvh "Booting kernel on Xen PVH"
ran two hvm "DMI: Xen HVM domU"
for profile in nehalem skylake icelake; do          # the runs above are on max
    boot "$profile" "guest=pvh" -cpu "$profile"
    ran "$profile" pvh "Booting kernel on Xen PVH"
done
(( failed )) && for name in one two nehalem skylake icelake; do tail -n 30 "$work/$name"; done
finish

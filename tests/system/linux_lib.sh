# SPDX-License-Identifier: Apache-2.0
# Shared by the tests that boot Debian's Linux, after lib.sh: packages fetched by name and unpacked into $packages, and
# initramfs archives made of them.
packages=$work/packages

# fetch PACKAGE...: downloads each and unpacks it into $packages; false, with the reason in $work/apt, if one cannot be had.
fetch() {
    local deb
    rm -f "$work"/debs/*.deb
    mkdir -p "$work/debs" "$packages"
    (cd "$work/debs" && apt-get download -q "$@") > "$work/apt" 2>&1 || return 1
    for deb in "$work"/debs/*.deb; do dpkg -x "$deb" "$packages" || return 1; done
}
# need PACKAGE...: fetch, or the whole test is skipped.
need() { fetch "$@" || { echo "skipped: cannot be downloaded: $* ($(tail -1 "$work/apt" 2> /dev/null))"; exit 77; }; }
# depends_on PACKAGE PATTERN: the first dependency of PACKAGE whose name begins with PATTERN.
depends_on() { apt-cache depends "$1" 2> /dev/null | sed -n "s/.*Depends: *\\($2\\)/\\1/p" | head -1; }
# closure PACKAGE...: these and all that they depend on, recommendations left out.
closure() {
    apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances \
        "$@" 2> /dev/null | grep '^[a-z0-9]' | grep -v ':i386$' | sort -u
}
# need_linux [FLAVOUR]: Debian's kernel (default: cloud-amd64) and busybox; sets $kernel and $modules.
need_linux() {
    local package
    package=$(depends_on "linux-image-${1:-cloud-amd64}" linux-image)
    [[ -n $package ]] || { echo "skipped: no package linux-image-${1:-cloud-amd64}"; exit 77; }
    need "$package" busybox-static
    kernel=$(echo "$packages"/boot/vmlinuz-*)
    modules=$(echo "$packages"/lib/modules/*/kernel)
}

# An archive is "cpio -H newc", whose format Linux documents in buffer-format.rst, written to standard output by a
# sequence of entry, link and library calls that begins with begin_archive and ends with end_archive.
inode=0
declare -A archived=()
pad() { local k=$(( (4 - $1 % 4) % 4 )); while (( k-- > 0 )); do printf '\0'; done; }
# header MODE NAME SIZE
header() {
    inode=$((inode + 1))
    archived[$2]=1
    printf '070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\0' \
        "$inode" "$((8#$1))" 0 0 1 0 "$3" 0 0 0 0 $((${#2} + 1)) 0 "$2"
    pad $((110 + ${#2} + 1))
}
# parents NAME: the directories above NAME that the archive does not have yet.
parents() {
    local path=${1%/*}
    if [[ $path != "$1" && -z ${archived[$path]-} ]]; then
        parents "$path"
        header 40755 "$path" 0
    fi
}
# entry MODE NAME [FILE]: a directory (MODE 40755), or a file (100644, 100755) with FILE's contents.
entry() {
    local size=0
    [[ -n ${3-} ]] && size=$(stat -L -c %s "$3")
    parents "$2"
    header "$1" "$2" "$size"
    if [[ -n ${3-} ]]; then
        cat "$3"
        pad "$size"
    fi
}
# link NAME TARGET: a symbolic link.
link() {
    parents "$1"
    header 120777 "$1" ${#2}
    printf %s "$2"
    pad ${#2}
}
# tree FOLDER: all that is below $packages/FOLDER, under the same name.
tree() {
    local path name
    while read -r path; do
        name=${path#"$packages/"}
        [[ -n ${archived[$name]-} ]] && continue
        if [[ -L $path ]]; then
            link "$name" "$(readlink "$path")"
        elif [[ -d $path ]]; then
            entry 40755 "$name"
        else
            entry "10$(stat -c %a "$path")" "$name" "$path"
        fi
    done < <(find "$packages/$1" | sort)
}
# libraries FILE...: the shared libraries and the loader that these programs of $packages need, in one folder, lib.
libraries() {
    local name path
    for name in $(objdump -p "$@" | awk '$1 == "NEEDED" { print $2 }' | sort -u) ld-linux-x86-64.so.2; do
        [[ -n ${archived[lib/$name]-} ]] && continue
        path=$(find "$packages" -name "$name" | head -1)
        [[ -n $path ]] || { echo "no package has $name" >&2; continue; }
        entry 100755 "lib/$name" "$path"
        libraries "$path"
    done
}
begin_archive() {
    inode=0
    archived=()
    entry 40755 dev
    entry 40755 proc
    entry 40755 sys
    entry 40755 tmp
    entry 100755 bin/busybox "$packages/bin/busybox"
    link lib64 lib
}
end_archive() { header 0 'TRAILER!!!' 0; }

# The start of every init script: the file systems, busybox's commands, and kernel messages of all levels on the console.
init_prologue() {
    cat << 'INIT'
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox --install -s /bin
export PATH=/bin LD_LIBRARY_PATH=/lib
INIT
}
# complains FILE: the lines by which a kernel says that something is wrong.
complains() { grep -E 'Call Trace|Oops|BUG:|rcu.*stall|WARNING: CPU|general protection' "$1"; }

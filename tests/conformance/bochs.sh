#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# bochs.sh ISO [MODEL]: Debian's Bochs 2.7 (packages bochs, bochs-term, bochsbios, vgabios) starts from a disc image;
# what the guest writes to COM1 goes to standard output.  For `silverpool conform --target 'bochs.sh {iso}'`.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
cat > "$folder/bochsrc" << END
display_library: term
cpu: model=${2:-corei7_skylake_x}, count=1, ips=50000000
memory: guest=256, host=256
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
com1: enabled=1, mode=file, dev=$folder/com1
ata0-master: type=cdrom, path=$1, status=inserted
boot: cdrom
clock: sync=none
speaker: enabled=0
plugin_ctrl: sb16=0, es1370=0, speaker=0
panic: action=report
error: action=ignore
info: action=ignore
debug: action=ignore
log: $folder/log
END
echo c > "$folder/commands"               # Debian's is built with the debugger
mkfifo "$folder/com1"
# It wants a terminal for its screen; it ends when that does.
TERM=linux script -qfec "stty rows 50 cols 132
exec setpriv --pdeathsig KILL bochs -q -f '$folder/bochsrc' -rc '$folder/commands'" /dev/null < /dev/null > /dev/null &
cat "$folder/com1"

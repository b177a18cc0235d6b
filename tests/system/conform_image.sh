#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# conform_image.sh WORDS: speaks as the conformance image does, for tests of `silverpool conform --target`.  Of its
# cases some fail, one takes its machine along, and one hangs.
cases=(entry.host.cr0-fixed/last-good entry.host.cr0-fixed/first-bad entry.guest.dies/only vmread.hangs/only
       vmread.encoding/quotes exit.skips/only exit.lost/only vpid.good/a vpid.good/b)
filter='*' shard=0 shards=1 from= begun=1 list= number=0 run=0 failed=0 skipped=0
for word in $1; do
    case $word in
    filter=*) filter=${word#*=} ;;
    shard=*) word=${word#*=} shard=$((${word%/*} - 1)) shards=${word#*/} ;;
    from=*) from=${word#*=} begun= ;;
    list) list=1 ;;
    esac
done

matches() {
    local glob
    while read -r glob; do
        # shellcheck disable=SC2053
        [[ $1 == $glob ]] && return 0
    done < <(tr , '\n' <<< "$filter")
    return 1
}

printf 'GRUB loading.\r\nconform 1\r\ninfo vendor StandInForCPU\r\n'
for name in "${cases[@]}"; do
    [[ $name == "$from" ]] && begun=1
    matches "$name" || continue
    (( number++ % shards == shard )) && [[ $begun ]] || continue
    [[ $list ]] && { printf 'case %s\r\n' "$name"; continue; }
    [[ $name == *lost* && -n ${CUTS:-} ]] && { printf 'run %s' "${name:0:8}"; exit 3; }
    printf 'run %s\r\n' "$name"
    [[ $name == *lost* && -n ${RESETS:-} ]] && { printf 'conform 1\r\n'; sleep 100; }
    run=$((run + 1))
    case $name in
    *dies*) exit 3 ;;
    *hangs*) sleep 100 ;;
    *first-bad) printf 'not ok %s expected=error:0x8 observed=error:0x0\r\n' "$name"; failed=$((failed + 1)) ;;
    *quotes*) printf 'not ok %s expected=<a> & "b" observed=</script>\r\n' "$name"; failed=$((failed + 1)) ;;
    *skips*) printf 'skip %s vmx-ept\r\n' "$name"; skipped=$((skipped + 1)) ;;
    *lost*) [[ -n ${LOSES:-} ]] || printf 'ok %s\r\n' "$name" ;;
    *) printf 'ok %s\r\n' "$name" ;;
    esac
done
printf 'done %s %s %s %s\r\n' $run $((run - failed - skipped)) $failed $skipped
[[ $list ]] || sleep 100                # a real machine halts

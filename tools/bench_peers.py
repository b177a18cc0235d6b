# SPDX-License-Identifier: Apache-2.0
"""Runs guests in other simulators, for tools/bench and tools/bench_systems.

A watch reads a guest's console: feed(bytes) takes what came, done() says whether anything more is wanted."""
import fcntl
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import time
import tty


def cpu_seconds(pid):
    """User + system time of a process that lives: its clock, clock_getcpuclockid(3)."""
    return time.clock_gettime(~pid << 3 | 2)


BOCHSRC = '''display_library: term
cpu: model=corei7_skylake_x, count={processors}, ips=50000000
memory: guest={memory}, host={memory}
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
com1: enabled=1, mode=file, dev={folder}/com1
ata0-master: type=cdrom, path={folder}/boot.iso, status=inserted
boot: cdrom
clock: sync=none
speaker: enabled=0
plugin_ctrl: sb16=0, es1370=0, speaker=0
panic: action=fatal
error: action=ignore
info: action=ignore
debug: action=ignore
log: {folder}/log
'''


def make_iso(files, commands, folder):
    """A CD whose GRUB has the files in its root, talks on the serial port, obeys the commands and boots."""
    boot = folder / 'iso/boot/grub'
    boot.mkdir(parents=True)
    lines = ['serial --unit=0 --speed=115200', 'terminal_output serial', *commands, 'boot', '']
    (boot / 'grub.cfg').write_text('\n'.join(lines))
    for name in files:
        shutil.copy(name, folder / 'iso')
    subprocess.run(['grub-mkrescue', '-o', folder / 'boot.iso', folder / 'iso'], check=True, capture_output=True)


def start_bochs(folder):
    """Bochs wants a terminal for its screen, and its debugger a command to continue."""
    (folder / 'rc').write_text('c\n')
    os.mkfifo(folder / 'com1')
    serial = os.open(folder / 'com1', os.O_RDONLY | os.O_NONBLOCK)
    pid, terminal = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', 50, 132, 0, 0))
        os.environ['TERM'] = 'linux'
        os.execvp('bochs', ['bochs', '-q', '-f', str(folder / 'bochsrc'), '-rc', str(folder / 'rc')])
    return pid, terminal, serial


def open_screen(said):
    """Bochs' terminal library writes its screen to a terminal of its own, and waits when nobody reads it."""
    name = re.search(rb'connected to screen "(/dev/pts/\d+)"', said)
    if not name:
        return None
    screen = os.open(name[1], os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    tty.setraw(screen)
    return screen


def watch_bochs(watch, terminal, serial, end):
    """Until the watch is done, the end of the time or of Bochs; returns its screen, if it has one by then."""
    said, screen, files = b'', None, [terminal, serial]
    while not watch.done() and time.monotonic() < end:
        for ready in select.select(files, [], [], 1)[0]:
            try:
                data = os.read(ready, 65536)
            except OSError:        # the terminal's other side is gone: Bochs has ended
                return screen
            if ready == serial:
                watch.feed(data)
            elif ready == terminal and not screen:
                said += data
                screen = open_screen(said)
                files += [screen] if screen else []
        time.sleep(0.005)          # a FIFO without a writer is always ready
    return screen


def run_bochs(files, commands, memory, processors, make_watch, limit):
    """Boots the files by GRUB's commands in Bochs; returns the watch, make_watch(pid), and the CPU seconds of all."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        make_iso(files, commands, folder)
        (folder / 'bochsrc').write_text(BOCHSRC.format(folder=folder, memory=memory, processors=processors))
        pid, terminal, serial = start_bochs(folder)
        watch = make_watch(pid)
        screen = watch_bochs(watch, terminal, serial, time.monotonic() + limit)
        os.kill(pid, signal.SIGKILL)
        _, _, usage = os.wait4(pid, 0)
        for descriptor in filter(None, (terminal, serial, screen)):
            os.close(descriptor)
    return watch, usage.ru_utime + usage.ru_stime

#!/bin/sh
# Runs a command whose temporary files lie in memory, where there is room (Linux: 4 GB in /dev/shm, and twice as much memory free),
# else where they always lie. The tests call fsync so often that they wait for a disk as long as they work.
set -u

room() {
    [ -w /dev/shm ] || return 1
    shm=$(df -kP /dev/shm | awk 'NR == 2 {print $4}')
    memory=$(awk '$1 == "MemAvailable:" {print $2}' /proc/meminfo)
    [ "${shm:-0}" -gt 4000000 ] && [ "${memory:-0}" -gt 8000000 ]
}

[ -z "${TMPDIR:-}" ] && room && TMPDIR=$(mktemp -d /dev/shm/instar-tests.XXXXXX) || exec "$@"
export TMPDIR
chmod 711 "$TMPDIR"                     # some tests are another user for a while
trap 'rm -rf "$TMPDIR"' EXIT
trap : INT TERM HUP                     # the command gets them, too, and ends; what it left goes then
"$@"

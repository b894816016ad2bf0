#!/usr/bin/env bash
# Several hosts on one machine, for tests: network namespaces joined by a switch, with the same files.
#   eng/hosts.sh start DIR [N]   makes N of them, 2 when not said; afterwards DIR/agent stands for ssh (mpirun --mca plm_rsh_agent, mpiexec -launcher-exec),
#                                DIR/on 1 COMMAND… runs a command on a host; DIR/hosts lists their addresses, which end in the host's number
#   eng/hosts.sh cut DIR         takes the link of the first host down;   eng/hosts.sh mend DIR   brings it back
#   eng/hosts.sh stop DIR        removes them
# Needs root and iproute2.
set -euo pipefail
action=${1:?start, cut, mend or stop} dir=$(realpath -m "${2:?a folder}") count=${3:-2}
tag=$(printf '%s' "$dir" | cksum | cut -d' ' -f1); tag=h${tag:0:7}
net=10.$((150 + 0x$(printf '%s' "$dir" | md5sum | cut -c1-2) % 50)).77

case $action in
    start)
        mkdir -p "$dir"
        ip netns add "$tag-switch"
        ip -n "$tag-switch" link add switch type bridge
        ip -n "$tag-switch" link set switch up
        for n in $(seq "$count"); do
            ip netns add "$tag-$n"
            ip -n "$tag-$n" link set lo up
            ip -n "$tag-$n" link add eth0 type veth peer name "port$n" netns "$tag-switch"
            ip -n "$tag-switch" link set "port$n" master switch up
            ip -n "$tag-$n" addr add "$net.$n/24" dev eth0
            ip -n "$tag-$n" link set eth0 up
        done
        # A link is ready a moment after it is up.
        for _ in $(seq 2400); do
            up=$(for n in $(seq "$count"); do ip -n "$tag-$n" link show eth0; done | grep -c 'state UP' || true)
            [ "$up" = "$count" ] && break
            sleep 0.05
        done
        [ "$up" = "$count" ] || { echo "The links did not come up within 2 minutes." >&2; exit 1; }
        for n in $(seq "$count"); do echo "$net.$n"; done > "$dir/hosts"
        cat > "$dir/on" <<ON
#!/bin/sh
# Runs a command on a host: on 1 COMMAND…
host=\$1; shift
exec ip netns exec $tag-\$host "\$@"
ON
        cat > "$dir/agent" <<AGENT
#!/bin/sh
# Stands for ssh: agent [options] ADDRESS COMMAND…
while [ "\${1#-}" != "\$1" ]; do shift; done
host=\${1##*.}; shift
exec ip netns exec $tag-\$host sh -c "\$*"
AGENT
        chmod +x "$dir/on" "$dir/agent"
        ;;
    cut) ip -n "$tag-1" link set eth0 down ;;
    mend) ip -n "$tag-1" link set eth0 up ;;
    stop)
        for host in $(ip netns list | cut -d' ' -f1 | grep "^$tag-" || true); do
            # What still runs there would keep the host and the link alive.
            for pid in $(ip netns pids "$host" 2>/dev/null); do kill -KILL "$pid" 2>/dev/null || true; done
            ip netns del "$host" 2>/dev/null || true
        done
        ;;
    *) echo "Say start, cut, mend or stop." >&2; exit 2 ;;
esac

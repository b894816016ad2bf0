#!/usr/bin/env bash
# Two hosts on one machine, for tests: network namespaces joined by a veth pair, with the same files.
#   eng/two-hosts.sh start DIR   makes them; afterwards DIR/agent stands for ssh (mpirun --mca plm_rsh_agent, mpiexec -launcher-exec),
#                                DIR/on 1 COMMAND… runs a command on a host; DIR/hosts lists their addresses
#   eng/two-hosts.sh cut DIR     takes the link down;   eng/two-hosts.sh mend DIR   brings it back
#   eng/two-hosts.sh stop DIR    removes them
# Needs root and iproute2.
set -euo pipefail
action=${1:?start, cut, mend or stop} dir=$(realpath -m "${2:?a folder}")
tag=$(printf '%s' "$dir" | cksum | cut -d' ' -f1); tag=h${tag:0:7}
net=10.$((150 + 0x$(printf '%s' "$dir" | md5sum | cut -c1-2) % 50)).77

case $action in
    start)
        mkdir -p "$dir"
        for n in 1 2; do
            ip netns add "$tag-$n"
            ip netns exec "$tag-$n" ip link set lo up
        done
        ip link add eth0 netns "$tag-1" type veth peer name eth0 netns "$tag-2"
        for n in 1 2; do
            ip netns exec "$tag-$n" ip addr add $net.$n/24 dev eth0
            ip netns exec "$tag-$n" ip link set eth0 up
        done
        # A link is ready a moment after it is up.
        for _ in $(seq 2400); do
            up=$(for n in 1 2; do ip -n "$tag-$n" link show eth0; done | grep -c 'state UP' || true)
            [ "$up" = 2 ] && break
            sleep 0.05
        done
        [ "$up" = 2 ] || { echo "The link did not come up within 2 minutes." >&2; exit 1; }
        printf '%s\n' $net.1 $net.2 > "$dir/hosts"
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
    cut) ip netns exec "$tag-1" ip link set eth0 down ;;
    mend) ip netns exec "$tag-1" ip link set eth0 up ;;
    stop)
        for n in 1 2; do
            # What still runs there would keep the host and the link alive.
            for pid in $(ip netns pids "$tag-$n" 2>/dev/null); do kill -KILL "$pid" 2>/dev/null || true; done
            ip netns del "$tag-$n" 2>/dev/null || true
        done
        ;;
    *) echo "Say start, cut, mend or stop." >&2; exit 2 ;;
esac

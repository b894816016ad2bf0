#!/usr/bin/env bash
# A Slurm cluster on one machine, for tests: slurmctld and two slurmd, each in a network namespace of its own, with munge.
#   eng/slurm-cluster.sh start DIR    makes it in an empty folder; afterwards:  DIR/in sbatch …, DIR/in squeue, …
#   eng/slurm-cluster.sh cut DIR      takes the link to the second node down;   eng/slurm-cluster.sh mend DIR   brings it back
#   eng/slurm-cluster.sh stop DIR     ends its daemons, and what it still runs
# Needs root, and the packages that eng/install-test-needs.sh installs. Several clusters may stand side by side.
set -euo pipefail
action=${1:?start, cut, mend or stop} dir=$(realpath -m "${2:?a folder}")
tag=$(printf '%s' "$dir" | cksum | cut -d' ' -f1); tag=c${tag:0:7}
control=$tag-0 net=10.$((200 + 0x$(printf '%s' "$dir" | md5sum | cut -c1-2) % 50)).77

in_namespace() { local n=$1; shift; ip netns exec "$tag-$n" "$@"; }

stop() {
    for pid in "$dir"/*.pid; do
        [ -s "$pid" ] && kill "$(cat "$pid")" 2>/dev/null || true
    done
    for _ in $(seq 50); do
        alive=0
        for pid in "$dir"/*.pid; do
            [ -s "$pid" ] && kill -0 "$(cat "$pid")" 2>/dev/null && alive=1
        done
        [ "$alive" = 0 ] && break
        sleep 0.1
    done
    for n in 0 1 2; do
        # Jobs outlive the daemons, and would keep the namespace alive.
        for pid in $(ip netns pids "$tag-$n" 2>/dev/null); do kill -KILL "$pid" 2>/dev/null || true; done
        ip netns del "$tag-$n" 2>/dev/null || true
    done
}

start() {
    for need in ip munged slurmctld slurmd; do
        command -v $need >/dev/null || { echo "$need is not installed." >&2; exit 1; }
    done
    mkdir -p "$dir"/{state,spool1,spool2,tmp1,tmp2,munge}
    for n in 0 1 2; do
        ip netns add "$tag-$n"
        in_namespace $n ip link set lo up
    done
    in_namespace 0 ip link add br0 type bridge
    in_namespace 0 ip addr add $net.10/24 dev br0
    in_namespace 0 ip link set br0 up
    for n in 1 2; do
        ip link add "$tag-v$n" netns "$control" type veth peer name eth0 netns "$tag-$n"
        in_namespace 0 ip link set "$tag-v$n" master br0 up
        in_namespace $n ip addr add $net.$((10 + n))/24 dev eth0
        in_namespace $n ip link set eth0 up
    done
    # Munge insists on folders that others cannot write.
    chmod 700 "$dir/munge"
    head -c 64 /dev/urandom > "$dir/munge/key"
    chmod 600 "$dir/munge/key"
    munged --force --key-file="$dir/munge/key" --socket="$dir/munge.socket" --pid-file="$dir/munged.pid" \
        --log-file="$dir/munge/log" --seed-file="$dir/munge/seed" --num-threads=2
    cat > "$dir/slurm.conf" <<CONF
ClusterName=cairn
SlurmctldHost=$(hostname -s)($net.10)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/munge.socket,cred_expire=5
SlurmctldPort=6817
SlurmdPort=6818
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool%n
TmpFS=$dir/tmp%n
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd-%n.pid
SlurmctldLogFile=$dir/slurmctld.log
SlurmdLogFile=$dir/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=5,batch_sched_delay=1
MpiDefault=none
ReturnToService=2
JobRequeue=1
KillWait=2
OverTimeLimit=5
SlurmdTimeout=15
SlurmdParameters=config_overrides
JobAcctGatherType=jobacct_gather/none
NodeName=1 NodeHostname=n1 NodeAddr=$net.11 CPUs=2 RealMemory=2000
NodeName=2 NodeHostname=n2 NodeAddr=$net.12 CPUs=2 RealMemory=2000
PartitionName=main Nodes=1,2 Default=YES MaxTime=INFINITE State=UP
CONF
    # The other plugin wants a mounted cgroup tree at once; nothing here uses cgroups.
    echo "CgroupPlugin=cgroup/v1" > "$dir/cgroup.conf"
    cat > "$dir/in" <<IN
#!/bin/sh
# Runs a command where the cluster's controller is.
SLURM_CONF=$dir/slurm.conf exec ip netns exec $control "\$@"
IN
    chmod +x "$dir/in"
    export SLURM_CONF=$dir/slurm.conf
    in_namespace 0 slurmctld -f "$dir/slurm.conf"
    for n in 1 2; do in_namespace $n slurmd -f "$dir/slurm.conf" -N $n; done
    for _ in $(seq 1500); do
        [ "$("$dir/in" sinfo -h -o '%D %t' 2>/dev/null)" = "2 idle" ] && return
        sleep 0.2
    done
    echo "The cluster did not come up within 5 minutes:" >&2
    "$dir/in" sinfo -N -l >&2 || true
    tail -n 20 "$dir"/slurmctld.log "$dir"/slurmd-*.log >&2 || true
    stop
    exit 1
}

case $action in
    start) start ;;
    stop) stop ;;
    cut) in_namespace 2 ip link set eth0 down ;;
    mend) in_namespace 2 ip link set eth0 up ;;
    *) echo "Say start, cut, mend or stop." >&2; exit 2 ;;
esac

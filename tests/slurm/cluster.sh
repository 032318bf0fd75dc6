#!/usr/bin/env bash
# A Slurm of two nodes on this one machine, for tests: its own munge, its own controller, its own configuration.
#
#   cluster.sh start DIR     prints the configuration's path, for SLURM_CONF
#   cluster.sh stop DIR
#
# Needs root, and Debian's slurmctld, slurmd, slurm-client and munge.
set -euo pipefail

command=${1:?start or stop}
dir=$(realpath -m "${2:?a folder}")
host=$(hostname -s)

start() {
    mkdir -p "$dir"/spool/{ctl,n1,n2} "$dir/log" "$dir/munge"
    # Whoever may talk to munge's socket must be able to reach it.
    chmod 755 "$dir" "$dir/munge"
    dd if=/dev/urandom of="$dir/munge/key" bs=1 count=1024 status=none
    chmod 400 "$dir/munge/key"
    munged --force --key-file="$dir/munge/key" --socket="$dir/munge/socket" --pid-file="$dir/munge.pid" \
        --log-file="$dir/log/munge.log" --seed-file="$dir/munge/seed"
    cat > "$dir/slurm.conf" <<CONF
ClusterName=effsweeptest
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=17817
AuthType=auth/munge
# A requeued task waits until its old credential has run out.
AuthInfo=socket=$dir/munge/socket,cred_expire=5
CryptoType=crypto/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$dir/spool/ctl
SlurmdSpoolDir=$dir/spool/%n
SlurmctldPidFile=$dir/ctl.pid
SlurmdPidFile=$dir/slurmd.%n.pid
SlurmctldLogFile=$dir/log/ctl.log
SlurmdLogFile=$dir/log/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
MpiDefault=none
SwitchType=switch/none
SchedulerParameters=sched_interval=2,batch_sched_delay=0
SlurmdParameters=config_overrides
JobRequeue=1
KillWait=2
MaxArraySize=20001
MaxJobCount=20000
NodeName=n1 NodeHostname=$host NodeAddr=127.0.0.1 Port=17001 CPUs=2 RealMemory=4000
NodeName=n2 NodeHostname=$host NodeAddr=127.0.0.1 Port=17002 CPUs=2 RealMemory=4000
PartitionName=p Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
CONF
    export SLURM_CONF="$dir/slurm.conf"
    slurmctld
    slurmd -N n1
    slurmd -N n2
    for _ in $(seq 100); do
        if [ "$(sinfo --noheader --Node --format=%T 2>/dev/null | grep -c idle)" = 2 ]; then
            echo "$SLURM_CONF"
            return
        fi
        sleep 0.2
    done
    sinfo >&2 || true
    tail -5 "$dir"/log/*.log >&2
    exit 1
}

stop() {
    for pid in "$dir"/slurmd.n1.pid "$dir"/slurmd.n2.pid "$dir"/ctl.pid "$dir"/munge.pid; do
        [ -e "$pid" ] && kill "$(cat "$pid")" 2>/dev/null || true
    done
}

"$command"

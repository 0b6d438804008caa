#!/bin/bash
# A real Slurm on this machine alone: munged, slurmctld and one slurmd, run by whoever starts it, without systemd,
# accounting or cgroups. All that it writes lies in one folder.
#
#   eval "$(tests/slurm/local_slurm.sh start FOLDER)"      # prints the environment in which sbatch finds it
#   tests/slurm/local_slurm.sh stop FOLDER
#
# Debian: apt-get install slurm-wlm munge. The node says that it has 8 cores and one GPU, whatever the machine has: what
# jobs ask for is counted, nothing is bound to them. A job in partition `urgent` preempts those in `spare`.
set -euo pipefail

usage="usage: $0 start|stop FOLDER"
action=${1:?$usage}
mkdir -p "${2:?$usage}"
folder=$(realpath "$2")
PATH=$PATH:/usr/sbin
export SLURM_CONF=$folder/slurm.conf

two_free_ports() {
    python3 - <<'PYTHON'
import socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(one.getsockname()[1] for one in sockets))
PYTHON
}

write_configuration() {
    local user name controller_port node_port
    user=$(id -un) name=$(hostname -s)
    read -r controller_port node_port < <(two_free_ports)
    mkdir -p "$folder"/{bin,controller,node}
    # MinJobAge: how long a job that has ended is known; without accounting nothing else tells how it ended.
    # KillWait: seconds between SIGTERM and SIGKILL. cred_expire: seconds that a requeued job waits before it starts.
    cat > "$SLURM_CONF" <<CONFIGURATION
ClusterName=local
SlurmctldHost=$name(127.0.0.1)
SlurmctldPort=$controller_port
SlurmdPort=$node_port
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket,cred_expire=5
StateSaveLocation=$folder/controller
SlurmdSpoolDir=$folder/node
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
SchedulerParameters=sched_interval=5,bf_interval=5
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
MinJobAge=3600
KillWait=30
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
GresTypes=gpu,shard
NodeName=$name NodeAddr=127.0.0.1 CPUs=8 RealMemory=8000 Gres=gpu:1,shard:4 State=UNKNOWN
PartitionName=spare Nodes=$name Default=YES PriorityTier=1 PreemptMode=REQUEUE
PartitionName=urgent Nodes=$name PriorityTier=10 PreemptMode=OFF
CONFIGURATION
    # Slurm asks for a device file of a GPU; this one is on every machine
    printf "NodeName=$name %s\n" "Name=gpu File=/dev/null" "Name=shard Count=4" > "$folder/gres.conf"
    # Snakemake calls srun without any variable that begins with SLURM_, so without the name of our configuration
    printf '#!/bin/sh\nSLURM_CONF=%s exec %s "$@"\n' "$SLURM_CONF" "$(dirname "$(command -v sbatch)")/srun" > "$folder/bin/srun"
    chmod +x "$folder/bin/srun"
}

wait_for_the_node() {
    for _ in $(seq 100); do
        [ "$(sinfo --noheader --format=%T --partition=spare 2>&1)" = idle ] && return
        sleep 0.2
    done
    echo "$0: the node does not become idle; the last words of its daemons:" >&2
    tail --lines=5 "$folder"/*.log >&2
    exit 1
}

start() {
    write_configuration
    (umask 077 && head -c 1024 /dev/urandom > "$folder/munge.key") # munged refuses a key that others can read
    # --force: the folder may be private, since all jobs are of one user
    munged --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" --pid-file="$folder/munged.pid" \
        --log-file="$folder/munged.log" --seed-file="$folder/munge.seed"
    slurmctld -c
    slurmd -c
    wait_for_the_node
    printf 'export SLURM_CONF=%q PATH=%q:$PATH\n' "$SLURM_CONF" "$folder/bin"
}

stop() {
    scancel --user="$(id -un)" || true
    for program in slurmd slurmctld munged; do
        pid=$(cat "$folder/$program.pid" 2> /dev/null) || continue
        kill "$pid" 2> /dev/null || continue
        for _ in $(seq 100); do
            kill -0 "$pid" 2> /dev/null || continue 2
            sleep 0.1
        done
        kill -KILL "$pid" 2> /dev/null || true
    done
}

case $action in
    start | stop) "$action" ;;
    *)
        echo "$usage" >&2
        exit 2
        ;;
esac

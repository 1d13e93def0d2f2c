# ---- The rest is the same for every job: nothing has to be changed below.

# The program may take as long to save as Slurm gives a job that is cancelled, but for what comes after it.
kill_wait=$(scontrol show config | awk '$1 == "KillWait" { print $3 }')
export SAGEMAKER_STOP_GRACE_SECONDS=${SAGEMAKER_STOP_GRACE_SECONDS:-$((kill_wait > 10 ? kill_wait - 5 : kill_wait / 2))}
# Jobs may share a node: each has ports of its own.
export SAGEMAKER_LAUNCHER_PORT=${SAGEMAKER_LAUNCHER_PORT:-$((20000 + SLURM_JOB_ID % 6000 * 2))}
export MASTER_PORT=${MASTER_PORT:-$((20001 + SLURM_JOB_ID % 6000 * 2))}
mkdir -p "$FOLDER/checkpoints"
rm -f "$FOLDER/checkpoints/.stopped"
export FOLDER SCRATCH IMAGE PASSED
# What nodes run, in a file that they share, and nobody else reads: arguments are seen by all users of a node.
export NODE_SCRIPT=$FOLDER/.node-$SLURM_JOB_ID.sh

# In a container of podman, which Slurm may not reach itself: podman passes SIGTERM on to the first process alone.
first_in_container() {
    local job code=0 stopped=0
    set -m # a process group of its own
    (
        trap : TERM
        fetch
        run
    ) &
    job=$!
    set +m
    trap 'stopped=1; kill -TERM -- "-$job"' TERM
    wait "$job" || code=$?
    while ((stopped)); do # the signal has ended `wait` alone
        stopped=0 code=0
        wait "$job" || code=$?
    done
    exit "$code"
}

# On each node: fetch what the job is given, and run it, in a tree of the node's own.
on_node() {
    set -euo pipefail
    # Slurm signals every process; this one waits for the others, has their exit code, and tells the script.
    trap 'touch "$FOLDER/checkpoints/.stopped"' TERM
    local tree=$SCRATCH/mlberth-$SLURM_JOB_ID.$SLURM_NODEID name code=0
    local inside='set -euo pipefail; trap : TERM; . "$NODE_SCRIPT"; fetch; run'
    # Nobody else may read what it holds, or have made it.
    (umask 077 && mkdir -p "$tree")
    [ -O "$tree" ] || { echo "$tree: found a folder of another user's; expected none" >&2 && exit 73; }
    mkdir -p "$tree"/{code,input/config,input/data,model,output/data}
    case $IMAGE in
    '')
        export ML=$tree SAGEMAKER_BASE_DIR=$tree
        ln -sfn "$FOLDER/checkpoints" "$tree/checkpoints"
        bash -c "$inside" || code=$?
        ;;
    podman:*)
        local variables=() user=()
        ((UID == 0)) || user=(--userns=keep-id)
        for name in $(compgen -e | grep -E "^(SLURM_|SAGEMAKER_|AWS_|S3_|MASTER_|CUDA_|FOLDER$|NODE_SCRIPT$|$PASSED$)"); do
            variables+=("--env=$name")
        done
        local container=mlberth-$SLURM_JOB_ID.$SLURM_NODEID.${SLURM_RESTART_COUNT:-0}
        podman run --rm --name="$container" --sig-proxy=false --network=host "${user[@]}" "${variables[@]}" --env=ML=/opt/ml \
            --volume="$tree:/opt/ml" --volume="$FOLDER:$FOLDER" --volume="$FOLDER/checkpoints:/opt/ml/checkpoints" \
            "${IMAGE#podman:}" bash -c 'set -euo pipefail; . "$NODE_SCRIPT"; first_in_container' || code=$?
        # Slurm's signals end podman, which would not pass on all of them if it did that: what it starts to pass one on
        # gets the next one. So this tells the container, and waits for it.
        if [ "$(podman container inspect --format='{{.State.Running}}' "$container" 2>/dev/null)" = true ]; then
            podman attach --no-stdin --sig-proxy=false "$container" &
            podman kill --signal=TERM "$container" >/dev/null
            code=$(podman wait "$container")
            wait
        fi
        ;;
    *)
        local gpus=()
        [ ! -e /dev/nvidiactl ] || gpus=(--nv)
        export ML=/opt/ml
        apptainer exec --no-home "${gpus[@]}" --bind="$tree:/opt/ml" --bind="$FOLDER" \
            --bind="$FOLDER/checkpoints:/opt/ml/checkpoints" "$IMAGE" bash -c "$inside" || code=$?
        ;;
    esac
    # 70 is a host that was lost, most often. srun would wait for it until Slurm has given the node up.
    ((code != 70)) || scancel --batch --signal=USR2 "$SLURM_JOB_ID"
    exit "$code"
}

(
    umask 077
    declare -f on_node first_in_container fetch run >"$NODE_SCRIPT"
)
trap 'rm -f "$NODE_SCRIPT"' EXIT
# Slurm tells this script alone that the time is nearly up. Not by SIGTERM, which it sends everywhere itself when it
# cancels a job, or preempts it.
trap 'scancel --signal=TERM "$SLURM_JOB_ID" || :' USR1
trap : TERM
lost=0
trap 'lost=1; kill -KILL "$step"' USR2
srun --ntasks-per-node=1 --kill-on-bad-exit=1 bash -c '. "$NODE_SCRIPT"; on_node' &
step=$! code=0
wait "$step" || code=$?
while kill -0 "$step" 2>/dev/null; do # a signal has ended `wait` alone
    code=0
    wait "$step" || code=$?
done
((!lost)) || code=70

# Preempted, out of time, or without a node that it had (70): from the checkpoints again. A cancelled job is not running.
state=$(squeue --noheader --format=%T --jobs="$SLURM_JOB_ID" || :)
if { [ -e "$FOLDER/checkpoints/.stopped" ] || ((code == 70)); } && [ "$state" = RUNNING ]; then
    if ((${SLURM_RESTART_COUNT:-0} < RESTARTS)); then
        scontrol requeue "$SLURM_JOB_ID"
    fi
    ((code)) || code=143 # it has saved, but is not done
fi
exit "$code"

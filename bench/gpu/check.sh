#!/usr/bin/env bash
# Everything that a machine with an NVIDIA GPU is asked for: the tests by its own driver, the numbers of every example,
# NVIDIA's memory checker, the same bits twice, the accuracy of training, and speed beside PyTorch. Needs a checkout and
# the programs of pack.sh; PyTorch and compute-sanitizer where they are to be had.
#
# Usage: bench/gpu/check.sh [PROGRAMS [RESULTS [PART...]]]     (default: target/gpu target/gpu/results and all parts)
#
# Each step has a log in RESULTS; summary.txt has a line for each and grows from run to run, so that parts may be asked
# for one by one. Parts: tests compare sanitizer bits accuracy speed. PYTHON names the interpreter that has PyTorch,
# DLC_CUDA_DRIVER another driver than libcuda.so.1. Ends with 1 if a step of this run failed.
set -uo pipefail
root="$(realpath "$(dirname "$0")/../..")"
programs="$(realpath -m "${1:-$root/target/gpu}")"
results="$(realpath -m "${2:-$root/target/gpu/results}")"
parts=" ${*:3} "
python="$(command -v "${PYTHON:-python3}")" && python="$(realpath -s "$python")"
if [ -n "${PYTHON:-}" ] && [ -z "$python" ]; then
    echo "there is no $PYTHON" >&2
    exit 2
fi
for part in $parts; do
    case "$part" in
        tests | compare | sanitizer | bits | accuracy | speed) ;;
        *)
            echo "no part is called $part; there are tests, compare, sanitizer, bits, accuracy and speed" >&2
            exit 2
            ;;
    esac
done
if [ ! -x "$programs/dlc" ]; then
    echo "there is no program in $programs: bench/gpu/pack.sh makes it" >&2
    exit 2
fi
[ -z "${CIFAR:-}" ] || CIFAR="$(realpath "$CIFAR")"
cd "$root" || exit 2
export DLC_CUDA_TEST_DRIVER="${DLC_CUDA_DRIVER:-libcuda.so.1}"
mkdir -p "$results"
summary="$results/summary.txt"
failed=0

wanted() { [ "$parts" = "  " ] || [[ "$parts" == *" $1 "* ]]; }

# step NAME SECONDS COMMAND...: runs it for so long at most, and notes how it went.
step() {
    local name="$1" limit="$2" start="$SECONDS" outcome=ok
    shift 2
    timeout "$limit" "$@" > "$results/$name.log" 2>&1 || outcome="FAILED ($?)"
    [ "$outcome" = ok ] || failed=1
    printf '%-40s %s, %s s: %s\n' "$name" "$outcome" "$((SECONDS - start))" "$(grep . "$results/$name.log" | tail -n 1)" | tee -a "$summary"
}

# skipped NAME WHY: notes what this machine has no tool for.
skipped() { printf '%-40s skipped: %s\n' "$1" "$2" | tee -a "$summary"; }

# Examples whose data need not be there: a comparison makes its own.
examples() { find examples -maxdepth 1 -name '*.dsl' | sort; }

step machine 30 bash -c 'nvidia-smi; nvidia-smi -q -d CLOCK; true'

if wanted tests; then
    step driver-tests 300 env CARGO_MANIFEST_DIR="$PWD/runtime/cuda" "$programs/stand_in"
    step op-suite-and-sessions 600 env CARGO_MANIFEST_DIR="$PWD/tests" "$programs/cuda"
fi
if wanted compare; then
    for math in f32 tf32 bf16; do
        for example in $(examples); do
            step "compare-$math-$(basename "$example" .dsl)" 120 "$programs/dlc" compare "$example" --device cuda --math "$math"
        done
    done
fi
if wanted sanitizer && ! command -v compute-sanitizer > /dev/null; then
    skipped sanitizer "compute-sanitizer is missing"
elif wanted sanitizer; then
    for tool in memcheck racecheck initcheck synccheck; do
        step "sanitizer-$tool" 300 compute-sanitizer --tool "$tool" --error-exitcode 9 \
            "$programs/dlc" train examples/digits.dsl --device cuda --set train.epochs=1 --out "$results/sanitized" --json
    done
fi
if wanted bits; then
    for run in one two; do
        step "digits-$run" 120 "$programs/dlc" train examples/digits.dsl --device cuda --out "$results/$run" --json
    done
    step same-bits 10 cmp "$results/one/last.safetensors" "$results/two/last.safetensors"
fi
if wanted accuracy; then
    step digits-on-cpu 300 "$programs/dlc" train examples/digits.dsl --out "$results/cpu" --json
    for math in f32 tf32 bf16; do
        step "digits-$math" 120 "$programs/dlc" train examples/digits.dsl --device cuda --math "$math" --out "$results/$math" --json
    done
    # Where CIFAR-10 is at hand.
    if [ -d "${CIFAR:-examples/data}/cifar-10-batches-bin" ]; then
        for math in f32 tf32; do
            step "resnet20-$math" 1200 "$programs/dlc" train examples/resnet_cifar10.dsl --data "${CIFAR:-examples/data}" \
                --device cuda --math "$math" --out "$results/resnet20-$math" --json
        done
    fi
fi
if wanted speed && ! "$python" -c 'import torch; assert torch.cuda.is_available()' 2> /dev/null; then
    skipped products-and-steps "$python has no PyTorch for GPUs"
elif wanted speed; then
    step products 300 "$python" bench/gpu/products.py --dlc "$programs/dlc"
    environment="$("$python" -c 'import sys; print(sys.prefix)')"
    for math in f32 tf32 bf16; do
        step "steps-$math" 600 "$python" bench/peers/run.py --dlc "$programs/dlc" --environment "$environment" --device cuda \
            --math "$math" --batch 512 --rounds 3 --cases resnet20-cifar:train,resnet18-cifar:train "$results/steps-$math.md"
    done
fi
if wanted speed; then
    for case in resnet20-cifar resnet18-cifar; do
        step "profile-$case" 120 "$programs/dlc" profile train "bench/cases/$case.dsl" --batch 512 --device cuda --math tf32 \
            --all --svg "$results/$case.svg"
    done
fi
exit "$failed"

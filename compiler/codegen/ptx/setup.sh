#!/bin/sh
# Fetches NVIDIA's assembler, which the tests of this crate run over all that is emitted, into target/ptxas.
set -eu
root=$(cd "$(dirname "$0")/../../.." && pwd)
folder=$root/target/ptxas
[ -x "$folder/ptxas" ] && exit 0
mkdir -p "$folder"
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-deps nvidia-cuda-nvcc-cu12==12.9.86
found=$(find "$folder/venv" -path '*/bin/ptxas' -type f | head -n 1)
[ -n "$found" ] || { echo "nvidia-cuda-nvcc-cu12 holds no ptxas" >&2; exit 1; }
ln -sf "$found" "$folder/ptxas"

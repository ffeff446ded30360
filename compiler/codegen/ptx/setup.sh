#!/usr/bin/env bash
# Fetches NVIDIA's assembler, ptxas, into target/ptxas. The build never needs it; tests that do skip themselves
# without it.
#
# Usage: compiler/codegen/ptx/setup.sh [PYTHON]          (default: python3)
set -euo pipefail
cd "$(dirname "$0")/../../.."
environment=target/ptxas

[ -x "$environment/bin/python" ] || "${1:-python3}" -m venv "$environment"
"$environment/bin/python" -m pip --disable-pip-version-check install --quiet --no-deps nvidia-cuda-nvcc-cu12==12.9.86
assembler=$(find "$environment/lib" -path '*/bin/ptxas')
ln -sf "../${assembler#"$environment/"}" "$environment/bin/ptxas"

#!/usr/bin/env bash
# Makes the virtual environment with TensorBoard under target/tensorboard. The build never needs it; tests that do skip
# themselves without it.
#
# Usage: cli/tests/tensorboard/setup.sh [PYTHON]          (default: python3)
set -euo pipefail
cd "$(dirname "$0")/../../.."
environment=target/tensorboard

[ -x "$environment/bin/python" ] || "${1:-python3}" -m venv "$environment"
"$environment/bin/python" -m pip --disable-pip-version-check install --quiet --requirement cli/tests/tensorboard/requirements.txt

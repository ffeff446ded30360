#!/usr/bin/env bash
# Makes the virtual environment of the ONNX suite under target/conformance. The build and its tests never need it.
#
# Usage: conformance/setup.sh [PYTHON]          (default: python3)
set -euo pipefail
cd "$(dirname "$0")/.."
environment=target/conformance

[ -x "$environment/bin/python" ] || "${1:-python3}" -m venv "$environment"
"$environment/bin/python" -m pip --disable-pip-version-check install --quiet --no-deps --requirement conformance/requirements.txt

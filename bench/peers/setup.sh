#!/usr/bin/env bash
# Makes the virtual environment of the peers under target/peers. The build and the tests never need it.
#
# Usage: bench/peers/setup.sh [PYTHON]          (default: python3; Linux on x86-64: some 4 GB)
#
# Every group of requirements.txt (a paragraph) is installed by itself: a peer that this machine cannot have is
# told, and run.py tells so in its table. Options for pip come from its own environment variables.
set -euo pipefail
cd "$(dirname "$0")/../.."
python="${1:-python3}"
environment=target/peers

"$python" -m venv "$environment"
pip() { "$environment/bin/python" -m pip --disable-pip-version-check "$@"; }

missing=0
group=""
install() {
    [ -n "${group//[[:space:]]/}" ] || return 0
    if ! pip install --quiet --no-cache-dir --no-deps --requirement <(printf '%s' "$group"); then
        printf 'not installed:\n%s\n' "$group" >&2
        missing=1
    fi
    group=""
}
while IFS= read -r line || [ -n "$line" ]; do
    if [ -z "$line" ]; then install; else case "$line" in "#"*) ;; *) group+="$line"$'\n' ;; esac; fi
done < bench/peers/requirements.txt
install

for package in torch jax onnxruntime openvino; do
    if "$environment/bin/python" -c "import $package; print('$package', $package.__version__)" 2>/dev/null; then :; else
        echo "$package cannot be used" >&2
        missing=1
    fi
done
exit "$missing"

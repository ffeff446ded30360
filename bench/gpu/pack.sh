#!/usr/bin/env bash
# Builds what check.sh runs on a machine with a GPU, which needs no Rust: the program and the tests of the driver, without
# debugging information.
#
# Usage: bench/gpu/pack.sh [FOLDER]          (default: target/gpu)
set -euo pipefail
cd "$(dirname "$0")/../.."
folder="${1:-target/gpu}"
mkdir -p "$folder"

# The program that cargo made of a test, by its name.
test_program() {
    cargo test --workspace --test "$1" --no-run --message-format=json |
        python3 -c 'import json, sys
made = (json.loads(line) for line in sys.stdin)
print([one["executable"] for one in made if one.get("executable") and one["target"]["name"] == sys.argv[1]][-1])' "$1"
}

cargo build --release
strip -o "$folder/dlc" target/release/dlc
for name in stand_in cuda; do
    program="$(test_program "$name")"
    strip -o "$folder/$name" "$program"
done
# What is refused is tested by the stand-in for the driver, which cargo puts beside the tests.
strip -o "$folder/libdlc_stand_in_driver.so" "$(dirname "$program")/libdlc_stand_in_driver.so"
du -sh "$folder"

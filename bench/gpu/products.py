#!/usr/bin/env python3
"""The share of cuBLAS's speed that dlc reaches on one product of 4096 x 4096 by 4096 x 4096 numbers.

    python3 bench/gpu/products.py [--dlc target/release/dlc] [--rounds 5]

Run by a Python that has PyTorch for GPUs, which calls cuBLAS. Both times are the GPU's own, of everything in its memory:
dlc's the least of a profile, cuBLAS's the least of as many events. What dlc computes is checked first, against the
interpreter.
"""

import argparse
import json
import subprocess
from pathlib import Path

import torch

SIZE = 4096
CASE = Path(__file__).resolve().parent / "square.dsl"


def dlc(options, math):
    command = [options.dlc, "profile", "run", str(CASE), "--batch", str(SIZE), "--device", "cuda", "--math", math, "--json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["whole_ms"]


def check(options, math):
    command = [options.dlc, "compare", str(CASE), "--device", "cuda", "--math", math]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def cublas(math):
    torch.backends.cuda.matmul.allow_tf32 = math == "tf32"
    dtype = torch.bfloat16 if math == "bf16" else torch.float32
    a, b = (torch.randn(SIZE, SIZE, device="cuda", dtype=dtype) for _ in range(2))
    least = float("inf")
    for _ in range(100):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        # The GPU is busy until all that is timed is in its queue.
        torch.cuda._sleep(1_000_000)
        start.record()
        a @ b
        end.record()
        end.synchronize()
        least = min(least, start.elapsed_time(end))
    return least


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dlc", default="target/release/dlc", help="the binary [default: %(default)s]")
    parser.add_argument("--rounds", type=int, default=5, help="turns of both [default: %(default)s]")
    options = parser.parse_args()
    print(f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}")
    print("| products in | dlc ms | cuBLAS ms | dlc TFLOP/s | share of cuBLAS |\n|---|---|---|---|---|")
    for math in ("f32", "tf32", "bf16"):
        check(options, math)
        turns = [(dlc(options, math), cublas(math)) for _ in range(options.rounds)]
        own, other = (sorted(times)[len(times) // 2] for times in zip(*turns))
        print(f"| {math} | {own:.3f} | {other:.3f} | {2e-9 * SIZE**3 / own:.1f} | {other / own:.1%} |", flush=True)


if __name__ == "__main__":
    main()

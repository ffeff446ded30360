#!/usr/bin/env python3
"""Exports well-known networks to ONNX, checks dlc's results against ONNX Runtime's, and times both in turns, and tract.

    bench/peers/setup.sh && target/peers/bin/python bench/peers/exports.py --dlc target/release/dlc

Weights are random, but for statistics and heads that would make results trivial. Every round times one system after the
other, two threads each; the table has the medians over the rounds, in ms, and the norm-wise difference of the results from
ONNX Runtime's. For tract, `cargo build --release --manifest-path bench/peers/tract/Cargo.toml` and `--tract PROGRAM`.
"""

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")

import numpy as np
import onnxruntime
import torch
import torchvision

from models import MODELS

THREADS = 2

NETWORKS = {
    "resnet20-cifar@1": (MODELS["resnet20-cifar"], (1, 3, 32, 32)),
    "resnet-seed@64": (MODELS["resnet-seed"], (64, 3, 32, 32)),
    "dilated-context@1": (MODELS["dilated-context"], (1, 3, 64, 64)),
    "mlp@1": (MODELS["mlp"], (1, 784)),
    "resnet18@1": (torchvision.models.resnet18, (1, 3, 224, 224)),
    "resnet50@1": (torchvision.models.resnet50, (1, 3, 224, 224)),
    "resnet50@16": (torchvision.models.resnet50, (16, 3, 224, 224)),
    "mobilenet_v2@1": (torchvision.models.mobilenet_v2, (1, 3, 224, 224)),
    "deeplabv3_r50@1": (
        lambda: torchvision.models.segmentation.deeplabv3_resnet50(weights_backbone=None, aux_loss=None),
        (1, 3, 256, 256),
    ),
    "vit_b_16@1": (torchvision.models.vit_b_16, (1, 3, 224, 224)),
}


def export(name, folder):
    """The model's file and an input for it; both are made once."""
    make, shape = NETWORKS[name]
    path, fed = folder / f"{name}.onnx", folder / f"{name}.npy"
    if path.exists() and fed.exists():
        return path, fed
    torch.manual_seed(0)
    module, x = make().eval(), torch.randn(*shape)
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.5, 1.5)
        if isinstance(part, torch.nn.Linear):
            part.reset_parameters()
    torch.onnx.export(
        module, (x,), path, input_names=["x"], output_names=["y"], opset_version=18, dynamo=True, external_data=False
    )
    np.save(fed, x.numpy())
    return path, fed


def runtime_session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def time_runtime(session, fed, seconds):
    x = {"x": np.load(fed)}
    session.run(None, x)
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 5:
        start = time.perf_counter()
        session.run(None, x)
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e3


def time_dlc(dlc, path):
    command = [dlc, "bench", "run", path, "--batch", "1", "--threads", str(THREADS), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["median_ms"]


def difference(dlc, path, fed, session):
    """How far dlc's result is from ONNX Runtime's."""
    with tempfile.TemporaryDirectory() as folder:
        command = [dlc, "run", path, "--input", f"x=@{fed}", "--output-dir", folder]
        subprocess.run(command, capture_output=True, check=True)
        found = np.load(Path(folder) / "y.npy")
    return apart(found, session.run(None, {"x": np.load(fed)})[0])


def time_tract(tract, path, fed, seconds, session):
    """The median, after a check of the result."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "y.npy"
        command = [tract, path, fed, str(THREADS), str(seconds), result]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found = np.load(result)
    if apart(found, session.run(None, {"x": np.load(fed)})[0]) > 1e-3:
        sys.exit(f"{path}: tract's result is another")
    return float(done.stdout)


def apart(found, expected):
    """The norm of the difference of two results over the norm of the second."""
    expected = expected.astype(np.float64)
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", help="which [default: all]")
    parser.add_argument("--dlc", default="target/release/dlc", help="the program [default: %(default)s]")
    parser.add_argument("--folder", type=Path, default="target/peers/exports", help="of the files [default: %(default)s]")
    parser.add_argument("--rounds", type=int, default=3, help="turns of both [default: %(default)s]")
    parser.add_argument("--seconds", type=float, default=2, help="for one turn of ONNX Runtime [default: %(default)s]")
    parser.add_argument("--tract", type=Path, help="the program of bench/peers/tract, to time it too")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    peers = ["ONNX Runtime"] + (["tract"] if options.tract else [])
    print(f"| network | {' | '.join(peers)} | dlc | {' | '.join(f'{peer} / dlc' for peer in peers)} | difference |")
    print(f"|---{'|---' * (2 * len(peers) + 2)}|")
    ratios = []
    for name in options.networks or NETWORKS:
        path, fed = export(name, options.folder)
        session = runtime_session(path)
        off = difference(options.dlc, path, fed, session)
        turns = []
        for _ in range(options.rounds):
            turn = [time_runtime(session, fed, options.seconds)]
            if options.tract:
                turn.append(time_tract(options.tract, path, fed, options.seconds, session))
            turns.append([*turn, time_dlc(options.dlc, path)])
        *others, ours = (statistics.median(column) for column in zip(*turns))
        ratios.append([other / ours for other in others])
        cells = [f"{time:.4g}" for time in (*others, ours)] + [f"{ratio:.2f}" for ratio in ratios[-1]] + [f"{off:.1e}"]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    for peer, column in zip(peers, zip(*ratios)):
        print(f"\nThe geometric mean of {peer} / dlc is {math.exp(statistics.fmean(map(math.log, column))):.2f}.")


if __name__ == "__main__":
    sys.exit(main())

"""The ONNX file of a case, made from the PyTorch model where it is not there yet, with an input and its output.

A process of its own makes it (`python onnx_file.py CASE BATCH SHAPE PATH`), so that PyTorch's threads are not
beside those of the peer that is timed.
"""

import json
import os
import subprocess
import sys

import numpy as np


def ensure(options):
    """The file's path, the numbers of trainable values per layer, and an input."""
    os.makedirs(options.folder, exist_ok=True)
    path = os.path.join(options.folder, f"{options.case}@{options.batch}.onnx")
    if not os.path.exists(path + ".json"):
        shape = ",".join(map(str, options.shape))
        command = [sys.executable, __file__, options.case, str(options.batch), shape, path]
        subprocess.run(command, check=True, stdout=sys.stderr)
    with open(path + ".json") as file:
        return path, json.load(file), np.load(path + ".npz")["x"]


def check(path, y):
    """That a peer computes what PyTorch does."""
    expected = np.load(path + ".npz")["y"]
    distance = np.linalg.norm(y - expected) / np.linalg.norm(expected)
    if not distance < 1e-3:
        raise ValueError(f"the output is {distance:.1e} from PyTorch's")


def write(case, batch, shape, path):
    import torch
    from models import build, parameters_by_layer

    torch.manual_seed(0)
    model = build(case).eval()
    x = torch.randn(int(batch), *(int(size) for size in shape.split(",")))
    names = {"input_names": ["x"], "output_names": ["y"]}
    torch.onnx.export(model, (x,), path, opset_version=18, dynamo=True, external_data=False, **names)
    with torch.no_grad():
        np.savez(path + ".npz", x=x.numpy(), y=model(x).numpy())
    with open(path + ".json", "w") as file:
        json.dump(parameters_by_layer(model), file)


if __name__ == "__main__":
    write(*sys.argv[1:])

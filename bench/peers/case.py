"""What a case is, read from its model file: the one place that says it."""

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

# Batches of the inference cases; those of training are in the files.
RUN_BATCHES = {"resnet20-cifar": 1, "resnet-seed": 64, "dilated-context": 1, "mlp": 1}


@dataclass
class Case:
    name: str
    target: str
    file: str
    batch: int
    shape: list
    classes: int
    lr: float
    momentum: float
    layers: list

    @property
    def title(self):
        return f"{self.name}, {'training step' if self.target == 'train' else 'inference'}, batch {self.batch}"

    def flags(self):
        """As worker.py takes them."""
        flags = {"case": self.name, "target": self.target, "batch": self.batch, "classes": self.classes}
        flags |= {"lr": self.lr, "momentum": self.momentum, "shape": ",".join(map(str, self.shape))}
        return [text for name, value in flags.items() for text in ("--" + name, str(value))]


def one(pattern, text, what):
    found = re.search(pattern, text)
    if not found:
        raise ValueError(f"no {what} is found in the model file, which the peers would have to be told of")
    return found.groups()


def read(dlc, file, target, batch=None):
    """A case with the shapes that dlc finds in it, at the batch that is its own or another."""
    text = Path(file).read_text()
    lr, momentum = one(r"optimizer = sgd\(lr = ([\d.]+), momentum = ([\d.]+)\)", text, "SGD with momentum")
    one(r"loss\s+= cross_entropy\(logits, label\)", text, "cross-entropy loss")
    (trained,) = one(r"batch\s+= (\d+)", text, "batch")
    (classes,) = one(r"classes = (\d+)", text, "number of classes")
    inspected = json.loads(subprocess.run([dlc, "inspect", file, "--json"], check=True, capture_output=True).stdout)
    ((_, tensor),) = inspected["inputs"]
    (sizes,) = one(r"^f32\[N, ([\d, ]+)\]$", tensor, "input")
    name = Path(file).stem
    return Case(
        name=name,
        target=target,
        file=file,
        batch=batch or (int(trained) if target == "train" else RUN_BATCHES[name]),
        shape=[int(size) for size in sizes.split(",")],
        classes=int(classes),
        lr=float(lr),
        momentum=float(momentum),
        layers=sorted(layer["parameters"] for layer in inspected["layers"] if layer["parameters"]),
    )

#!/usr/bin/env python3
"""Makes the files of `driver/tests/start.rs` with PyTorch: the state_dict of small networks as safetensors, and what
they give for an input (`x`, `y`).

Usage: python3 driver/tests/weights/make.py       (needs torch)
"""
import json
import pathlib
import struct

import torch
from torch import nn

FOLDER = pathlib.Path(__file__).parent
TYPES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64", torch.int32: "I32"}
torch.manual_seed(4)


def write(name, tensors):
    """The format of safetensors: length of the header, header, bytes."""
    header, data = {}, b""
    for key, tensor in tensors.items():
        raw = bytes(tensor.detach().contiguous().flatten().view(torch.uint8).tolist())
        header[key] = {"dtype": TYPES[tensor.dtype], "shape": list(tensor.shape),
                       "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    (FOLDER / f"{name}.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)


class Block(nn.Module):
    def __init__(self, inputs, channels, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        if stride > 1:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, channels, 1, stride, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x):
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + (self.downsample(x) if hasattr(self, "downsample") else x))


class ResNet(nn.Module):
    """The names of torchvision's."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.layer1 = nn.Sequential(Block(4, 4, 1), Block(4, 4, 1))
        self.layer2 = nn.Sequential(Block(4, 8, 2))
        self.fc = nn.Linear(8, 5)

    def forward(self, x):
        x = self.layer2(self.layer1(torch.relu(self.bn1(self.conv1(x)))))
        return self.fc(x.mean((2, 3)))


class Sequence(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(7, 4)
        self.lstm = nn.LSTM(4, 3, num_layers=2, bidirectional=True, batch_first=True)
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True)
        self.norm = nn.LayerNorm(6)
        self.square = nn.Linear(6, 6)
        self.bend = nn.PReLU()
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        x, _ = self.lstm(self.embedding(x.long()))
        x = self.norm(x + self.attention(x, x, x, need_weights=False)[0])
        return self.head(self.bend(self.square(x)).mean(1))


def randomise(network):
    for name, value in network.state_dict().items():
        if name.endswith("running_var"):
            value.copy_(torch.rand_like(value) + 0.5)
        elif name.endswith("num_batches_tracked"):
            value.fill_(12)
        elif "norm" in name or "bn" in name or "downsample.1" in name:
            value.copy_(torch.randn_like(value) * 0.3 + (1 if name.endswith("weight") else 0))


def case(name, network, x, narrow=()):
    randomise(network)
    weights = network.state_dict()
    for number, key in enumerate(weights):
        if narrow and weights[key].is_floating_point():
            weights[key] = weights[key].to(narrow[number % len(narrow)])
    write(name, weights)
    network.load_state_dict({key: value.double() if value.is_floating_point() else value
                             for key, value in weights.items()})
    with torch.no_grad():
        y = network.double().eval()(x.double() if x.is_floating_point() else x)
    write(f"{name}.io", {"x": x, "y": y.float()})


image = torch.randn(2, 3, 8, 8)
case("resnet", ResNet(), image)
case("resnet_narrow", ResNet(), image, (torch.float16, torch.bfloat16))
case("sequence", Sequence(), torch.randint(0, 7, (2, 5), dtype=torch.int32))

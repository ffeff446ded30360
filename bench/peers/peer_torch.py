"""PyTorch: eager, eager with channels last, compiled."""

import os
import shutil

import torch
import torch.nn.functional as F
from models import build, parameters_by_layer
from worker import Unavailable


class Peer:
    def __init__(self, options):
        torch.set_num_threads(options.threads)
        torch.manual_seed(0)
        if options.peer == "pytorch-compiled" and not any(map(shutil.which, (os.environ.get("CXX", "g++"), "clang++"))):
            raise Unavailable("no C++ compiler")
        last = options.peer != "pytorch" and len(options.shape) == 3
        if options.peer == "pytorch-channels-last" and not last:
            raise Unavailable("–")
        self.version = f"PyTorch {torch.__version__}"
        model = build(options.case)
        self.layers = parameters_by_layer(model)
        order = torch.channels_last if last else torch.contiguous_format
        model = model.to(memory_format=order)
        x = torch.randn(options.batch, *options.shape).to(memory_format=order)
        called = torch.compile(model) if options.peer == "pytorch-compiled" else model
        self.step = training(model, called, x, options) if options.target == "train" else inference(model, called, x)


def training(model, called, x, options):
    model.train()
    label_shape = (len(x), *options.shape[1:]) if options.case == "dilated-context" else (len(x),)
    y = torch.randint(0, options.classes, label_shape)
    optimizer = torch.optim.SGD(model.parameters(), lr=options.lr, momentum=options.momentum)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(called(x), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def inference(model, called, x):
    model.eval()

    def step():
        with torch.inference_mode():
            called(x)

    return step

"""PyTorch: eager, eager with channels last, compiled; on the CPU or a GPU.

On a GPU inputs come from this machine's memory in every call and results go back there, as they do with dlc.
"""

import contextlib
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
        compiled = options.peer == "pytorch-compiled"
        if compiled and options.device == "cpu" and not any(map(shutil.which, (os.environ.get("CXX", "g++"), "clang++"))):
            raise Unavailable("no C++ compiler")
        last = options.peer != "pytorch" and len(options.shape) == 3
        if options.peer == "pytorch-channels-last" and not last:
            raise Unavailable("–")
        self.version = f"PyTorch {torch.__version__}"
        multiply_in(options.math)
        model = build(options.case)
        self.layers = parameters_by_layer(model)
        order = torch.channels_last if last else torch.contiguous_format
        model = model.to(options.device, memory_format=order)
        x = torch.randn(options.batch, *options.shape).to(memory_format=order)
        called = torch.compile(model) if compiled else model
        make = training if options.target == "train" else inference
        self.step = make(model, called, x, options)


def multiply_in(math):
    """Whether products of f32 on a GPU may be of tf32."""
    torch.backends.cuda.matmul.allow_tf32 = math == "tf32"
    torch.backends.cudnn.allow_tf32 = math == "tf32"
    torch.backends.cudnn.benchmark = True


def narrowed(options):
    """What products of bf16 are taken in."""
    return torch.autocast("cuda", torch.bfloat16) if options.math == "bf16" else contextlib.nullcontext()


def there(tensor, options):
    """A function that gives the tensor on the device."""
    if options.device == "cpu":
        return lambda: tensor
    pinned = tensor.pin_memory()
    return lambda: pinned.to(options.device, non_blocking=True)


def training(model, called, x, options):
    model.train()
    label_shape = (len(x), *options.shape[1:]) if options.case == "dilated-context" else (len(x),)
    y = torch.randint(0, options.classes, label_shape)
    x, y = there(x, options), there(y, options)
    optimizer = torch.optim.SGD(model.parameters(), lr=options.lr, momentum=options.momentum)

    def step():
        optimizer.zero_grad(set_to_none=True)
        with narrowed(options):
            loss = F.cross_entropy(called(x()), y())
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def inference(model, called, x, options):
    model.eval()
    x = there(x, options)

    def step():
        with torch.inference_mode(), narrowed(options):
            called(x()).cpu()

    return step

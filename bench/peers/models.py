"""The models of bench/cases in plain PyTorch."""

import torch.nn as nn
import torch.nn.functional as F


class Basic(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.skip = nn.Identity()
        if stride != 1 or inputs != outputs:
            project = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.skip = nn.Sequential(project, nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.skip(x))


class ResNet(nn.Module):
    """As many basic blocks as `blocks` says of every width; stride 2 at each stage but the first."""

    def __init__(self, blocks, widths, classes=10):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, widths[0], 3, 1, 1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU())
        layers, inputs = [], widths[0]
        for stage, width in enumerate(widths):
            for block in range(blocks):
                layers.append(Basic(inputs, width, 2 if block == 0 and stage > 0 else 1))
                inputs = width
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(inputs, classes)

    def forward(self, x):
        return self.head(self.body(self.stem(x)).mean((2, 3)))


def dilated_context(width=32, classes=21):
    layers, inputs = [], 3
    for rate in (1, 1, 2, 4, 8, 16, 1):
        layers += [nn.Conv2d(inputs, width, 3, 1, rate, rate, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        inputs = width
    return nn.Sequential(*layers, nn.Conv2d(inputs, classes, 1))


def mlp():
    layers, inputs = [], 784
    for width in (512, 256, 128):
        layers += [nn.Linear(inputs, width), nn.ReLU()]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, 10))


MODELS = {
    "resnet20-cifar": lambda: ResNet(3, (16, 32, 64)),
    "resnet-seed": lambda: ResNet(2, (64, 128, 256)),
    "resnet18-cifar": lambda: ResNet(2, (64, 128, 256, 512)),
    "dilated-context": dilated_context,
    "mlp": mlp,
}


def build(case):
    """The model with statistics that are not trivial, as after some training."""
    model = MODELS[case]()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return model


def parameters_by_layer(model):
    """Numbers of trainable values of every layer that has any, in order of size."""
    layers = (sum(p.numel() for p in module.parameters(recurse=False)) for module in model.modules())
    return sorted(count for count in layers if count)

"""JAX: one jitted training step, channels last."""

import jax
import jax.numpy as jnp
import numpy as np
from worker import Unavailable


def randoms(*shape, scale):
    return jnp.asarray(np.random.standard_normal(shape).astype("f") * scale)


def conv(x, w, stride=1, dilation=1):
    layout = ("NHWC", "HWIO", "NHWC")
    if stride == 1:
        padding = "SAME"
    else:  # as the others pad: the same on both sides
        padding = [(w.shape[0] // 2,) * 2] * 2
    return jax.lax.conv_general_dilated(
        x, w, (stride, stride), padding, rhs_dilation=(dilation, dilation), dimension_numbers=layout
    )


def normalize(x, scale_shift, statistics):
    """Batch-norm; gives the running statistics of the next step too."""
    mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
    y = (x - mean) * jax.lax.rsqrt(variance + 1e-5) * scale_shift[0] + scale_shift[1]
    return y, (0.9 * statistics[0] + 0.1 * mean, 0.9 * statistics[1] + 0.1 * variance)


def kernel(size, inputs, outputs):
    return randoms(size, size, inputs, outputs, scale=(2 / (size * size * inputs)) ** 0.5)


def scale_shift(width):
    return jnp.ones(width), jnp.zeros(width)


def dense(inputs, outputs):
    return randoms(inputs, outputs, scale=inputs**-0.5), jnp.zeros(outputs)


class Network:
    """Layers in the order they are made; running statistics in the order of the batch-norms."""

    def __init__(self):
        self.parameters, self.statistics = [], []

    def layer(self, parameters):
        self.parameters.append(parameters)
        return len(self.parameters) - 1

    def conv_bn(self, size, inputs, outputs):
        self.statistics.append((jnp.zeros(outputs), jnp.ones(outputs)))
        return self.layer(kernel(size, inputs, outputs)), self.layer(scale_shift(outputs)), len(self.statistics) - 1


def apply(parameters, statistics, x, where, stride=1, dilation=1):
    weights, norm, place = where
    y, statistics[place] = normalize(
        conv(x, parameters[weights], stride, dilation), parameters[norm], statistics[place]
    )
    return y


def resnet(blocks, widths, classes=10):
    network = Network()
    stem, body, inputs = network.conv_bn(3, 3, widths[0]), [], widths[0]
    for stage, width in enumerate(widths):
        for block in range(blocks):
            stride = 2 if block == 0 and stage > 0 else 1
            first, second = network.conv_bn(3, inputs, width), network.conv_bn(3, width, width)
            skip = network.conv_bn(1, inputs, width) if stride != 1 or inputs != width else None
            body.append((stride, first, second, skip))
            inputs = width
    head = network.layer(dense(inputs, classes))

    def forward(p, s, x):
        x = jax.nn.relu(apply(p, s, x, stem))
        for stride, first, second, skip in body:
            y = apply(p, s, jax.nn.relu(apply(p, s, x, first, stride)), second)
            x = jax.nn.relu(y + (x if skip is None else apply(p, s, x, skip, stride)))
        return x.mean((1, 2)) @ p[head][0] + p[head][1]

    return network, forward


def dilated_context(width=32, classes=21):
    network, rates, inputs, body = Network(), (1, 1, 2, 4, 8, 16, 1), 3, []
    for _ in rates:
        body.append(network.conv_bn(3, inputs, width))
        inputs = width
    head = network.layer((kernel(1, inputs, classes), jnp.zeros(classes)))

    def forward(p, s, x):
        for rate, where in zip(rates, body):
            x = jax.nn.relu(apply(p, s, x, where, 1, rate))
        return conv(x, p[head][0]) + p[head][1]

    return network, forward


def mlp():
    network, widths = Network(), (784, 512, 256, 128, 10)
    layers = [network.layer(dense(*pair)) for pair in zip(widths, widths[1:])]

    def forward(p, s, x):
        for layer in layers[:-1]:
            x = jax.nn.relu(x @ p[layer][0] + p[layer][1])
        return x @ p[layers[-1]][0] + p[layers[-1]][1]

    return network, forward


MODELS = {
    "resnet20-cifar": lambda: resnet(3, (16, 32, 64)),
    "resnet-seed": lambda: resnet(2, (64, 128, 256)),
    "resnet18-cifar": lambda: resnet(2, (64, 128, 256, 512)),
    "dilated-context": dilated_context,
    "mlp": mlp,
}


class Peer:
    def __init__(self, options):
        if options.target != "train":
            raise Unavailable("–")
        np.random.seed(0)
        self.version = f"JAX {jax.__version__}"
        network, forward = MODELS[options.case]()
        flat = [jax.tree.leaves(layer) for layer in network.parameters]
        self.layers = sorted(sum(leaf.size for leaf in layer) for layer in flat)
        shape = (*options.shape[1:], options.shape[0])
        x = randoms(options.batch, *shape, scale=1)
        per_pixel = options.case == "dilated-context"
        y = jnp.asarray(np.random.randint(0, options.classes, (options.batch, *(shape[:-1] if per_pixel else ()))))

        def loss(parameters, statistics):
            statistics = list(statistics)
            logits = jax.nn.log_softmax(forward(parameters, statistics, x))
            return -jnp.take_along_axis(logits, y[..., None], -1).mean(), statistics

        def advance(parameters, slots, statistics):
            (value, statistics), gradients = jax.value_and_grad(loss, has_aux=True)(parameters, statistics)
            slots = jax.tree.map(lambda slot, g: options.momentum * slot + g, slots, gradients)
            parameters = jax.tree.map(lambda p, slot: p - options.lr * slot, parameters, slots)
            return parameters, slots, statistics, value

        advance = jax.jit(advance, donate_argnums=(0, 1, 2))
        state = (network.parameters, jax.tree.map(jnp.zeros_like, network.parameters), network.statistics)

        def step():
            nonlocal state
            *state, value = advance(*state)
            return float(jax.block_until_ready((state, value))[1])

        self.step = step

"""Values and gradients of layers and losses by PyTorch, in f64.

    python tests/reference/layers.py      writes layers.txt and losses.txt beside it

A case has the body of a model, the loss, and numbers: the inputs `x` and `t`, the `loss`, of every parameter its
`value` and `gradient`, and of a layer its result `y`. The gradient of a layer's input is that of `offset`, which
is added to it.
"""

import pathlib

import torch
import torch.nn.functional as F

from reference import drawn, line, write

BATCH = 2


class Case:
    """Draws what a case needs, and writes what comes out."""

    def __init__(self, name, seed=5):
        self.name, self.lines, self.parameters = name, [], {}
        self.generator = torch.Generator().manual_seed(seed)

    def draw(self, *sizes, scale=1.0):
        return scale * drawn(self.generator, *sizes)

    def parameter(self, name, *sizes, scale=0.5, value=None):
        value = (self.draw(*sizes) * scale * 1000).round() / 1000 if value is None else value
        self.parameters[name] = value.requires_grad_()
        return self.parameters[name]

    def finish(self, loss, **tensors):
        gradients = torch.autograd.grad(loss, list(self.parameters.values()))
        lines = self.lines + [line(n, t) for n, t in tensors.items()] + [line("loss", loss)]
        for (name, value), gradient in zip(self.parameters.items(), gradients):
            lines += [line(f"value {name}", value), line(f"gradient {name}", gradient)]
        return self.name, lines


def layer(name, call, sizes, function, **parameters):
    """One layer on `[2, *sizes]`, with parameters of the given sizes."""
    case = Case(name)
    x = case.draw(BATCH, *sizes)
    offset = case.parameter("offset", 1, *sizes, scale=0.1)
    own = {}
    for key, shape in parameters.items():
        own[key] = case.parameter("own." + key.replace("_", "."), *shape)
    y = function(x + offset, **own)
    t = case.draw(*y.shape)
    dims = ", ".join(str(s) for s in sizes)
    case.lines = [
        f"input = f32[N, {dims}]",
        f"target = f32[N, {', '.join(str(s) for s in y.shape[1:])}]",
        f"body = offset = parameter(f32[1, {dims}], init = zeros)",
        "body = h = x + offset",
        f"body = y = h |> {call} as own",
        "loss = mean(y * t)",
    ]
    return case.finish((y * t).mean(), x=x, t=t, y=y)


def rms(x, scale, count, eps):
    axes = tuple(range(-count, 0))
    return x * torch.rsqrt((x * x).mean(axes, keepdim=True) + eps) * scale


def sinusoids(length, features):
    p = torch.arange(length)[:, None]
    e = torch.arange(0, features, 2) / features
    table = torch.zeros(length, features)
    table[:, 0::2] = torch.sin(p / 10000**e)
    table[:, 1::2] = torch.cos(p / 10000**e)[:, : features // 2]
    return table


def attend(x, memory, heads, p, mask=None, causal=False):
    def split(y):
        return y.reshape(*y.shape[:2], heads, -1).transpose(1, 2)

    q, k, v = (split(s @ p[f"{n}_weight"] + p[f"{n}_bias"]) for s, n in [(x, "query"), (memory, "key"), (memory, "value")])
    y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal)
    y = y.transpose(1, 2).reshape(x.shape[0], x.shape[1], -1)
    return y @ p["output_weight"] + p["output_bias"]


def attention_parameters(features, memory):
    sizes = {"query": features, "key": memory, "value": memory, "output": features}
    shapes = {}
    for name, inputs in sizes.items():
        shapes[f"{name}_weight"], shapes[f"{name}_bias"] = (inputs, features), (features,)
    return shapes


def layers():
    for name, call, f in [
        ("elu", "elu(alpha = 0.7)", lambda x: F.elu(x, 0.7)),
        ("selu", "selu()", F.selu),
        ("silu", "silu()", F.silu),
        ("mish", "mish()", F.mish),
        ("softplus", "softplus(beta = 2)", lambda x: F.softplus(x, 2.0, 50.0)),
        ("hard_sigmoid", "hard_sigmoid()", F.hardsigmoid),
        ("hard_swish", "hard_swish()", F.hardswish),
        ("hard_tanh", "hard_tanh(low = -0.5, high = 1)", lambda x: F.hardtanh(x, -0.5, 1.0)),
    ]:
        yield layer(name, call, (7,), f)
    yield layer("prelu", "prelu()", (3, 5), lambda x, slope: F.prelu(x, slope), slope=(1,))
    yield layer("prelu_channels", "prelu(per_channel = true)", (3, 5), lambda x, slope: F.prelu(x, slope), slope=(3,))

    def transpose(name, call, sizes, weight, bias=True, **o):
        f = F.conv_transpose1d if len(sizes) == 2 else F.conv_transpose2d
        parameters = {"weight": weight}
        if bias:
            parameters["bias"] = (weight[1] * o.get("groups", 1),)
        return layer(name, call, sizes, lambda x, weight, bias=None: f(x, weight, bias, **o), **parameters)

    yield transpose("transposed_1d", "conv_transpose1d(3, kernel = 4, stride = 2, padding = 1)", (2, 5), (2, 3, 4), stride=2, padding=1)
    yield transpose("transposed_2d", "conv_transpose2d(3, kernel = (3, 2), stride = (2, 3), padding = (1, 0), output_padding = 1)", (2, 3, 4), (2, 3, 3, 2), stride=(2, 3), padding=(1, 0), output_padding=1)
    yield transpose("transposed_groups", "conv_transpose2d(4, kernel = 3, stride = 2, dilation = 2, groups = 2, bias = false)", (4, 3, 3), (4, 2, 3, 3), bias=False, stride=2, dilation=2, groups=2)
    yield transpose("transposed_same", "conv_transpose2d(2, kernel = 4, stride = 2, padding = same)", (3, 3, 5), (3, 2, 4, 4), stride=2, padding=1)

    def convolution(name, call, sizes, weight, **o):
        f = F.conv1d if len(sizes) == 2 else F.conv2d
        return layer(name, call, sizes, lambda x, weight, bias: f(x, weight, bias, **o), weight=weight, bias=(weight[0],))

    yield convolution("depthwise_1d", "depthwise_conv1d(kernel = 3, padding = 1)", (3, 7), (3, 1, 3), padding=1, groups=3)
    yield convolution("depthwise_2d", "depthwise_conv2d(kernel = 3, multiplier = 2, stride = 2)", (3, 7, 5), (6, 1, 3, 3), stride=2, groups=3)
    yield layer(
        "separable",
        "separable_conv2d(4, kernel = 3, padding = 1)",
        (3, 5, 4),
        lambda x, depthwise_weight, pointwise_weight, pointwise_bias: F.conv2d(F.conv2d(x, depthwise_weight, padding=1, groups=3), pointwise_weight, pointwise_bias),
        depthwise_weight=(3, 1, 3, 3), pointwise_weight=(4, 3, 1, 1), pointwise_bias=(4,),
    )

    for name, call, sizes, o in [
        ("upsample_nearest", "upsample(2)", (2, 3, 5), dict(scale_factor=2)),
        ("upsample_factors", "upsample((3, 1))", (2, 3, 5), dict(scale_factor=(3, 1))),
        ("upsample_size", "upsample(size = (5, 7))", (2, 3, 5), dict(size=(5, 7))),
        ("upsample_length", "upsample(3)", (2, 4), dict(scale_factor=3)),
        ("upsample_linear", 'upsample(2, mode = "linear")', (2, 5), dict(scale_factor=2, mode="linear")),
        ("upsample_bilinear", 'upsample(2, mode = "bilinear")', (2, 3, 5), dict(scale_factor=2, mode="bilinear")),
        ("upsample_bilinear_size", 'upsample(size = (7, 8), mode = "bilinear")', (2, 3, 5), dict(size=(7, 8), mode="bilinear")),
        ("upsample_aligned", 'upsample(2, mode = "bilinear", align_corners = true)', (2, 3, 5), dict(scale_factor=2, mode="bilinear", align_corners=True)),
    ]:
        yield layer(name, call, sizes, lambda x, o=o: F.interpolate(x, **o))
    yield layer("adaptive_avg", "adaptive_avg_pool((3, 2))", (2, 7, 5), lambda x: F.adaptive_avg_pool2d(x, (3, 2)))
    yield layer("adaptive_avg_1d", "adaptive_avg_pool(4)", (2, 8), lambda x: F.adaptive_avg_pool1d(x, 4))
    yield layer("adaptive_max", "adaptive_max_pool((3, 2))", (2, 7, 6), lambda x: F.adaptive_max_pool2d(x, (3, 2)))
    yield layer("adaptive_max_1d", "adaptive_max_pool(1)", (2, 5), lambda x: F.adaptive_max_pool1d(x, 1))

    yield layer("layer_norm", "layer_norm()", (3, 5), lambda x, scale, shift: F.layer_norm(x, (5,), scale, shift), scale=(5,), shift=(5,))
    yield layer("layer_norm_axes", "layer_norm(axes = 2, epsilon = 0.01)", (3, 5), lambda x, scale, shift: F.layer_norm(x, (3, 5), scale, shift, 0.01), scale=(3, 5), shift=(3, 5))
    yield layer("rms_norm", "rms_norm()", (3, 5), lambda x, scale: rms(x, scale, 1, 1e-6), scale=(5,))
    yield layer("group_norm", "group_norm(2)", (4, 3, 5), lambda x, scale, shift: F.group_norm(x, 2, scale, shift), scale=(4,), shift=(4,))
    yield layer("instance_norm", "instance_norm()", (3, 3, 5), F.instance_norm)
    yield layer("instance_norm_affine", "instance_norm(affine = true)", (3, 7), lambda x, scale, shift: F.instance_norm(x, weight=scale, bias=shift), scale=(3,), shift=(3,))
    yield layer("sinusoidal", "sinusoidal_positions()", (4, 5), lambda x: x + sinusoids(4, 5))
    yield layer("learned_positions", "learned_positions()", (4, 5), lambda x, weight: x + weight, weight=(4, 5))

    self_attention = attention_parameters(6, 6)
    yield layer("attention", "attention(heads = 2)", (5, 6), lambda x, **p: attend(x, x, 2, p), **self_attention)
    yield layer("attention_causal", "attention(heads = 3, causal = true)", (5, 6), lambda x, **p: attend(x, x, 3, p, causal=True), **self_attention)
    yield masked_attention()
    yield cross_attention()
    yield embedding()


def masked_attention():
    """Keys whose first feature is not above -0.5 are hidden."""
    case = Case("attention_mask")
    x = case.draw(BATCH, 5, 6)
    p = {n: case.parameter("own." + n.replace("_", "."), *s) for n, s in attention_parameters(6, 6).items()}
    mask = (x[:, :, 0] > -0.5)[:, None, None, :]
    y = attend(x, x, 2, p, mask=mask)
    t = case.draw(*y.shape)
    case.lines = ["input = f32[N, 5, 6]", "target = f32[N, 5, 6]", "body = seen = x[:, :, 0] > -0.5",
                  "body = y = x |> attention(heads = 2, mask = seen) as own", "loss = mean(y * t)"]
    return case.finish((y * t).mean(), x=x, t=t, y=y)


def cross_attention():
    case = Case("attention_memory")
    x = case.draw(BATCH, 7, 6)
    memory = case.parameter("memory", 1, 4, 3)
    p = {n: case.parameter("own." + n.replace("_", "."), *s) for n, s in attention_parameters(6, 3).items()}
    y = attend(x[:, :3], x[:, 3:, :3] + memory, 2, p)
    t = case.draw(*y.shape)
    case.lines = ["input = f32[N, 7, 6]", "target = f32[N, 3, 6]", "body = memory = parameter(f32[1, 4, 3], init = zeros)",
                  "body = keys = x[:, 3:7, 0:3] + memory",
                  "body = y = x[:, 0:3] |> attention(heads = 2, memory = keys) as own", "loss = mean(y * t)"]
    return case.finish((y * t).mean(), x=x, t=t, y=y)


def embedding():
    case = Case("embedding")
    x = torch.randint(0, 6, (BATCH, 4), generator=case.generator)
    weight = case.parameter("own.weight", 6, 3)
    y = F.embedding(x, weight)
    t = case.draw(*y.shape)
    case.lines = ["input = i32[N, 4]", "target = f32[N, 4, 3]", "body = y = x |> embedding(6, 3) as own", "loss = mean(y * t)"]
    return case.finish((y * t).mean(), x=x, t=t, y=y)


def loss(name, call, sizes, target, function, scale=1.0, kind="f32", body=None):
    """The prediction is a parameter: `x` is the unit matrix that chooses its rows."""
    case = Case(name)
    count = 1
    for size in sizes:
        count *= size
    w = case.parameter("w", BATCH, count, scale=scale)
    t = target(case)
    y = w.reshape(BATCH, *sizes)
    dims = ", ".join(str(s) for s in sizes)
    t_dims = ", ".join(["N"] + [str(s) for s in t.shape[1:]])
    case.lines = [
        f"input = f32[N, {BATCH}]",
        f"target = {kind}[{t_dims}]",
        f"body = w = parameter(f32[{BATCH}, {count}], init = zeros)",
        f"body = p = (x @ w) |> reshape([N, {dims}])",
        "body = y = " + (body or "p"),
        f"loss = {call}",
    ]
    return case.finish(function(y, t), x=torch.eye(BATCH), t=t)


def losses():
    numbers = lambda *sizes: lambda case: case.draw(BATCH, *sizes)
    signs = lambda *sizes: lambda case: case.draw(BATCH, *sizes).sign()
    bits = lambda *sizes: lambda case: (case.draw(BATCH, *sizes) > 0).double()
    classes = lambda count, *sizes: lambda case: torch.randint(0, count, (BATCH, *sizes), generator=case.generator)
    shares = lambda count, *sizes: lambda case: torch.softmax(case.draw(BATCH, count, *sizes), 1).float().double()

    def some_ignored(count, *sizes, value=-100):
        def make(case):
            label = classes(count, *sizes)(case)
            label.reshape(-1)[::3] = value
            return label

        return make

    yield loss("huber", "huber(y, t, delta = 0.7)", (5,), numbers(5), lambda y, t: F.huber_loss(y, t, delta=0.7))
    yield loss("smooth_l1", "smooth_l1(y, t, beta = 0.5)", (5,), numbers(5), lambda y, t: F.smooth_l1_loss(y, t, beta=0.5))
    yield loss("hinge", "hinge(y, t)", (4,), signs(4), lambda y, t: torch.relu(1 - y * t).mean())
    yield loss("kl_divergence", "kl_divergence(y, t)", (4, 2), shares(4, 2), lambda y, t: F.kl_div(F.log_softmax(y, 1), t, reduction="batchmean"), body="p |> log_softmax(axis = 1)")
    yield loss("nll", "nll(y, t)", (4,), classes(4), lambda y, t: F.nll_loss(F.log_softmax(y, 1), t), kind="i32", body="p |> log_softmax(axis = 1)")
    w = torch.tensor([1.0, 2.0, 0.5, 0.25])
    yield loss("nll_weights", "nll(y, t, weights = [1, 2, 0.5, 0.25], ignore = 1)", (4, 3), classes(4, 3), lambda y, t: F.nll_loss(F.log_softmax(y, 1), t, w, ignore_index=1), kind="i32", body="p |> log_softmax(axis = 1)")
    yield loss("binary", "binary_cross_entropy(y, t)", (4,), bits(4), F.binary_cross_entropy_with_logits, scale=2.0)
    yield loss("binary_weight", "binary_cross_entropy(y, t, pos_weight = 3)", (4,), bits(4), lambda y, t: F.binary_cross_entropy_with_logits(y, t, pos_weight=torch.tensor(3.0)), scale=2.0)
    yield loss("binary_weights", "binary_cross_entropy(y, t, pos_weight = [3, 0.5])", (2, 3), bits(2, 3), lambda y, t: F.binary_cross_entropy_with_logits(y, t, pos_weight=torch.tensor([[3.0], [0.5]])), scale=2.0)
    ce = F.cross_entropy
    yield loss("cross_entropy", "cross_entropy(y, t)", (4,), classes(4), ce, kind="i32")
    yield loss("cross_entropy_pixels", "cross_entropy(y, t)", (4, 2, 3), classes(4, 2, 3), ce, kind="i32")
    yield loss("smoothing", "cross_entropy(y, t, label_smoothing = 0.1)", (4,), classes(4), lambda y, t: ce(y, t, label_smoothing=0.1), kind="i32")
    yield loss("weights", "cross_entropy(y, t, weights = [1, 2, 0.5, 0.25])", (4,), classes(4), lambda y, t: ce(y, t, w), kind="i32")
    yield loss("ignored", "cross_entropy(y, t, ignore = -100)", (4, 2, 3), some_ignored(4, 2, 3), ce, kind="i32")
    yield loss("everything", "cross_entropy(y, t, weights = [1, 2, 0.5, 0.25], label_smoothing = 0.2, ignore = 255)", (4, 2, 3), some_ignored(4, 2, 3, value=255), lambda y, t: ce(y, t, w, ignore_index=255, label_smoothing=0.2), kind="i32")
    yield loss("shares", "cross_entropy(y, t)", (4, 2), shares(4, 2), ce)
    yield loss("shares_weights", "cross_entropy(y, t, weights = [1, 2, 0.5, 0.25], label_smoothing = 0.2)", (4, 2), shares(4, 2), lambda y, t: ce(y, t, w, label_smoothing=0.2))
    yield loss("nothing_counts", "cross_entropy(y, t, ignore = 2)", (4,), lambda case: torch.full((BATCH,), 2), lambda y, t: (y * 0).sum(), kind="i32")
    yield loss("several", 'mse(y, t) + 0.5 * mae(y, t) + l2("w", 0.01) + l1("*", 0.1)', (5,), numbers(5), lambda y, t: F.mse_loss(y, t) + 0.5 * F.l1_loss(y, t) + 0.01 * (y**2).sum() + 0.1 * y.abs().sum())


def main():
    folder = pathlib.Path(__file__).parent
    version = "Made by layers.py with PyTorch " + torch.__version__.split("+")[0]
    write(folder / "layers.txt", version, list(layers()))
    write(folder / "losses.txt", version, list(losses()))


main()

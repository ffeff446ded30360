"""Twenty steps of every optimiser and schedule by PyTorch, in f64, from one start.

    python tests/reference/training.py      writes training.txt beside it

LAMB is not in PyTorch: it is written here after its paper. PyTorch's Muon computes its Newton-Schulz steps in
bf16; here they are made in the gradient's type, by the same code. Averages are AveragedModel's.
"""

import pathlib

import torch
from torch.optim import _muon
from torch.optim import lr_scheduler as S
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from reference import drawn, line, write

STEPS = 20
EPOCH = 5


def start():
    g = torch.Generator().manual_seed(11)
    parameters = {
        "conv.weight": 0.5 * drawn(g, 3, 2, 3),
        "conv.bias": 0.1 * drawn(g, 3),
        "hidden.weight": 0.4 * drawn(g, 12, 5),
        "hidden.bias": 0.1 * drawn(g, 5),
        "head.weight": 0.6 * drawn(g, 5, 2),
        "head.bias": 0.1 * drawn(g, 2),
    }
    parameters = {n: ((p * 1000).round() / 1000).requires_grad_() for n, p in parameters.items()}
    return parameters, drawn(g, 4, 2, 6), drawn(g, 4, 2)


def loss_of(p, x, t):
    h = torch.tanh(torch.nn.functional.conv1d(x, p["conv.weight"], p["conv.bias"]))
    h = torch.tanh(h.reshape(4, 12) @ p["hidden.weight"] + p["hidden.bias"])
    return ((h @ p["head.weight"] + p["head.bias"] - t) ** 2).mean()


class Lamb(torch.optim.Optimizer):
    """You et al., "Large Batch Optimization for Deep Learning", ICLR 2020, algorithm 2 without a bound."""

    def __init__(self, params, lr, betas=(0.9, 0.999), eps=1e-6, weight_decay=0.01):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            b1, b2 = group["betas"]
            for w in group["params"]:
                s = self.state[w]
                if not s:
                    s.update(t=0, m=torch.zeros_like(w), v=torch.zeros_like(w))
                s["t"] += 1
                s["m"] = b1 * s["m"] + (1 - b1) * w.grad
                s["v"] = b2 * s["v"] + (1 - b2) * w.grad**2
                m, v = s["m"] / (1 - b1 ** s["t"]), s["v"] / (1 - b2 ** s["t"])
                r = m / (v.sqrt() + group["eps"]) + group["weight_decay"] * w
                ratio = w.norm() / r.norm() if w.norm() > 0 and r.norm() > 0 else 1.0
                w -= group["lr"] * ratio * r


def zeropower(grad, coefficients, steps, eps):
    a, b, c = coefficients
    x = grad.T if grad.size(0) > grad.size(1) else grad
    x = x / x.norm().clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if grad.size(0) > grad.size(1) else x


_muon._zeropower_via_newtonschulz = zeropower


class Muon:
    """PyTorch's Muon on matrices, transposed to its layout [outputs, inputs], AdamW on the rest."""

    def __init__(self, named, except_=(), adam_lr=None, lr=0.02, **options):
        self.pairs = []
        for name, w in named.items():
            if w.dim() >= 2 and name not in except_:
                view = w.detach().reshape(w.size(0), -1)
                view = (view.T if w.dim() == 2 else view).clone().requires_grad_()
                self.pairs.append((w, view))
        rest = [w for n, w in named.items() if w.dim() < 2 or n in except_]
        self.muon = torch.optim.Muon([v for _, v in self.pairs], lr=lr, **options)
        self.adam = torch.optim.AdamW(
            rest, lr=adam_lr or lr, betas=(0.9, 0.95), eps=1e-10, weight_decay=options.get("weight_decay", 0.1)
        )

    def zero_grad(self):
        for w, _ in self.pairs:
            w.grad = None
        self.adam.zero_grad()

    @torch.no_grad()
    def step(self):
        for w, view in self.pairs:
            grad = w.grad.reshape(w.size(0), -1)
            view.grad = (grad.T if w.dim() == 2 else grad).clone()
        self.muon.step()
        self.adam.step()
        for w, view in self.pairs:
            w.copy_((view.T if w.dim() == 2 else view).reshape(w.shape))


def run(name, text, optimizer, schedule=None, clip=None, accumulate=1, average=None, per_epoch=False):
    """One case: `text` are the lines of its `train` section."""
    parameters, x, t = start()
    values = list(parameters.values())
    opt = optimizer(parameters)
    sched = schedule(opt) if schedule else None
    model = torch.nn.Module()
    for n, w in parameters.items():
        model.register_parameter(n.replace(".", "_"), torch.nn.Parameter(w.detach().clone()))
    averaged = None
    if average and average[0] == "ema":
        averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(average[1]))
    elif average:
        averaged = AveragedModel(model)

    def follow():
        with torch.no_grad():
            for n, w in parameters.items():
                getattr(model, n.replace(".", "_")).copy_(w)
        averaged.update_parameters(model)

    losses = []
    for step in range(STEPS):
        if step % accumulate == 0:
            opt.zero_grad()
        loss = loss_of(parameters, x, t)
        losses.append(loss.item())
        (loss / accumulate).backward()
        if (step + 1) % accumulate == 0:
            for kind, most in clip or []:
                if kind == "norm":
                    torch.nn.utils.clip_grad_norm_(values, most)
                else:
                    torch.nn.utils.clip_grad_value_(values, most)
            opt.step()
            if average and average[0] == "ema":
                follow()
            if sched and not per_epoch:
                sched.step()
        if (step + 1) % EPOCH == 0:
            if average and average[0] == "swa" and step // EPOCH >= average[1]:
                follow()
            if sched and per_epoch:
                sched.step()
    lines = text + [line("losses", losses)]
    lines += [line(n, w) for n, w in parameters.items()]
    if averaged is not None:
        for n in ("conv.weight", "head.bias"):
            lines.append(line(f"{n}.average", getattr(averaged.module, n.replace(".", "_"))))
    return name, lines


def flat(cls, **options):
    return lambda named: cls(list(named.values()), **options)


def optimizers():
    O = torch.optim
    two = "  optimizer = "
    yield run("sgd", [two + "sgd(lr = 0.1)"], flat(O.SGD, lr=0.1))
    yield run("sgd_momentum", [two + "sgd(lr = 0.05, momentum = 0.9, weight_decay = 0.01)"], flat(O.SGD, lr=0.05, momentum=0.9, weight_decay=0.01))
    yield run("sgd_nesterov", [two + "sgd(lr = 0.05, momentum = 0.9, nesterov = true)"], flat(O.SGD, lr=0.05, momentum=0.9, nesterov=True))
    yield run("adam", [two + "adam(lr = 0.01)"], flat(O.Adam, lr=0.01))
    yield run("adam_decay", [two + "adam(lr = 0.02, beta1 = 0.8, beta2 = 0.95, weight_decay = 0.1)"], flat(O.Adam, lr=0.02, betas=(0.8, 0.95), weight_decay=0.1))
    yield run("adamw", [two + "adamw(lr = 0.01)"], flat(O.AdamW, lr=0.01))
    yield run("adamw_decay", [two + "adamw(lr = 0.02, weight_decay = 0.3)"], flat(O.AdamW, lr=0.02, weight_decay=0.3))
    yield run("nadam", [two + "nadam(lr = 0.01)"], flat(O.NAdam, lr=0.01))
    yield run("nadam_decay", [two + "nadam(lr = 0.01, momentum_decay = 0.1, weight_decay = 0.1)"], flat(O.NAdam, lr=0.01, momentum_decay=0.1, weight_decay=0.1))
    yield run("adagrad", [two + "adagrad(lr = 0.05)"], flat(O.Adagrad, lr=0.05))
    yield run("adagrad_all", [two + "adagrad(lr = 0.1, rate_decay = 0.05, initial = 0.1, weight_decay = 0.1)"], flat(O.Adagrad, lr=0.1, lr_decay=0.05, initial_accumulator_value=0.1, weight_decay=0.1))
    yield run("rmsprop", [two + "rmsprop(lr = 0.01)"], flat(O.RMSprop, lr=0.01))
    yield run("rmsprop_all", [two + "rmsprop(lr = 0.01, alpha = 0.9, momentum = 0.5, centered = true, epsilon = 1e-4, weight_decay = 0.1)"], flat(O.RMSprop, lr=0.01, alpha=0.9, momentum=0.5, centered=True, eps=1e-4, weight_decay=0.1))
    yield run("lamb", [two + "lamb(lr = 0.02)"], flat(Lamb, lr=0.02))
    yield run("muon", [two + "muon(lr = 0.02)"], lambda n: Muon(n, lr=0.02))
    yield run("muon_all", [two + 'muon(lr = 0.03, momentum = 0.9, nesterov = false, weight_decay = 0.01, except = "head", adam_lr = 0.005)'], lambda n: Muon(n, except_=("head.weight",), lr=0.03, adam_lr=0.005, momentum=0.9, nesterov=False, weight_decay=0.01))
    yield run("clip_norm", [two + "sgd(lr = 0.1, momentum = 0.9)", "  clip = norm(0.5)"], flat(O.SGD, lr=0.1, momentum=0.9), clip=[("norm", 0.5)])
    yield run("clip_both", [two + "adam(lr = 0.01)", "  clip = value(0.05), norm(0.2)"], flat(O.Adam, lr=0.01), clip=[("value", 0.05), ("norm", 0.2)])
    yield run("accumulate", [two + "adamw(lr = 0.02)", "  accumulate = 3"], flat(O.AdamW, lr=0.02), accumulate=3)
    yield run("accumulate_all", [two + "nadam(lr = step(0.02, every = 2, factor = 0.5, per = \"step\"))", "  accumulate = 2", "  clip = norm(0.3)", "  average = ema(decay = 0.5)"], flat(O.NAdam, lr=0.02), lambda o: S.StepLR(o, 2, 0.5), clip=[("norm", 0.3)], accumulate=2, average=("ema", 0.5))
    yield run("ema", [two + "sgd(lr = 0.1)", "  average = ema(decay = 0.9)"], flat(O.SGD, lr=0.1), average=("ema", 0.9))
    yield run("swa", [two + "sgd(lr = 0.1)", "  average = swa(start = 1)"], flat(O.SGD, lr=0.1), average=("swa", 1))

    def grouped(named):
        body = [w for n, w in named.items() if not n.startswith("head") and not n.endswith("bias")]
        head = [w for n, w in named.items() if n.startswith("head")]
        bias = [w for n, w in named.items() if n.endswith("bias") and not n.startswith("head")]
        return O.AdamW([{"params": body}, {"params": head, "lr": 0.05, "weight_decay": 0.0}, {"params": bias, "weight_decay": 0.5}], lr=0.01, weight_decay=0.1)

    text = [two + "adamw(lr = cosine(0.01, least = 0.001), weight_decay = 0.1)", '  groups = group("head.*", lr = 0.05, weight_decay = 0), group("*.bias", weight_decay = 0.5)']
    yield run("groups", text, grouped, lambda o: S.CosineAnnealingLR(o, STEPS, eta_min=0.001))


def schedules():
    sgd = flat(torch.optim.SGD, lr=0.2)
    text = lambda lr: [f"  optimizer = sgd(lr = {lr})"]
    step = 'per = "step"'
    yield run("step", text(f"step(0.2, every = 3, factor = 0.5, {step})"), sgd, lambda o: S.StepLR(o, 3, 0.5))
    yield run("step_epochs", text("step(0.2, every = 2, factor = 0.3)"), sgd, lambda o: S.StepLR(o, 2, 0.3), per_epoch=True)
    yield run("steps", text("step(0.2, at = [1, 3], factor = 0.3)"), sgd, lambda o: S.MultiStepLR(o, [1, 3], 0.3), per_epoch=True)
    yield run("exponential", text(f"exponential(0.2, 0.8, {step})"), sgd, lambda o: S.ExponentialLR(o, 0.8))
    yield run("exponential_epochs", text("exponential(0.2, 0.5)"), sgd, lambda o: S.ExponentialLR(o, 0.5), per_epoch=True)
    yield run("cosine", text("cosine(0.2, least = 0.01)"), sgd, lambda o: S.CosineAnnealingLR(o, STEPS, 0.01))
    yield run("cosine_restarts", text(f"cosine(0.2, period = 4, {step})"), sgd, lambda o: S.CosineAnnealingWarmRestarts(o, 4))
    yield run("cosine_growth", text(f"cosine(0.2, least = 0.02, period = 3, growth = 2, {step})"), sgd, lambda o: S.CosineAnnealingWarmRestarts(o, 3, 2, 0.02))
    yield run("cosine_epochs", text("cosine(0.2, period = 1, growth = 2)"), sgd, lambda o: Fractional(o))
    yield run("polynomial", text(f"polynomial(0.2, power = 2, over = 15, {step})"), sgd, lambda o: S.PolynomialLR(o, 15, 2.0))
    yield run("linear", text("polynomial(0.2)"), sgd, lambda o: S.PolynomialLR(o, STEPS, 1.0))
    one = flat(torch.optim.SGD, lr=0.2, momentum=0.9)
    yield run("one_cycle", ["  optimizer = sgd(lr = one_cycle(0.3), momentum = 0.9)"], one, lambda o: S.OneCycleLR(o, 0.3, total_steps=STEPS + 1 - 1))
    adam = flat(torch.optim.Adam, lr=0.2)
    yield run("one_cycle_adam", ["  optimizer = adam(lr = one_cycle(0.05, warmup = 0.4, div = 10, final_div = 100))"], adam, lambda o: S.OneCycleLR(o, 0.05, total_steps=STEPS, pct_start=0.4, div_factor=10, final_div_factor=100))
    warm = lambda o, n, then: S.SequentialLR(o, [S.LinearLR(o, 1 / 3, 1.0, n), then], [n])
    yield run("warmup", text(f"warmup(0.2, over = 6, {step})"), sgd, lambda o: S.LinearLR(o, 1 / 3, 1.0, 6))
    yield run("warmup_cosine", text("warmup(cosine(0.2), over = 1)"), sgd, lambda o: warm(o, 5, S.CosineAnnealingLR(o, STEPS - 5)))
    yield run("warmup_step", text(f"warmup(step(0.2, every = 4, factor = 0.5, {step}), over = 4, {step})"), sgd, lambda o: warm(o, 4, S.StepLR(o, 4, 0.5)))


class Fractional:
    """Warm restarts by fractions of epochs, as PyTorch's documentation shows."""

    def __init__(self, optimizer):
        self.inner = S.CosineAnnealingWarmRestarts(optimizer, 1, 2)
        self.steps = 0

    def step(self):
        self.steps += 1
        self.inner.step(self.steps / EPOCH)


def main():
    parameters, x, t = start()
    head = [line(n, p) for n, p in parameters.items()] + [line("x", x), line("t", t)]
    folder = pathlib.Path(__file__).parent
    cases = [("start", head)] + list(optimizers()) + list(schedules())
    write(folder / "training.txt", "Made by training.py with PyTorch " + torch.__version__.split("+")[0], cases)


main()

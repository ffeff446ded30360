"""What the reference scripts share: the text form of cases, and parameters in this project's layout.

A file is a list of cases. A line is `key = text`, or `name: numbers`; `case NAME` begins a case.
"""

import torch

torch.set_default_dtype(torch.float64)


def line(name, tensor):
    values = torch.as_tensor(tensor).detach().reshape(-1)
    if values.dtype.is_floating_point:
        return f"{name}: " + " ".join(f"{v:.7g}" for v in values.tolist())
    return f"{name}: " + " ".join(str(int(v)) for v in values.tolist())


def drawn(generator, *sizes):
    """Normal numbers of three decimals, so that files are short."""
    return (torch.randn(*sizes, generator=generator) * 1000).round() / 1000


def write(path, header, cases):
    with open(path, "w") as file:
        file.write(f"# {header}\n")
        for name, lines in cases:
            file.write(f"\ncase {name}\n" + "\n".join(lines) + "\n")

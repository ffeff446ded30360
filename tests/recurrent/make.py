"""Writes reference.txt: what PyTorch's recurrent layers give for numbers that follow from their places.

Element i of parameter j is 0.5 sin(1 + 0.37 i + 1.3 j), in the order of PyTorch's parameters; element i of the input
is sin(0.2 + 0.9 i), of first state j cos(0.5 i + j). Each case is a line of its name and one of numbers per result.
"""

import torch

N, LENGTH, INPUTS, HIDDEN = 2, 3, 2, 3


def numbered(shape, function):
    count = int(torch.tensor(shape).prod())
    return function(torch.arange(count, dtype=torch.float64)).reshape(shape)


def case(name, kind, initial=False, **options):
    layer = kind(INPUTS, HIDDEN, batch_first=True, dtype=torch.float64, **options)
    for j, parameter in enumerate(layer.parameters()):
        value = numbered(parameter.shape, lambda i: 0.5 * torch.sin(1 + 0.37 * i + 1.3 * j))
        parameter.data.copy_(value)
    x = numbered((N, LENGTH, INPUTS), lambda i: torch.sin(0.2 + 0.9 * i))
    places = options.get("num_layers", 1) * (2 if options.get("bidirectional") else 1)
    states = None
    if initial:
        made = [numbered((N, places, HIDDEN), lambda i: torch.cos(0.5 * i + j)) for j in range(2)]
        made = [state.transpose(0, 1).contiguous() for state in made]
        states = tuple(made) if kind is torch.nn.LSTM else made[0]
    y, last = layer(x, states)
    last = last if isinstance(last, tuple) else (last,)
    print(name)
    for result in (y, *(state.transpose(0, 1) for state in last)):
        print(" ".join(f"{value:.9g}" for value in result.flatten().tolist()))


case("lstm", torch.nn.LSTM)
case("lstm_deep", torch.nn.LSTM, initial=True, num_layers=2, bidirectional=True)
case("gru", torch.nn.GRU)
case("gru_deep", torch.nn.GRU, initial=True, num_layers=2, bidirectional=True)
case("gru_without_bias", torch.nn.GRU, bias=False)
case("rnn", torch.nn.RNN, initial=True)
case("rnn_relu", torch.nn.RNN, nonlinearity="relu", bidirectional=True)

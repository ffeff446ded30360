"""Recurrent layers. The reference evaluator knows one direction and full lengths only, so the cells are written out."""

import numpy as np
from generate import case

sigmoid = lambda x: 1 / (1 + np.exp(-x))


def walk(cell, x, states, lengths, backwards):
    """States of every step of one direction: each sequence is walked alone, and is 0 behind its end."""
    steps, batch = x.shape[:2]
    rows = np.zeros((steps, batch, states[0].shape[-1]))
    last = [state.astype(float).copy() for state in states]
    for b in range(batch):
        order = range(lengths[b])[:: -1 if backwards else 1]
        for t in order:
            result = cell(x[t, b].astype(float), *[state[b] for state in last])
            for state, value in zip(last, result):
                state[b] = value
            rows[t, b] = result[0]
    return rows, last


def layer(make_cell, x, directions, states, lengths=None):
    lengths = lengths if lengths is not None else [x.shape[0]] * x.shape[1]
    rows, last = zip(*[walk(make_cell(d), x, [s[d] for s in states], lengths, backwards) for d, backwards in enumerate(directions)])
    f4 = lambda values: np.stack(values).astype(np.float32)
    return [f4(rows).swapaxes(0, 1), *[f4([one[k] for one in last]) for k in range(len(states))]]


def lstm(w, r, b, p=None):
    n = r.shape[-1]

    def make(d):
        def cell(x, h, c):
            i, o, f, g = np.split(w[d] @ x + r[d] @ h + b[d, : 4 * n] + b[d, 4 * n :], 4)
            pi, po, pf = np.split(p[d], 3) if p is not None else (0, 0, 0)
            c = sigmoid(f + pf * c) * c + sigmoid(i + pi * c) * np.tanh(g)
            return sigmoid(o + po * c) * np.tanh(c), c
        return cell
    return make


def gru(w, r, b, reset_last):
    n = r.shape[-1]

    def make(d):
        def cell(x, h):
            (wz, wr, wh), (rz, rr, rh) = np.split(w[d], 3), np.split(r[d], 3)
            bz, br, bh, cz, cr, ch = np.split(b[d], 6)
            z, reset = sigmoid(wz @ x + rz @ h + bz + cz), sigmoid(wr @ x + rr @ h + br + cr)
            inner = reset * (rh @ h + ch) if reset_last else rh @ (reset * h) + ch
            return ((1 - z) * np.tanh(wh @ x + inner + bh) + z * h,)
        return cell
    return make


def rnn(w, r, b, activation):
    n = r.shape[-1]
    return lambda d: lambda x, h: (activation(w[d] @ x + r[d] @ h + b[d, :n] + b[d, n:]),)


zeros = lambda d, batch, n: np.zeros((d, batch, n))

case("lstm_forward", "(float[5,2,3] x, float[1,16,3] w, float[1,16,4] r, float[1,32] b) => (float[5,1,2,4] y, float[1,2,4] h, float[1,2,4] c)",
     "y, h, c = LSTM<hidden_size = 4>(x, w, r, b)", expect=lambda x, w, r, b: layer(lstm(w, r, b), x, [False], [zeros(1, 2, 4)] * 2))
case("lstm_both_ways_lengths", "(float[5,2,3] x, float[2,16,3] w, float[2,16,4] r, float[2,32] b, int32[2] n) => (float[5,2,2,4] y, float[2,2,4] h, float[2,2,4] c)",
     'y, h, c = LSTM<hidden_size = 4, direction = "bidirectional">(x, w, r, b, n)', n=[5, 3],
     expect=lambda x, w, r, b, n: layer(lstm(w, r, b), x, [False, True], [zeros(2, 2, 4)] * 2, n))
case("lstm_peepholes_states", "(float[3,1,2] x, float[1,12,2] w, float[1,12,3] r, float[1,24] b, float[1,1,3] h0, float[1,1,3] c0, float[1,9] p) => (float[3,1,1,3] y, float[1,1,3] h, float[1,1,3] c)",
     'y, h, c = LSTM<hidden_size = 3>(x, w, r, b, "", h0, c0, p)', opset=7,
     expect=lambda x, w, r, b, h0, c0, p: layer(lstm(w, r, b, p), x, [False], [h0, c0]))
case("gru_reverse", "(float[5,2,3] x, float[1,9,3] w, float[1,9,3] r, float[1,18] b) => (float[5,1,2,3] y, float[1,2,3] h)",
     'y, h = GRU<hidden_size = 3, direction = "reverse">(x, w, r, b)', expect=lambda x, w, r, b: layer(gru(w, r, b, False), x, [True], [zeros(1, 2, 3)]))
case("gru_linear_before_reset", "(float[3,2,3] x, float[2,12,3] w, float[2,12,4] r, float[2,24] b) => (float[3,2,2,4] y, float[2,2,4] h)",
     'y, h = GRU<hidden_size = 4, direction = "bidirectional", linear_before_reset = 1>(x, w, r, b)',
     expect=lambda x, w, r, b: layer(gru(w, r, b, True), x, [False, True], [zeros(2, 2, 4)]))
case("rnn_relu_both_ways", "(float[4,1,3] x, float[2,3,3] w, float[2,3,3] r, float[2,6] b, float[2,1,3] h0) => (float[4,2,1,3] y, float[2,1,3] h)",
     'y, h = RNN<hidden_size = 3, direction = "bidirectional", activations = ["Relu", "Tanh"]>(x, w, r, b, "", h0)', near=(1e-4, 1e-4),
     expect=lambda x, w, r, b, h0: layer(lambda d: rnn(w, r, b, (lambda v: np.maximum(v, 0), np.tanh)[d])(d), x, [False, True], [h0]))

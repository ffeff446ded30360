dlc 1

# An LSTM of width 128 over 50 steps of 64 features (Hochreiter, Schmidhuber, 1997), written out: one projection of
# all inputs, one recurrent contraction a step.

model lstm(x: f32[N, 50, 64], option width = 128) -> (logits) {
  projected = x |> dense(4 * width) as input_gates
  recurrent = layer dense(4 * width, bias = false) as hidden_gates
  gates = projected[:, 0]
  cell = sigmoid(gates[:, 0:width]) * tanh(gates[:, 2 * width : 3 * width])
  hidden = sigmoid(gates[:, 3 * width : 4 * width]) * tanh(cell)
  for t in 1..50 {
    gates = projected[:, t] + recurrent(hidden)
    kept = sigmoid(gates[:, width : 2 * width]) * cell
    cell = kept + sigmoid(gates[:, 0:width]) * tanh(gates[:, 2 * width : 3 * width])
    hidden = sigmoid(gates[:, 3 * width : 4 * width]) * tanh(cell)
  }
  logits = hidden |> dense(10) as head
}

data random {
  source = synthetic(samples = 64, classes = 10) -> (x, label)
  batch  = 64
}

train lstm on random {
  loss      = cross_entropy(logits, label)
  optimizer = sgd(lr = 0.01, momentum = 0.9)
  epochs    = 1
}

dlc 1

# An LSTM of width 128 over 50 steps of 64 features (Hochreiter, Schmidhuber, 1997).

model lstm(x: f32[N, 50, 64], option width = 128) -> (logits) {
  logits = x |> lstm(width, output = last) as lstm |> dense(10) as head
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

dlc 1

# One product of 4096 x 4096 by 4096 x 4096 numbers: how near a kernel comes to what multiplies.

model square(x: f32[N, 4096]) -> (logits) {
  logits = x |> dense(4096, bias = false) as product
}

data random {
  source = synthetic(samples = 4096, classes = 4096) -> (x, label)
  batch  = 4096
}

train square on random {
  loss      = cross_entropy(logits, label)
  optimizer = sgd(lr = 0.01, momentum = 0.9)
  epochs    = 1
}

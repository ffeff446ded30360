dlc 1

# Self-attention of four heads of width 32 over 64 tokens of 128 features and the perceptron after it, without
# normalisation (Vaswani et al., "Attention Is All You Need", 2017): contractions of small matrices.

block heads(x, count, width) {
  return x |> dense(count * width) as project |> reshape([N, x.shape[1], count, width]) |> transpose([0, 2, 1, 3])
}

model attention(x: f32[N, 64, 128], option count = 4, option width = 32) -> (logits) {
  query = x |> heads(count, width) as query
  key = x |> heads(count, width) as key
  value = x |> heads(count, width) as value
  weights = query @ transpose(key, [0, 1, 3, 2]) * 0.1767767 |> softmax()
  mixed = weights @ value |> transpose([0, 2, 1, 3]) |> reshape([N, 64, count * width]) |> dense(128) as output
  h = x + mixed
  h = h + (h |> dense(512) as widen |> gelu() |> dense(128) as narrow)
  logits = mean(h, axis = 1) |> dense(10) as head
}

data random {
  source = synthetic(samples = 32, classes = 10) -> (x, label)
  batch  = 32
}

train attention on random {
  loss      = cross_entropy(logits, label)
  optimizer = sgd(lr = 0.01, momentum = 0.9)
  epochs    = 1
}

dlc 1

# What is not one sample of a batch: an output without a batch, a metric of every sample.

model odd(x: f32[N, 3]) -> (scores, doubled) {
  w       = parameter(f32[3, 2], init = xavier)
  scores  = x @ w
  doubled = w * 2
}

data points {
  source = csv("points.csv", target = "kind") -> (x, label)
  batch  = 4
}

train odd on points {
  loss      = cross_entropy(scores, label)
  metrics   = auc(scores, label), accuracy(scores, label)
  optimizer = sgd(lr = one_cycle(max = 0.1))
  epochs    = 1
}

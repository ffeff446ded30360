dlc 1

# Two layers with sigmoids and the squared error, whose gradients can be written down by hand
# (`tests/tests/backpropagation.rs` does): for one sample with activations a1, a2, weights w2 and target y,
#   d2 = (a2 - y) a2 (1 - a2),   d1 = (w2 d2) a1 (1 - a1),   dw2 = a1 d2,   dw1 = x d1.
#
# Reaches: accuracy >= 0.9 on the test split.

model sigmoid_network(x: f32[N, 30]) -> (a2) {
  a1 = x |> dense(8, init = xavier) as first |> sigmoid()
  a2 = a1 |> dense(1, init = xavier) as second |> sigmoid()
}

data cells {
  source    = csv("data/breast_cancer.csv", target = "benign") -> (x, benign: f32[N, 1])
  transform = x |> standardize()
  split     = split(test = 0.2)
  batch     = 16
}

train sigmoid_network on cells {
  loss      = mse(a2, benign)
  metrics   = accuracy(a2, benign)
  optimizer = sgd(lr = 0.5)
  epochs    = 30
}

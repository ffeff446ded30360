dlc 1

# Is a digit odd? The network of `../digits_first.dsl`, which tells digits apart, under a new head. The body is frozen: no
# backward work is compiled for it.
#
# Reaches: accuracy >= 0.85 on the test split.

model odd(image: f32[N, 1, 8, 8]) -> (logits) {
  x = image |> conv2d(12, kernel = 3, padding = same, bias = false) as conv1 |> batch_norm() as norm1 |> relu()
  x = x |> conv2d(24, kernel = 3, padding = same, bias = false) as conv2 |> batch_norm() as norm2 |> relu()
  x = x |> max_pool(2)
  x = x |> conv2d(32, kernel = 3, padding = same, bias = false) as conv3 |> batch_norm() as norm3 |> relu()
  logits = x |> global_avg_pool() |> dense(2) as new_head
}

data digits {
  source    = csv("../data/digits_odd.csv", target = "digit", test = "../data/digits_odd_test.csv") -> (image, label)
  transform = image |> scale(16)
  batch     = 10
}

train odd on digits {
  start     = checkpoint("../data/digits_first.safetensors", skip = "new_head")
  freeze    = ["conv*", "norm*"]
  loss      = cross_entropy(logits, label)
  metrics   = accuracy(logits, label)
  optimizer = adam(lr = 0.02)
  epochs    = 60
}

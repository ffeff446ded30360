dlc 1

# Is a digit odd? Thirty pictures for a network that learned to tell digits apart (`digits_first.dsl`): the head is
# another, the first convolution stays as it was, and what is between learns at a tenth of the rate. Over five seeds the
# accuracy is 0.94 in the mean; with as many pictures from random weights it is 0.86.
#
# Reaches: accuracy >= 0.92 on the test split.

model fine_tune(image: f32[N, 1, 8, 8]) -> (logits) {
  x = image |> conv2d(12, kernel = 3, padding = same, bias = false) as conv1 |> batch_norm() as norm1 |> relu()
  x = x |> conv2d(24, kernel = 3, padding = same, bias = false) as conv2 |> batch_norm() as norm2 |> relu()
  x = x |> max_pool(2)
  x = x |> conv2d(32, kernel = 3, padding = same, bias = false) as conv3 |> batch_norm() as norm3 |> relu()
  logits = x |> global_avg_pool() |> dense(2) as new_head
}

data digits {
  source    = csv("data/digits_odd.csv", target = "digit", test = "data/digits_odd_test.csv") -> (image, label)
  transform = image |> scale(16)
  batch     = 8
}

train fine_tune on digits {
  start     = checkpoint("data/digits_first.safetensors", skip = "new_head")
  freeze    = ["conv1", "norm1"]
  groups    = group(["conv*", "norm*"], lr = 0.001)
  loss      = cross_entropy(logits, label)
  metrics   = accuracy(logits, label)
  optimizer = adam(lr = 0.01)
  epochs    = 30
}

dlc 1

# Handwritten digits, for a program that goes on learning: the network of `../digits_first.dsl`, whose weights it begins
# with, at a constant rate.

model digits(image: f32[N, 1, 8, 8]) -> (logits) {
  x = image |> conv2d(12, kernel = 3, padding = same, bias = false) as conv1 |> batch_norm() as norm1 |> relu()
  x = x |> conv2d(24, kernel = 3, padding = same, bias = false) as conv2 |> batch_norm() as norm2 |> relu()
  x = x |> max_pool(2)
  x = x |> conv2d(32, kernel = 3, padding = same, bias = false) as conv3 |> batch_norm() as norm3 |> relu()
  logits = x |> global_avg_pool() |> dense(10) as head
}

data digits_csv {
  source    = csv("../data/digits.csv", target = "digit") -> (image, label)
  transform = image |> scale(16)
  batch     = 32
}

train digits on digits_csv {
  loss      = cross_entropy(logits, label)
  metrics   = accuracy(logits, label)
  optimizer = adamw(lr = 0.005)
  epochs    = 1
}

dlc 1

# Handwritten digits, 8x8 pixels of 0..16: a small convolutional network with batch-norm and one dilated
# layer, which sees 5x5 pixels with 9 weights.
#
# Reaches: accuracy >= 0.97 on the test split.

model digits(image: f32[N, 1, 8, 8]) -> (logits) {
  x = image |> conv2d(16, kernel = 3, padding = same, bias = false) as conv1 |> batch_norm() as norm1 |> relu()
  x = x |> conv2d(32, kernel = 3, padding = same, dilation = 2, bias = false) as conv2 |> batch_norm() as norm2 |> relu()
  x = x |> max_pool(2)
  x = x |> conv2d(64, kernel = 3, padding = same, bias = false) as conv3 |> batch_norm() as norm3 |> relu()
  logits = x |> global_avg_pool() |> dropout(0.1) |> dense(10) as head
}

data digits_csv {
  source    = csv("data/digits.csv", target = "digit") -> (image, label)
  transform = image |> scale(16)
  split     = split(validation = 0.1, test = 0.2, stratified = true)
  batch     = 32
}

train digits on digits_csv {
  loss      = cross_entropy(logits, label)
  metrics   = accuracy(logits, label)
  optimizer = adam(lr = one_cycle(max = 0.01))
  epochs    = 20
}

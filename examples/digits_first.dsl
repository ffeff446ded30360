dlc 1

# Half of the digits: the first training of the network that `fine_tune.dsl` goes on with. Its weights are kept as
# `data/digits_first.safetensors`:
#   dlc train examples/digits_first.dsl && cp runs/digits_first/last.safetensors examples/data/digits_first.safetensors
#
# Reaches: accuracy >= 0.97 on the test split.

model digits_first(image: f32[N, 1, 8, 8]) -> (logits) {
  x = image |> conv2d(12, kernel = 3, padding = same, bias = false) as conv1 |> batch_norm() as norm1 |> relu()
  x = x |> conv2d(24, kernel = 3, padding = same, bias = false) as conv2 |> batch_norm() as norm2 |> relu()
  x = x |> max_pool(2)
  x = x |> conv2d(32, kernel = 3, padding = same, bias = false) as conv3 |> batch_norm() as norm3 |> relu()
  logits = x |> global_avg_pool() |> dense(10) as head
}

data digits {
  source    = csv("data/digits_first.csv", target = "digit") -> (image, label)
  transform = image |> scale(16)
  split     = split(validation = 0.1, test = 0.2, stratified = true)
  batch     = 32
}

train digits_first on digits {
  loss      = cross_entropy(logits, label)
  metrics   = accuracy(logits, label)
  optimizer = adamw(lr = one_cycle(max = 0.01))
  epochs    = 20
}

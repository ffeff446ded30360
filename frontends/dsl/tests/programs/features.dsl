dlc 1

# Every kind of statement and value at least once.
block tower(x, width, depth = 2, slope = 1e-2) {
  for i in 0..depth {
    x = x |> dense(width) as "layer{i}" |> leaky_relu(slope = slope)
  }
  return x, mean(x, axis = -1, keep = true)
}

model features(
  image: f32[N, 3, 12, 12],
  extra: f32[N, 10],
  option width = 8,
  option rates = [1, 2, 4],
) -> (score, class) {
  maps = image
  for i, rate in enumerate(rates) {
    maps = maps
      |> conv2d(width, kernel = 3, dilation = rate, padding = same, init = xavier, bias = i == 0) as "context{i}"
      |> batch_norm(momentum = 0.05) as "norm{i}"
      |> gelu()
  }
  pooled     = maps |> max_pool((2, 2), stride = 2) |> avg_pool(3, padding = 1) |> flatten()
  shared     = layer tower(width, slope = 0.1) as "tower"
  left, _    = shared(extra[:, 0:5])
  right, top = shared(extra[:, -5:])
  w          = parameter(f32[width, width], init = normal(0.1))
  joined     = concat(left @ w, right / (1 + exp(-top)), pooled, axis = 1)
  score      = joined |> dropout(0.25) |> dense(1, bias = false) as score
  class      = if width % 2 == 0 and not (len(rates) > 5) { softmax(dense(joined, 10) as class) } else { joined }
}

data any {
  source    = synthetic(samples = 64, classes = 10) -> (image, extra, label, value: f32[N, 1])
  transform = image |> normalize(mean = 0.5, std = [0.1, 0.2, 0.3]) |> resize(12, 12)
  transform = extra |> standardize(), value |> min_max() |> scale(2.5)
  augment   = image |> random_crop((12, 12), padding = 2) |> random_flip(p = 0.25)
  batch     = 2^4
  shuffle   = false
  split     = split(validation = 0.1, test = 0.2, seed = 3)
}

train features on any {
  loss      = cross_entropy_probabilities(class, label) + 0.1 * mse(score, value)
  metrics   = accuracy(class, label), mae(score, value), mse(score, value) as error
  optimizer = adam(lr = one_cycle(max = 0.01, momentum = none), weight_decay = 1e-4)
  epochs    = 3
  seed      = 42
  freeze    = ["context0.*"]
  monitor   = accuracy
}

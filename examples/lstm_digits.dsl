dlc 1

# A digit read row by row: a recurrent network over a sequence of eight rows of eight pixels.
#
# Reaches: accuracy >= 0.95 on the test split.

model lstm_digits(rows: f32[N, 8, 8]) -> (logits) {
  logits = rows |> lstm(64, bidirectional = true, output = last) as recurrent |> dropout(0.1) |> dense(10) as head
}

data digits_csv {
  source    = csv("data/digits.csv", target = "digit") -> (rows, label)
  transform = rows |> scale(16)
  split     = split(validation = 0.1, test = 0.2, stratified = true)
  batch     = 32
}

train lstm_digits on digits_csv {
  loss      = cross_entropy(logits, label)
  metrics   = accuracy(logits, label)
  optimizer = adamw(lr = one_cycle(max = 0.01))
  clip      = norm(5)
  epochs    = 20
}

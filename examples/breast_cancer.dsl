dlc 1

# Benign or malignant from 30 measurements of cell nuclei.

model breast_cancer(features: f32[N, 30]) -> (logit) {
  x = features |> dense(32) as hidden1 |> relu() |> dropout(0.2)
  x = x |> dense(16) as hidden2 |> relu()
  logit = x |> dense(1) as head
}

data cells {
  source    = csv("data/breast_cancer.csv", target = "benign") -> (features, benign)
  transform = features |> standardize()
  split     = split(validation = 0.1, test = 0.2, stratified = true)
  batch     = 32
}

train breast_cancer on cells {
  loss      = binary_cross_entropy(logit, benign)
  metrics   = accuracy(logit, benign)
  optimizer = adam(lr = 0.003, weight_decay = 1e-3)
  epochs    = 40
}

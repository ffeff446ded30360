dlc 1

# Benign or malignant from 30 measurements of cell nuclei: 128-64-1, scaled to 0..1.
#
# Reaches: accuracy >= 0.95, recall >= 0.93, f1 >= 0.95, auc >= 0.98 on the test split.
#
# A grid over the learning rate, each scored by cross-validation over five parts:
#   dlc tune examples/breast_cancer.dsl --try train.optimizer.lr=0.03,0.01,0.003,0.001 --try data.batch=16,32,64 --folds 5

model breast_cancer(features: f32[N, 30]) -> (logit) {
  x = features |> dense(128) as hidden1 |> relu() |> dropout(0.2)
  x = x |> dense(64) as hidden2 |> relu()
  logit = x |> dense(1) as head
}

data cells {
  source    = csv("data/breast_cancer.csv", target = "benign") -> (features, benign)
  transform = features |> min_max()
  split     = split(validation = 0.1, test = 0.2, stratified = true)
  batch     = 32
}

train breast_cancer on cells {
  loss      = binary_cross_entropy(logit, benign)
  metrics   = accuracy(logit, benign), recall(logit, benign), f1(logit, benign), auc(logit, benign)
  optimizer = adam(lr = 0.003, weight_decay = 1e-4)
  epochs    = 40
}

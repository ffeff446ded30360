BcJ
P¾
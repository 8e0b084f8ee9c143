"""The classifiers of the paper's Table III on identical splits and label permutations."""

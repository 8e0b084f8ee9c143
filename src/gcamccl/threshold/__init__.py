"""Which connections and SNPs are selected: the paper's rule, with univariate tests beside it."""

"""Which SNPs are loci: gene bodies, GTEx brain eQTLs, top brain-expressed genes."""

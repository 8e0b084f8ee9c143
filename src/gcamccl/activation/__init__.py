"""Activation maps: which connections and SNPs a trained network looked at, person by person and class by class."""

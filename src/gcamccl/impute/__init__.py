"""Missing calls of one chromosome filled in; observed calls never change."""

from gcamccl.impute.run import Imputed, Study, impute, in_words, versions

__all__ = ["Imputed", "Study", "impute", "in_words", "versions"]

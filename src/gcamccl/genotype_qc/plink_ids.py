"""Neutral ids for people and SNPs while PLINK has them.

PLINK skips lines of a ``.fam`` that start with ``#``, takes ``0`` for no id, ends ids at white space, and its tables
hold ids that pandas reads as missing (``NA``) or as quoted. So from the merge to the last filter everybody is
``p0000000`` upwards and every SNP ``s0000000`` upwards; the ids of the arrays come back in the results.
"""

from dataclasses import dataclass, field

import numpy as np

from gcamccl.genotype_qc import bed


@dataclass(frozen=True)
class Codes:
    """Ids and their neutral codes.

    Attributes
    ----------
    letter : str
        What the codes start with.
    ids : object array
        Unique; the code of the first is ``<letter>0000000``.
    """

    letter: str
    ids: np.ndarray
    _codes: dict = field(init=False, repr=False)

    def __post_init__(self):
        ids = np.empty(len(self.ids), object)
        ids[:] = list(self.ids)
        object.__setattr__(self, "ids", ids)
        object.__setattr__(self, "_codes", {name: f"{self.letter}{row:07d}" for row, name in enumerate(ids)})
        if len(self._codes) != len(ids):
            raise ValueError("ids are not unique")

    def __contains__(self, name):
        return name in self._codes

    def encode(self, names):
        """Codes of ids, list of str."""
        return [self._codes[name] for name in names]

    def decode(self, codes):
        """Ids of codes, list of str."""
        return [self.ids[int(code[1:])] for code in codes]


def write_named(prefix, out, people, snps):
    """Write the ``.bim`` and ``.fam`` of a fileset with neutral ids under the real ones, all else as it is.

    Parameters
    ----------
    prefix, out : str or Path
    people, snps : Codes
    """
    for suffix, codes, columns in ((".bim", snps, [1]), (".fam", people, [0, 1])):
        with bed.path(prefix, suffix).open() as given, bed.path(out, suffix).open("w", encoding="utf-8") as file:
            for line in given:
                fields = line.split()
                (name,) = codes.decode(fields[1:2])
                for column in columns:
                    fields[column] = name
                file.write("\t".join(fields) + "\n")

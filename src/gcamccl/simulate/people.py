"""The people of a simulated study: ability, score, age, sex."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

# WRAT standard scores: mean 100, SD 15 in the norm sample; reliability about 0.9 (Wilkinson & Robertson, WRAT4 manual).
SCORE_MEAN, SCORE_SD, SCORE_RELIABILITY = 100.0, 15.0, 0.9
AGE_YEARS = (8.0, 21.0)  # the paper, section III-A


@dataclass(frozen=True)
class People:
    """A simulated population.

    Attributes
    ----------
    ability : ndarray, float64 (n,)
        Latent trait, mean 0, variance 1.
    polygenic : ndarray, float64 (n,)
        The part of `ability` that comes from the causal SNPs.
    table : DataFrame
        ``score``, ``age`` (years), ``sex`` (M, F), ``site``; NaN where the score is missing.
    """

    ability: np.ndarray
    polygenic: np.ndarray
    table: pd.DataFrame


def simulate_people(dosage, effects, heritability, rng):
    """People whose ability is partly due to SNPs.

    Parameters
    ----------
    dosage : array (n, k)
        Copies of the effect allele of the k causal SNPs.
    effects : array (k,)
        Effect of each SNP per standard deviation of its dosage, up to scale.
    heritability : float
        Share of the variance of ability that is due to these SNPs.
    rng : numpy.random.Generator

    Returns
    -------
    People
        The last person has no score, so that studies show what happens then.
    """
    n = len(dosage)
    spread = dosage.std(axis=0)
    if (spread == 0).any():
        raise ValueError("a causal SNP does not vary")
    polygenic = ((dosage - dosage.mean(axis=0)) / spread) @ effects
    polygenic = np.sqrt(heritability) * (polygenic - polygenic.mean()) / polygenic.std()
    rest = rng.standard_normal(n)
    ability = polygenic + np.sqrt(1 - heritability) * (rest - rest.mean()) / rest.std()
    ability = (ability - ability.mean()) / ability.std()
    noise = rng.standard_normal(n)
    score = SCORE_MEAN + SCORE_SD * (np.sqrt(SCORE_RELIABILITY) * ability + np.sqrt(1 - SCORE_RELIABILITY) * noise)
    table = pd.DataFrame(
        {
            "score": np.round(score),
            "age": np.round(rng.uniform(*AGE_YEARS, n), 1),
            "sex": rng.choice(["F", "M"], n),
            "site": "site1",
        }
    )
    table.loc[n - 1, "score"] = np.nan
    return People(ability, polygenic, table)

"""Simulated ROI time series whose correlations depend on ability in planted connections."""

import numpy as np

IN_BAND_HZ = (0.01, 0.1)  # the paper's pass band, section III-A
BROADBAND = 0.15  # amplitude outside the band, relative to inside
UNIQUE = 0.45  # share of an ROI's variance that it shares with no other ROI
GLOBAL, NETWORK = 0.08, 0.25  # shares of the whole-brain and the network component; the rest is scattered
SCATTERED_FACTORS = 20
INDIVIDUAL = 0.15  # weight of a person's own low-rank covariance
INDIVIDUAL_FACTORS = 12
MAX_ABILITY = 2.5  # ability acts on connectivity up to this many SD, so that covariances stay positive definite
MIN_EIGENVALUE = 0.02
N_HUBS = 6  # high: edges gather in a few occipital hubs (the paper's Fig. 5); 3 gyri, both hemispheres
EDGE_MM = 20.0  # planted pairs are further apart, so that smoothing alone does not link them
MAX_BASE_CORRELATION = 0.15  # planted pairs are weakly correlated at average ability

MEAN_LEVEL = 1000.0  # scanner units
FLUCTUATION = 0.006  # SD of the simulated signal, share of the mean
SCANNER_NOISE = 0.003  # SD of white noise, share of the mean
DRIFT = 0.01  # SD over ROIs of the linear and of the quadratic drift at the end of the scan, share of the mean


def base_correlation(networks, rng):
    """Correlation of ROIs at average ability.

    Parameters
    ----------
    networks : sequence of str, length R
    rng : numpy.random.Generator

    Returns
    -------
    float64 (R, R)
        Unit diagonal, smallest eigenvalue at least `UNIQUE`.
    """
    networks = np.asarray(networks)
    scattered = rng.standard_normal((networks.size, SCATTERED_FACTORS))
    scattered /= np.linalg.norm(scattered, axis=1, keepdims=True)
    same = networks[:, None] == networks[None]
    share = 1 - UNIQUE - GLOBAL - NETWORK
    return GLOBAL + NETWORK * same + share * scattered @ scattered.T + UNIQUE * np.eye(networks.size)


def plant_edges(rois, base, count, rng):
    """Choose which connections depend on ability.

    Connections of the high class gather in a few hubs in the lingual, middle and inferior occipital gyri, those of
    the low class are scattered and start in default-mode and cingulate ROIs (the paper's section IV-A).

    Parameters
    ----------
    rois : DataFrame
        As from `gcamccl.atlas.read_atlas`.
    base : float (R, R)
        Correlations at average ability.
    count : int
        Connections per class.
    rng : numpy.random.Generator

    Returns
    -------
    dict
        ``edges_high``, ``edges_low``: lists of [a, b], ROI numbers from 1, a < b; no pair is in both.
    """
    xyz = rois[["x", "y", "z"]].to_numpy(float)
    far = np.linalg.norm(xyz[:, None] - xyz[None], axis=2) > EDGE_MM
    possible = far & (np.abs(base) < MAX_BASE_CORRELATION)
    hubs = _rois_named(rois, "Lingual|Middle Occipital|Inferior Occipital", "Visual")
    hubs = rng.permutation(hubs)[:N_HUBS]
    seeds = _rois_named(rois, "Cingul", "Default|Cingulo")
    taken = set()
    high = _draw_edges(np.resize(hubs, count), possible, np.ones(len(rois), bool), taken, rng, spread=True)
    elsewhere = np.ones(len(rois), bool)
    elsewhere[hubs] = False
    low = _draw_edges(np.resize(rng.permutation(seeds), count), possible, elsewhere, taken, rng, spread=False)
    return {"edges_high": high, "edges_low": low}


def _rois_named(rois, name, network):
    """Rows whose anatomical name (or, without such names, network) matches; any ROI for other atlases."""
    for column, pattern in (("name", name), ("network", network)):
        found = np.flatnonzero(rois[column].str.contains(pattern))
        if found.size >= 2:
            return found
    return np.arange(len(rois))


def _draw_edges(starts, possible, allowed, taken, rng, spread):
    """One new edge from each of `starts`; `spread`: ends are not shared between hubs while there are fresh ones."""
    edges, used = [], set()
    for start in starts:
        ends = [end for end in np.flatnonzero(possible[start] & allowed) if _pair(start, end) not in taken]
        fresh = [end for end in ends if end not in used] if spread else ends
        if not ends:
            raise ValueError(f"no connection left to plant at ROI {start + 1}: lower simulate.edges_per_class")
        end = int(rng.choice(fresh or ends))
        used.add(end)
        taken.add(_pair(start, end))
        edges.append([number + 1 for number in _pair(start, end)])
    return sorted(edges)


def _pair(a, b):
    return (int(min(a, b)), int(max(a, b)))


def personal_correlation(base, effect, ability, rng):
    """A person's correlation matrix: the base, own low-rank variation and the planted effect.

    Parameters
    ----------
    base : float (R, R)
    effect : float (R, R)
        Change of each correlation per SD of ability.
    ability : float
        SD units; clipped to +-`MAX_ABILITY`.
    rng : numpy.random.Generator

    Returns
    -------
    float64 (R, R)
        Positive definite, unit diagonal.
    """
    own = rng.standard_normal((len(base), INDIVIDUAL_FACTORS))
    own /= np.linalg.norm(own, axis=1, keepdims=True)
    wanted = (1 - INDIVIDUAL) * base + INDIVIDUAL * own @ own.T + np.clip(ability, -MAX_ABILITY, MAX_ABILITY) * effect
    values, vectors = np.linalg.eigh(wanted)
    if values[0] < MIN_EIGENVALUE:
        wanted = (vectors * np.maximum(values, MIN_EIGENVALUE)) @ vectors.T
        scale = np.sqrt(np.diag(wanted))
        wanted = wanted / scale / scale[:, None]
    return wanted


def band_limited(n_volumes, n_series, repetition_time_s, rng):
    """Independent Gaussian series of unit variance, most of their power within `IN_BAND_HZ`.

    Returns
    -------
    float64 (n_volumes, n_series)
    """
    length = n_volumes + 60  # the ends are cut off: the Fourier synthesis is circular
    frequency = np.fft.rfftfreq(length, repetition_time_s)
    gain = np.where((frequency >= IN_BAND_HZ[0]) & (frequency <= IN_BAND_HZ[1]), 1.0, BROADBAND)
    gain[0] = 0.0
    spectrum = np.fft.rfft(rng.standard_normal((length, n_series)), axis=0) * gain[:, None]
    pairs = np.where((np.arange(gain.size) == 0) | ((length % 2 == 0) & (np.arange(gain.size) == length // 2)), 1, 2)
    variance = (pairs * gain**2).sum() / length  # of white noise through this filter
    return np.fft.irfft(spectrum, length, axis=0)[30 : 30 + n_volumes] / np.sqrt(variance)


def simulate_timeseries(ability, settings, rois, rng):
    """ROI time series of many people.

    Parameters
    ----------
    ability : float (n_people,)
        Standardised.
    settings : dict
        Config section ``simulate``: ``n_volumes``, ``repetition_time_s``, ``edges_per_class``, ``edge_effect``.
    rois : DataFrame
        As from `gcamccl.atlas.read_atlas`; R rows.
    rng : numpy.random.Generator

    Returns
    -------
    series : generator of float32 (n_volumes, R)
        One a person, in order; unit variance.
    truth : dict
        ``edges_high``: connections that grow by ``edge_effect`` per SD of ability, ``edges_low``: that shrink by as
        much; lists of [a, b], ROI numbers from 1.
    """
    base = base_correlation(rois["network"], rng)
    truth = plant_edges(rois, base, settings["edges_per_class"], rng)
    effect = np.zeros_like(base)
    for name, sign in (("edges_high", 1), ("edges_low", -1)):
        a, b = np.array(truth[name]).T - 1
        effect[a, b] = effect[b, a] = sign * settings["edge_effect"]
    seeds = rng.integers(0, 2**63, size=len(ability))  # a person's series do not depend on who else is simulated

    def people():
        for value, seed in zip(ability, seeds, strict=True):
            own = np.random.default_rng(seed)
            root = np.linalg.cholesky(personal_correlation(base, effect, value, own))
            white = band_limited(settings["n_volumes"], len(rois), settings["repetition_time_s"], own)
            yield (white @ root.T).astype(np.float32)

    return people(), truth


def to_scanner_units(series, rng):
    """What a scanner would make of unit-variance signals: mean level, drift and noise; no motion.

    Parameters
    ----------
    series : float (n_volumes, R)
    rng : numpy.random.Generator

    Returns
    -------
    float32 (n_volumes, R)
        Scanner units, mean about `MEAN_LEVEL`.
    """
    n_volumes, n_rois = series.shape
    time = np.linspace(-1, 1, n_volumes)
    drift = np.stack([time, time**2 - 1 / 3], axis=1) @ rng.normal(0, DRIFT, (2, n_rois))
    noise = SCANNER_NOISE * rng.standard_normal(series.shape)
    level = MEAN_LEVEL * rng.uniform(0.9, 1.1, n_rois)
    return (level * (1 + FLUCTUATION * series + drift + noise)).astype(np.float32)

"""What `preprocess` leaves of one person: BIDS derivatives with their sidecars."""

from pathlib import Path

import pandas as pd

from gcamccl import bids
from gcamccl.atlas import is_image
from gcamccl.preprocess.quality import confounds_table
from gcamccl.workflow.files import write_json, write_tsv

CONFOUNDS_SIDECAR = {
    "trans_x": {"Description": "Translation of the head centre from the first volume, to the right", "Units": "mm"},
    "trans_y": {"Description": "The same, to the front", "Units": "mm"},
    "trans_z": {"Description": "The same, upwards", "Units": "mm"},
    "rot_x": {
        "Description": "Rotation about the x axis through the head centre, from volume 1",
        "Units": "rad",
    },
    "rot_y": {"Description": "The same, about y", "Units": "rad"},
    "rot_z": {"Description": "The same, about z", "Units": "rad"},
    "framewise_displacement": {"Description": "Power et al. 2012, rotations on a sphere of 50 mm", "Units": "mm"},
    "global_signal": {"Description": "Mean over the brain, not smoothed", "Units": "arbitrary"},
}


def write(place, names, result, atlas, settings, source):
    """Write time series, confounds and quality.

    Parameters
    ----------
    place : callable
        File name -> path to write it to.
    names : dict of str to str
        As from `gcamccl.bids.derivatives`.
    result : gcamccl.preprocess.extract.Result
    atlas : DataFrame
        As from `gcamccl.atlas.read_atlas`.
    settings : dict
        Config section ``preprocess``.
    source : str or Path
        The scan or ROI table.
    """
    columns = [f"roi_{number:03d}" for number in atlas["roi"]]
    write_tsv(place(names["timeseries"]), pd.DataFrame(result.series, columns=columns))
    imaged = result.quality["route"] != "timeseries"
    common = {
        "RepetitionTime": result.quality["repetition_time_s"],
        "Sources": [Path(source).name],
    }
    write_json(
        place(bids.sidecar(names["timeseries"]).name),
        {
            "Description": "Mean of each ROI; neither filtered nor cleaned of confounds. n/a: ROI missing",
            **common,
            "Atlas": settings["atlas"],
            "Units": "arbitrary",
            "SmoothingFWHM": settings["smoothing_fwhm_mm"] if imaged else None,
            "SphereRadius": settings["sphere_radius_mm"] if imaged and not is_image(settings["atlas"]) else None,
            **{
                column: {"Description": row["name"], "Network": row["network"], "MNI": [row["x"], row["y"], row["z"]]}
                for column, (_, row) in zip(columns, atlas.iterrows(), strict=True)
            },
        },
    )
    confounds = confounds_table(len(result.series), result.motion, result.global_signal)
    write_tsv(place(names["confounds"]), confounds)
    write_json(place(bids.sidecar(names["confounds"]).name), common | CONFOUNDS_SIDECAR)
    write_json(place(names["quality"]), result.quality)

"""The page of pictures of a scan, through its figure: what is shown, where left and right are, what is masked."""

from dataclasses import replace
from itertools import combinations

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import scan_fixture

from gcamccl.atlas import read_atlas
from gcamccl.preprocess import extract, person, quality
from gcamccl.preprocess.figures import curves, layout, page, rois, sampling, slices
from gcamccl.report.figures import style
from gcamccl.simulate import scan_bold
from gcamccl.workflow.config import stage_defaults

LONG_WARNING = "a warning of many words that says exactly what is wrong with the scan and what to look at " * 4


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """A simulated raw scan, registered without a T1w."""
    folder, simulated = tmp_path_factory.mktemp("raw"), scan_fixture.simulated_scan()
    scan_bold.write_nifti(folder / "bold.nii.gz", simulated.bold, simulated.head.affine, 3.0)
    settings = stage_defaults("preprocess") | {"registration_resolution_mm": 4}
    return person.from_raw(
        "sub-a", folder / "bold.nii.gz", None, scan_fixture.spheres(), settings, folder, say=lambda _: None
    )


@pytest.fixture(scope="module")
def slab(tmp_path_factory):
    """fMRIPrep's output of a slab that ends at z = -10 mm."""
    from nilearn import datasets

    folder, rng = tmp_path_factory.mktemp("slab"), np.random.default_rng(1)
    brain = datasets.load_mni152_brain_mask(resolution=4)
    data = np.where(brain.get_fdata() > 0.5, 500.0, 20.0)[..., None] * (1 + 0.01 * rng.normal(size=(*brain.shape, 60)))
    z = brain.affine[2, 3] + brain.affine[2, 2] * np.arange(brain.shape[2])
    data[:, :, z < -10] = 0
    image = nib.Nifti1Image(data.astype(np.float32), brain.affine)
    image.header.set_zooms((4, 4, 4, 2.0))
    image.header.set_xyzt_units("mm", "sec")
    nib.save(image, folder / "bold.nii.gz")
    motion = pd.DataFrame(0.01 * rng.normal(size=(60, 6)), columns=list(quality.MOTION_COLUMNS))
    motion.to_csv(folder / "confounds.tsv", sep="\t", index=False)
    files = (folder / "bold.nii.gz", folder / "confounds.tsv")
    return person.from_fmriprep("sub-b", *files, scan_fixture.spheres(), stage_defaults("preprocess"))


def still_unknown(result):
    """The same person with nothing known about motion."""
    facts = result.quality | {"max_translation_mm": None, "mean_fd_mm": None}
    return replace(result, motion=None, quality=facts)


def drawn(result):
    """The page's figure; the caller's style must be the report's."""
    figure = page.draw(result, read_atlas())
    figure.canvas.draw()
    return figure


def words(figure):
    """All letters of a figure that are drawn, with the box each takes; matplotlib keeps ticks beyond the axes too."""
    beyond = set()
    for axes in figure.findobj(style.mpl.axes.Axes) + figure.findobj(style.mpl.axes._secondary_axes.SecondaryAxis):
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = [tick for tick in axis.get_major_ticks() if not low - 1e-9 <= tick.get_loc() <= high + 1e-9]
            beyond |= {label for tick in ticks for label in (tick.label1, tick.label2)}
    texts = [text for text in figure.findobj(style.plt.Text) if text.get_visible() and text.get_text().strip()]
    return [(text.get_text(), text.get_window_extent()) for text in texts if text not in beyond]


def matrix(figure):
    """Axes and data of the connectivity matrix."""
    found = [axis for axis in figure.axes if axis.images and axis.images[0].get_array().shape == (264, 264)]
    assert len(found) == 1
    return found[0], found[0].images[0].get_array()


@pytest.fixture(autouse=True)
def in_style():
    with style.styled():
        yield
        style.plt.close("all")


def test_page_of_a_raw_scan(raw):
    figure = drawn(raw)
    text = " ".join(text for text, _ in words(figure))
    gone = np.array(raw.quality["roi_coverage"]) < 0.5  # ROIs at the top of this head touch the last slice
    missing = gone.sum()
    assert missing < 8
    for part in (
        *("sub-a", "raw scan", "40, 2.0 minutes", "4 × 4 × 4 mm", f"{missing} of 264", "Warning: no T1w"),
        *("translation", "rotation", "framewise", "global signal", "grey matter", "volume, from 0", "time (s)"),
        *("Mean of the realigned volumes", "SFNR", "Registration", "z = 14 mm", "y = -16 mm", "x = 2 mm"),
        *("within networks: mean", f"{missing or 'None'} of 264 ROIs", "6 motion parameters", "0.01 to 0.1 Hz", "DMN"),
    ):
        assert part in text, part
    assert f"{raw.quality['max_translation_mm']:.2f} mm (limit 2)" in text
    assert f"{raw.quality['mean_fd_mm']:.2f} mm, largest" in text
    names = [axis.get_ylabel().split("\n")[0] for axis in figure.axes]
    assert [name for name in names if name in ("translation", "rotation", "framewise", "global signal")] == [
        *("translation", "rotation", "framewise", "global signal")
    ]
    axis, shown = matrix(figure)
    assert axis.images[0].get_clim() == (-1, 1)
    assert np.ma.getmaskarray(shown).all(axis=0).sum() == missing


def test_page_of_fmripreps_output_masks_missing_rois(slab):
    gone = np.array(slab.quality["roi_coverage"]) < rois.MIN_COVERAGE
    assert 5 < gone.sum() < 100
    figure = drawn(slab)
    text = " ".join(text for text, _ in words(figure))
    assert f"{gone.sum()} of 264 ROIs missing: {gone.sum()} with less than 50%" in text.replace("\n", " ")
    assert "fMRIPrep output" in text
    axis, shown = matrix(figure)
    order = np.argsort(axis.get_yticks())
    assert len(order) == 14
    masked = ~np.isfinite(np.ma.filled(shown, np.nan))
    assert masked.sum() == 264**2 - (264 - gone.sum()) ** 2
    assert np.isnan(slab.pictures["slices"][sampling.slice_points()[:, 2] < -14]).all()
    assert style.mpl.colors.to_hex(axis.get_facecolor()) == layout.MISSING_COLOUR.lower()
    bars = next(axis for axis in figure.axes if len(axis.containers) == 2)
    there, missing = ([bar.get_width() for bar in container] for container in bars.containers)
    assert sum(missing) == gone.sum() and sum(there) == 264 - gone.sum()


def test_page_without_motion(raw):
    figure = drawn(still_unknown(raw))
    text = " ".join(text for text, _ in words(figure))
    assert "Head motion is unknown" in text and "motion unknown, so not removed" in text
    assert "unknown (limit 2)" in text
    assert not any(axis.get_ylabel().startswith(("translation", "rotation", "framewise")) for axis in figure.axes)
    assert any(axis.get_ylabel().startswith("global signal") for axis in figure.axes)
    no_signal = replace(still_unknown(raw), global_signal=None)
    assert not any(axis.get_ylabel().startswith("global signal") for axis in drawn(no_signal).axes)


@pytest.mark.parametrize("kind", ["raw", "slab", "unknown"])
def test_all_letters_are_on_the_page_and_none_hides_another(kind, raw, slab):
    result = {"raw": raw, "slab": slab, "unknown": still_unknown(raw)}[kind]
    result = replace(result, quality=result.quality | {"warnings": [LONG_WARNING, "short"]})
    figure = drawn(result)
    found = words(figure)
    assert "short" in " ".join(text for text, _ in found)
    assert " ".join(text for text, _ in found if "a warning" in text or "look at" in text).count("many words") == 4
    width, height = figure.canvas.get_width_height()
    assert width == 1300
    for text, box in found:
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height, (text, box)
    for (one, first), (two, second) in combinations(found, 2):
        common = first.intersection(first.padded(-2), second.padded(-2))
        assert common is None or not common.width * common.height, (one, two)


def test_the_file_is_small_and_the_same_each_time(raw, tmp_path):
    for name in ("a.png", "b.png"):
        page.page(tmp_path / name, raw, read_atlas())
    assert 100_000 < (tmp_path / "a.png").stat().st_size < 1_000_000
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize("codes", ["RAS", "LAS", "LPI", "SRA", "PIR"])
def test_images_are_turned_to_right_front_up(codes):
    """A voxel to the right, in front and above the centre keeps its place, whatever the axes of the file."""
    size = dict(zip("RAS", (2.0, 3.0, 5.0), strict=True))
    opposite = dict(zip("LPIRAS", "RASLPI", strict=True))
    lengths = dict(zip("RAS", (20, 16, 12), strict=True))
    affine, shape = np.eye(4), []
    for column, code in enumerate(codes):
        positive = code if code in "RAS" else opposite[code]
        shape.append(lengths[positive])
        affine[:3, column] = 0
        affine["RAS".index(positive), column] = size[positive] * (1 if code in "RAS" else -1)
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    world = np.array([13.0, 10.5, 17.5])
    image = np.zeros(shape, np.float32)
    image[tuple(np.rint(np.linalg.inv(affine) @ [*world, 1])[:3].astype(int))] = 1
    turned, voxel_mm = slices.to_ras(image, affine)
    np.testing.assert_allclose(voxel_mm, (2, 3, 5))
    centre = (np.array(turned.shape) - 1) / 2
    np.testing.assert_allclose((np.argwhere(turned)[0] - centre) * voxel_mm, world, atol=2.5)


def head(affine, shape=(30, 20, 16)):
    """Pictures of an ellipsoid whose right half is bright, in a scan with the given axes."""
    world = np.indices(shape).reshape(3, -1).T @ affine[:3, :3].T + affine[:3, 3]
    inside = ((world / [50, 70, 60]) ** 2).sum(axis=1) < 1
    mean = np.where(inside, 500.0, 0) + np.where(inside & (world[:, 0] > 0), 500, 0)
    return {
        "mean": mean.reshape(shape).astype(np.float32),
        "sfnr": np.where(inside, 80, 0).reshape(shape).astype(np.float32),
        "affine": affine,
    }


@pytest.mark.parametrize("sign", [1, -1])
def test_right_is_on_the_right_and_oblong_voxels_keep_their_shape(sign):
    affine = np.diag([4.0 * sign, 8.0, 9.0, 1.0])
    affine[:3, 3] = -affine[:3, :3] @ [14.5, 9.5, 7.5]
    figure = style.plt.figure(figsize=(layout.WIDTH, 6), dpi=layout.DPI)
    slices.native(figure, 0.3, head(affine))
    axes = next(axis for axis in figure.axes if axis.images)
    assert len(axes.images) == slices.N_AXIAL + 2
    figure.canvas.draw()
    left_letters, right_letters = (
        [text for text in axes.texts if text.get_text() == letter and text.get_position()[0] < 9] for letter in "LR"
    )
    image = axes.images[2]
    x0, x1, y0, y1 = image.get_extent()
    assert any(x0 < text.get_position()[0] < (x0 + x1) / 2 for text in left_letters)
    assert any((x0 + x1) / 2 < text.get_position()[0] < x1 for text in right_letters)
    data = np.asarray(image.get_array())  # rows upwards, columns as drawn
    half = data.shape[1] // 2
    assert data[:, half:].mean() > 1.8 * data[:, :half].mean()
    assert (x1 - x0) / (y1 - y0) == pytest.approx(4 * data.shape[1] / (8 * data.shape[0]))
    coronal, sagittal = axes.images[-2:]
    for picture, sizes in ((coronal, (4, 9)), (sagittal, (8, 9))):
        x0, x1, y0, y1 = picture.get_extent()
        rows, columns = picture.get_array().shape
        assert (x1 - x0) / (y1 - y0) == pytest.approx(sizes[0] * columns / (sizes[1] * rows))
    box = axes.get_position()
    inches = box.width * layout.WIDTH, box.height * 6
    np.testing.assert_allclose((*axes.get_xlim(), *axes.get_ylim()), (0, inches[0], 0, inches[1]))


def test_a_scan_in_which_nothing_fluctuates_can_be_drawn():
    affine = np.diag([4.0, 8.0, 9.0, 1.0])
    affine[:3, 3] = -affine[:3, :3] @ [14.5, 9.5, 7.5]
    pictures = head(affine)
    figure = style.plt.figure(figsize=(layout.WIDTH, 6), dpi=layout.DPI)
    slices.native(figure, 0.3, pictures | {"sfnr": np.zeros_like(pictures["sfnr"])})
    assert sum(len(axis.images) for axis in figure.axes if not axis.get_ylabel()) == 2 * (slices.N_AXIAL + 2)


def test_registration_is_drawn_where_it_belongs(raw):
    """The picture at a plane's point is the mean image there; right is on the right; the outline is MNI152's."""
    shown = sampling.planes()
    values = np.concatenate([plane.points[..., 0].ravel() for plane in shown])  # MNI x
    figure = style.plt.figure(figsize=(layout.WIDTH, 7), dpi=layout.DPI)
    slices.registration(figure, 0.3, values + 1000)
    pictures = [image for axis in figure.axes for image in axis.images]
    assert len(pictures) == len(shown)
    for picture, plane in zip(pictures, shown, strict=True):
        data = np.asarray(picture.get_array())
        if plane.axis == 0:
            np.testing.assert_array_equal(data, plane.height + 1000)
        else:
            assert data[0, 0] == 1000 + sampling.BOX_MM[0][0] and data[0, -1] == 1000 + sampling.BOX_MM[0][1]
    axis = figure.axes[0]
    assert len(axis.collections) == 2 * len(sampling.AXIAL_MM)
    x0, x1, y0, y1 = pictures[2].get_extent()  # axial, z = 14 mm
    outline = np.concatenate([path.vertices for path in axis.collections[4].get_paths()])
    low, high = np.array(sampling.BOX_MM).T[:, :2]
    mm = (outline - [x0, y0]) / [x1 - x0, y1 - y0] * (high - low + 2) + low - 1
    np.testing.assert_allclose([mm.min(axis=0), mm.max(axis=0)], [[-68, -103], [68, 71]], atol=4)


def test_maps_equal_nilearns():
    from nilearn import datasets

    points = np.random.default_rng(0).integers((-70, -100, -40), (70, 70, 70), (500, 3)).astype(float)
    for name, load in (("grey", datasets.load_mni152_gm_template), ("white", datasets.load_mni152_wm_template)):
        image = load(resolution=1)
        voxels = np.rint(points - image.affine[:3, 3]).astype(int)
        (ours,) = sampling.mni_at(points, (name,))
        np.testing.assert_allclose(ours, image.get_fdata()[tuple(voxels.T)], rtol=1e-5)
    assert sampling.mni_at(np.array([[0.0, 0, 20], [0, 0, 200], [-300, 0, 0]]), ("brain",))[0].tolist() == [1, 0, 0]


def test_carpet_is_ordered_by_tissue_and_height():
    grid = np.stack(np.meshgrid(range(-60, 61, 6), range(-90, 61, 6), range(-20, 61, 6)), axis=-1).reshape(-1, 3)
    usable = grid[:, 1] < 40
    rows, tissue = sampling.carpet_voxels(grid.astype(float), usable)
    assert usable[rows].all() and len(rows) <= sampling.MAX_CARPET_VOXELS
    assert (np.diff(tissue) >= 0).all() and set(tissue) == {0, 1, 2}
    for kind in range(3):
        assert (np.diff(grid[rows[tissue == kind], 2]) <= 0).all()
    grey, white = sampling.mni_at(grid[rows].astype(float), ("grey", "white"))
    assert (grey[tissue == 0] > 0.5).all() and (white[tissue == 1] > 0.5).all()


def test_carpet_is_detrended_and_scaled():
    rng, time = np.random.default_rng(0), np.arange(50.0)
    series = 700 + 2 * time - 0.03 * time**2 + rng.normal(0, 4, (3, 50))
    series = np.vstack([series, np.full(50, 9.0)]).T.astype(np.float32)
    shown = curves.scaled_carpet(series)
    for ours, one in zip(shown.T[:3], series.T[:3].astype(float), strict=True):
        left = one - np.polyval(np.polyfit(time, one, 2), time)
        np.testing.assert_allclose(ours, left / left.std(), atol=2e-3)
    assert (shown[:, 3] == 0).all()


def series_result(repetition_time_s=2.0, n_volumes=100, coverage=None):
    """A person with six ROIs: the fifth has no signal, the sixth lies half outside."""
    series = np.random.default_rng(3).normal(1000, 5, (n_volumes, 6)).astype(np.float32)
    series[:, 4] = 7
    facts = {"repetition_time_s": repetition_time_s, "roi_coverage": coverage, "n_volumes": n_volumes}
    return extract.Result(series, np.random.default_rng(4).normal(size=(n_volumes, 6)), None, facts)


def test_connectivity_is_the_papers():
    result = series_result(coverage=[1, 1, 1, 1, 1, 0.4])
    found = rois.connectivity(result)
    assert found.missing.tolist() == [False] * 4 + [True] * 2
    basis = rois.nuisance_basis(100, 2.0, 0.01, 0.1, result.motion)
    expected = np.corrcoef(rois.clean(result.series[:, :4], basis).T)
    np.testing.assert_allclose(found.r[:4, :4] + np.eye(4), expected, atol=1e-6)
    assert found.residual_dof == 100 - basis.shape[1]
    assert "0.01 to 0.1 Hz in one projection" in found.cleaned
    atlas = read_atlas().head(6)
    text = rois.missing_text(found.missing, result.quality["roi_coverage"], atlas)
    assert text == (
        "2 of 6 ROIs missing: 1 with less than 50% of their voxels inside the scan, 1 without signal. ROIs 5, 6."
    )


def test_slow_and_short_scans_are_said():
    assert "0.0833 Hz (Nyquist)" in rois.connectivity(series_result(repetition_time_s=6.0)).cleaned
    short = rois.connectivity(series_result(n_volumes=10))
    assert short.residual_dof < rois.FEWEST_DOF and np.isnan(short.r).all()
    figure = style.plt.figure(figsize=(layout.WIDTH, rois.HEIGHT + 1))
    rois.draw(figure, 0.3, short, read_atlas().head(6), None)
    assert "not computed" in " ".join(text for text, _ in words(figure))


def test_limits_are_drawn_where_they_are_on_the_scale():
    _, axis = style.figure()
    motion = np.zeros((20, 6))
    motion[5:, 2] = 2.6
    curves._translation(axis, motion)
    assert {line.get_ydata()[0] for line in axis.lines if len(line.get_ydata()) == 2} == {2.0, -2.0}
    _, axis = style.figure()
    curves._translation(axis, 0.1 * motion)
    assert "off the scale" in axis.get_legend_handles_labels()[1][-1]
    assert axis.get_ylim() == (-curves.LEAST_RANGE_MM, curves.LEAST_RANGE_MM)


def test_one_line_leaves_out_what_is_unknown(raw):
    assert "translation" in quality.one_line(raw.quality)
    line = quality.one_line(still_unknown(raw).quality)
    assert "translation" not in line and "FD" not in line and "SFNR whole brain" in line

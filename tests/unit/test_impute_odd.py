"""impute on awkward studies, panels, maps and servers' files."""

import gzip

import numpy as np
import pandas as pd
import pytest
from genetics_fixture import make
from impute_fixture import CHROM, Cohort, family, fill, map_of, panel_of, sh, simulated

from gcamccl import impute
from gcamccl.impute import alleles, genetic_map, panel, score, vcf
from gcamccl.workflow.errors import InputError

LIMIT = 0.2


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return make(tmp_path_factory.mktemp("genetics"))


@pytest.fixture(scope="module")
def cohort(study):
    return simulated(study)


def cut(path, cohort, folder, limit=LIMIT, say=lambda text: None):
    """The panel as `impute` would use it."""
    folder.mkdir(exist_ok=True)
    part = cohort.study
    bim = part.bim.reset_index(drop=True)
    return panel.read_panel(path, part.chromosome, part.calls, bim, part.fam, limit, folder, say)


def rewritten(source, target, change):
    """A VCF with `change` applied to the list of its record lines; plain text."""
    text = gzip.decompress(source.read_bytes()).decode().splitlines()
    head = [line for line in text if line.startswith("#")]
    target.write_text("\n".join([*head, *change([line for line in text if not line.startswith("#")])]) + "\n")
    return target


# Studies


def test_one_snp_one_person_and_few_people(study, cohort, tmp_path):
    """What a program cannot do is filled by mode, with a warning."""
    said = []
    one = int(cohort.hidden.any(axis=1).argmax())
    result = fill(cohort.part([one]), tmp_path / "1", said.append)
    assert result.summary["n_from_mode"] == result.summary["n_missing"] > 0
    person = int(cohort.hidden.sum(axis=0).argmax())
    alone = cohort.part(people=[person])
    assert fill(alone, tmp_path / "2", said.append).summary["n_from_mode"] == alone.hidden.sum()
    few = cohort.part(people=slice(0, 19))
    assert fill(few, tmp_path / "3", said.append, method="shapeit4").summary["n_from_mode"] == few.hidden.sum()
    assert sum("WARNING" in text for text in said) == 3
    result = fill(alone, tmp_path / "4", reference=panel_of(study))
    assert result.summary["n_from_panel"] > 0.9 * alone.hidden.sum()


def test_monomorphic_empty_unsorted_unplaced_and_doubled_snps(cohort, tmp_path):
    """And alleles that no VCF can hold. Whatever a program cannot be given is filled by mode and counted."""
    calls, bim = cohort.study.calls[:80].copy(), cohort.study.bim[:80].copy()
    calls[3] = np.where(calls[3] < 0, -1, 0)
    calls[5] = -1
    bim.loc[5, ["a1", "a2"]] = "0"
    bim.loc[7, ["a1", "a2"]] = ["I", "D"]
    bim.loc[10, "pos"] = bim.loc[9, "pos"]
    bim.loc[11, "pos"] = 0
    calls[[10, 11], 0] = -1
    order = np.random.default_rng(1).permutation(80)
    odd = Cohort(cohort.truth[:80][order], impute.Study(CHROM, calls[order], bim.iloc[order], cohort.study.fam))
    result = fill(odd, tmp_path)
    assert (result.calls >= 0).all()
    source = result.snps.set_index("snp_id")["source"]
    later = max((9, 10), key=lambda row: list(order).index(row))
    assert set(source.index[source == "mode"]) == {bim["id"][later], bim["id"][11]}
    assert result.summary["n_from_mode"] == sum((calls[row] < 0).sum() for row in (later, 11))
    usable = ~np.isin(order, [3, 5, later, 11])
    plain = score.most_frequent(odd.study.calls)
    right, by_mode = ((one == odd.truth)[odd.hidden & usable[:, None]].mean() for one in (result.calls, plain))
    assert right > by_mode + 0.1


# Alleles and panels


def test_sites_are_matched_by_position_and_alleles():
    sites = pd.DataFrame(
        [
            (10, "A", "G"),
            (20, "A", "G"),
            (30, "A", "G"),
            (40, "C", "T"),
            (50, "A", "G"),
            (70, "A", "T"),
            (80, "C", "T"),
        ],
        columns=["pos", "ref", "alt"],
    )
    rows = [(10, "G", "A"), (20, "T", "C"), (30, "A", "C"), (40, "T", "C"), (50, "0", "G"), (60, "A", "G")]
    bim = pd.DataFrame([*rows, (70, "A", "T"), (80, "0", "0"), (80, "I", "D")], columns=["pos", "a1", "a2"])
    found = alleles.match(bim, sites)
    # 30: other alleles; 60: not there; 80: no allele known, and letters that are no bases.
    assert list(found.index) == [0, 1, 3, 4, 6]
    assert list(found["a1_is_alt"]) == [True, False, True, False, False]
    assert list(found["flipped"]) == [False, True, False, False, False]
    assert list(found["ambiguous"]) == [False, False, False, False, True]


def test_several_records_at_a_position_are_not_used_but_indels_beside_a_snp_do_no_harm():
    rows = [(1, "A", "G"), (2, "A", "G"), (2, "A", "T"), (3, "A", "C,G"), (4, "A", "AT"), (4, "A", "C"), (5, "A", ".")]
    sites = pd.DataFrame(rows, columns=["pos", "ref", "alt"])
    assert list(alleles.unique_sites(sites)) == [True, False, False, False, False, True, False]


def test_frequencies_find_wrong_alleles_and_the_strand_of_ambiguous_snps():
    found = pd.DataFrame(
        {"ambiguous": [False, False, True, True, True], "a1_is_alt": True, "flipped": False, "site": range(5)}
    )
    here, there = np.array([0.2, 0.2, 0.2, 0.2, 0.45]), np.array([0.25, 0.8, 0.25, 0.8, 0.45])
    kept, differs, unclear = alleles.check_frequencies(found, here, there, 500, 500, LIMIT)
    assert list(kept.index) == [0, 2, 3]
    assert list(kept["flipped"]) == [False, False, True]
    assert list(kept["a1_is_alt"]) == [True, True, False]
    assert (list(differs), list(unclear.index)) == ([1], [4])
    # Two people's frequencies say nothing.
    assert not len(alleles.check_frequencies(found, here, there, 1, 2, LIMIT)[1])


def test_neighbours_tell_the_strand_of_ambiguous_snps(study, cohort, tmp_path):
    """C/G SNPs of middle frequency, half of them on the other strand, are told by linkage disequilibrium."""
    variants = study.genome.variants
    frequency = variants["frequency"].loc[variants["core"] & (variants["chrom"] == CHROM)].to_numpy()
    middle = np.flatnonzero((np.abs(frequency - 0.5) < 0.08) & (np.arange(len(frequency)) % 5 > 0))
    assert len(middle) >= 8
    right = cut(panel_of(study), cohort, tmp_path / "right").found
    middle = np.intersect1d(middle, right.index)
    position = cohort.study.bim["pos"].to_numpy()[middle].astype(str)

    def as_cg(lines):
        fields = [line.split("\t") for line in lines]
        return ["\t".join([*f[:3], "C", "G", *f[5:]]) if f[1] in set(position) else "\t".join(f) for f in fields]

    path = rewritten(panel_of(study), tmp_path / "p.vcf", as_cg)
    bim = cohort.study.bim.copy()
    turned = np.arange(len(middle)) % 2 == 1
    alt = np.where(turned, "C", "G")
    is_alt = right.loc[middle, "a1_is_alt"].to_numpy(bool)
    bim.loc[middle, "a1"] = np.where(is_alt, alt, alleles.complement(pd.Series(alt)))
    bim.loc[middle, "a2"] = alleles.complement(bim.loc[middle, "a1"])
    other = Cohort(cohort.truth, impute.Study(CHROM, cohort.study.calls, bim, cohort.study.fam))
    result = cut(path, other, tmp_path / "cg")
    told = np.intersect1d(middle, result.found.index)
    assert len(told) > 0.7 * len(middle)
    assert (result.found.loc[told, "a1_is_alt"] == right.loc[told, "a1_is_alt"]).all()
    assert result.facts["n_snps_strand_unclear"] == len(middle) - len(told)


def test_a_panel_in_any_form_is_the_same_panel(study, cohort, tmp_path):
    """BCF, plain text, gzip without blocks, no index, unsorted, chr before the number, and more at its positions."""
    usual = cut(panel_of(study), cohort, tmp_path / "usual")
    rng = np.random.default_rng(1)
    (tmp_path / "names").write_text(f"{CHROM} chr{CHROM}\n")
    source = panel_of(study)
    sh("bcftools", "annotate", "--rename-chrs", tmp_path / "names", "-Oz", "-o", tmp_path / "chr.vcf.gz", source)
    sh("bcftools", "view", "-Ob", "-o", tmp_path / "p.bcf", source)
    sh("bcftools", "index", tmp_path / "p.bcf")

    def more(lines):
        fields = lines[0].split("\t")
        indel = "\t".join([*fields[:3], fields[3], fields[3] + "T", *fields[5:]])
        return [lines[i] for i in rng.permutation(len(lines))] + [indel]

    unsorted = rewritten(source, tmp_path / "unsorted.vcf", more)
    (tmp_path / "plain.vcf.gz").write_bytes(gzip.compress(unsorted.read_bytes()))
    for path in (tmp_path / "chr.vcf.gz", tmp_path / "p.bcf", unsorted, tmp_path / "plain.vcf.gz"):
        other = cut(path, cohort, tmp_path / "other")
        pd.testing.assert_frame_equal(other.found.drop(columns="site"), usual.found.drop(columns="site"))
        assert other.path.read_text() == usual.path.read_text()


def test_the_panel_is_cut_to_the_study_and_odd_sites_are_counted(study, cohort, tmp_path):
    bim = cohort.study.bim
    lines = {}

    def spoil(records):
        by_position = {line.split("\t")[1]: number for number, line in enumerate(records)}
        rows = [by_position[str(pos)] for pos in bim["pos"] if str(pos) in by_position]
        twice, many, gap = rows[0], rows[1], rows[2]
        lines["bad"] = {int(records[row].split("\t")[1]) for row in (twice, many, gap)}
        fields = records[many].split("\t")
        fields[4] = ",".join(sorted(set("ACGT") - {fields[3]})[:2])
        records[many] = "\t".join(fields)
        records[gap] = records[gap][:-3] + ".|."
        return [*records, records[twice]]

    path = rewritten(panel_of(study), tmp_path / "odd.vcf", spoil)
    result = cut(path, cohort, tmp_path / "cut")
    assert not lines["bad"] & set(result.found["pos"])
    assert result.facts["n_panel_sites_multiallelic"] == 2
    assert result.facts["n_panel_sites_incomplete"] == 1
    sites, copies = vcf.read_calls(result.path, 80)
    assert set(sites["pos"]) == set(result.found["pos"])
    assert (copies >= 0).all()


def test_people_in_the_panel_are_counted_and_wrong_alleles_found(study, cohort, tmp_path):
    said = []
    names = sh("bcftools", "query", "-l", panel_of(study)).split()
    fam = family([*names[:2], *cohort.study.fam["iid"][2:]])
    calls = cohort.study.calls.copy()
    calls[4] = alleles.swapped(calls[[4]], np.array([True]))[0]
    assert abs(np.where(calls[4] < 0, 0, calls[4]).mean() - 1) > 0.4
    other = Cohort(cohort.truth, impute.Study(CHROM, calls, cohort.study.bim, fam))
    result = cut(panel_of(study), other, tmp_path, say=said.append)
    assert result.facts["n_people_in_panel"] == 2
    assert result.facts["n_snps_frequency_differs"] == 1
    assert 4 not in result.found.index
    assert any("their allele frequency" in text for text in said)


def test_a_panel_without_overlap_is_a_warning_and_the_cohort_is_used(study, cohort, tmp_path):
    part = cohort.part(slice(0, 60))
    bim = part.study.bim.assign(pos=part.study.bim["pos"] + 7)
    moved = Cohort(part.truth, impute.Study(CHROM, part.study.calls, bim, part.study.fam))
    said = []
    result = fill(moved, tmp_path, said.append, reference=panel_of(study), genetic_map=map_of(study))
    assert result.summary["n_from_cohort"] == result.summary["n_missing"]
    assert any("WARNING" in text and "same build" in text for text in said)


def test_bad_panels(study, cohort, tmp_path):
    source = panel_of(study)
    whole = source.read_bytes()
    (tmp_path / "cut.vcf.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.vcf.gz").write_bytes(b"")
    (tmp_path / "x.vcf.gz").write_bytes(b"no gzip\n")
    text = gzip.decompress(whole)
    (tmp_path / "half.vcf").write_bytes(text[: len(text) // 2])
    rewritten(source, tmp_path / "unphased.vcf", lambda lines: [line.replace("0|1", "0/1") for line in lines])
    rewritten(source, tmp_path / "other.vcf", lambda lines: ["9" + line[len(str(CHROM)) :] for line in lines])
    messages = {
        "none.vcf": "no such file",
        "cut.vcf.gz": "truncated",
        "half.vcf": "truncated",
        "empty.vcf.gz": "is empty",
        "x.vcf.gz": "not a readable VCF",
        "unphased.vcf": "'0/1' is not phased",
        "other.vcf": f"no variant of chromosome {CHROM}",
    }
    for name, message in messages.items():
        with pytest.raises(InputError, match=message):
            cut(tmp_path / name, cohort, tmp_path / "out")


def test_a_method_without_its_file_stops(cohort, tmp_path):
    for method, files in (("external", {}), ("minimac4", {}), ("beagle", {"reference": "x.msav"})):
        with pytest.raises(InputError, match=r"needs|only minimac4"):
            fill(cohort, tmp_path, method=method, **files)
    (tmp_path / "no.msav").write_text("nothing")
    with pytest.raises(InputError, match="not a compressed reference"):
        fill(cohort.part(slice(0, 5)), tmp_path / "x", method="minimac4", reference=tmp_path / "no.msav")


# Maps


def test_maps_in_three_layouts_are_one_map(tmp_path):
    lines = [(100, 0.0), (200, 0.5), (300, 0.5)]
    texts = {
        "plink": "".join(f"22 . {cm} {pos}\n" for pos, cm in lines) + "21 . 9 900\n",
        "shapeit": "pos chr cM\n" + "".join(f"{pos}\tchr22\t{cm}\n" for pos, cm in lines),
        "eagle": "chr position COMBINED_rate(cM/Mb) Genetic_Map(cM)\n" + "".join(f"22 {p} 1.5 {c}\n" for p, c in lines),
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(text.encode()))
        for path in (tmp_path / name, tmp_path / f"{name}.gz"):
            table = genetic_map.read_map(path, 22)
            assert list(table.itertuples(index=False, name=None)) == lines
    genetic_map.write_plink_map(tmp_path / "again", table, "22")
    pd.testing.assert_frame_equal(genetic_map.read_map(tmp_path / "again", 22), table)
    genetic_map.write_shapeit_map(tmp_path / "again", table, "22")
    pd.testing.assert_frame_equal(genetic_map.read_map(tmp_path / "again", 22), table)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("22 . x 100\n", "line 1 is not of a genetic map"),
        ("pos chr cM\n100 22 0.1 5\n", "line 2 is not of a genetic map"),
        ("7 . 0.1 100\n7 . 0.2 200\n", "no line of chromosome 22"),
        ("22 . 0.1 100\n", "only one line of chromosome 22"),
        ("22 . 0.3 100\n22 . 0.2 200\n", "line 2: cM fall"),
    ],
)
def test_bad_maps(tmp_path, text, message):
    (tmp_path / "m.map").write_text(text)
    with pytest.raises(InputError, match=message):
        genetic_map.read_map(tmp_path / "m.map", 22)
    with pytest.raises(InputError, match="no such file"):
        genetic_map.read_map(tmp_path / "none", 22)

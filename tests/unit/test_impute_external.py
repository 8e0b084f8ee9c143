"""impute.external: an imputation server's file, and what can be wrong with it."""

import numpy as np
import pandas as pd
import pytest
from genetics_fixture import make
from impute_fixture import CHROM, aligned, fill, simulated

from gcamccl.impute import external
from gcamccl.workflow.errors import InputError


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return make(tmp_path_factory.mktemp("genetics"))


@pytest.fixture(scope="module")
def cohort(study):
    return simulated(study)


SERVER_HEAD = (
    "##fileformat=VCFv4.2\n##contig=<ID=chr{chrom}>\n"
    '##INFO=<ID=R2,Number=1,Type=Float,Description="r2">\n'
    '##INFO=<ID=TYPED_ONLY,Number=0,Type=Flag,Description="not in panel">\n'
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n'
    '##FORMAT=<ID={tag},Number={number},Type=Float,Description="dosage">\n'
    "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{people}\n"
)
GP = ("0.9,0.1,0", "0.1,0.8,0.1", "0,0.05,0.95")
WRITE = {
    "DS": (1, lambda copies: (0.1, 1.0, 1.95)[copies]),
    "GP": ("G", lambda copies: GP[copies]),
    "HDS": (2, lambda copies: ("0.05,0.05", "0.9,0.1", "0.95,1")[copies]),
}


def server_file(path, study, cohort, names, tag="DS", info=lambda row: "R2=0.9"):
    """A server's answer that knows the truth; A1 is alt there."""
    number, write = WRITE[tag]
    known = aligned(study, cohort)
    text = SERVER_HEAD.format(chrom=CHROM, tag=tag, number=number, people="\t".join(names))
    for row, (snp, copies) in enumerate(zip(known.study.bim.itertuples(), known.truth, strict=True)):
        calls = "\t".join(f"{('0|0', '0|1', '1|1')[one]}:{write(one)}" for one in copies[: len(names)])
        text += f"chr{CHROM}\t{snp.pos}\t.\t{snp.a2}\t{snp.a1}\t.\t.\t{info(row)}\tGT:{tag}\t{calls}\n"
    path.write_text(text)
    return path


@pytest.mark.parametrize("tag", list(WRITE))
def test_a_servers_dosages_become_ours(study, cohort, tmp_path, tag):
    """Whatever field they are in, A1 turned or not, on either strand, people called FID_IID."""
    names = [f"{name}_{name}" for name in cohort.study.fam["iid"]]
    path = server_file(tmp_path / "s.vcf", study, cohort, names, tag)
    result = fill(cohort, tmp_path / "run", method="external", imputed=path)
    assert (result.calls == cohort.truth).all()
    assert result.summary["n_from_server"] == result.summary["n_missing"]
    assert result.summary["masked_concordance"] is None
    assert result.summary["observed_concordance"] == 1.0
    truth = cohort.truth[result.row, result.person]
    is_alt = (np.arange(len(cohort.truth)) % 2 == 0)[result.row]
    expected = {"DS": (0.1, 1.0, 1.95), "GP": (0.1, 1.0, 1.95), "HDS": (0.1, 1.0, 1.95)}[tag]
    wanted = np.where(is_alt, np.array(expected)[truth], 2 - np.array(expected)[2 - truth])
    np.testing.assert_allclose(result.dosage, wanted, atol=1e-6)


def test_what_a_server_lacks_is_filled_from_the_cohort_and_counted(study, cohort, tmp_path):
    """SNPs of low r2, SNPs it only copied, SNPs and people that are absent."""
    info = {0: "R2=0.1", 1: "R2=0.29", 2: "R2=0.3", 3: "R2=1;TYPED_ONLY"}
    names = list(cohort.study.fam["iid"])[:-1]
    path = server_file(tmp_path / "s.vcf", study, cohort, names, info=lambda row: info.get(row, "R2=0.9"))
    lines = path.read_text().splitlines(keepends=True)
    del lines[-1]
    path.write_text("".join(lines))
    result = fill(cohort, tmp_path / "run", method="external", imputed=path)
    summary, source = result.summary, result.snps["source"]
    last = len(source) - 1
    assert (summary["n_snps_low_r2"], summary["n_snps_not_at_server"], summary["n_people_not_at_server"]) == (2, 2, 1)
    assert set(np.flatnonzero(source == "cohort")) == {0, 1, 3, last}
    own = cohort.hidden.copy()
    own[[r for r in range(len(own)) if r not in (0, 1, 3, last)], :-1] = False
    assert summary["n_from_cohort"] == own.sum() > 0
    assert (result.calls >= 0).all()
    right = (result.calls == cohort.truth)[cohort.hidden & ~own]
    assert right.all()


def test_a_servers_wrong_snps_and_wrong_people(study, cohort, tmp_path):
    names = list(cohort.study.fam["iid"])
    path = server_file(tmp_path / "s.vcf", study, cohort, names)
    lines = path.read_text().splitlines()
    fifth, sixth = lines[-len(cohort.truth) + 5], lines[-len(cohort.truth) + 6]
    swap = "\t".join([*fifth.split("\t")[:9], *sixth.split("\t")[9:][::-1]])
    lines[lines.index(fifth)] = swap
    path.write_text("\n".join(lines) + "\n")
    result = fill(cohort, tmp_path / "run", method="external", imputed=path)
    assert result.summary["n_snps_disagree"] == 1
    assert result.snps["source"][5] == "cohort"
    mixed = path.read_text().replace("\t".join(names), "\t".join(names[::-1]))
    path.write_text(mixed)
    with pytest.raises(InputError, match="is it the same study"):
        fill(cohort, tmp_path / "run2", method="external", imputed=path)


def test_bad_server_files(study, cohort, tmp_path):
    names = list(cohort.study.fam["iid"])
    path = server_file(tmp_path / "s.vcf", study, cohort, [f"x{name}" for name in names])
    text = path.read_text()
    bad = {
        "nobody of the study is in it": text,
        "no quality in INFO": text.replace("ID=R2,", "ID=Q,").replace("R2=0.9", "Q=0.9"),
        "no variant of chromosome": text.replace(f"chr{CHROM}", "chr9").replace("\tx", "\t"),
        "is not between 0 and 2": text.replace(":1.95", ":2.5").replace("\tx", "\t"),
    }
    for message, content in bad.items():
        path.write_text(content)
        with pytest.raises(InputError, match=message):
            fill(cohort, tmp_path / "run", method="external", imputed=path)


def test_people_are_found_by_the_ids_servers_give_them():
    fam = pd.DataFrame({"fid": ["F1", "F1", "0"], "iid": ["a", "b", "c" * 26]})
    for names in (["b", "a", "c" * 26], ["F1_b", "F1_a", "0_" + "c" * 26], ["b_b", "a_a", "c" * 26 + "_" + "c" * 26]):
        assert list(external.match_people(fam, names, "x")) == [1, 0, 2]
    assert list(external.match_people(fam, ["a", "z"], "x")) == [0, -1, -1]
    twins = pd.DataFrame({"fid": ["F", "G"], "iid": ["F_a", "a"]}).assign(fid=["X", "F"])
    with pytest.raises(InputError, match="could be any of"):
        external.match_people(twins, ["F_a"], "x")

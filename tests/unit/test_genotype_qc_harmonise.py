"""Harmonising: every way in which a SNP of one array may look on another, table by table."""

import numpy as np
import pandas as pd
import pytest
from genetics_fixture import settings

from gcamccl.genotype_qc import bed
from gcamccl.genotype_qc.harmonise import harmonise
from gcamccl.genotype_qc.probes import Array
from gcamccl.workflow.errors import InputError

N = 100  # people an array


def table_of(*rows):
    table = pd.DataFrame(rows, columns=["chrom", "id", "pos", "a1", "a2"]).assign(cm=0.0)
    return table[bed.BIM]


def array(name, bim, frequency=0.3, missing=0, calls=None):
    """An array whose A1 has the frequency given (without calls: in expected numbers of them)."""
    frequency, missing = np.broadcast_to(frequency, len(bim)), np.broadcast_to(missing, len(bim))
    people = N - missing
    hom, het = np.round(people * frequency**2), np.round(people * 2 * frequency * (1 - frequency))
    counts = np.array([hom, het, people - hom - het, missing]).T.astype(int)
    return Array(name, bim, counts, calls)


def agreed(*tables, known=None, frequencies=None, **changes):
    frequencies = frequencies or [0.3] * len(tables)
    arrays = [array(f"array{n}", t, f) for n, (t, f) in enumerate(zip(tables, frequencies, strict=True))]
    return harmonise(arrays, settings("genotype_qc", **changes), known)


def reasons(found):
    """(id, array, reason) of what was dropped."""
    return set(found.dropped[["id", "array", "reason"]].itertuples(index=False, name=None))


def actions(found, name):
    return found.table.set_index(["array", "id"])["action"][name].to_dict()


def test_strand_by_letters():
    base = table_of(("1", "rs1", 10, "A", "G"), ("1", "rs2", 20, "A", "C"), ("1", "rs3", 30, "0", "C"))
    other = table_of(("1", "rs1", 10, "C", "T"), ("1", "rs2", 20, "C", "A"), ("1", "kgp3", 30, "A", "G"))
    found = agreed(base, other, frequencies=[0.3, [0.7, 0.7, 0.3]])
    assert list(found.snps[1]["id"]) == ["rs1", "rs2", "rs3"]
    # rs1 turned; of rs3 the first array knows only C, which A/G has on the other strand.
    assert found.snps[1][["a1", "a2"]].to_numpy().tolist() == [["G", "A"], ["C", "A"], ["T", "C"]]
    assert actions(found, "array1") == {"rs1": "flipped", "rs2": "kept", "rs3": "renamed+flipped"}
    table = found.table.query("array == 'array1'").set_index("id")
    assert list(table["allele"]) == ["A", "A", "C"]
    assert table["frequency"].tolist() == [0.3, 0.3, 0.7]
    assert set(table["strand_by"]) == {"alleles"}


def test_ambiguous_strand_by_frequency():
    pairs = (
        ("1", "rs1", 10, "A", "T"),
        ("1", "rs2", 20, "C", "G"),
        ("1", "rs3", 30, "T", "A"),
        ("1", "rs4", 40, "G", "C"),
    )
    base = table_of(*pairs, ("1", "rs5", 50, "A", "G"))
    # rs1 as it is; rs2 on the other strand; rs3 too near a half; rs4 fits neither way.
    frequencies = [[0.1, 0.2, 0.45, 0.05, 0.3], [0.12, 0.78, 0.44, 0.35, 0.3]]
    found = agreed(base, base, frequencies=frequencies)
    assert actions(found, "array1") == {"rs1": "kept", "rs2": "flipped", "rs5": "kept"}
    assert found.table["strand_by"].tolist()[3:] == ["frequency", "frequency", "alleles"]
    assert found.snps[1][["a1", "a2"]].to_numpy().tolist() == [["A", "T"], ["G", "C"], ["A", "G"]]
    assert {r for r in reasons(found) if r[1] == "array1"} == {
        ("rs3", "array1", "strand_undecided"),
        ("rs4", "array1", "strand_undecided"),
    }
    assert "A 0.565 here, 0.550 on array0" in set(found.dropped["detail"])
    row = found.strand.set_index("array").loc["array1"]
    assert (row["ambiguous_same"], row["ambiguous_flipped"], row["strand_undecided"]) == (1, 1, 2)
    dropped = agreed(base, base, frequencies=frequencies, ambiguous="drop")
    assert list(dropped.snps[0]["id"]) == ["rs5"]
    assert {r[2] for r in reasons(dropped)} == {"strand_ambiguous"}
    kept = agreed(base, base, frequencies=frequencies, ambiguous="keep", max_frequency_difference=1)
    assert actions(kept, "array1") == dict.fromkeys(["rs1", "rs2", "rs3", "rs4", "rs5"], "kept")


def test_alleles_that_are_ambiguous_only_together():
    base = table_of(("1", "rs1", 10, "0", "A"), ("1", "rs2", 20, "0", "A"), ("1", "rs3", 30, "0", "A"))
    other = table_of(("1", "rs1", 10, "T", "A"), ("1", "rs2", 20, "A", "T"), ("1", "rs3", 30, "0", "T"))
    found = agreed(base, other, frequencies=[0.0, [0.02, 0.02, 0.0]])
    # rs1: A is common on both. rs2: T is, so it is the other strand's A. rs3: A here, T there, nothing else seen.
    assert actions(found, "array1") == {"rs1": "kept", "rs2": "flipped", "rs3": "flipped"}
    assert set(found.table.query("array == 'array1'")["strand_by"]) == {"frequency"}
    # A third array makes it an A/T SNP: then the first two are no longer told by letters either.
    third = table_of(("1", "rs1", 10, "A", "T"))
    first = table_of(("1", "rs1", 10, "0", "A"))
    found = agreed(first, first, third, frequencies=[0.0, 0.0, 0.97])
    assert found.table["strand_by"].tolist() == ["first", "frequency", "frequency"]
    assert found.table["action"].tolist() == ["kept", "kept", "kept"]


def test_three_alleles():
    pairs = ("0A", "AG", "AC")
    tables = [table_of(("1", "rs1", 10, *pair), ("1", "rs2", 20, "A", "G")) for pair in pairs]
    found = agreed(*tables, frequencies=[[0, 0.3], 0.05, 0.05])
    assert list(found.snps[0]["id"]) == ["rs2"]
    assert ("rs1", "array2", "alleles_irreconcilable") in reasons(found)
    assert "A/C here, array0 and others before: A/G" in set(found.dropped["detail"])
    # Two probes of one position with other alleles on one array.
    base = table_of(("1", "rs1", 10, "A", "G"), ("1", "rs1b", 10, "A", "C"), ("1", "rs2", 20, "A", "G"))
    found = agreed(base, tables[1])
    assert {("rs1", "array0", "three_alleles"), ("rs1b", "array0", "three_alleles")} <= reasons(found)
    # Indels and probes without calls.
    odd = table_of(
        ("1", "i1", 5, "I", "D"), ("1", "i2", 6, "A", "AT"), ("1", "n1", 7, "0", "0"), ("X", "x1", 8, "A", "G")
    )
    odd = pd.concat([odd.assign(chrom=["1", "1", "1", "23"]), tables[1]], ignore_index=True)
    found = agreed(odd, tables[1])
    expected = {("i1", "not_a_snp"), ("i2", "not_a_snp"), ("n1", "no_calls"), ("x1", "not_autosomal")}
    assert expected == {(name, reason) for name, _, reason in reasons(found)}


def test_renamed_chain():
    """The first array's rs1 has another name on the other, whose rs1 is elsewhere; and a swap of two names."""
    base = table_of(("1", "rs1", 10, "A", "G"), ("1", "rs5", 50, "A", "G"), ("1", "rs6", 60, "C", "T"))
    other = table_of(
        *(("1", "kgp1", 10, "A", "G"), ("1", "rs1", 99, "A", "G")),
        *(("1", "rs6", 50, "A", "G"), ("1", "rs5", 60, "C", "T")),
    )
    found = agreed(base, other)
    assert list(found.snps[1]["array_id"]) == ["kgp1", "rs6", "rs5"]
    assert list(found.snps[1]["id"]) == ["rs1", "rs5", "rs6"]
    assert reasons(found) == {("rs1", "array1", "not_on_array0")}
    assert set(found.table.query("array == 'array1'")["matched_by"]) == {"position"}


def test_positions_are_matched_only_if_alleles_fit():
    base = table_of(("1", "rs1", 10, "A", "G"), ("1", "rs2", 20, "A", "G"))
    other = table_of(("1", "kgp7", 10, "A", "C"), ("1", "rs2", 20, "A", "G"))
    found = agreed(base, other)
    assert list(found.snps[0]["id"]) == ["rs2"]
    assert ("kgp7", "array1", "alleles_irreconcilable") in reasons(found)


def test_an_id_clash():
    """Same id, other position, other alleles: another SNP."""
    base = table_of(("1", "rs1", 10, "A", "G"), ("1", "rs2", 20, "A", "G"))
    other = table_of(("1", "rs1", 77, "A", "C"), ("1", "rs2", 20, "A", "G"))
    found = agreed(base, other)
    assert ("rs1", "array1", "id_clash") in reasons(found)
    assert "on array0 this id is at 1:10 with other alleles" in set(found.dropped["detail"])


def test_moved_snps_by_majority_or_known_positions():
    def with_rs1_at(*places):
        return [table_of(("1", "rs1", p, "A", "G"), ("1", "rs2", 20, "A", "G")) for p in places]

    two = agreed(*with_rs1_at(10, 77))
    assert ("rs1", "array1", "position_differs") in reasons(two)
    assert "1:77 on array1, 1:10 on array0" in set(two.dropped["detail"])
    assert list(two.snps[0]["id"]) == ["rs2"]
    for places in ((10, 10, 77), (10, 77, 10), (77, 10, 10)):
        three = agreed(*with_rs1_at(*places))
        assert [list(snps["pos"]) for snps in three.snps] == [[10, 20]] * 3
        table = three.table.query("id == 'rs1'").set_index("array")
        assert table["action"].tolist() == ["moved" if place == 77 else "kept" for place in places]
        assert table["position_by"].tolist() == ["majority" if place == 77 else "array" for place in places]
    assert list(agreed(*with_rs1_at(10, 77, 88)).snps[0]["id"]) == ["rs2"]
    known = pd.DataFrame({"id": ["rs1", "rs9"], "chrom": ["chr1", "1"], "pos": [77, 5]})
    found = agreed(*with_rs1_at(10, 77), known=known)
    assert list(found.snps[0]["pos"]) == [77, 20]
    assert found.table.query("id == 'rs1'")["position_by"].tolist() == ["known", "known"]
    assert actions(found, "array0") == {"rs1": "moved", "rs2": "kept"}
    assert actions(found, "array1") == {"rs1": "kept", "rs2": "kept"}
    # One array alone is put right as well; a SNP put right onto another one is a second probe of that place.
    alone = agreed(with_rs1_at(10)[0], known=known)
    assert list(alone.snps[0]["pos"]) == [77, 20]


def test_a_snp_moved_onto_another_is_dropped():
    base = table_of(("1", "rs1", 10, "A", "G"), ("1", "rs2", 20, "A", "G"))
    other = table_of(("1", "rs1", 30, "A", "G"), ("1", "rs2", 20, "A", "G"))
    third = table_of(("1", "rs1", 30, "A", "G"), ("1", "rs2", 20, "A", "G"), ("1", "rs3", 40, "A", "G"))
    crowd = [
        pd.concat([t, table_of(("1", "rs8", 30 if n == 0 else 80, "A", "C"))]) for n, t in enumerate([base, other])
    ]
    crowd.append(pd.concat([third, table_of(("1", "rs8", 90, "A", "C"))]))
    found = agreed(*(t.reset_index(drop=True) for t in crowd))
    assert list(found.snps[0]["id"]) == ["rs1", "rs2"]
    assert list(found.snps[0]["pos"]) == [30, 20]
    assert {r[2] for r in reasons(found) if r[0] == "rs8"} == {"position_differs", "not_common_to_all_arrays"}


def test_another_genome_build_is_an_error():
    rows = [("1", f"rs{number}", 1000 * number, "A", "G") for number in range(1, 101)]
    moved = [(chrom, name, pos + 777, a1, a2) for chrom, name, pos, a1, a2 in rows]
    with pytest.raises(InputError, match=r"100 of the 100 SNPs.*same genome build"):
        agreed(table_of(*rows), table_of(*moved))
    with pytest.raises(InputError, match=r"array0: 100 of its 100 SNPs with a known position are elsewhere"):
        agreed(table_of(*rows), known=table_of(*moved)[["id", "chrom", "pos"]])


def test_no_common_snp_is_an_error():
    with pytest.raises(InputError, match="no SNP is common"):
        agreed(table_of(("1", "rs1", 10, "A", "G")), table_of(("2", "rs2", 20, "A", "G")))
    with pytest.raises(InputError, match="array1: none of its 1 SNPs can be used"):
        agreed(table_of(("1", "rs1", 10, "A", "G")), table_of(("1", "rs1", 10, "I", "D")))


def test_snps_without_an_id_are_known_by_their_position_only():
    """Dots are neither probes of one SNP nor the same SNP on two arrays."""
    base = table_of(
        *(("1", ".", 10, "A", "G"), ("1", ".", 20, "A", "C"), ("1", ".", 30, "A", "G"), ("1", ".", 30, "A", "C")),
        *(("1", "1:40", 50, "A", "G"), ("1", ".", 40, "A", "G"), ("1", ".", 60, "A", "G")),
    )
    other = table_of(
        *(("1", ".", 20, "T", "G"), ("1", "rs1", 10, "A", "G"), ("1", ".", 30, "A", "G"), ("1", ".", 50, "A", "G")),
        *(("1", ".", 40, "A", "G"), ("1", "1:60", 70, "A", "G"), ("1", ".", 60, "A", "G")),
    )
    found = agreed(base, other)
    assert list(found.snps[0]["id"]) == ["rs1", "1:20", "1:40", "1:40:A:G", "1:60"]
    assert list(found.snps[0]["row"]) == [0, 1, 4, 5, 6]
    assert list(found.snps[1]["row"]) == [1, 0, 3, 4, 6]
    assert list(found.snps[1]["array_id"]) == ["rs1", ".", ".", ".", "."]
    second = found.table.query("array == 'array1'")["action"]
    assert list(second) == ["kept", "renamed+flipped", "renamed", "renamed", "renamed"]
    assert reasons(found) == {
        ("1:30:A:G", "array0", "three_alleles"),
        ("1:30:A:C", "array0", "three_alleles"),
        ("1:30", "array1", "not_on_array0"),
        ("1:60", "array1", "not_on_array0"),
    }


def test_better_names_and_the_probe_with_more_calls():
    base = table_of(("1", "kgp1", 10, "A", "G"), ("1", "rs9", 20, "A", "C"), ("1", "dup", 20, "G", "T"))
    other = table_of(("1", "rs1", 10, "A", "G"), ("1", "rs9", 20, "A", "C"))
    lost = array("one", base, [0.3, 0.3, 0.3], [0, 9, 3])
    found = harmonise([lost, array("two", other)], settings("genotype_qc"))
    # The probe with more calls stays, under the SNP's rsID.
    assert list(found.snps[0]["id"]) == ["rs1", "rs9"]
    assert list(found.snps[0]["row"]) == [0, 2]
    assert reasons(found) == {("rs9", "one", "duplicate_probe")}
    assert found.dropped["detail"].tolist() == ["kept: dup"]
    assert actions(found, "two") == {"rs1": "kept", "rs9": "flipped"}


def test_an_id_at_two_positions_of_one_array():
    base = table_of(("1", "rs9", 20, "A", "C"), ("1", "rs9", 99, "A", "C"), ("1", "rs1", 10, "A", "G"))
    other = table_of(("1", "rs9", 20, "A", "C"), ("1", "rs1", 10, "A", "G"))
    found = agreed(base, other)  # the other array tells which is which
    assert list(found.snps[0]["id"]) == ["rs9", "rs1"]
    assert list(found.snps[0]["row"]) == [0, 2]
    alone = agreed(base)
    assert reasons(alone) == {("rs9", "array0", "id_at_several_positions")}
    assert len(alone.dropped) == 2


@pytest.mark.parametrize(("wrong", "kept"), [(0, True), (1, True), (2, True), (3, False), (50, False)])
def test_two_probes_that_disagree(wrong, kept):
    """100 people: more than two different calls are more than 2 %; the second probe has the alleles in other order."""
    rng = np.random.default_rng(3)
    calls = rng.binomial(2, 0.3, (1, N)).astype(np.int8)
    second = 2 - calls
    second[0, :wrong] = (second[0, :wrong] + 1) % 3
    both = np.concatenate([calls, second, calls])
    bim = table_of(("1", "rs1", 10, "A", "G"), ("1", "rs1b", 10, "C", "T"), ("1", "rs2", 20, "A", "G"))
    counts = np.array([(both == value).sum(axis=1) for value in (2, 1, 0, -1)]).T
    found = harmonise([Array("a", bim, counts, lambda rows: both[rows])], settings("genotype_qc"))
    assert list(found.snps[0]["id"]) == (["rs1", "rs2"] if kept else ["rs2"])
    assert set(found.dropped["reason"]) == {"duplicate_probe" if kept else "duplicates_disagree"}


def test_gross_differences_of_frequency():
    """A probe that measures another SNP; not where the arrays' people differ everywhere, nor where few were called."""
    rng = np.random.default_rng(2)
    base = table_of(*(("1", f"rs{n}", 10 * n, "A", "G") for n in range(1, 201)))
    own = rng.uniform(0.2, 0.8, 200)
    other = own.copy()
    other[7] = 0.9 if own[7] < 0.5 else 0.1
    found = agreed(base, base, frequencies=[own, other])
    assert {r for r in reasons(found) if r[1] == "array1"} == {("rs8", "array1", "frequency_differs")}
    assert found.strand["frequency_spread"].iloc[1] == 0
    assert agreed(base, base, frequencies=[own, other], max_frequency_difference=1).dropped.empty
    far = np.clip(own + rng.normal(0, 0.25, 200), 0.02, 0.98)
    found = agreed(base, base, frequencies=[own, far])
    assert (np.abs(own - far) > 0.2).sum() > 50
    assert found.dropped.empty
    assert found.strand["frequency_spread"].iloc[1] > 0.1


def test_every_probe_has_one_fate():
    rng = np.random.default_rng(4)
    tables = []
    for _ in range(3):
        places = rng.integers(1, 150, 200)
        pairs = rng.choice(["AG", "CT", "AT", "0A", "ID", "00"], 200, p=[0.8, 0.04, 0.04, 0.04, 0.04, 0.04])
        names = np.where(rng.random(200) < 0.7, [f"rs{place}" for place in places], ".")
        places = places * 10 + (rng.random(200) < 0.1)
        rows = zip(["1"] * 200, names, places, [p[0] for p in pairs], [p[1] for p in pairs], strict=True)
        tables.append(table_of(*rows))
    found = agreed(*tables)
    assert 10 < len(found.snps[0]) < 100
    assert found.dropped["reason"].nunique() >= 6
    for row, snps in zip(found.strand.itertuples(), found.snps, strict=True):
        lost, kept = (table[table["array"] == row.array] for table in (found.dropped, found.table))
        assert len(kept) == len(snps) == row.common
        assert len(kept) + len(lost) == row.snps == 200
    assert found.snps[0]["id"].is_unique
    assert not found.snps[0].duplicated(["chrom", "pos"]).any()

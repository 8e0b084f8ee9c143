# simulate: a study with planted truth (only when study.simulated is true).
# Needs nothing. Leaves study/ (participants, arrays, reference, GTEx, genes, gene sets, ROI time series) and scans/, as
# far as simulate.modalities has them.

if CONFIG["study"]["simulated"]:

    rule simulate_study:
        output:
            STUDY.truth,
            STUDY.participants,
            GENOTYPE_FILES,
            layout.resources(vars(STUDY)),
            [row["timeseries"] for row in PARTICIPANTS if row.get("timeseries")],
            [
                f"{stage_folder('simulate')}/study/scan_truth/{row['participant_id']}.npz"
                for row in PARTICIPANTS
                if row.get("bold")
            ],
            people="<simulate>/study/truth_people.tsv",
        log:
            "<simulate>/log.txt",
        benchmark:
            "<simulate>/benchmark.tsv"
        conda:
            "../envs/gcamccl.yaml"
        threads: 1
        resources:
            mem_mb=growing(2000),
            runtime=growing(30),
        params:
            program=program("simulate_study"),
            recipe=recipe("simulate"),
            out=folder_of("simulate"),
            chromosomes=" ".join(map(str, CHROMOSOMES)),
        message:
            "simulate: people, genotypes, resources and ROI time series"
        shell:
            "python {params.program:q} --chromosomes {params.chromosomes}"
            " --recipe {params.recipe:q} --out {params.out:q} > {log:q} 2>&1"

    rule simulate_scan:
        input:
            signals="<simulate>/study/scan_truth/{participant}.npz",
        output:
            truth="<simulate>/scans/{participant}/truth.npz",
            bold="<simulate>/scans/{participant}/func/{participant}_task-nback_bold.nii.gz",
            sidecar="<simulate>/scans/{participant}/func/{participant}_task-nback_bold.json",
            t1w="<simulate>/scans/{participant}/anat/{participant}_T1w.nii.gz",
        log:
            "<simulate>/scans/{participant}/log.txt",
        benchmark:
            "<simulate>/scans/{participant}/benchmark.tsv"
        conda:
            "../envs/gcamccl.yaml"
        threads: 1
        resources:
            mem_mb=growing(1500),
            runtime=growing(15),
        params:
            program=program("simulate_scan"),
            recipe=recipe("simulate"),
            out=folder,
        message:
            "simulate: raw scans of {wildcards.participant}"
        shell:
            "python {params.program:q} --participant {wildcards.participant} --scan-truth {input.signals:q}"
            " --recipe {params.recipe:q} --out {params.out:q} > {log:q} 2>&1"

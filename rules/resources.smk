# resources: public files that a real study needs (GTEx, gene bodies, reference panel, genetic map, gene sets).
# Needs internet, or the files in resources.folder. Leaves them checked there, with checksums.tsv. Only on request:
# snakemake --cores 1 resources


rule resources:
    log:
        f"{CONFIG['resources']['folder']}/log.txt",
    benchmark:
        f"{CONFIG['resources']['folder']}/benchmark.tsv"
    localrule: True
    conda:
        "../envs/gcamccl.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(1440),
    params:
        program=program("resources"),
        folder=CONFIG["resources"]["folder"],
        sets=CONFIG["resources"]["sets"],
        chromosomes=" ".join(map(str, CHROMOSOMES)),
    message:
        "resources: fetch what is missing, check everything"
    shell:
        # tee: progress is to be seen, and a failure keeps its status (Snakemake sets pipefail).
        "python {params.program:q} --only {params.sets:q} --to {params.folder:q} --chromosomes {params.chromosomes}"
        " 2>&1 | tee {log:q}"

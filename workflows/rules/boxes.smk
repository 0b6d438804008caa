rule build:
    output:
        directory(BOX),
    log:
        f"{RESULTS}/logs/{{sample}}/{{replica}}.build.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{sample}}/{{replica}}.build.tsv"
    conda:
        "../envs/solvshell.yaml"
    threads: need("build", "threads")
    resources:
        gpu=0,
        mem_mb=need("build", "mem_mb"),
        runtime=need("build", "runtime"),
    params:
        system=lambda wildcards: SAMPLES[wildcards.sample].system,
        boxes=subpath(output[0], parent=True),
        index=replica_index,
        seed=lambda wildcards: seed_of(wildcards.sample),
        options=build_options,
    message:
        "{wildcards.sample} {wildcards.replica}: build the box ({log})"
    shell:
        "OPENMM_CPU_THREADS={threads} solvshell build {params.system:q} --replica {params.index} --seed {params.seed} "
        "{params.options} --out {params.boxes:q} > {log:q} 2>&1"


rule reservoir:
    output:
        f"{RESULTS}/reservoirs/{{reservoir}}.yaml",
    log:
        f"{RESULTS}/logs/reservoirs/{{reservoir}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/reservoirs/{{reservoir}}.tsv"
    conda:
        "../envs/solvshell.yaml"
    threads: need("reservoir", "threads")
    resources:
        gpu=config["gpu"],
        mem_mb=need("reservoir", "mem_mb"),
        runtime=need("reservoir", "runtime"),
    params:
        system=lambda wildcards: config["reservoirs"][wildcards.reservoir]["system"],
        options=reservoir_options,
    message:
        "reservoir {wildcards.reservoir}: measure chemical potentials ({log})"
    shell:
        "exec solvshell reservoir {params.system:q} {params.options} --at-once {threads} --out {output:q} > {log:q} 2>&1"

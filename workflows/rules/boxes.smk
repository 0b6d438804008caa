rule build:
    output:
        BOX,
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
        system=lambda wildcards: SAMPLES[wildcards.sample]["system"],
        boxes=subpath(output[0], ancestor=2),
        index=replica_index,
        seed=config["seed"],
        options=lambda wildcards: options(
            SAMPLES[wildcards.sample], names=["n_salt", "polymer_fraction", "ion_charge_scale"]
        ),
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
        seed=config["seed"],
        options=lambda wildcards: options(
            config["reservoirs"][wildcards.reservoir] | {"platform": config.get("platform")},
            names=["n_salt", "n_molecules", "replicas", "protocol", "platform"],
        ),
    shell:
        "solvshell reservoir {params.system:q} --seed {params.seed} {params.options} --at-once {threads} "
        "--out {output:q} > {log:q} 2>&1"

# A run's only output for Snakemake is done.json, which solvshell writes last: Snakemake removes the outputs of a job
# that was interrupted, and must not touch trajectory and checkpoints, from which the same command goes on. With exec a
# signal reaches solvshell and no shell in between, whose death would not wait for the last checkpoint.


rule equilibrate:
    input:
        box=BOX,
        reservoir=reservoir_of,
    output:
        touch(EQUILIBRATED),
    log:
        f"{RESULTS}/logs/{{sample}}/{{replica}}.equilibrate.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{sample}}/{{replica}}.equilibrate.tsv"
    conda:
        "../envs/solvshell.yaml"
    threads: need("equilibrate", "threads")
    resources:
        gpu=config["gpu"],
        mem_mb=need("equilibrate", "mem_mb"),
        runtime=need("equilibrate", "runtime"),
    params:
        run=lambda wildcards, output: Path(output[0]).parents[1] / "runs" / wildcards.replica,
        options=run_options,
    message:
        "{wildcards.sample} {wildcards.replica}: equilibrate ({log})"
    shell:
        "OPENMM_CPU_THREADS={threads} exec solvshell run {input.box:q} {params.options} --stop-before-production "
        "--out {params.run:q} > {log:q} 2>&1"


rule produce:
    input:
        box=BOX,
        equilibrated=EQUILIBRATED,
    output:
        f"{RUN}/done.json",
    log:
        f"{RESULTS}/logs/{{sample}}/{{replica}}.produce.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{sample}}/{{replica}}.produce.tsv"
    wildcard_constraints:
        sample=any_of([name for name in SAMPLES if name not in OPEN]),
    conda:
        "../envs/solvshell.yaml"
    threads: need("produce", "threads")
    resources:
        gpu=config["gpu"],
        mem_mb=need("produce", "mem_mb"),
        runtime=need("produce", "runtime"),
    params:
        run=subpath(output[0], parent=True),
        options=run_options,
    message:
        "{wildcards.sample} {wildcards.replica}: produce ({log})"
    shell:
        "OPENMM_CPU_THREADS={threads} exec solvshell run {input.box:q} {params.options} --out {params.run:q} > {log:q} 2>&1"


use rule produce as exchange with:
    input:
        box=BOX,
        equilibrated=EQUILIBRATED,
        reservoir=reservoir_of,
    log:
        f"{RESULTS}/logs/{{sample}}/{{replica}}.exchange.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{sample}}/{{replica}}.exchange.tsv"
    wildcard_constraints:
        sample=any_of(OPEN),
    threads: need("exchange", "threads")
    resources:
        gpu=config["gpu"],
        mem_mb=need("exchange", "mem_mb"),
        runtime=need("exchange", "runtime"),
    message:
        "{wildcards.sample} {wildcards.replica}: exchange molecules ({log})"

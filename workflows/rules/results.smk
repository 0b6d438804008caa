rule analyze:
    input:
        f"{RUN}/done.json",
    output:
        f"{RUN}/analysis/summary.json",
    log:
        f"{RESULTS}/logs/{{sample}}/{{replica}}.analyze.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{sample}}/{{replica}}.analyze.tsv"
    conda:
        "../envs/solvshell.yaml"
    threads: need("analyze", "threads")
    resources:
        gpu=0,
        mem_mb=need("analyze", "mem_mb"),
        runtime=need("analyze", "runtime"),
    params:
        run=subpath(output[0], ancestor=2),
    message:
        "{wildcards.sample} {wildcards.replica}: analyze ({log})"
    shell:
        "solvshell analyze {params.run:q} > {log:q} 2>&1"


rule energies:
    input:
        f"{RUN}/analysis/summary.json",
    output:
        f"{RUN}/binding/summary.json",
    log:
        f"{RESULTS}/logs/{{sample}}/{{replica}}.energies.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{sample}}/{{replica}}.energies.tsv"
    conda:
        "../envs/solvshell.yaml"
    threads: need("energies", "threads")
    resources:
        gpu=0,
        mem_mb=need("energies", "mem_mb"),
        runtime=need("energies", "runtime"),
    params:
        run=subpath(output[0], ancestor=2),
        methods=config["binding"],
    message:
        "{wildcards.sample} {wildcards.replica}: energies of clusters ({log})"
    shell:
        "solvshell binding {params.run:q} --method {params.methods} --workers {threads} > {log:q} 2>&1"


rule join:
    input:
        lambda wildcards: of_replicas(f"{RUN}/analysis/summary.json", wildcards),
    output:
        JOINED,
    log:
        f"{RESULTS}/logs/{{sample}}/join.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{sample}}/join.tsv"
    conda:
        "../envs/solvshell.yaml"
    threads: need("join", "threads")
    resources:
        gpu=0,
        mem_mb=need("join", "mem_mb"),
        runtime=need("join", "runtime"),
    params:
        runs=subpath(output[0], ancestor=2),
    message:
        "{wildcards.sample}: join the replicas ({log})"
    shell:
        "solvshell analyze {params.runs:q} > {log:q} 2>&1"


rule report:
    input:
        joined=JOINED,
        energies=lambda wildcards: of_replicas(f"{RUN}/binding/summary.json", wildcards) if config["binding"] else [],
    output:
        report(
            f"{RESULTS}/{{sample}}/report.html",
            caption="../report/sample.rst",
            category="Samples",
            labels={"sample": "{sample}"},
        ),
    log:
        f"{RESULTS}/logs/{{sample}}/report.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{sample}}/report.tsv"
    conda:
        "../envs/solvshell.yaml"
    threads: need("report", "threads")
    resources:
        gpu=0,
        mem_mb=need("report", "mem_mb"),
        runtime=need("report", "runtime"),
    params:
        runs=subpath(input.joined, ancestor=2),
    message:
        "{wildcards.sample}: report ({log})"
    shell:
        "solvshell report {params.runs:q} --out {output:q} > {log:q} 2>&1"


rule compare:
    input:
        lambda wildcards: expand(JOINED, sample=COMPARISONS[wildcards.comparison]),
    output:
        report(
            f"{RESULTS}/{{comparison}}/index.html",
            caption="../report/comparison.rst",
            category="Comparisons",
            labels={"comparison": "{comparison}"},
        ),
    log:
        f"{RESULTS}/logs/{{comparison}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{comparison}}.tsv"
    wildcard_constraints:
        comparison=any_of(COMPARISONS),
    conda:
        "../envs/solvshell.yaml"
    threads: need("compare", "threads")
    resources:
        gpu=0,
        mem_mb=need("compare", "mem_mb"),
        runtime=need("compare", "runtime"),
    params:
        systems=lambda wildcards, input: [Path(summary).parents[1] for summary in input],
        out=subpath(output[0], parent=True),
    message:
        "{wildcards.comparison}: compare the samples ({log})"
    shell:
        "solvshell compare {params.systems:q} --out {params.out:q} > {log:q} 2>&1"

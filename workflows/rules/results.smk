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
    shell:
        "solvshell analyze {params.runs:q} > {log:q} 2>&1"


rule report:
    input:
        joined=JOINED,
        energies=lambda wildcards: of_replicas(f"{RUN}/binding/summary.json", wildcards) if config["binding"] else [],
    output:
        f"{RESULTS}/{{sample}}/report.html",
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
    shell:
        "solvshell report {params.runs:q} --out {output:q} > {log:q} 2>&1"


rule compare:
    input:
        lambda wildcards: expand(JOINED, sample=comparisons()[wildcards.comparison]),
    output:
        f"{RESULTS}/{{comparison}}/index.html",
    log:
        f"{RESULTS}/logs/{{comparison}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{comparison}}.tsv"
    wildcard_constraints:
        comparison=any_of(comparisons()),
    conda:
        "../envs/solvshell.yaml"
    threads: need("compare", "threads")
    resources:
        gpu=0,
        mem_mb=need("compare", "mem_mb"),
        runtime=need("compare", "runtime"),
    params:
        systems=lambda wildcards: [f"{RESULTS}/{name}/runs" for name in comparisons()[wildcards.comparison]],
        out=subpath(output[0], parent=True),
    shell:
        "solvshell compare {params.systems:q} --out {params.out:q} > {log:q} 2>&1"

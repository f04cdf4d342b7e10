#!/bin/sh
# What a build does with a pipeline: check the spec, see what would change, ingest, gate, check the DAG.
# Usage: build.sh SPEC QUESTIONS [DAG]. Ends with ragctl's exit code: 7 if the gate is not met.
set -eu
spec=$1
questions=$2
dag=${3:-}

ragctl check "$spec"

pending=0
ragctl plan "$spec" --detailed-exitcode || pending=$?
case $pending in
    0) echo "nothing to ingest" ;;
    10) ragctl ingest "$spec" ;;
    *) exit "$pending" ;;
esac

ragctl eval "$spec" --queries "$questions" \
    --gate "ndcg@10>=${NDCG:-0.6}" --gate "recall@100>=${RECALL:-0.9}"

if [ -n "$dag" ]; then
    ragctl export-dag "$spec" --kind ingest --check "$dag"
fi

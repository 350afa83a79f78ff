#!/usr/bin/env bash
# The alerts and recording rules: promtool takes them, each alert fires where it should and is silent where it should not, each
# has a page for whoever is woken by it, and the Prometheus operator is given the same ones.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v promtool >/dev/null || {
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q
    apt-get install -y -q --no-install-recommends prometheus
}

wrong=0
kubernetes=$(mktemp)
trap 'rm -f "$kubernetes"' EXIT
complain() {
    echo "rules: $*" >&2
    wrong=1
}

promtool check rules manifests/prometheus/rules.yaml
promtool check config examples/prometheus.yml
# The part for Kubernetes, as somebody who wants it makes it; less how pods are found, which Debian's Prometheus cannot.
sed -n "s/^# //p" examples/prometheus.yml | sed -n "/^- job_name/,\$p" |
    sed -e "/kubernetes_sd_configs/,/namespaces/d" -e "1i scrape_configs:" >"$kubernetes"
promtool check config --syntax-only "$kubernetes"
# Two at a time: they wait for nothing but the processor.
printf '%s\n' tests/rules/*.yaml | xargs -P 2 -n 1 promtool test rules || wrong=1

manifests/prometheus/render.sh | diff manifests/components/prometheus-operator/prometheus-rule.yaml - ||
    complain "prometheus-rule.yaml is not what manifests/prometheus/render.sh makes"

alerts=$(sed -n 's/^ *- alert: //p' manifests/prometheus/rules.yaml)
for alert in $alerts; do
    grep -q "^- name: '$alert: " tests/rules/*.yaml || complain "no test lets $alert fire"
    grep -q "^- name: '$alert is silent: " tests/rules/*.yaml || complain "no test keeps $alert silent"
    grep -q "^      runbook: docs/runbooks/$alert.md$" manifests/prometheus/rules.yaml || complain "$alert does not name its page"
    [ -s "docs/runbooks/$alert.md" ] || complain "docs/runbooks/$alert.md is missing"
done
for page in docs/runbooks/*.md; do
    name=$(basename "$page" .md)
    [ "$name" = README ] || grep -qx "$name" <<<"$alerts" || complain "$page is about no alert"
done
[ "$wrong" = 0 ] || exit 1
echo "rules: $(wc -w <<<"$alerts") alerts fire and stay silent as they should"

#!/usr/bin/env bash
# The alerts and recording rules: promtool takes them, each alert fires where it should and is silent where it should not, each
# has a page for whoever is woken by it, and the Prometheus operator is given the same ones.
set -euo pipefail
cd "$(dirname "$0")/.."

tests/packages.sh install promtool:prometheus

wrong=0
kubernetes=$(mktemp)
trap 'rm -f "$kubernetes" "$kubernetes.found"' EXIT
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

# Each role's pods before a restart and after it, as Prometheus' way of finding pods tells of them: both must be called the same.
started_anew() {
    for role in node cluster; do
        for pod in 1 2; do
            printf '  - targets: ["10.0.0.%s:9753"]\n    labels:\n' "$pod"
            printf '      __meta_kubernetes_%s\n' "pod_label_app_kubernetes_io_name: scope-storage-probe" \
                "pod_label_app_kubernetes_io_component: $role" "pod_container_port_name: metrics" "pod_node_name: w1" \
                "pod_name: $role-$pod" "pod_ip: 10.0.0.$pod"
        done
    done
}
# FILE: the scrape configuration in it calls the pods of a node, and those of the cluster, by two names in all.
calls_them_the_same() {
    local found
    found=$(promtool check service-discovery --timeout=2s "$1" scope-storage-probe) || complain "$1: no targets are found"
    # Of each target what it is called stands after what it was found with.
    found=$(sed -n '/"labels": {/,/}/p' <<<"$found" | grep -v __ | tr -d '\n ' | sed 's/}/}\n/g' | sort -u | grep -c instance)
    [ "$found" = "$2" ] || complain "$1: a pod that is started anew gives $found sorts of series, and not $2"
}
{ sed "/^  relabel_configs:/,\$d" "$kubernetes" && echo "  static_configs:" && started_anew && sed -n "/^  relabel_configs:/,\$p" "$kubernetes"; } >"$kubernetes.found"
calls_them_the_same "$kubernetes.found" 2
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

#!/bin/sh
# Makes the PrometheusRule for the Prometheus operator of the plain rules file, so that there is one source of both:
#   manifests/prometheus/render.sh > manifests/components/prometheus-operator/prometheus-rule.yaml
set -eu
cd "$(dirname "$0")"
cat <<'HEAD'
# Made by manifests/prometheus/render.sh of manifests/prometheus/rules.yaml: change that one.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: scope-storage-probe
  namespace: scope-storage-probe
  labels:
    app.kubernetes.io/name: scope-storage-probe
spec:
HEAD
sed -n '/^groups:/,$ { /./ s/^/  /; p; }' rules.yaml
